"""Many cards at once: every card of the catalogue, or of a folder, and those of them that a pattern picks."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Iterator, List, Sequence

from card_doctor.cards import catalogue
from card_doctor.cards.folder import FILES, READMES
from card_doctor.errors import UsageError

CARDS = (".toml", ".md", ".markdown", ".html", ".htm")  # what of a folder's loose files is a card
NO_CARDS = {"pyproject.toml", "card-doctor.toml"}
_WHOLE = frozenset(FILES) - {"requirements.txt"}  # what makes a folder a model's


def every_card(folders: Sequence[str], directories: Sequence[Path]) -> List[str]:
    """What `find_card` finds each card by, in alphabetical order: those in `folders` and below them, or without any
    those of the catalogue. A model's folder is one card; elsewhere each Markdown, HTML or TOML file is one.
    """
    if not folders:
        return list(catalogue(directories))
    return [reference for folder in folders for reference in _below(folder)]


def picked(references: Sequence[str], pattern: str) -> List[str]:
    """Those whose name has `pattern` in it, or matches it as a whole where it is one (``*`` and ``?``), whatever the
    case; UsageError where none does.
    """
    wanted = pattern.lower()
    if not any(sign in wanted for sign in "*?["):
        wanted = f"*{wanted}*"
    found = [one for one in references if fnmatchcase(one.lower(), wanted) or fnmatchcase(_name(one), wanted)]
    if references and not found:
        raise UsageError(f"-k {pattern}: none of {len(references)} cards has such a name")
    return found


def _name(reference: str) -> str:
    path = Path(reference)
    return (path.stem if path.suffix in CARDS else path.name).lower()


def _below(folder: str) -> Iterator[str]:
    if not Path(folder).is_dir():
        yield folder
        return
    found = False
    for path, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        here = [path] if _WHOLE.intersection(files) else sorted(map(Path(path).joinpath, filter(_is_card, files)))
        found = found or bool(here)
        yield from map(str, here)
    if not found:
        raise UsageError(f"{folder}: no card in it", "One is a model's folder, or a .md, .html or .toml file.")


def _is_card(name: str) -> bool:
    return name.endswith(CARDS) and name not in NO_CARDS and name not in READMES
