"""Requirements, as pip reads them and `pip freeze` writes them. Only an exact pin tells a version.
https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple
from urllib.parse import unquote

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from card_doctor.environment.files.documents import without_credentials
from card_doctor.environment.files.reading import KNOWN, read_text
from card_doctor.environment.files.target import Target, holds
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Gap, Package, Snapshot

COMMENT = re.compile(r"(?:^|\s+)#.*$")
OPTION = re.compile(r"(--[a-z][a-z-]*|-[A-Za-z])\s*=?\s*(.*)")
OF_A_REQUIREMENT = re.compile(r"\s--?[A-Za-z]")  # --hash=…, --config-settings=… behind one
# What pip freeze writes above `-e PATH`.
EDITABLE = re.compile(r"#\s*Editable .*\(([A-Za-z0-9._-]+)==([^)\s]+)\)\s*$")
EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
CONDA = re.compile(r"[\w.-]+=[^=\s]+(?:=[^=\s]+)?")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|git\+")


class Line(NamedTuple):
    """A logical line, continued ones joined, and the comment right above it."""

    file: str
    number: int
    text: str
    above: str

    def __str__(self) -> str:
        return f"line {self.number} of {self.file}"


def logical_lines(text: str, file: str) -> Iterator[Line]:
    parts: List[str] = []
    first, above = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        is_comment = raw.lstrip().startswith("#")
        if raw.endswith("\\") and not is_comment:
            first = first if parts else number
            parts.append(raw[:-1])
            continue
        joined = COMMENT.sub("", "".join((*parts, " " * is_comment + raw))).strip()
        if joined:
            yield Line(file, first if parts else number, joined, above)
        parts, above = [], raw.strip() if is_comment else ""
    if parts and "".join(parts).strip():
        yield Line(file, first, COMMENT.sub("", "".join(parts)).strip(), above)


class Reader:
    """One walk over a file and those that it includes."""

    def __init__(self, asked: Target) -> None:
        self.asked = asked
        self.packages: Dict[str, Package] = {}
        self.dropped: Set[str] = set()  # pinned to more than one version
        self.gaps: List[Gap] = []
        self.wrong: List[Line] = []
        self.understood = 0
        self.files: Set[Path] = set()

    def read(self, path: Path, text: str) -> None:
        self.files.add(path.resolve())
        for line in logical_lines(text, path.name):
            if line.text.startswith("-"):
                self.read_option(path, line)
            else:
                self.read_requirement(line, OF_A_REQUIREMENT.split(line.text, maxsplit=1)[0].strip())

    def read_option(self, path: Path, line: Line) -> None:
        found = OPTION.fullmatch(line.text)
        if found is None:
            self.wrong.append(line)
            return
        name, value = found.group(1), found.group(2).strip("\"'")
        self.understood += 1
        if name in {"-r", "--requirement"}:
            self.include(path, line, value)
        elif name in {"-e", "--editable"}:
            self.read_editable(line, value)
        elif name in {"-c", "--constraint"}:
            self.gaps.append(Gap("constraints", "not-asked", f"{line}: {value} is not read"))

    def include(self, path: Path, line: Line, value: str) -> None:
        if URL.match(value):
            self.gaps.append(Gap("requirements", "not-asked", f"{line}: on the network, not read"))
            return
        other = path.parent / value
        if other.resolve() in self.files:  # itself, or one that two files include
            return
        try:
            text = read_text(other)
        except EnvironmentReadError as error:
            raise EnvironmentReadError(f"{line}: {error.message}", error.hint) from None
        self.read(other, text)

    def read_editable(self, line: Line, value: str) -> None:
        named = EDITABLE.match(line.above)
        egg = EGG.search(value)
        if named:
            self.add(line, named.group(1), named.group(2), editable=True)
        elif egg:
            self.without_version(line, egg.group(1))
        else:
            self.gaps.append(Gap("packages", "absent", f"{line}: an editable install tells neither name nor version"))

    def read_requirement(self, line: Line, text: str) -> None:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            self.read_place(line, text)
            return
        self.understood += 1
        name = requirement.name
        if requirement.marker is not None:
            applies = holds(str(requirement.marker), self.asked.markers)
            if applies is None:
                told = f"{line}: only where {requirement.marker}; --python and --platform tell whether that is so"
                self.gaps.append(Gap(f"package {canonicalize_name(name)}", "absent", told))
            if not applies:
                return
        if requirement.url:
            version = version_in(requirement.url)
            if version:
                self.add(line, name, version[1], url=requirement.url)
            else:
                self.without_version(line, name)
            return
        pins = [one.version for one in requirement.specifier if is_pin(one.operator, one.version)]
        if pins:
            self.add(line, name, pins[0])
        else:
            self.without_version(line, name)

    def read_place(self, line: Line, text: str) -> None:
        """A URL or a path; or nothing that pip would take."""
        place = text.partition(";")[0].strip()
        wheel, egg = version_in(place), EGG.search(place)
        if not (wheel or egg or URL.match(place) or place.startswith((".", "/", "~")) or "\\" in place):
            self.wrong.append(line)
            return
        self.understood += 1
        if wheel:
            self.add(line, *wheel, url=place if URL.match(place) else None)
        elif egg:
            self.without_version(line, egg.group(1))
        else:
            self.gaps.append(Gap("packages", "absent", f"{line}: a path or URL that tells neither name nor version"))

    def add(self, line: Line, name: str, version: str, *, url: Optional[str] = None, editable: bool = False) -> None:
        name = canonicalize_name(name)
        before = self.packages.get(name)
        if before is not None and before.version != version:
            told = f"{line}: pinned to {version}, before to {before.version}"
            self.gaps.append(Gap(f"package {name}", "failed", told))
            self.dropped.add(name)
            return
        self.packages[name] = Package(name, version, editable=editable, url=without_credentials(url) if url else None)

    def without_version(self, line: Line, name: str) -> None:
        self.gaps.append(Gap(f"package {canonicalize_name(name)}", "absent", f"{line} pins no exact version"))


def read_requirements(path: str, text: str, asked: Target) -> Snapshot:
    reader = Reader(asked)
    reader.read(Path(path), text)
    if len(reader.wrong) > reader.understood or not reader.understood:
        raise unknown_kind(path, reader.wrong)
    for line in reader.wrong:
        reader.gaps.append(Gap("requirements", "failed", f"{line}: no requirement: {line.text[:80]}"))
    packages = {name: one for name, one in reader.packages.items() if name not in reader.dropped}
    return Snapshot(source="requirements", complete=False, packages=packages, gaps=tuple(reader.gaps))


def unknown_kind(path: str, wrong: List[Line]) -> EnvironmentReadError:
    if not wrong:
        return EnvironmentReadError(f"{path}: names no package", KNOWN)
    hint = KNOWN
    if all(CONDA.fullmatch(line.text) for line in wrong):
        hint = f"Written by conda? `pip list --format=freeze` writes requirements. {KNOWN}"
    first = "".join(filter(str.isprintable, wrong[0].text))[:80]
    return EnvironmentReadError(f"{path}: of no known kind (line {wrong[0].number}: {first})", hint)


def is_pin(operator: str, version: str) -> bool:
    return operator in {"==", "==="} and not version.endswith(".*")


def version_in(place: str) -> Optional[Tuple[str, str]]:
    """Name and version by the name of a wheel."""
    file = unquote(re.split(r"[?#]", place)[0]).replace("\\", "/").rpartition("/")[2]
    try:
        name, version, _, _ = parse_wheel_filename(file)
    except (InvalidWheelFilename, ValueError):
        return None
    return name, str(version)
