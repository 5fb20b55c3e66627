"""A card from the Hugging Face hub: its local cache first, then the hub itself, only the small files that state facts.

huggingface_hub (the extra `hub`) does the talking: it honours HF_TOKEN, HF_ENDPOINT and HF_HOME.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Optional, Tuple

import msgspec

from card_doctor.cards.folder import FILES, read_folder
from card_doctor.errors import CardError
from card_doctor.model import Card, Source

ID = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[\w./-]{1,200}))?")


def read_hub(reference: str, *, offline: bool = False) -> Card:
    """The card of ``org/name[@revision]``; CardError where the hub has none, or shows it to others only."""
    found = ID.fullmatch(reference)
    if found is None or ".." in reference:
        raise CardError(f"{reference}: no id of the hub", "One is `org/name` or `org/name@revision`.")
    try:
        import huggingface_hub  # noqa: PLC0415
        from huggingface_hub import constants  # noqa: PLC0415
    except ImportError:
        raise CardError(
            f"{reference}: a card of the hub is read with huggingface_hub, which is not installed",
            "pip install 'card-doctor[hub]'",
        ) from None
    name, revision = found.group("id"), found.group("revision")
    folder = _cached(huggingface_hub, name, revision)
    if folder is None and offline:
        raise CardError(
            f"{reference}: not in the local cache of the hub, and --offline forbids to ask for it", _hint(name)
        )
    if folder is None:
        folder = _downloaded(huggingface_hub, name, revision, reference)
    source = Source("hub", str(folder / "README.md"), f"{constants.ENDPOINT.rstrip('/')}/{name}")
    # A snapshot's files are links to the blobs of the same model.
    card = read_folder(folder, inside=folder.parent.parent, source=source)
    return msgspec.structs.replace(card, name=reference)


def _hint(name: str) -> str:
    return f"Fetch it where there is a network: huggingface-cli download {name} README.md config.json"


def _cached(hub: Any, name: str, revision: Optional[str]) -> Optional[Path]:
    """The snapshot of the local cache that holds a README."""
    for file in FILES:
        path = hub.try_to_load_from_cache(name, file, revision=revision)
        if isinstance(path, str):
            return Path(path).parent
    return None


def _downloaded(hub: Any, name: str, revision: Optional[str], reference: str) -> Path:
    try:
        path = hub.snapshot_download(name, revision=revision, allow_patterns=list(FILES))
    except Exception as error:  # noqa: BLE001  huggingface_hub raises those of requests, httpx and its own
        message, hint = _why(error, reference, name)
        raise CardError(message, hint) from None
    return Path(path)


def _why(error: Exception, reference: str, name: str) -> Tuple[str, str]:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "GatedRepoError" in kinds:
        return (
            f"{reference}: gated: its owner lets only those in who asked",
            f"Ask on its page, then set HF_TOKEN ({name}).",
        )
    if "RevisionNotFoundError" in kinds:
        return f"{reference}: the hub has this model, but no such revision", f"Leave it out to read the newest: {name}"
    if "RepositoryNotFoundError" in kinds:
        return (
            f"{reference}: the hub shows no such model",
            "Is it renamed, deleted, or private? A private one needs HF_TOKEN. A file needs its path: ./" + reference,
        )
    return f"{reference}: the hub can't be asked: {type(error).__name__}", _hint(name)
