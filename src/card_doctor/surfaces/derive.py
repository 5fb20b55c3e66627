"""The way into this room: what the files of a live environment mean together, derived once and kept."""

from __future__ import annotations

import os
from typing import Dict, Optional, Tuple

import msgspec

from card_doctor.model import Snapshot
from card_doctor.model.derived import Derived
from card_doctor.surfaces import cache


class _Kept(msgspec.Struct, array_like=True):
    """`looked_at` are all the files and folders that the answer rests on."""

    looked_at: Dict[str, Tuple[int, int]]
    derived: Derived


def derive(snapshot: Snapshot, script: Optional[str] = None) -> Optional[Derived]:
    """What the installed files need and do not find; nothing of them is imported or run. `script` is the path of
    a training script that is followed too. None for an environment whose files are not at hand.
    """
    python = snapshot.python
    if snapshot.source != "interpreter" or python is None or not python.search_path:
        return None
    key = cache.digest(
        (
            python.version,
            python.executable,
            sorted(python.markers.items()),
            python.search_path,
            sorted((package.name, package.version, package.location or "") for package in snapshot.packages.values()),
            os.path.abspath(script) if script else None,
        )
    )
    kept = cache.load(key, _Kept)
    if kept is not None and cache.unchanged(kept.looked_at):
        return kept.derived
    from card_doctor.surfaces.walk import walk  # noqa: PLC0415  a cached answer does not need it

    derived, looked_at = walk(snapshot, script)
    cache.store(key, _Kept(cache.stamps(looked_at), derived))
    return derived
