"""What the extractive provider's constants are fitted on and how well they hold; see `__main__`."""
