"""How well a server finds: a test collection goes in through the public API, figures come out.

`beir` reads a collection, `upload` sends its documents, `ranking` asks its queries, `ranking_metrics`
scores the rankings, `run` does all of it, `report` writes it down; `embedded` starts a system to measure.
For questions with marked answers the same is done by `squad`, `answering`, `answer_metrics`, `answer_run`.
Everything goes through the public client, so what is scored is what users get.
"""
