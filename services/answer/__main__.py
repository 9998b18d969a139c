"""Runs the answer service: `python -m services.answer`."""

from libs.runtime import run
from services.answer.app import start
from services.answer.settings import Settings

if __name__ == "__main__":
    run(start, Settings, "answer")
