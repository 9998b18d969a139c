"""Is there room for this call? Rate limits of a caller, room of a kind of call, less of it under pressure."""
