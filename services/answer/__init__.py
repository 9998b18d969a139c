"""Answers a question from given passages, and checks every citation against their text.

It is mechanism: one call names one provider, and a failure is reported as a typed error. It calls LLM
providers and no other service of ours. Read `engine` first; `providers`, `prompts`, `citations` and
`extraction` each hold one of its parts.
"""
