"""Documents on a Qdrant server: records, the fields that filters find them by, which are live, their text."""
