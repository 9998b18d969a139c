"""Sums a usage log: `python -m services.answer.usage`."""

from __future__ import annotations

import sys

from services.answer.usage.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
