"""Other libraries on the same corpus; outside the test suite, each in an environment of its own."""
