"""The server store: collections on a Qdrant server or cluster, shared by any number of processes.

`connection/` calls the server, `documents/` keeps records and text, `chunks` and its neighbours keep chunks.
"""
