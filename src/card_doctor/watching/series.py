"""Samples of a run of any length in bounded memory: when there are too many, every second one goes."""

from __future__ import annotations

from typing import List, Tuple

from card_doctor.model import Sample

MOST = 2000


class Series:
    """Evenly spaced: what comes in between is left out."""

    def __init__(self) -> None:
        self._kept: List[Sample] = []
        self._every = 1
        self._count = 0

    def add(self, sample: Sample) -> None:
        if self._count % self._every == 0:
            self._kept.append(sample)
        self._count += 1
        if len(self._kept) > MOST:
            self._kept = self._kept[::2]
            self._every *= 2

    def samples(self) -> Tuple[Sample, ...]:
        return tuple(self._kept)
