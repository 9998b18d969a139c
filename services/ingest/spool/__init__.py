"""Files in a private folder, within a budget: the bytes of uploads, and what was read from them."""
