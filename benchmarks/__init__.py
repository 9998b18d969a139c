"""Measurements anyone can repeat. They read data by path and print tables."""
