"""Uploads on their way to ingest: many documents in one stream, or a small one in one message."""
