"""How evenly the rows of a data file are spread over its classes."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

from card_doctor.checks.statistics import entropy, spread
from card_doctor.model import Data, DataFile

UNEVEN = 3.0  # the largest class by the smallest: then a model gains by leaving the smallest out


class Balance(NamedTuple):
    """`ratio` is the largest class by the smallest."""

    shares: Tuple[float, ...]
    ratio: float
    smallest: str
    largest: str

    @property
    def uneven(self) -> bool:
        return self.ratio >= UNEVEN

    @property
    def words(self) -> str:
        return (
            f"{self.largest} has {max(self.shares):.1%} of the rows, {self.smallest} {min(self.shares):.1%} "
            f"({self.ratio:.3g} to 1, entropy {entropy(self.shares):.2f} of 1)"
        )

    @property
    def spread(self) -> float:
        return spread(self.shares)


def balance_in(file: DataFile) -> Optional[Balance]:
    """None where there are not two classes, or too many to be classes."""
    counts = file.classes
    if len(counts) < 2 or len(counts) < file.class_count:
        return None
    total = sum(counts.values())
    smallest, largest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    shares = tuple(count / total for count in counts.values())
    return Balance(shares, counts[largest] / counts[smallest], smallest, largest)


def balance_of(data: Optional[Data]) -> Optional[Balance]:
    """Of the file that is trained on."""
    for file in data.files if data else ():
        if file.part == "train":
            return balance_in(file)
    return None
