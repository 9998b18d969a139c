"""What each attempt at a provider took: measured for the reply, written to a file, summed for people."""
