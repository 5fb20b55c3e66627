"""A failing log → the signature it shows."""

from card_doctor.logs.scan import Scanner, diagnose

__all__ = ["Scanner", "diagnose"]
