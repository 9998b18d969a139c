"""The command line `docuquery`."""

from docuquery_client.cli.app import app, main

__all__ = ["app", "main"]
