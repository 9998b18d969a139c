"""The ingest service: untrusted bytes in, clean text and chunks out.

It receives documents over one bidirectional stream, spools them to disk, reads them in worker processes
that can be timed out, limited and killed, cuts the text into chunks with exact offsets, and hands these to
the retrieval service, the only one it calls. It stores nothing itself.
"""
