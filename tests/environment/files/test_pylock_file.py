from __future__ import annotations

import pytest

from card_doctor.environment.files import read_file
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Package

# As `uv pip compile --universal --format pylock.toml` writes it, shortened, with the sources that PEP 751 knows.
LOCK = """\
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.8"
default-groups = ["main"]

[[packages]]
name = "colorama"
version = "0.4.4"
marker = "sys_platform == 'win32'"
index = "https://example.org/simple"
wheels = [
    { url = "https://example.org/colorama-0.4.4.whl", upload-time = 2020-10-15T18:36:33Z, hashes = { sha256 = "9f" } },
]

[[packages]]
name = "numpy"
version = "1.22.3"
marker = "python_full_version >= '3.9'"
requires-python = ">=3.8"

[[packages]]
name = "numpy"
version = "1.21.6"
marker = "python_full_version < '3.9'"

[[packages]]
name = "PyTest"
version = "7.1.2"
marker = "'test' in dependency_groups or 'dev' in extras"

[[packages]]
name = "torch"
version = "1.9.1+cu111"
marker = "'main' in dependency_groups"
archive = { url = "https://user:token@example.org/torch.whl?sig=1", hashes = { sha256 = "9f47" } }
"""


def versions(snapshot):
    return {name: package.version for name, package in snapshot.packages.items()}


def test_what_is_locked_for_a_python_and_a_platform(file):
    path = file(LOCK)
    linux = read_file(path, python="3.9", platform="manylinux_2_28_x86_64")
    assert versions(linux) == {"numpy": "1.22.3", "torch": "1.9.1+cu111"}
    assert linux.complete
    assert linux.torch.cuda == "11.1"
    assert linux.packages["torch"] == Package("torch", "1.9.1+cu111", url="https://example.org/torch.whl")
    assert linux.packages["numpy"].requires_python == ">=3.8"
    assert versions(read_file(path, python="3.8", platform="win_amd64")) == {
        "colorama": "0.4.4",
        "numpy": "1.21.6",
        "torch": "1.9.1+cu111",
    }


def test_a_package_that_depends_on_what_was_not_told_is_unknown_not_missing(file):
    snapshot = read_file(file(LOCK), python="3.9")
    assert versions(snapshot) == {"numpy": "1.22.3", "torch": "1.9.1+cu111"}
    assert not snapshot.complete
    (gap,) = [gap for gap in snapshot.gaps if gap.fact == "package colorama"]
    assert gap.detail == "locked for sys_platform == 'win32': --python and --platform tell whether it is"


def test_a_package_without_a_version_is_unknown_not_missing(file):
    lock = 'lock-version = "1.0"\n[[packages]]\nname = "mine"\ndirectory = { path = ".", editable = true }\n'
    snapshot = read_file(file(lock))
    assert snapshot.packages == {}
    assert not snapshot.complete
    assert ("package mine", "locked without a version") in [(gap.fact, gap.detail) for gap in snapshot.gaps]


def test_a_package_that_is_locked_twice_for_one_target_is_told(file):
    lock = 'lock-version = "1.0"\n' + "".join(
        f'[[packages]]\nname = "torch"\nversion = "{version}"\n' for version in ("1.9.1", "1.10.0")
    )
    snapshot = read_file(file(lock))
    assert versions(snapshot) == {"torch": "1.9.1"}
    assert snapshot.gaps[0].detail == "locked twice: 1.9.1 is taken, 1.10.0 is not"


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        ('lock-version = "2.0"\npackages = []', "lock-version 2.0; known is version 1"),
        ('lock-version = "1.0"\n', "no valid pylock.toml: Object missing required field `packages`"),
        ('lock-version = "1.0"\npackages = [{ name = 3 }]', r"Expected `str`, got `int` - at `\$.packages\[0\].name`"),
        ('lock-version = "1.0"\nlock-version = "1.0"\n', "not TOML: "),
        ('lock-version = "1.0"\npackages = [{ name = "a", marker = "no marker" }]', "a: 'no marker' is no marker"),
        ('lock-version = "1.0"\nrequires-python = "3.9"\npackages = []', "requires-python '3.9' is no range"),
    ],
)
def test_a_lock_that_can_not_be_read_says_what_is_wrong(file, lock, message):
    with pytest.raises(EnvironmentReadError, match=message):
        read_file(file(lock))


def test_a_lock_for_another_python_is_an_error(file):
    with pytest.raises(EnvironmentReadError, match=r"locked for Python >=3\.8, not for 3\.7"):
        read_file(file(LOCK), python="3.7")
