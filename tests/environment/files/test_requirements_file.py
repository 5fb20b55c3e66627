from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from card_doctor.environment.files import read_file
from card_doctor.environment.files.requirements import logical_lines, read_requirements
from card_doctor.environment.files.target import Target, target
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Package

# As `pip freeze` of pip 24 wrote it, shortened.
FREEZE = """\
aiohttp==3.8.1
# Editable install with no version control (card-doctor==0.1.0)
-e /home/me/card-doctor
-e git+https://user:token@example.org/me/other.git@0123abc#egg=other
PyYAML==6.0
torch @ https://download.pytorch.org/whl/cu111/torch-1.9.1%2Bcu111-cp39-cp39-linux_x86_64.whl
torchvision @ file:///srv/torchvision-0.10.1%2Bcu111-cp39-cp39-linux_x86_64.whl#sha256=abc
wheel @ git+https://github.com/pypa/wheel@main
"""


def versions(snapshot):
    return {name: package.version for name, package in snapshot.packages.items()}


def gaps(snapshot):
    return {gap.fact: gap.detail for gap in snapshot.gaps if gap.fact not in {"python", "platform", "accelerators"}}


def read(text, asked=Target()):  # noqa: B008  an immutable value
    return read_requirements("reqs.txt", text, asked)


def test_a_freeze(file):
    snapshot = read_file(file(FREEZE))
    assert versions(snapshot) == {
        "aiohttp": "3.8.1",
        "card-doctor": "0.1.0",
        "pyyaml": "6.0",
        "torch": "1.9.1+cu111",
        "torchvision": "0.10.1+cu111",
    }
    assert snapshot.packages["card-doctor"] == Package("card-doctor", "0.1.0", editable=True)
    assert snapshot.packages["torchvision"].url.endswith("linux_x86_64.whl")
    assert gaps(snapshot) == {
        "package other": "line 4 of some.file pins no exact version",
        "package wheel": "line 8 of some.file pins no exact version",
    }
    assert not snapshot.complete
    assert "token" not in str(snapshot)


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("torch==1.9.1", "1.9.1"),
        ("torch == 1.9.1  # the card's", "1.9.1"),
        ("torch===1.9.1+corp", "1.9.1+corp"),
        ("Torch==1.9.1", "1.9.1"),
        ("torch[extra,other]==1.9.1", "1.9.1"),
        ("torch>=1.8,==1.9.1", "1.9.1"),
        ("torch (==1.9.1)", "1.9.1"),
        ("torch==1.9.1 --hash=sha256:0123 --hash=sha256:4567", "1.9.1"),
        ("torch==1.9.1 \\\n    --hash=sha256:0123 \\\n    --hash=sha256:4567", "1.9.1"),
        ("torch\\\n==1.9.1", "1.9.1"),
        ("torch==1.9.1 ; python_version < '3.10'", "1.9.1"),
        ("https://example.org/torch-1.9.1-cp39-cp39-linux_x86_64.whl?token=1", "1.9.1"),
        ("./wheels/torch-1.9.1-cp39-cp39-linux_x86_64.whl", "1.9.1"),
        ("wheels\\torch-1.9.1-cp39-cp39-win_amd64.whl", "1.9.1"),
    ],
)
def test_an_exact_pin_tells_a_version(line, version):
    snapshot = read(line + "\nnumpy==1.22.3", target("3.9", None))
    assert versions(snapshot) == {"torch": version, "numpy": "1.22.3"}
    assert gaps(snapshot) == {}


@pytest.mark.parametrize(
    "line", ["torch", "torch>=1.9.1", "torch==1.9.*", "torch~=1.9.1", "torch!=1.9.1", "git+https://h/t.git#egg=torch"]
)
def test_anything_else_is_a_gap(line):
    snapshot = read(f"numpy==1.22.3\n\n{line}\n")
    assert versions(snapshot) == {"numpy": "1.22.3"}
    assert gaps(snapshot) == {"package torch": "line 3 of reqs.txt pins no exact version"}


@pytest.mark.parametrize("line", ["./local/project", "/abs/path", "https://example.org/x.tar.gz", "-e ./here"])
def test_a_place_that_tells_no_name_is_a_gap(line):
    assert "neither name nor version" in gaps(read(line + "\n"))["packages"]


def test_markers_are_evaluated_for_the_python_that_was_told():
    text = "a==1 ; python_version < '3.9'\nb==1 ; python_full_version >= '3.9'\nc==1 ; sys_platform == 'win32'\n"
    on_39 = read(text, target("3.9", None))
    assert versions(on_39) == {"b": "1"}
    assert list(gaps(on_39)) == ["package c"]
    assert versions(read(text, target("3.8", "win_amd64"))) == {"a": "1", "c": "1"}
    assert versions(read(text, target("3.8", "linux_x86_64"))) == {"a": "1"}
    nowhere = read(text)
    assert versions(nowhere) == {}
    assert "--python and --platform tell whether that is so" in gaps(nowhere)["package a"]


def test_options_are_no_packages():
    options = "-i https://u:p@h/simple\n--extra-index-url https://h\n--no-binary :all:\n-f ./wheels\n--pre\n"
    snapshot = read(options + "torch==1.9.1\n")
    assert (versions(snapshot), gaps(snapshot)) == ({"torch": "1.9.1"}, {})


