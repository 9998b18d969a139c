"""Messages to domain objects and back, a file for each kind; whole requests are read by `convert`."""
