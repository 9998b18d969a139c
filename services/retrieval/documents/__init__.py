"""Documents as people know them: their life (`lifecycle`), looking them up, and what is left of old ones."""
