"""Passages out (`searcher`), and a citation with its surroundings (`passages`).

`asking`, `live_hits` and `candidates` find; `fusion`, `rerank_stage` and `scoring` order; `expansion` adds
the neighbours; `reading` decides which vector space answers.
"""
