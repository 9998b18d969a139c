"""Entry point of the script `docuquery`.

A module of its own, because gRPC looks at this variable when it is imported, and the client imports it.
"""

from __future__ import annotations

import os

# gRPC's own log goes to standard error and speaks of sockets; failures are reported by us.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from docuquery_client.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
