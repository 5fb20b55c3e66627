"""What was read and derived before, in the user's cache folder. Whatever is wrong with it costs time, never an
answer: it is done again.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple, Type, TypeVar

import msgspec

T = TypeVar("T")

# Counted up whenever what the reader or the follower make of the same files changes.
READER = 6
# A hundred environments of the size of the seeds', less what they share.
SIZE_LIMIT = 128 * 1024 * 1024


def folder() -> Optional[Path]:
    """Where it is kept: `CARD_DOCTOR_CACHE`, else the platform's cache folder."""
    told = os.environ.get("CARD_DOCTOR_CACHE")
    if told is not None:
        return Path(told) if told else None
    try:
        if os.environ.get("XDG_CACHE_HOME"):
            base = Path(os.environ["XDG_CACHE_HOME"])
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        elif sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        else:
            base = Path.home() / ".cache"
    except (RuntimeError, OSError):  # no home
        return None
    return base / "card-doctor" / "surfaces"


def digest(parts: Iterable[object]) -> str:
    return blake2b(repr((READER, tuple(parts))).encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def load(key: str, kind: Type[T]) -> Optional[T]:
    """What was stored under this key; None where nothing readable of one's own is there."""
    where = folder()
    if where is None:
        return None
    path = where / key
    try:
        with path.open("rb") as file:
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                return None  # in a shared folder, somebody else's
            value = msgspec.msgpack.decode(file.read(), type=kind)
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return None
    with suppress(OSError):
        os.utime(path)  # the oldest are dropped first
    return value


def store(key: str, value: Any) -> None:
    """Keep it, if that is possible."""
    where = folder()
    if where is None:
        return
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=where, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.msgpack.encode(value))
            os.replace(temporary, where / key)
        except BaseException:
            os.unlink(temporary)
            raise
        _drop_oldest(where)
    except (OSError, RecursionError, ValueError):  # names of files need not be text
        return


def _drop_oldest(where: Path) -> None:
    entries: List[Tuple[float, int, str]] = []
    with os.scandir(where) as found:
        for entry in found:
            status = entry.stat(follow_symlinks=False)
            entries.append((status.st_mtime, status.st_size, entry.path))
    size = sum(entry[1] for entry in entries)
    for _, own, path in sorted(entries):
        if size <= SIZE_LIMIT:
            return
        os.unlink(path)
        size -= own


def stamps(paths: Iterable[str]) -> Dict[str, Tuple[int, int]]:
    """How these files and folders look from outside; (0, 0) where there is none."""
    found: Dict[str, Tuple[int, int]] = {}
    for path in paths:
        found[path] = (0, 0)
        with suppress(OSError, ValueError):
            status = os.stat(path)
            found[path] = (status.st_size, status.st_mtime_ns)
    return found


def unchanged(known: Dict[str, Tuple[int, int]]) -> bool:
    return stamps(known) == known
