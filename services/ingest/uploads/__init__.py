"""What a caller uploads and hears, what is shown of it meanwhile, and which language it is in."""
