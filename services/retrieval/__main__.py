"""Runs the retrieval service: `python -m services.retrieval`."""

from __future__ import annotations

from libs.runtime import run
from services.retrieval.app import start
from services.retrieval.settings import Settings

if __name__ == "__main__":
    run(start, Settings, "retrieval")
