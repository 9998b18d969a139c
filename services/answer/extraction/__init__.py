"""Picks the sentences of given passages that answer a question. No model, no network, no other service."""
