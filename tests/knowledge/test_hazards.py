"""Hazards: which an environment meets, what a user's file may say, and lints over every one of ours."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from card_doctor.errors import MatrixError
from card_doctor.knowledge import Matrices
from card_doctor.knowledge.files import shipped
from card_doctor.knowledge.hazard_files import read_checked
from card_doctor.knowledge.hazard_lints import around, lint, remedied
from card_doctor.knowledge.hazards import Hazards, matching
from card_doctor.model import Enforced, Hazard, Release, Reproduction
from made import PYTHON

OURS, ENFORCED, UNENFORCED = read_checked(shipped())
KNOWLEDGE = Matrices()
EVERY = [pytest.param(one, id=one.id) for one in OURS]
ROWS = Path(__file__).parents[3] / "shared" / "truth" / "rows.jsonl"


AROUND = {
    name: around(one.when[name] for one in OURS if name in one.when)
    for name in {name for one in OURS for name in one.when}
}


def made(**facts) -> Hazard:
    facts = {
        "id": "made",
        "scope": "import",
        "message": "it breaks",
        "symptom": "Error",
        "because": "So it is.",
        "remedies": ("a>=3",),
        "evidence": ("reproduced: a 1 fails",),
        "proof": "reproduced",
        "when": {"a": "<2"},
        **facts,
    }
    return Hazard(**facts)


def meets(hazard: Hazard, python="3.9.18", markers=PYTHON.markers, complete=True, **installed: str) -> bool:
    return bool(list(matching([hazard], versions(installed), python, markers, complete)))


def versions(installed: Dict[str, str]) -> Dict[str, Version]:
    return {name: Version(version) for name, version in installed.items()}


def loop_breakers(installed: Dict[str, str], python: str = "3.9.18") -> List[str]:
    """The ids of what breaks an import or the training loop."""
    found = matching(KNOWLEDGE.hazards(versions(installed)), versions(installed), python, PYTHON.markers, True)
    return sorted(one.id for one in found if not one.scope.startswith("feature:"))


class TestMatching:
    def test_every_range_must_hold(self):
        both = made(when={"a": "<2", "b": ">=3"})
        assert meets(both, a="1.9", b="3")
        assert not meets(both, a="2", b="3")
        assert not meets(both, a="1.9", b="2.9")
        assert not meets(both, a="1.9")

    def test_no_range_is_any_version(self):
        assert meets(made(when={"a": ""}), a="0.0.1.dev3")
        assert not meets(made(when={"a": ""}), b="1")

    @pytest.mark.parametrize(
        ("specifier", "version", "holds"),
        [
            ("<2.1", "2.0.1+cu118", True),
            ("<2.1", "2.1.0a0+32f93b1", False),  # a vendor's source build on the way to 2.1 behaves as 2.1
            (">=2.1", "2.1.0a0+32f93b1", True),
            (">=2", "2.0.0rc1", True),
            ("<2", "2.0.0.dev20230130+cu118", False),
            (">=2.3,<2.4", "2.3.1.post300", True),
            ("<2.3", "2.3.1.post300", False),
        ],
    )
    def test_ranges_are_of_releases(self, specifier, version, holds):
        assert meets(made(when={"a": specifier}), a=version) is holds

    @given(
        bound=st.tuples(st.integers(0, 3), st.integers(0, 3)),
        release=st.lists(st.integers(0, 4), min_size=1, max_size=4),
        suffix=st.sampled_from(["", "a1", "rc2", ".post3", ".dev4", "a0+32f93b1", "+cu118", ".dev5+git.1"]),
    )
    def test_a_version_is_below_a_bound_or_not_and_never_neither(self, bound, release, suffix):
        version = ".".join(map(str, release)) + suffix
        text = "{}.{}".format(*bound)
        below, above = made(when={"a": f"<{text}"}), made(when={"a": f">={text}"})
        assert meets(below, a=version) != meets(above, a=version)

    def test_what_is_missing_must_surely_not_be_there(self):
        hazard = made(missing=("c",))
        assert meets(hazard, a="1")
        assert not meets(hazard, a="1", c="5")
        assert not meets(hazard, a="1", complete=False)

    def test_a_python_that_is_not_known_meets_nothing(self):
        hazard = made(python=">=3.12")
        assert meets(hazard, python="3.13.0rc1", a="1")
        assert not meets(hazard, python="3.11.7", a="1")
        assert not meets(hazard, python=None, a="1")

    def test_markers_are_those_of_the_environment_that_is_judged(self):
        hazard = made(marker="sys_platform == 'win32' and platform_machine == 'AMD64'")
        windows = {**PYTHON.markers, "sys_platform": "win32", "platform_machine": "AMD64"}
        assert meets(hazard, markers=windows, a="1")
        assert not meets(hazard, a="1")
        # what it does not tell is not taken from the interpreter that runs this
        here = made(marker="python_version >= '3'")
        assert not meets(here, markers={}, a="1")


class TestOurFiles:
    def test_entries_say_what_their_whole_files_say(self):
        assert list(Hazards([shipped()], KNOWLEDGE.releases).among()) == OURS
        assert list(Hazards([shipped()], KNOWLEDGE.releases).enforced) == ENFORCED

    @settings(deadline=None)
    @given(st.data())
    def test_nothing_is_lost_by_asking_for_what_can_apply(self, data):
        names = data.draw(st.sets(st.sampled_from(sorted(AROUND))))
        installed = {name: data.draw(st.sampled_from(AROUND[name])) for name in sorted(names)}
        few = KNOWLEDGE.hazards(installed)
        assert list(matching(few, installed, "3.12.1", {}, True)) == list(matching(OURS, installed, "3.12.1", {}, True))
        assert len(few) < len(OURS)


class TestRealEnvironments:
    """The seeds' pins on Python 3.9, resolved in November 2026 and as of the card's day; and what happened there."""

    def test_the_first_seed_today(self):
        installed = {
            "torch": "1.9.1",
            "transformers": "4.18.0",
            "datasets": "2.1.0",
            "tokenizers": "0.11.6",
            "numpy": "2.0.2",
            "pyarrow": "21.0.0",
            "pandas": "2.3.3",
            "huggingface-hub": "0.36.2",
            "fsspec": "2025.10.0",
            "dill": "0.4.1",
            "multiprocess": "0.70.19",
        }
        assert loop_breakers(installed) == ["numpy-2-abi-torch", "pandas-2-csv", "pyarrow-21-extension-type"]
        mended = {**installed, "numpy": "1.26.4", "pyarrow": "20.0.0", "pandas": "1.5.3"}
        assert loop_breakers(mended) == []

    def test_the_first_seed_as_of_its_day(self):
        installed = {
            "torch": "1.9.1",
            "transformers": "4.18.0",
            "datasets": "2.1.0",
            "tokenizers": "0.11.6",
            "numpy": "1.22.3",
            "pyarrow": "8.0.0",
            "pandas": "1.4.2",
            "huggingface-hub": "0.5.1",
            "fsspec": "2022.3.0",
            "dill": "0.3.4",
            "multiprocess": "0.70.12.2",
        }
        assert loop_breakers(installed) == []

    @pytest.mark.parametrize(
        ("setuptools", "expected"),
        [
            (None, ["missing-pkg-resources-torch"]),
            ("69.5.1", []),
            ("70.3.0", ["setuptools-70-torch"]),
            ("81.0.0", []),
            ("82.0.1", ["setuptools-82-torch"]),
        ],
    )
    def test_the_second_seed_as_of_its_day(self, setuptools, expected):
        installed = {
            "torch": "1.10.1",
            "transformers": "4.11.3",
            "datasets": "1.17.0",
            "tokenizers": "0.10.3",
            "numpy": "1.21.5",
            "pyarrow": "6.0.1",
            "pandas": "1.3.5",
            "huggingface-hub": "0.2.1",
            "fsspec": "2021.11.1",
            "dill": "0.3.4",
        }
        if setuptools:
            installed["setuptools"] = setuptools
        assert loop_breakers(installed) == expected

    @pytest.mark.parametrize(
        ("python", "installed"),
        [
            (
                "3.13.1",
                """torch==2.15.0 transformers==5.23.0 datasets==5.2.0 tokenizers==0.23.3 numpy==2.5.5 pandas==3.1.1
                pyarrow==26.0.1 huggingface-hub==2.4.0 httpx2==2.0.0 accelerate==1.15.0 peft==0.21.2
                fsspec==2026.4.0 dill==0.4.1 setuptools==84.2.1""",
            ),
            (
                "3.9.18",
                """torch==2.8.0 transformers==4.57.6 datasets==4.5.0 tokenizers==0.22.2 numpy==2.0.2 pandas==2.3.3
                pyarrow==21.0.0 huggingface-hub==0.36.2 accelerate==1.10.1 fsspec==2025.10.0 setuptools==82.0.1""",
            ),
        ],
    )
    def test_what_a_resolver_gives_where_nothing_is_pinned(self, python, installed):
        assert loop_breakers(dict(one.split("==") for one in installed.split()), python) == []

    @pytest.mark.skipif(not ROWS.exists(), reason="the rows of what really trained are not here")
    def test_nothing_that_trained_is_accused(self):
        rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
        trained = [row for row in rows if row.get("truth", {}).get("ok")]
        assert trained
        for row in trained:
            installed = {
                re.sub(r"[-_.]+", "-", one["metadata"]["name"]).lower(): one["metadata"]["version"]
                for one in row["installed"]["installed"]
            }
            assert loop_breakers(installed, row["installed"]["environment"]["python_full_version"]) == []


class TestUsersFiles:
    GOOD = """
