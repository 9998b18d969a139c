"""Looking after a store: compact, back up, restore, check, embed anew, move.

`python -m services.retrieval.admin COMMAND` (or `docuquery admin COMMAND`), with the settings of the
retrieval service. Calls nobody but the store and, to re-embed, the embedder.
"""
