"""Starts the gateway: `python -m services.gateway`."""

from __future__ import annotations

from libs.runtime import run
from services.gateway.app import start
from services.gateway.settings import Settings

if __name__ == "__main__":
    run(start, Settings, "gateway")
