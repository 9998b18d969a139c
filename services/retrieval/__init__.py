"""The retrieval service: the only owner of the store and of the embedder.

It keeps document records, chunks and the normalised text of every tenant; makes a new version of a
document live at one stroke; searches by meaning and by words; and deletes. It calls no other service:
ingest writes to it, the gateway reads from it.

Where to look: `documents/` (the life of a document; its `attempts/`), `indexing/` (chunks in), `search/`
(passages out), `rerankers/` (their order once more), `answers/` (the semantic cache), `filtering/`, `terms/`
(the word index), `embedders/` (the vectors), `store/` (the engines), `reindexing/` (a change of vectors),
`conversion/` (the contract's messages), `admin/` (the commands).
"""
