"""Looking after a store while no service serves it: compact, back up, restore, check, re-embed, move.

`python -m services.retrieval.admin COMMAND` (or `docuquery admin COMMAND`), with the settings of the
retrieval service. Calls nobody but the store and, to re-embed, the embedder.
"""
