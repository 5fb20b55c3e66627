"""A command while it runs: its terminal, its output, and what it makes of the machine."""
