"""Cards: from a name in the catalogue, or a file, to a `Card`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Sequence

import msgspec

from card_doctor.compiled import compiled
from card_doctor.errors import CardError, MatrixError
from card_doctor.model import Card

__all__ = ["catalogue", "find_card"]

KIND = "cards"  # the folder of a matrices directory
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
LATER = (".md", ".markdown", ".txt", ".html", ".htm")
MATRIX_INSTEAD = "Write what the card states as a TOML matrix; `card-doctor cards` lists examples."


def catalogue(directories: Sequence[Path]) -> Dict[str, Path]:
    """The cards that need no path, by name in alphabetical order; a later directory overrides an earlier one."""
    found = {path.stem: path for directory in directories for path in directory.glob(f"{KIND}/*.toml")}
    return dict(sorted(found.items()))


def find_card(ref: str, directories: Sequence[Path]) -> Card:
    """The card that `ref` names: a path that exists, else a name in the catalogue of these matrices; CardError."""
    path = Path(ref)
    if ref and _exists(path):
        return _read(path)
    named = catalogue(directories).get(ref)
    if named is not None:
        card = _read(named)
        return msgspec.structs.replace(card, source=msgspec.structs.replace(card.source, kind="catalogue"))
    if ref == "-":
        raise CardError("-: a card from standard input is not read by this version", MATRIX_INSTEAD)
    if path.suffix.lower() in {".toml", *LATER}:
        raise CardError(f"{ref}: no such file, and no card of that name in the catalogue", _near(ref, directories))
    if HUB_ID.fullmatch(ref):
        raise CardError(
            f"{ref}: no such file; a card from the hub is not read by this version",
            f"Save its card and write what it states as a TOML matrix. {_near(ref.partition('/')[2], directories)}",
        )
    raise CardError(f"{ref}: no card of that name in the catalogue, and no such file", _near(ref, directories))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or holding what no name can
        return False


def _read(path: Path) -> Card:
    if path.is_dir():
        raise CardError(f"{path}: a model's folder is not read by this version", MATRIX_INSTEAD)
    if path.suffix.lower() in LATER:
        raise CardError(f"{path}: a README or an article is not read by this version", MATRIX_INSTEAD)
    if path.suffix.lower() != ".toml":
        raise CardError(f"{path}: no kind of card that is known", "A card is a `.toml` matrix in this version.")
    ready = compiled(path, Card)
    if ready is not None:
        return msgspec.structs.replace(ready, source=msgspec.structs.replace(ready.source, path=str(path)))
    from card_doctor.cards.matrix import read_matrix  # noqa: PLC0415  TOML is slow to load

    try:
        return read_matrix(path)
    except MatrixError as error:
        raise CardError(error.message, error.hint) from error


def _near(ref: str, directories: Sequence[Path]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only for an error

    names, word = list(catalogue(directories)), Path(ref).stem.lower()
    near = [name for name in names if word and word in name.lower()] or get_close_matches(word, names)
    if near:
        return f"Did you mean {' or '.join(f'`{name}`' for name in near[:3])}?"
    return "`card-doctor cards` lists the catalogue."
