"""What runs inside the probed interpreter: the standard library alone."""
