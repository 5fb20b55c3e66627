"""Signatures of failures in logs: ours from matrices/signatures.toml, a user's own from the same file of theirs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Iterator, Mapping, Sequence, Tuple

import msgspec

from card_doctor.compiled import compiled
from card_doctor.model import Signature

FILE = "signatures.toml"

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_RELATED = re.compile(rf"[a-z]+(?:/{_SLUG.pattern})?")
_SOURCE = re.compile(r"https://[\w.-]+/\S+|reproduced: .+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class SignatureFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``matrices/signatures.toml``. `modules` says which distribution brings a module of another name."""

    signature: Tuple[Signature, ...] = ()
    modules: Dict[str, str] = {}


class Signatures(msgspec.Struct, frozen=True):
    """What is known, in the order in which it is asked; `modules` as in the file."""

    all: Tuple[Signature, ...]
    modules: Mapping[str, str]


def load_signatures(directories: Sequence[Path]) -> Signatures:
    """Of all directories: a later one adds, and overrides by id. MatrixError for what is wrong in a user's own."""
    ours, *others = directories
    shipped = compiled(ours / FILE, SignatureFile) or read_checked(ours / FILE)
    known = {one.id: one for one in shipped.signature}
    modules = dict(shipped.modules)
    for path in (directory / FILE for directory in others):
        if path.exists():
            theirs = read_checked(path)
            known.update((one.id, one) for one in theirs.signature)
            modules.update(theirs.modules)
    return Signatures(tuple(known.values()), modules)


def read_checked(path: Path) -> SignatureFile:
    """The file, every statement in it validated; MatrixError with file, line, key and reason."""
    from card_doctor.toml import convert, parse, read_text, wrong_key  # noqa: PLC0415  the wheel has JSON

    text = read_text(path)
    content = convert(parse(text, path), SignatureFile, text, path)
    seen = set()
    for index, one in enumerate(content.signature):
        for key, problem in _problems(one):
            raise wrong_key(path, text, ("signature", index, key), f"{problem} (of {one.id})")
        if one.id in seen:
            raise wrong_key(path, text, ("signature", index, "id"), f"there is another signature called {one.id}")
        seen.add(one.id)
    return content


def _problems(one: Signature) -> Iterator[Tuple[str, str]]:
    """What is wrong with an entry beyond its shape: the key, and why."""
    if not _SLUG.fullmatch(one.id):
        yield "id", "expected lower-case words joined by `-`"
    # Shorter ones are in every other line, and each such line is read in full
    if not one.texts or min(map(len, one.texts)) < 5:
        yield "texts", "expected at least one, each of at least 5 characters"
    if any("\n" in text for text in one.texts):
        yield "texts", "expected parts of one line"
    groups: Sequence[str] = ()
    if one.pattern is not None:
        try:
            groups = tuple(re.compile(one.pattern).groupindex)
        except re.error as error:
            yield "pattern", f"no regular expression: {error}"
            return
    known = {*groups, "distribution"} if "module" in groups else set(groups)
    for key in ("cause", "remedy", "command"):
        for placeholder in _PLACEHOLDER.findall(getattr(one, key) or ""):
            if placeholder not in known:
                yield key, f"`{{{placeholder}}}` is no named group of the pattern"
    if not any(shows(one, line) for line in one.example.splitlines()):
        yield "example", "no line of it has one of the texts, and the pattern"
    if not _SOURCE.fullmatch(one.source):
        yield "source", "expected an https link or `reproduced: <how>`"
    for related in one.related:
        if not _RELATED.fullmatch(related):
            yield "related", f"expected ids or families of checks, found `{related}`"


def shows(signature: Signature, line: str) -> bool:
    """Whether that line of a log bears the signature."""
    return any(text in line for text in signature.texts) and (
        signature.pattern is None or re.search(signature.pattern, line) is not None
    )
