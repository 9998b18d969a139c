"""gRPC the way all four services use it: one server, one channel, one mapping of errors."""
