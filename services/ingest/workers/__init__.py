"""Processes that read documents: each can be timed out, limited, and killed alone; tenants take turns."""
