"""The semantic cache: answers kept in this process, found again by the same question or nearly the same."""
