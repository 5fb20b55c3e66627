from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from card_doctor.errors import MatrixError
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.enforced import EnforcedVersions
from card_doctor.model import Package

TOLD = """{"app": [
  {"stops": [["app/need.py", 7, ["lib>=2,<3", "tool>1"]]], "read": ["1.0", "1.2"], "between": ["1.1"]},
  {"stops": [], "read": ["2.0"]}
]}"""


@pytest.fixture
def known(tmp_path):
    (tmp_path / "surfaces").mkdir()
    (tmp_path / "surfaces" / "enforced.json").write_text(TOLD)
    return EnforcedVersions(tmp_path)


def needs(known, *installed, reached=("app",)):
    packages = {name: Package(name, version) for name, version in installed}
    return [(need.wants, need.provider_version, need.loop) for need in known.needs(packages, reached)]


@pytest.mark.parametrize("app", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("lib", ["1.9", "3.0"])
def test_what_a_release_insists_on_and_does_not_have(known, app, lib):
    assert needs(known, ("app", app), ("lib", lib)) == [("lib>=2,<3", lib, True)]
    assert needs(known, ("app", app), ("lib", lib), reached=()) == [("lib>=2,<3", lib, False)]


@pytest.mark.parametrize(
    "installed",
    [
        [("app", "1.0"), ("lib", "2.5")],
        [("app", "1.0"), ("lib", "2.5.dev1")],
        [("app", "1.0"), ("lib", "unreadable")],
        [("app", "1.0")],
        [("app", "2.0"), ("lib", "1.0")],
        [("app", "1.3"), ("lib", "1.0")],
        [("lib", "1.0")],
    ],
    ids=["fits", "fits before its release", "unreadable", "not there", "asks nothing", "not read", "asked by none"],
)
def test_nothing_is_said_where_it_fits_or_is_not_known(known, installed):
    assert needs(known, *installed) == []


def test_the_place_and_the_words(known):
    packages = {"app": Package("app", "1.0"), "tool": Package("tool", "1")}
    (need,) = known.needs(packages, ())
    assert (need.kind, need.importer, need.importer_version, need.provider) == ("enforced", "app", "1.0", "tool")
    assert (need.at.file, need.at.line, need.sure) == ("app/need.py", 7, True)
    assert need.message == "tool>1 is required, but found tool==1"


def test_without_a_file_nothing_is_known_and_a_broken_one_is_named(known, tmp_path):
    assert needs(EnforcedVersions(tmp_path / "none"), ("app", "1.0"), ("lib", "1")) == []
    (tmp_path / "surfaces" / "enforced.json").write_text("[]")
    with pytest.raises(MatrixError, match=r"enforced\.json"):
        needs(known, ("app", "1.0"))


# --- what is shipped ----------------------------------------------------------------------------------------------


def test_every_release_is_told_once_and_its_requirements_can_be_read():
    known = Matrices()._enforced_versions._known
    assert known
    for name, alike in known.items():
        versions = [version for one in alike for version in (*one.read, *one.between)]
        assert len(versions) == len(set(versions)), name
        for text in (text for one in alike for stop in one.stops for text in stop.requires):
            assert Requirement(text).specifier