def test_constraints_are_said_not_to_be_read():
    assert gaps(read("-c pins.txt\ntorch==1.9.1\n"))["constraints"] == "line 1 of reqs.txt: pins.txt is not read"


@pytest.mark.parametrize(
    "option", ["-r sub/b.txt", "-rsub/b.txt", "--requirement sub/b.txt", "--requirement=sub/b.txt"]
)
def test_included_files_are_found_beside_the_file_that_includes_them(file, option):
    file("numpy==1.22.3\n-r c.txt\n", "sub/b.txt")
    file("pandas==1.4.2\nscipy\n", "sub/c.txt")
    snapshot = read_file(file(f"torch==1.9.1\n{option}\n", "a.txt"))
    assert versions(snapshot) == {"torch": "1.9.1", "numpy": "1.22.3", "pandas": "1.4.2"}
    assert gaps(snapshot) == {"package scipy": "line 2 of c.txt pins no exact version"}


def test_files_that_include_each_other_are_read_once(file):
    file("numpy==1.22.3\n-r a.txt\n-r b.txt\n", "b.txt")
    snapshot = read_file(file("-r b.txt\n-r ./b.txt\ntorch==1.9.1\n", "a.txt"))
    assert (versions(snapshot), gaps(snapshot)) == ({"numpy": "1.22.3", "torch": "1.9.1"}, {})


def test_an_included_file_that_is_not_there_is_an_error(file):
    with pytest.raises(EnvironmentReadError, match=r"^line 2 of a.txt: .*gone.txt: can't be read: No such file"):
        read_file(file("torch==1.9.1\n-r gone.txt\n", "a.txt"))


def test_an_included_file_on_the_network_is_not_fetched():
    assert "on the network, not read" in gaps(read("torch==1.9.1\n-r https://example.org/r.txt\n"))["requirements"]


def test_two_pins_of_one_package_are_neither():
    snapshot = read("torch==1.9.1\nnumpy==1.22.3\nTorch==1.10.0\ntorch==1.9.1\n")
    assert versions(snapshot) == {"numpy": "1.22.3"}
    assert gaps(snapshot) == {"package torch": "line 3 of reqs.txt: pinned to 1.10.0, before to 1.9.1"}
    assert versions(read("torch==1.9.1\ntorch==1.9.1\n")) == {"torch": "1.9.1"}


def test_a_line_that_is_no_requirement_costs_itself_alone():
    snapshot = read("torch==1.9.1\nthis is no requirement\nnumpy==1.22.3\n")
    assert versions(snapshot) == {"torch": "1.9.1", "numpy": "1.22.3"}
    assert gaps(snapshot) == {"requirements": "line 2 of reqs.txt: no requirement: this is no requirement"}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb", [(1, "a"), (2, "b")]),
        ("a \\\n  b\nc", [(1, "a   b"), (3, "c")]),
        ("a \\\n# told\nc", [(1, "a"), (3, "c")]),  # as in pip, a comment ends what is continued
        ("a \\", [(1, "a")]),
        ("\\\n\\\na", [(1, "a")]),
        ("a#b #c", [(1, "a#b")]),
        ("a\r\nb\r\n", [(1, "a"), (2, "b")]),
    ],
)
def test_logical_lines(text, lines):
    assert [(line.number, line.text) for line in logical_lines(text, "f")] == lines


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,8}([-_.][A-Za-z0-9]{1,8}){0,2}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc)[0-9])?(\+cu[0-9]{2,3})?", fullmatch=True)
DECORATIONS = st.sampled_from(
    ["", "  # why", " --hash=sha256:ab", " \\\n  --hash=sha256:ab", " ; python_version >= '3'"]
)
NOISE = st.sampled_from(["\n", "# comment\n", "  \n", "--pre\n", "-i https://h/simple\n", "  # indented\n", "\r\n"])


@given(
    st.lists(
        st.tuples(NAMES, VERSIONS, DECORATIONS, NOISE),
        min_size=1,
        max_size=6,
        unique_by=lambda row: canonicalize_name(row[0]),
    )
)
def test_every_pin_that_is_written_is_read(rows):
    text = "".join(f"{noise}{name}=={version}{decoration}\n" for name, version, decoration, noise in rows)
    snapshot = read(text, target("3.9", None))
    assert versions(snapshot) == {canonicalize_name(name): version for name, version, _, _ in rows}
    assert snapshot.gaps == ()


FRAGMENTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "-r ",
            "-e ",
            "--requirement=",
            "\\\n",
            "\n",
            "#",
            " #",
            "==",
            "===1",
            "@",
            ";",
            "torch",
            "git+",
            "://",
            "#egg=",
            "[x]",
            "-",
            "--",
            "~",
            "./",
            "\\",
            "'",
            '"',
            "python_version",
            "\x0c",
            "\u2028",
            "file:",
            ".whl",
            "a-1-py3-none-any.whl",
        ]
    ),
)


@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_no_text_raises_anything_but_a_clear_error(text):
    try:
        snapshot = read(text)
    except EnvironmentReadError as error:
        assert error.hint  # noqa: PT017  an error is one of two right answers
    else:
        assert snapshot.packages or snapshot.gaps or "-" in text or ";" in text
        assert all(name == canonicalize_name(package.name) for name, package in snapshot.packages.items())
