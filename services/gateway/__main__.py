"""Starts the gateway: `python -m services.gateway`."""

from __future__ import annotations

from libs.runtime import run
from services.gateway.app import start
from services.gateway.settings import Settings

NICENESS = 2
"""So that under far too much load what was let in is answered before the rest is refused: refusing took as
much of a shared processor as answering (receive livelock: Mogul, Ramakrishnan 1997). See docs/resilience.md.
"""

if __name__ == "__main__":
    run(start, Settings, "gateway", niceness=NICENESS)
