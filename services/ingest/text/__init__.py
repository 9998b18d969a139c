"""Text by itself: its normalised form, its language, and where it may be cut."""