[[hazard]]
id = "our-a-breaks"
scope = "feature:reporting"
when = { a = "<2", "b" = ">=1" }
message = "a {a} breaks"
symptom = "Error"
because = "We saw it."
remedies = ["a>=2", "-b"]
evidence = ["https://wiki.example.org/a"]
proof = "reported"
"""

    def read(self, tmp_path, text):
        (tmp_path / "hazards").mkdir(parents=True)
        (tmp_path / "hazards" / "ours.toml").write_text(text, encoding="utf-8")
        return Matrices([tmp_path]).hazards()

    def test_they_add_to_ours(self, tmp_path):
        hazards = self.read(tmp_path, self.GOOD)
        assert len(hazards) == len(OURS) + 1
        assert hazards[-1].when == {"a": "<2", "b": ">=1"}

    def test_the_same_id_overrides_ours(self, tmp_path):
        hazards = self.read(tmp_path, self.GOOD.replace("our-a-breaks", "numpy-2-abi-torch"))
        (one,) = (one for one in hazards if one.id == "numpy-2-abi-torch")
        assert one.because == "We saw it."
        assert len(hazards) == len(OURS)

    def test_they_may_say_what_is_enforced(self, tmp_path):
        text = (
            '[[enforced]]\ndistribution = "a"\nversions = ">=1"\nnames = ["b"]\nevidence = ["source: a/__init__.py"]\n'
        )
        self.read(tmp_path, text)
        assert Matrices([tmp_path]).enforced()[-1] == Enforced("a", ">=1", ("b",), ("source: a/__init__.py",))

    @pytest.mark.parametrize(
        ("right", "wrong", "line", "key", "said"),
        [
            ("symptom =", "symptoms =", 7, "hazard[0].symptoms", "did you mean `symptom`?"),
            ('"<2"', "2", 5, "hazard[0].when.a", "expected a string"),
            ('"reported"', '"rumoured"', 11, "hazard[0].proof", "none of the known values"),
            ('symptom = "Error"\n', "", 2, "hazard[0]", "`symptom` is missing"),
            ('"<2"', '"before 2"', 5, "hazard[0].when.a", "version specifier"),
            ("our-a-breaks", "Our A", 3, "hazard[0].id", "lower-case words"),
            ("feature:reporting", "features", 4, "hazard[0].scope", "`feature:<name>`"),
            ('{ a = "<2", "b" = ">=1" }', "{}", 5, "hazard[0].when", "at least one distribution"),
            ('"b"', '"B_b"', 5, "hazard[0].when.B_b", "like `b-b`"),
            ("a {a}", "a {torch}", 6, "hazard[0].message", "`{torch}` is no distribution of `when`"),
            ('["a>=2", "-b"]', "[]", 9, "hazard[0].remedies", "at least one"),
            ('"-b"', '"numpy<2"', 9, "hazard[0].remedies[1]", "one of a, b"),
            ('"-b"', '"b 2"', 9, "hazard[0].remedies[1]", "one of a, b"),
            ('"https://wiki.example.org/a"', "", 10, "hazard[0].evidence", "at least one link"),
            ("https://wiki", "wiki", 10, "hazard[0].evidence[0]", "an https link"),
            ('"<2"', '"===2"', 5, "hazard[0].when.a", "version specifier"),
            ("because =", 'python = "3.x"\nbecause =', 8, "hazard[0].python", "version specifier"),
            ("because =", 'marker = "on Linux"\nbecause =', 8, "hazard[0].marker", "PEP 508"),
            ("because =", 'subject = "torch"\nbecause =', 8, "hazard[0].subject", "one of a, b"),
        ],
    )
    def test_what_is_wrong_is_told_with_file_line_and_key(self, tmp_path, right, wrong, line, key, said):
        assert self.GOOD.count(right) == 1
        with pytest.raises(MatrixError) as error:
            self.read(tmp_path, self.GOOD.replace(right, wrong))
        told = f"{error.value} {error.value.hint}"
        assert f"ours.toml:{line}: {key}: " in told
        assert said in told

    def test_an_id_is_there_once(self, tmp_path):
        with pytest.raises(MatrixError, match=r"hazard\[1\]\.id: there is another hazard called our-a-breaks"):
            self.read(tmp_path, self.GOOD + self.GOOD)

    def test_what_is_no_toml_is_told_with_its_line(self, tmp_path):
        with pytest.raises(MatrixError, match=r"ours\.toml: not TOML: .*line 3"):
            self.read(tmp_path, self.GOOD.replace('"our-a-breaks"', "our-a-breaks"))

    @given(st.text())
    def test_a_remedy_is_a_requirement_a_removal_or_none(self, text):
        name, specifier = remedied(text)
        if text.startswith("-"):
            assert (name, specifier) == (text[1:], None)
        elif name:
            assert Requirement(text).specifier == specifier


class TestLints:
    """What an entry is refused for although its shape is right: in a user's file, and ours are held to the same."""

    def problems(self, *others: Hazard, **facts) -> List[str]:
        def releases(name):
            known = {"a": ["1", "2", "3", "3.1", "4"], "b": ["1", "2", "3"], "c": ["1", "2"]}.get(name, ())
            declared = {"b": ("a<3",), "c": ('a<4; extra == "x"',)}.get(name, ())
            return {one: Release(one, "2022-05-08", requires=declared) for one in known}

        hazard = made(**facts)
        told = [(".".join(map(str, steps)), said) for _, (steps, said) in lint([hazard], [hazard, *others], releases)]
        return [f"{steps}: {said}" for steps, said in told]

    def test_a_good_one_has_none(self):
        assert self.problems() == []
        assert self.problems(made(id="other", when={"a": "<3"})) == []
        assert self.problems(when={"a": "<2", "c": ""}, remedies=("a>=3", "-c", "-a")) == []
        assert self.problems(when={"unheard-of": ">=7"}, remedies=("unheard-of<7",)) == []
        assert self.problems(remedies=("a>=5",)) == []  # newer than the newest that is known

    @pytest.mark.parametrize(
        ("facts", "said"),
        [
            (
                {"when": {"a": "", "b": ">=2.2,<3"}, "remedies": ("-a",)},
                "when.b: there is no release of b in `>=2.2,<3`",
            ),
            ({"remedies": ("a!=2",)}, "remedies.0: `a!=2` still allows a 1, which the hazard is about"),
            ({"remedies": ("a>=3", "a>=3.2,<4")}, "remedies.1: there is no release of a in `<4,>=3.2`"),
            ({"missing": ("c",), "remedies": ("-c",)}, "remedies.0: c is not there: it can't be removed"),
            (
                {"when": {"a": "<2", "b": ">=2"}},
                "remedies.0: no release of b in `>=2` allows it: b 3 requires a<3",
            ),
        ],
    )
    def test_what_releases_and_ranges_exclude(self, facts, said):
        assert self.problems(**facts) == [said]

    def test_the_same_under_another_id(self):
        assert self.problems(made(id="other")) == ["when: says the same as other"]
        assert self.problems(made(id="other", scope="feature:x")) == []

    def test_a_remedy_that_is_a_hazard_itself(self):
        worse = made(id="worse", when={"a": ">=4"}, remedies=("a<4",))
        said = "remedies.0: it is a hazard itself: with a 4 the environment meets worse"
        assert self.problems(worse) == [said]
        assert self.problems(worse, remedies=("a>=3,<4",)) == []
        assert self.problems(msgspec.structs.replace(worse, scope="feature:x")) == []
        # only where it is met whatever else of the hazard is installed
        with_c = msgspec.structs.replace(worse, when={"a": ">=4", "c": "<2"})
        assert self.problems(with_c) == []
        assert self.problems(with_c, when={"a": "<2", "c": ""}) == []
        assert self.problems(with_c, when={"a": "<2", "c": "<2"}) == [said]
        without = made(id="without", when={"c": ""}, missing=("a",), remedies=("a>=3",))
        assert self.problems(without, when={"a": "<2", "c": ""}, remedies=("-a",)) == [
            "remedies.0: it is a hazard itself: without a the environment meets without"
        ]

    @pytest.mark.parametrize(
        ("facts", "said"),
        [
            ({"pins": ("a==1", "c")}, None),
            ({"pins": ("a==4",), "then": ("a==1",)}, None),
            ({"pins": ("a==2",)}, "pins: they pin no a in `<2`"),
            ({"pins": ("a<2",)}, "pins: they pin no a in `<2`"),
            ({"pins": ("c==1",)}, "pins: a is not among them"),
            ({"pins": ("a==1",), "then": ("-a",)}, "pins: a is not among them"),
            ({"pins": ("a is 1",)}, "pins.0: expected a requirement like `numpy==2.0.0`"),
            ({"remedy": ("c>=2",)}, "remedy.0: it changes no distribution of the hazard"),
            ({"remedy": ("a>=1",)}, "remedy.0: `a>=1` still allows what the hazard is about"),
        ],
    )
    def test_a_reproduction_of_something_else(self, facts, said):
        reproduction = Reproduction(**{"python": "3.9", "pins": ("a==1",), "run": "", "remedy": ("a>=3",), **facts})
        assert self.problems(reproduction=reproduction) == ([f"reproduction.{said}"] if said else [])

    def test_what_must_be_missing_is_not_pinned(self):
        reproduction = Reproduction(python="3.9", pins=("a==1", "c==1"), run="", remedy=("c>=2",))
        assert self.problems(missing=("c",), reproduction=reproduction) == [
            "reproduction.pins: c is among them, but has to be missing"
        ]

    def test_a_users_entry_is_refused_with_its_file_and_line(self, tmp_path):
        when = 'when = { transformers = ">=4.52", torch = "", accelerate = "<1.3" }'
        text = TestUsersFiles.GOOD.replace('when = { a = "<2", "b" = ">=1" }', when).replace("a {a}", "{accelerate}")
        good = text.replace('["a>=2", "-b"]', '["accelerate>=1.3", "-transformers"]')
        assert TestUsersFiles().read(tmp_path / "good", good)
        # from 4.52 on, transformers does not train without accelerate
        with pytest.raises(MatrixError) as error:
            TestUsersFiles().read(tmp_path / "bad", good.replace("-transformers", "-accelerate"))
        assert re.search(r"ours\.toml:9: hazard\[0\]\.remedies\[1\]: it is a hazard itself: without", str(error.value))
        assert "missing-accelerate-trainer-4-52 (of our-a-breaks)" in str(error.value)


