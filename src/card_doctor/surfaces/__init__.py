"""Installed files → what they import, export and enforce. Nothing of the environment is imported or run."""
