"""A model as a judge of answers, beside the judges without one (`answer_metrics`).

`prompt` holds what it is told, `models` speaks to it, `judging` asks it about every answer, and `agreement`
says how far it and the others agree: a judge is only worth listening to where they do.
"""
