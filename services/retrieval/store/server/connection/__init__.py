"""Calling a Qdrant server: its nodes, calls for several callers at once, points and collections."""
