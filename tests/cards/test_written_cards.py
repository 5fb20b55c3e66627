"""Cards that libraries write here and now, read and held against what was set (tools/write_cards.py).

Each needs an environment of its own, made by uv. Where CARD_DOCTOR_TORCHES names interpreters with a torch (a colon
between them), theirs is used; else torch is installed too, which takes gigabytes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple, Optional, Tuple

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from card_doctor.cards.folder import read_folder
from card_doctor.planning.interpreters import find

WRITER = Path(__file__).parents[2] / "tools" / "write_cards.py"
TORCHES = [one for one in os.environ.get("CARD_DOCTOR_TORCHES", "").split(os.pathsep) if one]
UV = shutil.which("uv")


class Written(NamedTuple):
    """`until`: the day as of which the rest is resolved (None: today); `torch`: which releases it runs with."""

    kind: str
    requirement: str
    minors: Tuple[int, ...]
    torch: str
    until: Optional[str] = None


NEWEST = ">=2.4"
CARDS = [
    Written("trainer", "transformers==4.6.1", (9, 8), "<2", "2021-06-10"),
    Written("trainer", "transformers==4.11.3", (9, 8), "<2", "2021-10-20"),
    Written("trainer", "transformers==4.18.0", (9, 10), "<2", "2022-05-01"),
    Written("trainer", "transformers==4.24.0", (9, 10), "<2", "2022-11-20"),
    Written("trainer", "transformers==4.30.2", (10, 9), "<2.2", "2023-07-01"),
    Written("trainer", "transformers==4.37.2", (10, 11), "<2.3", "2024-02-10"),
    Written("trainer", "transformers==4.44.2", (10, 11), "<2.5", "2024-09-10"),
    Written("trainer", "transformers==4.57.*", (12, 11, 10), NEWEST),
    Written("trainer", "transformers", (12, 11, 10), NEWEST),
    Written("peft", "peft", (12, 11, 10), NEWEST),
    Written("trl", "trl", (12, 11, 10), NEWEST),
    Written("sentence-transformers", "sentence-transformers", (12, 11, 10), NEWEST),
    Written("setfit", "setfit", (12, 11, 10), NEWEST),
]
# What each library needs besides, and does not require by itself.
BESIDE = {
    "trainer": ("numpy",),
    "peft": (),
    "trl": (),
    "sentence-transformers": ("datasets", "accelerate"),
    "setfit": (),
}


# Asked of an interpreter that has a torch: its minor version, that torch, what else torch requires, and the folders
# that are torch's or a GPU's.
ASKED = """
import importlib.metadata as metadata, re, sys
own = lambda name: name == "torch" or re.match("nvidia|cuda|triton", name)
names = {re.match("[\\w.-]+", one).group().lower() for one in metadata.requires("torch") or ()}
there = {one.metadata["Name"].lower().replace("_", "-"): one for one in metadata.distributions()}
print(sys.version_info[1], metadata.version("torch"), *[name for name in names if name in there and not own(name)])
places = {str(one.locate_file(file.parts[0])) for name, one in there.items() if own(name) for file in one.files}
for place in places:
    if not place.endswith(("..", "__pycache__")):
        print(place)
"""


class Torch(NamedTuple):
    minor: int
    version: str
    requires: Tuple[str, ...]
    folders: Tuple[Path, ...]

    @classmethod
    def of(cls, python: str) -> Torch:
        lines = subprocess.run([python, "-c", ASKED], capture_output=True, text=True, check=True).stdout.splitlines()
        minor, version, *requires = lines[0].split()
        return cls(int(minor), version, tuple(requires), tuple(map(Path, lines[1:])))


def environment(card: Written, folder: Path) -> Path:
    """An interpreter that has what `card` needs."""
    assert UV is not None
    theirs, base = None, None
    for python in TORCHES:
        torch = Torch.of(python)
        if torch.minor in card.minors and SpecifierSet(card.torch).contains(torch.version.partition("+")[0]):
            theirs, base = torch, python
    if base is None:
        found = next(filter(None, map(find, card.minors)), None)
        if found is None:
            pytest.skip(f"no Python 3.{card.minors[0]} is installed")
        base = str(found.path)
    subprocess.run([UV, "venv", "-q", "--python", base, str(folder)], check=True)
    python = folder / "bin" / "python"
    wanted = [card.requirement, *BESIDE[card.kind], "setuptools<80", f"torch{card.torch}"]
    if card.until:
        wanted.append("numpy<2")  # what its torch was compiled for
    if card.until and int(card.requirement.split(".")[1]) >= 30:
        wanted.append("accelerate")
    if not card.until and card.kind == "trainer":
        wanted.append("accelerate")
    words = ["--exclude-newer", card.until] if card.until else []
    if theirs is not None:
        without = folder / "excluded.txt"
        without.write_text("torch\n")
        words += ["--excludes", str(without)]
        wanted += theirs.requires
    made = subprocess.run(
        [UV, "pip", "install", "-q", "--python", str(python), *words, *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    if theirs is not None:
        (site,) = folder.glob("lib/python*/site-packages")
        for place in theirs.folders:
            (site / place.name).symlink_to(place)
    return python


@pytest.mark.heavy
@pytest.mark.skipif(UV is None, reason="uv is not installed")
@pytest.mark.parametrize("card", CARDS, ids=lambda card: f"{card.kind} {card.requirement}")
def test_what_was_set_is_what_is_read(card, tmp_path):
    folder = tmp_path / "env"
    try:
        python = environment(card, folder)
        done = subprocess.run(
            [python, WRITER, card.kind, tmp_path], capture_output=True, text=True, check=False, timeout=600
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the next needs the room
    assert done.returncode == 0, done.stderr[-3000:]
    stated = json.loads(done.stdout.splitlines()[-1])
    print(card.kind, stated["versions"])  # pytest -rP shows it
    read = read_folder(tmp_path / "out")
    assert {key: read.hyperparameters.get(key) for key in stated["hyperparameters"]} == stated["hyperparameters"]
    for key, value in stated["metrics"].items():
        assert read.metrics[key] == pytest.approx(value, abs=5e-5)
    for name, version in stated["versions"].items():  # TRL leaves out how torch was built
        assert read.versions[name] in {version, version.partition("+")[0]}
    for name, version in read.versions.items():
        assert stated["installed"][str(canonicalize_name(name))] == version.partition("+")[0]
    if card.kind in {"trainer", "peft"}:
        optimizer = read.hyperparameters["optimizer"]
        assert (optimizer["betas"], optimizer["epsilon"]) == ([0.8, 0.98], 1e-7)
        assert set(read.hyperparameters) == {*stated["hyperparameters"], "optimizer"}
    assert read.conflicts == ()
