"""The rules of every public request, checked before anything is done for it."""
