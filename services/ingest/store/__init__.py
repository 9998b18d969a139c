"""The retrieval service as this one's store: its calls, repeated while it restarts."""
