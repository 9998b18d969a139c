"""How well a server finds and answers: a test collection goes in through the public API, figures come out.

`layouts` tells what a folder holds. `run` measures searches: `upload` sends the files, `ranking` asks the
queries; what is judged is `documents` as a whole (`beir` reads them, `ranking_metrics` scores the rankings),
or `pages` of long PDFs. `answer_run` measures answers to questions with marked ones (`squad` reads them,
`answering` asks, `answer_metrics` scores by `spans`, `judge` has a model grade them, too). `embedded` starts
a system to measure. Everything goes through the public client, so what is scored is what users get.

Questions keep their `scores`; `report` sums them up, with intervals by `statistics` and `calibration`,
`report_file`, `markdown` and `plots` write that down, `compare` tells two reports apart.
"""
