"""Chunks in: text is cut, embedded and stored (`indexer`), ready for both indexes (`encoder`)."""
