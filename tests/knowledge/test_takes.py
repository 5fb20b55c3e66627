from __future__ import annotations

from typing import Dict, List, Optional, Set, Tuple

import msgspec
import pytest

from card_doctor.errors import MatrixError
from card_doctor.knowledge.takes import Read, Takes, Unasked
from card_doctor.model import Package, Release, Take

RELEASES = {
    "app": {
        version: Release(version, date)
        for version, date in {"1.0.0": "2022-01-01", "1.0.3": "2022-06-01", "2.0.0": "2023-01-01"}.items()
    },
    "lib": {version: Release(version, date) for version, date in {"5.0": "2021-01-01", "9.0": "2024-01-01"}.items()},
}


def declared(package: Package) -> List[str]:
    return list(package.requires)


def takes(tmp_path, *lines: Take, read: Optional[Read] = None) -> Takes:
    folder = tmp_path / "surfaces"
    folder.mkdir()
    (folder / "lib.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    (folder / "read.json").write_bytes(msgspec.json.encode(read or Read(("app",), {"app": {"1.0.3": ()}})))
    return Takes([tmp_path])


def needs(known: Takes, app: str, lib: str) -> List[Tuple[str, str, str, int]]:
    packages: Dict[str, Package] = {"app": Package("app", app), "lib": Package("lib", lib)}
    found = known.needs(packages, lambda name: RELEASES.get(name, {}), declared, complete=True)
    return [(need.kind, need.module, need.name, need.at.line) for need in found]


GONE = Take("app", "lib", "gone", ("9.0",), {"app/__init__.py": ["1.0.3:7"]}, {"app/__init__.py": ["1.0.3:7"]})


def test_a_release_that_lacks_what_is_taken_is_a_need(tmp_path):
    known = takes(tmp_path, GONE)
    assert needs(known, "1.0.3", "9.0") == [("missing-name", "lib", "gone", 7)]
    assert needs(known, "1.0.3", "5.0") == []


def test_a_release_stands_for_its_series(tmp_path):
    known = takes(tmp_path, GONE)
    assert needs(known, "1.0.0", "9.0") == [("missing-name", "lib", "gone", 7)]
    assert needs(known, "2.0.0", "9.0") == []


def test_a_release_that_was_read_itself_stands_for_itself(tmp_path):
    known = takes(tmp_path, GONE, read=Read(("app",), {"app": {"1.0.0": (), "1.0.3": ()}}))
    assert needs(known, "1.0.0", "9.0") == []


def test_a_take_under_a_condition_on_the_version_counts_on_its_side_alone(tmp_path):
    new = Take("app", "lib.sub", "", ("5.0", "9.0"), {"app/a.py": ["1.0.3:3"]}, {})
    known = takes(tmp_path, new)
    assert needs(known, "1.0.3", "9.0") == [("missing-module", "lib.sub", "", 3)]
    assert needs(known, "1.0.3", "5.0") == []


def test_releases_whose_days_are_not_known_tell_nothing(tmp_path):
    known = takes(tmp_path, GONE)
    packages = {"app": Package("app", "1.0.3"), "lib": Package("lib", "9.0")}
    assert list(known.needs(packages, lambda _: {}, declared, complete=True)) == []


def test_what_was_read_is_known(tmp_path):
    known = takes(tmp_path, read=Read(("app",), {"app": {"1.0.3": ()}}, {"lib": ("9.0",)}))
    assert known.has_read(Package("app", "1.0.0"), Package("lib", "9.0"))
    assert not known.has_read(Package("app", "1.0.0"), Package("lib", "8.0"))
    assert not known.has_read(Package("app", "2.0.0"), Package("lib", "9.0"))
    assert known.has_read(Package("app", "1.0.0"))


def test_a_line_that_is_none_is_named(tmp_path):
    known = takes(tmp_path)
    (tmp_path / "surfaces" / "lib.jsonl").write_text('["app"]\n')
    with pytest.raises(MatrixError, match=r"lib\.jsonl"):
        needs(known, "1.0.3", "9.0")


def test_without_surfaces_nothing_is_known(tmp_path):
    known = Takes([tmp_path])
    assert needs(known, "1.0.3", "9.0") == []
    assert not known.has_read(Package("app", "1.0.0"))


def loop(known: Takes, *packages: Package) -> List[Tuple[str, str, bool]]:
    found = known.needs(
        {one.name: one for one in packages}, lambda name: RELEASES.get(name, {}), declared, complete=True
    )
    return [(need.importer, need.module, need.loop) for need in found]


def test_what_the_loop_does_not_import_breaks_nothing(tmp_path):
    known = takes(tmp_path, GONE, read=Read(("app",), {"app": {"1.0.3": ()}, "torch": {"1.10.1": ("app",)}}))
    app, lib = Package("app", "1.0.3"), Package("lib", "9.0")
    assert loop(known, app, lib) == [("app", "lib", False)]
    assert loop(known, app, lib, Package("torch", "1.9.1")) == [("app", "lib", False)]
    assert loop(known, app, lib, Package("torch", "1.10.1")) == [("app", "lib", True)]


def test_what_is_imported_unasked_is_missed_where_it_is_surely_not_there(tmp_path):
    unasked = {"app": {"1.0.3": (Unasked("setuptools", "pkg_resources", "app/v.py", 3),)}}
    known = takes(tmp_path, read=Read(("app",), {"app": {"1.0.3": ("setuptools",)}}, {}, unasked))
    app, setuptools = Package("app", "1.0.0"), Package("setuptools", "60.0")

    def missed(*packages: Package, complete: bool = True) -> List[Tuple[str, Optional[str], str, int]]:
        found = known.needs({one.name: one for one in packages}, lambda _: {}, declared, complete=complete)
        return [(need.kind, need.provider, need.module, need.at.line) for need in found]

    assert missed(app) == [("missing-module", "setuptools", "pkg_resources", 3)]
    assert missed(app, setuptools) == []
    assert missed(app, complete=False) == []
    assert missed(Package("app", "2.0.0")) == []


def test_what_is_declared_and_imported_is_missed_where_it_is_surely_not_there(tmp_path):
    first = Take("app", "lib", "", (), {"app/__init__.py": ["1.0.3:2"]}, {"app/__init__.py": ["1.0.3:2"]})
    known = takes(tmp_path, first, GONE, read=Read(("app", "lib"), {"app": {"1.0.3": ("lib",), "2.0.0": ()}}))
    asks, silent = Package("app", "1.0.0", requires=("lib",)), Package("app", "1.0.0")

    def missed(*packages: Package, complete: bool = True) -> List[Tuple[str, Optional[str], str, int]]:
        found = known.needs({one.name: one for one in packages}, lambda _: {}, declared, complete=complete)
        return [(need.kind, need.provider, need.provider_version, need.at.line) for need in found]

    assert missed(asks) == [("missing-module", "lib", None, 2)]
    assert missed(asks, Package("lib", "5.0")) == []
    assert missed(asks, complete=False) == []
    assert missed(silent) == [], "what is not declared may be asked for first"
    assert missed(Package("app", "2.0.0", requires=("lib",))) == [], "it does not import it any more"


def test_what_no_training_loop_imports_is_left_alone(tmp_path):
    read = Read(("app", "lib", "far"), {"torch": {"1.10.1": ("app",)}, "app": {"1.0.0": ()}})
    known = takes(tmp_path, read=read)
    torch, app, lib, far = (
        Package(*one) for one in (("torch", "1.10.1"), ("app", "1.0.0"), ("lib", "5"), ("far", "1"))
    )

    def alone(*packages: Package) -> Set[str]:
        return known.unreached({one.name: one for one in packages}, declared)

    assert alone(torch, app, lib, Package("unheard-of", "1")) == {"lib"}
    assert alone(torch, app, lib, Package("trl", "1", requires=("lib",))) == set(), "people train with trl"
    unread = Package("app", "7.0.0", requires=("lib",))
    assert alone(torch, unread, lib, far) == {"far"}, "app 7.0.0 was not read: it may import all that it declares"
    assert alone(Package("torch", "3.0"), app, lib) == set(), "what was not read may import anything"


def test_what_needs_something_absent_that_its_importer_knows_may_be_asked_for_first(tmp_path):
    known = takes(tmp_path, read=Read(("app", "lib"), {"torch": {"1.10.1": ("app", "lib")}, "app": {"1.0.0": ()}}))
    torch, app, lib = Package("torch", "1.10.1"), Package("app", "1.0.0", requires=("lib",)), Package("lib", "5.0")
    assert known.reached({"torch": torch, "app": app, "lib": lib}, declared) == {"torch", "app", "lib"}
    assert known.reached({"torch": torch, "app": app}, declared) == {"torch"}
    assert known.unreached({"torch": torch, "app": app}, declared) == {"app"}
