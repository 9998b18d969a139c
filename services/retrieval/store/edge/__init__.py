"""The embedded store: Qdrant Edge, in this process, one folder a tenant."""
