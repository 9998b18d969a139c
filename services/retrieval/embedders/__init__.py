"""How text becomes dense vectors: the seam (`protocol`), and the ways behind it."""
