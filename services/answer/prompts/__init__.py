"""Prompts: versioned templates, rendered with documents as data."""
