"""The hub's local cache, made by hand as huggingface_hub makes it; the network is never asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from card_doctor.cards import find_card
from card_doctor.cards.hub import read_hub
from card_doctor.errors import CardError

hub = pytest.importorskip("huggingface_hub")

COMMIT = "a" * 40
README = "### Framework versions\n\n- Transformers 4.26.1\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(cache: Path, name: str = "org/model", revision: str = "main", text: str = README) -> None:
    repository = cache / f"models--{name.replace('/', '--')}"
    blob = repository / "blobs" / "0123"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (blob.parent, snapshot, repository / "refs"):
        folder.mkdir(parents=True, exist_ok=True)
    blob.write_text(text, encoding="utf-8")
    (repository / "refs" / revision).write_text(COMMIT, encoding="utf-8")
    (snapshot / "README.md").symlink_to("../../blobs/0123")


def test_a_card_in_the_cache_needs_no_network(cache: Path) -> None:
    put(cache)
    card = find_card("org/model", [], offline=True)
    assert card.versions == {"transformers": "4.26.1"}
    assert (card.name, card.source.kind) == ("org/model", "hub")
    assert card.source.url == "https://huggingface.co/org/model"


def test_a_revision_is_read_by_its_name(cache: Path) -> None:
    put(cache, revision="v1.0")
    assert find_card("org/model@v1.0", [], offline=True).versions == {"transformers": "4.26.1"}
    with pytest.raises(CardError, match="not in the local cache"):
        find_card("org/model@v2.0", [], offline=True)


def test_offline_never_asks(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(hub, "snapshot_download", asked)
    with pytest.raises(CardError, match="--offline forbids"):
        read_hub("org/absent", offline=True)


def test_a_link_of_the_cache_leads_nowhere_else(cache: Path) -> None:
    put(cache)
    outside = cache / "config.json"
    outside.write_text('{"transformers_version": "9.9.9"}', encoding="utf-8")
    (cache / "models--org--model" / "snapshots" / COMMIT / "config.json").symlink_to(outside)
    assert read_hub("org/model", offline=True).versions == {"transformers": "4.26.1"}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("GatedRepoError", "gated"),
        ("RevisionNotFoundError", "no such revision"),
        ("RepositoryNotFoundError", "shows no such model"),
        ("LocalEntryNotFoundError", "can't be asked"),
    ],
)
def test_what_the_hub_refuses_is_told_with_what_to_do(
    cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str, message: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise type(kind, (Exception,), {})("secret-token")

    monkeypatch.setattr(hub, "snapshot_download", refused)
    with pytest.raises(CardError, match=message) as caught:
        read_hub("org/model")
    assert caught.value.hint
    assert "secret-token" not in caught.value.message


@pytest.mark.parametrize(
    "reference", ["../../etc/passwd", "org/../x", "/org/model", "org/model@../../x", "org/model/x", "a b/c"]
)
def test_a_path_is_no_id_of_the_hub(cache: Path, reference: str) -> None:
    with pytest.raises(CardError):
        find_card(reference, [], offline=True)


def test_without_huggingface_hub_it_says_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from card_doctor.cards import find_card\nfrom card_doctor.errors import CardError\n"
        "try: find_card('org/model', [])\nexcept CardError as error: print(error.hint)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "pip install 'card-doctor[hub]'"
