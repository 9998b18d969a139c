"""How the best candidates are ordered once more: the seam (`protocol`), and the ways behind it."""
