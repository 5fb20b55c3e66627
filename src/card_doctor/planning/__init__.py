"""From findings to a way out."""

from card_doctor.planning.commands import install_command
from card_doctor.planning.remedy import join

__all__ = ["install_command", "join"]
