"""Makes an API key: `python -m services.gateway.identity`."""

from __future__ import annotations

import sys

from services.gateway.identity.key_command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
