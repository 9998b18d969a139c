"""Makes a follow-up question self-contained: by a local rule, or by a model.

`rule` decides: a piece of the question before is replaced (`slots`, `topic`) where it is plain which, and
the two questions are joined where it is not. `rewriter` asks a model when there is one.
"""
