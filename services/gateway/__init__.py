"""The gateway: the only service callers see, and the only one that decides.

May this caller, is there room, how long, which provider next: authentication and scopes, the rate limit,
deadlines, circuit breakers, fallback between LLM providers, the degradation ladder, upload proxying. It
holds no prompt, no LLM SDK and no store.

It calls ingest (uploads), retrieval (documents, search, passages, kept answers) and answer (generation,
conversations, prompts, the list of providers). Nobody but clients calls it.

The contract's payloads that no policy looks into (passages, citations, documents, filters, finished
generations) pass through as they are; everything a policy decides on is a frozen dataclass of our own.
"""
