"""What holds of an attempt by itself: whether it is needed, when its lease ends, what it must have stored."""
