"""What runs where the launcher of a cluster is: the standard library, and that launcher."""
