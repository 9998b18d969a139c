"""Changing a store over to another vector space while it is searched and written.

Every process writes each chunk to every space of the store (`mirror`), with what it can make of the vectors,
and sees to it that the space of its own settings gets the rest (`filler`, `changeover`).
"""
