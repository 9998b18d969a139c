"""Chooses what goes into a prompt: no text twice, neighbours in one piece, no more than the model can read.

`duplicates` drops, `neighbours` merges, `pack` fits the rest into the window and counts what is left out.
"""
