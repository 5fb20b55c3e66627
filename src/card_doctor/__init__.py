"""card-doctor: what will break before you train, from a model card, your environment and your GPU."""

__version__ = "0.1.0"