# What follows are lints: each asks every hazard of ours.


def has(specifier: str, version: Version) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)


def evidenced(hazard: Hazard) -> Iterator[Tuple[str, str]]:
    """(distribution, version) as the first evidence names them in what fails."""
    fails = re.split(r"\bfails?\b", hazard.evidence[0])[0]
    for name, listed in re.findall(r"([a-z][\w-]*) (\d[\w.]*(?:(?:,| and| or)? \d[\w.]*)*)", fails):
        for version in re.findall(r"\d[\w.]*\w", listed):
            yield name, version


def test_there_are_enough():
    assert len(OURS) >= 40
    assert sum(one.reproduction is not None for one in OURS) >= 40


def test_none_contradicts_itself_another_one_or_a_release():
    """No two say the same, no range is empty, every remedy ends its hazard, can be installed and is none itself, and
    every reproduction is of its hazard: `TestLints` shows each of them caught.
    """
    assert [(one.id, problem) for one, problem in lint(OURS, OURS, KNOWLEDGE.releases)] == []


@pytest.mark.parametrize("hazard", EVERY)
def test_it_reads_well(hazard):
    assert "\n" not in hazard.message
    assert len(hazard.message) <= 140
    assert not hazard.message.endswith(".")
    assert hazard.because.endswith((".", ".)"))
    assert hazard.symptom
    assert "\n" not in hazard.symptom
    told = sum(f"{{{name}}}" in hazard.message for name in hazard.when)
    ranges = sum(map(bool, hazard.when.values()))
    assert told >= min(2 - bool(hazard.missing), max(ranges, 1)), "the reader is not told which releases there are"


