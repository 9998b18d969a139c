"""Citations: markers found while the answer streams, mapped to passages, and checked against their text."""
