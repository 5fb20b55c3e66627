"""Many snapshots, grouped: which nodes are equal, and what is odd about the others."""

from card_doctor.fleet.grouping import compare
from card_doctor.fleet.reading import read_snapshots

__all__ = ["compare", "read_snapshots"]
