"""How well a server finds: a test collection goes in through the public API, figures come out.

`run` does all of it: `upload` sends the files, `ranking` asks the queries, `report` writes the figures down.
What is measured is one of two kinds: `documents` judged as a whole (`beir` reads them, `ranking_metrics`
scores the rankings), or `pages` of long PDFs. `embedded` starts a system to measure. Everything goes through
the public client, so what is scored is what users get.
"""
