"""Runs one command: `python -m services.retrieval.admin`."""

from __future__ import annotations

import sys

from services.retrieval.admin.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
