"""The tool that proves hazards, with a real uv and small wheels made here."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("reproduce", Path(__file__).parents[2] / "tools/reproduce.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

HAZARD = """
[[hazard]]
id = "alpha-2-beta"
scope = "import"
when = {{ alpha = ">=2", beta = "<2" }}
message = "beta {{beta}} needs a name that alpha {{alpha}} no longer has"
symptom = "has no attribute 'name'"
because = "It was removed."
remedies = ["alpha<2"]
proof = "reproduced"
evidence = ["reproduced: alpha 2.0 with beta 1.0 fails"]

[hazard.reproduction]
python = "{python}"
pins = {pins}
run = "{run}"
remedy = {remedy}
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """alpha 1.0 and 2.0, of which the newer lost a name; beta 1.0, which uses it, and 2.0, which does not; delta, which
    is content with one release of alpha."""
    folder = tmp_path_factory.mktemp("wheels")
    for name, version, code in [
        ("alpha", "1.0", "name = 1"),
        ("alpha", "2.0", ""),
        ("beta", "1.0", "import alpha; alpha.name"),
        ("beta", "2.0", "import alpha"),
        ("delta", "1.0", ""),
    ]:
        info = f"{name}-{version}.dist-info"
        requires = "Requires-Dist: alpha==2.0\n" if name == "delta" else ""
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{name}.py", code)
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def reproduce(wheels, tmp_path, monkeypatch, capsys):
    if shutil.which("uv") is None:
        uv = pytest.importorskip("uv", reason="there is no uv here")
        monkeypatch.setenv("PATH", str(Path(uv.find_uv_bin()).parent), prepend=os.pathsep)
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(wheels / "cache"))
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setattr(tool, "choose", lambda *_, **__: sys.executable)

    def run(*arguments, pins='["alpha==2.0", "beta==1.0"]', line="import beta", remedy='["alpha<2"]'):
        (tmp_path / "hazards").mkdir(exist_ok=True)
        version = "{}.{}".format(*sys.version_info)
        text = HAZARD.format(python=version, pins=pins, run=line, remedy=remedy)
        (tmp_path / "hazards" / "ours.toml").write_text(text)
        code = tool.main(["--matrices", str(tmp_path), "--work", str(tmp_path / "work"), *arguments])
        return code, capsys.readouterr()

    return run


def test_what_breaks_and_is_mended_is_proven_once(reproduce, tmp_path):
    code, told = reproduce()
    assert code == 0
    assert told.out.splitlines()[0].startswith("alpha-2-beta: breaks, and passes after alpha<2 (")
    assert told.out.splitlines()[-1].startswith("1 of 1 hazards proven in ")
    code, told = reproduce()
    assert code == 0
    assert told.out.startswith("1 of 1 hazards proven (1 of them before) in ")
    _, told = reproduce(remedy='["beta>=2"]')
    assert "breaks, and passes after beta>=2" in told.out  # another entry is proven anew
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["proven.jsonl"]


def test_what_is_installed_afterwards_is_a_part_of_it(reproduce):
    code, told = reproduce(pins='["alpha==1.0", "beta==1.0"]\nthen = ["alpha==2.0"]')
    assert (code, "breaks, and passes" in told.out) == (0, True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pins": '["alpha==3.0", "beta==1.0"]'}, "the pins can't be installed"),
        ({"line": "import alpha"}, "it does not break"),
        ({"line": "import gamma"}, "it breaks in another way than `has no attribute 'name'`"),
        ({"remedy": '["beta>=3"]'}, "the remedy beta>=3 can't be installed"),
        ({"remedy": '["beta>=2"]', "line": "import alpha; alpha.name"}, "it still breaks after beta>=2"),
    ],
)
def test_what_does_not_happen_as_written_is_told(reproduce, tmp_path, wrong, said):
    code, told = reproduce(**wrong)
    assert code == 1
    assert told.out.startswith(f"alpha-2-beta: FAILED: {said}")
    assert told.out.splitlines()[-1].endswith("; failed: alpha-2-beta")
    assert not (tmp_path / "work" / "proven.jsonl").exists()


def test_an_id_that_is_none_ends_it_before_anything_is_built(reproduce):
    code, told = reproduce("alpha-3")
    assert (code, told.out) == (2, "")
    assert "error: alpha-3: no hazard with a reproduction is called so" in told.err


class TestBounds:
    @pytest.fixture(autouse=True)
    def known(self, monkeypatch):
        """alpha 1.0, 2.0 and beta 1.0, 2.0 are what the index had."""
        from card_doctor.model import Release  # noqa: PLC0415

        class Known:
            def releases(self, _):
                return {one: Release(one, "2022-05-08", wheels=("py3-none-any",)) for one in ("1.0", "2.0")}

        monkeypatch.setattr(tool, "Matrices", Known)

    def test_the_releases_on_both_sides_are_tried(self, reproduce):
        code, told = reproduce("--bounds")
        assert code == 0
        assert told.out.startswith(
            "alpha-2-beta: alpha 1.0 passes; alpha 2.0 breaks; beta 1.0 breaks; beta 2.0 passes ("
        )

    def test_what_the_packages_rule_out_is_installed_without_what_they_require(self, reproduce):
        code, told = reproduce("--bounds", pins='["alpha==2.0", "beta==1.0", "delta==1.0"]', line="import beta, delta")
        assert code == 0, told
        assert "alpha 1.0 passes; alpha 2.0 breaks" in told.out  # delta wants alpha 2.0

    def test_a_bound_that_is_too_tight_is_told(self, reproduce):
        code, told = reproduce("--bounds", line="import math; math.name")
        assert code == 1
        assert "FAILED: alpha 1.0 fails; alpha 2.0 breaks; beta 1.0 breaks; beta 2.0 fails" in told.out

    def test_what_breaks_outside_as_another_hazard_says_is_as_expected(self, reproduce, tmp_path):
        (tmp_path / "hazards").mkdir()
        (tmp_path / "hazards" / "other.toml").write_text(
            HAZARD.partition("[hazard.reproduction]")[0]
            .format()
            .replace("alpha-2-beta", "beta-2")
            .replace('alpha = ">=2", beta = "<2"', 'alpha = ">=2", beta = ">=2"')
        )
        code, told = reproduce("--bounds", line="import alpha; alpha.name")
        assert code == 0, told
        assert "beta 1.0 breaks; beta 2.0 breaks as beta-2" in told.out

    def test_a_release_that_this_python_cannot_have_leaves_its_edge_open(self, reproduce, monkeypatch):
        monkeypatch.setattr(tool, "has_wheel", lambda release, *_: release.version != "2.0")
        code, told = reproduce("--bounds")
        assert code == 1
        assert "FAILED: alpha 2.0 has no wheel for Python" in told.out
