"""What a resolver is asked, and what it answers: a set of releases, or words that say why there is none."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Tuple, Union

from card_doctor.model import Pin, Platform
from card_doctor.planning.interpreters import Interpreter
from card_doctor.planning.uv import WORDS, ResolverError, Uv, python_platform

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


BUILDS = 120.0  # seconds for building the metadata of all that has no wheel; what takes longer is no plan


class Question(NamedTuple):
    """`constraints` hold only what is brought in anyway. Nothing uploaded after `date` is taken ("2022-04-28"; None: no
    limit), of the distributions in `dates` after their own. `built` is built from source, since it has no wheel; the
    others come as wheels: all of them, or those in `wheels`.
    """

    requirements: Tuple[str, ...]
    constraints: Tuple[str, ...] = ()
    date: Optional[str] = None
    dates: Mapping[str, str] = {}
    built: FrozenSet[str] = frozenset()
    wheels: Optional[FrozenSet[str]] = None


class Resolution(NamedTuple):
    pins: Tuple[Pin, ...]
    pylock: str

    @property
    def names(self) -> FrozenSet[str]:
        return frozenset(pin.name for pin in self.pins)

    @property
    def versions(self) -> Dict[str, str]:
        return {pin.name: pin.version for pin in self.pins}


class Refusal(NamedTuple):
    """Nothing satisfies what was asked, in the resolver's words; `undated` where it held files to a day of which the
    index tells none.
    """

    words: str
    undated: bool = False

    @property
    def is_of_wheels(self) -> bool:
        """May what is built from source change it?"""
        return "wheel" in self.words or not self.is_proof

    @property
    def is_of_python(self) -> bool:
        """May another Python change it? The resolver tells a marker, a tag and a Requires-Python that it goes by."""
        return "python" in self.words.lower() or self.is_of_wheels

    def names(self, distribution: str) -> bool:
        """May another release of that one change it? What a proof does not name has no part in it."""
        words = re.sub(r"-\s+", "-", self.words)  # older ones of uv break their lines there
        return re.search(rf"(?<![\w.-]){re.escape(distribution)}(?![\w-])", words) is not None or not self.is_proof

    @property
    def is_proof(self) -> bool:
        """That there is no such set, and told to the end; a build that failed proves nothing."""
        return "No solution found" in self.words and len(self.words) < WORDS


Answer = Union[Resolution, Refusal]


class Resolver:
    """uv, for one Python on one platform. `elsewhere` is a platform that is not this machine's. What is asked twice is
    answered once, and what was refused whatever the Python, for all that share `refused`.
    """

    def __init__(
        self,
        uv: Uv,
        interpreter: Interpreter,
        elsewhere: Optional[Platform] = None,
        refused: Optional[Dict[str, Refusal]] = None,
    ) -> None:
        self._uv = uv
        self._interpreter = interpreter
        self._elsewhere = elsewhere
        self._refused = {} if refused is None else refused
        self._answers: Dict[str, Answer] = {}

    def ask(self, question: Question, preferred: str = "") -> Answer:
        """By wheels alone, but for what the question lets build. `preferred` is a pylock.toml whose releases are kept
        where nothing speaks against it. ResolverError where the index is out of reach: that is unknown, not
        unsatisfiable.
        """
        return self._ask(question, preferred, wheels_only=True)

    def ask_with_sources(self, question: Question, preferred: str = "") -> Answer:
        """The same, with a build of each package that has no wheel at all. To learn which those are, their releases
        are built once (two questions); nothing else is.
        """
        anyhow = self._ask(question, preferred, wheels_only=False)
        if isinstance(anyhow, Refusal):
            if not anyhow.is_of_python:  # then there is no set of wheels either
                self._refused[_key(question, preferred, wheels_only=True)] = anyhow
            return anyhow
        built = frozenset(pin.name for pin in anyhow.pins if pin.source)
        return self._ask(question._replace(built=question.built | built), preferred, wheels_only=True)

    def _ask(self, question: Question, preferred: str, *, wheels_only: bool) -> Answer:
        key = _key(question, preferred, wheels_only=wheels_only)
        if key in self._refused:
            return self._refused[key]
        if key not in self._answers:
            answer = self._answers[key] = self._run(question, preferred, wheels_only)
            if isinstance(answer, Refusal) and not answer.is_of_python:
                self._refused[key] = answer
        return self._answers[key]

    def _run(self, question: Question, preferred: str, wheels_only: bool) -> Answer:
        self._uv.calls += 1
        with tempfile.TemporaryDirectory(prefix="card-doctor-") as folder:
            asked = Path(folder, "requirements.in")
            asked.write_text("\n".join(question.requirements) + "\n", encoding="utf-8")
            arguments = [
                "pip",
                "compile",
                str(asked),
                "--no-header",
                "--format",
                "pylock.toml",
                *self._where(),
            ]
            if wheels_only:
                names = [":all:"] if question.wheels is None else sorted(question.wheels)
                arguments += [word for name in names for word in ("--only-binary", name)]
                arguments += [word for name in sorted(question.built) for word in ("--no-binary", name)]
            if question.constraints:
                path = Path(folder, "constraints.txt")
                path.write_text("\n".join(question.constraints) + "\n", encoding="utf-8")
                arguments += ["--constraints", str(path)]
            if question.date:
                arguments += ["--exclude-newer", question.date]
            for name, date in question.dates.items():
                arguments += ["--exclude-newer-package", f"{name}={date}"]
            if preferred:
                path = Path(folder, "pylock.toml")
                path.write_text(preferred, encoding="utf-8")
                arguments += ["--output-file", str(path)]
            builds = not wheels_only or bool(question.built)  # what soon ends by itself needs no supervisor
            said = self._uv.ask(arguments, supervised=builds, limit=None if wheels_only else BUILDS)
            written = Path(folder, "pylock.toml").read_text("utf-8") if preferred and said.code == 0 else said.out
        if said.code == 0:
            return read_answer(written)
        if said.code is None:
            return Refusal(said.words)
        if said.code != 1:
            raise self._uv.fail(said, "uv can't resolve")
        if self._uv.offline:
            raise ResolverError(
                "offline, uv finds no such set among what it has in its cache: whether there is one is not known",
                "run it once without --offline",
            )
        return Refusal(said.words, said.undated)

    def _where(self) -> List[str]:
        arguments = []
        if self._interpreter.path:
            arguments += ["--python", self._interpreter.path]
        else:
            arguments += ["--python-version", self._interpreter.version, "--python", sys.executable]
        if self._elsewhere is not None:
            name = python_platform(self._elsewhere.system, self._elsewhere.machine, self._elsewhere.libc)
            arguments += ["--python-platform", name] if name else []
        return arguments


def _key(question: Question, preferred: str, *, wheels_only: bool) -> str:
    return repr((question, preferred, wheels_only))


def read_answer(pylock: str) -> Resolution:
    """The releases that a pylock.toml holds (PEP 751), as uv writes it for one Python and platform."""
    packages: List[Dict[str, Any]] = tomllib.loads(pylock).get("packages", [])
    return Resolution(tuple(_pin(one) for one in packages if "version" in one), pylock)


def _pin(package: Mapping[str, Any]) -> Pin:
    wheels = package.get("wheels", [])
    files = wheels or [file for file in (package.get("sdist"),) if file]
    return Pin(
        package["name"],
        package["version"],
        hashes=tuple(f"{kind}:{digest}" for file in files for kind, digest in file.get("hashes", {}).items()),
        source=not wheels,
        dated=any("upload-time" in file for file in files),
        size=max((file.get("size", 0) for file in files), default=0),
    )
