"""Filters: conditions on documents, and the fields an operator declares for ranges."""