@pytest.mark.parametrize("hazard", EVERY)
def test_it_fires_on_its_own_evidence(hazard):
    if hazard.proof == "reported":
        return
    assert hazard.evidence[0].startswith("reproduced: ")
    told: Dict[str, List[str]] = {}
    for name, version in evidenced(hazard):
        told.setdefault(name, []).append(version)
    for name, specifier in hazard.when.items():
        if specifier and hazard.python is None:
            assert any(has(specifier, Version(version)) for version in told.get(name, [])), (name, told)


@pytest.mark.parametrize("hazard", [pytest.param(one, id=one.id) for one in OURS if one.reproduction])
def test_it_fires_on_its_own_example_and_not_on_its_remedy(hazard):
    reproduction = hazard.reproduction
    assert hazard.proof == "reproduced"
    dt.date.fromisoformat(reproduction.date)
    compile(reproduction.run, hazard.id, "exec")
    python = f"{reproduction.python}.0"
    installed: Dict[str, str] = {}
    for pin in (*reproduction.pins, *reproduction.then):
        change(installed, pin)
    assert meets(hazard, python=python, **installed)
    for remedy in reproduction.remedy:
        change(installed, remedy)
    assert not meets(hazard, python=python, **installed)


def change(installed: Dict[str, str], wanted: str) -> None:
    """What an installer would make of it: the newest release that we know of in the range."""
    name, specifier = remedied(wanted)
    if specifier is None:
        del installed[name]
        return
    known = [Version(version) for version in KNOWLEDGE.releases(name)] or around([str(specifier)])
    installed[name] = str(max(one for one in known if has(str(specifier), one)))


def test_what_is_not_enforced_is_nowhere_said_to_be():
    """What trained is a fact of releases that there are, and no package both looks and does not."""
    for one in UNENFORCED:
        assert one.evidence[0].startswith("reproduced: ")
        for name, specifier in one.works.items():
            releases = KNOWLEDGE.releases(name)
            assert not releases or any(has(specifier, Version(version)) for version in releases)
            assert not any(name in other.names for other in ENFORCED if other.distribution == one.distribution)


def test_what_is_enforced_is_said_once():
    for distribution in {one.distribution for one in ENFORCED}:
        ranges = [one.versions for one in ENFORCED if one.distribution == distribution]
        for version in around(ranges):
            assert sum(has(text, version) for text in ranges) <= 1, (distribution, version)
