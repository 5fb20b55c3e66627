"""Cards: from a name in the catalogue, or a file, to a `Card`."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional, Sequence

import msgspec

from card_doctor.compiled import compiled
from card_doctor.errors import CardError, MatrixError
from card_doctor.model import Card, Source

__all__ = ["catalogue", "find_card", "read_named"]

KIND = "cards"  # the folder of a matrices directory
TEXTS = (".md", ".markdown", ".txt", ".html", ".htm", "")


def catalogue(directories: Sequence[Path]) -> Dict[str, Path]:
    """The cards that need no path, by name in alphabetical order; a later directory overrides an earlier one."""
    found = {path.stem: path for directory in directories for path in directory.glob(f"{KIND}/*.toml")}
    return dict(sorted(found.items()))


def find_card(ref: str, directories: Sequence[Path], *, offline: bool = False) -> Card:
    """The card that `ref` names: a path that exists, else a name in the catalogue of these matrices, standard input
    (``-``), or an id of the hub, which `offline` is not asked over the network; CardError where there is none.
    """
    path = Path(ref)
    if ref and _exists(path):
        return _read(path)
    named = _named(ref, directories)
    if named is not None:
        card = _read(named)
        return msgspec.structs.replace(card, source=msgspec.structs.replace(card.source, kind="catalogue"))
    if ref == "-":
        return _standard_input()
    if path.suffix.lower() in {".toml", *TEXTS[:-1]}:
        raise CardError(f"{ref}: no such file, and no card of that name in the catalogue", _near(ref, directories))
    from card_doctor.cards.hub import ID, read_hub  # noqa: PLC0415  only for a card that is nowhere here

    if ID.fullmatch(ref):
        return read_hub(ref, offline=offline)
    raise CardError(f"{ref}: no card of that name in the catalogue, and no such file", _near(ref, directories))


def _named(ref: str, directories: Sequence[Path]) -> Optional[Path]:
    """The catalogue's card of that name, without listing the others."""
    if Path(ref).name != ref:
        return None
    paths = (directory / KIND / f"{ref}.toml" for directory in reversed(directories))
    return next((path for path in paths if _exists(path)), None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or holding what no name can
        return False


def _read(path: Path) -> Card:
    if path.is_dir():
        from card_doctor.cards.folder import read_folder  # noqa: PLC0415  each kind's reader where it is needed

        return read_folder(path)
    if path.suffix.lower() in TEXTS:
        from card_doctor.cards.text import decode, read_bytes  # noqa: PLC0415

        return _text(decode(read_bytes(path), path), _name_of(path), Source("file", str(path)))
    if path.suffix.lower() != ".toml":
        raise CardError(
            f"{path}: no kind of card that is known",
            "A card is a `.toml` matrix, a README or an article (.md, .txt, .html), or a model's folder.",
        )
    try:
        return read_named(path)
    except MatrixError as error:
        raise CardError(error.message, error.hint) from error


def read_named(path: Path) -> Card:
    """The card of a matrix; MatrixError where it is none."""
    ready = compiled(path, Card)
    if ready is not None:
        return msgspec.structs.replace(ready, source=msgspec.structs.replace(ready.source, path=str(path)))
    from card_doctor.cards.matrix import read_matrix  # noqa: PLC0415  TOML is slow to load

    return read_matrix(path)


def _text(text: str, name: str, source: Source) -> Card:
    from card_doctor.cards.readme import read_card  # noqa: PLC0415

    return read_card(text, name, source)


def _name_of(path: Path) -> str:
    """A README has its folder's name, any other file its own."""
    return path.resolve().parent.name if path.stem.lower() == "readme" else path.stem


def _standard_input() -> Card:
    import sys  # noqa: PLC0415

    from card_doctor.cards.text import MAX_BYTES, decode  # noqa: PLC0415

    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise CardError(f"-: longer than {MAX_BYTES // 1024:,} kB, more than any card")
    return _text(decode(data, "-"), "-", Source("stdin"))


def _near(ref: str, directories: Sequence[Path]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only for an error

    names, word = list(catalogue(directories)), Path(ref).stem.lower()
    near = [name for name in names if word and word in name.lower()] or get_close_matches(word, names)
    if near:
        return f"Did you mean {' or '.join(f'`{name}`' for name in near[:3])}?"
    return "`card-doctor cards` lists the catalogue."
