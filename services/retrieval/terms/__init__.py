"""The terms of the word index: of a text (`bm25`) and of a question, each under its language."""
