"""The walls of docs/architecture.md that pyproject.toml gives to lint-imports leave no room out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import card_doctor

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = Path(card_doctor.__file__).parent
CHECKOUT = Path(__file__).parents[1]
ROOMS = {
    f"card_doctor.{path.stem}" for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
}


@pytest.mark.parametrize(
    ("name", "key", "but"),
    [
        ("The model imports nothing of ours", "forbidden_modules", {"card_doctor.model"}),
        ("Nobody imports the command line", "source_modules", {"card_doctor.cli"}),
    ],
)
def test_a_wall_around_one_room_names_every_other(name, key, but):
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (wall,) = (contract for contract in contracts if contract["name"] == name)
    assert set(wall[key]) == ROOMS - but - {"card_doctor.__init__", "card_doctor.__main__"}
