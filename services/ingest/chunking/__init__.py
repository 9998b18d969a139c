"""What a document's text becomes: chunks with exact offsets, a name to be found by, a version."""
