from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

from card_doctor.environment.files import read_file
from card_doctor.environment.files.documents import without_credentials
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Accelerator, Gap, Package, Platform, Python, Snapshot, TorchBuild

SNAPSHOT = Snapshot(
    source="interpreter",
    path="/env/bin/python",
    python=Python("3.9.18", executable="/env/bin/python", markers={"python_version": "3.9"}),
    platform=Platform("Linux", "x86_64", ("glibc", "2.36")),
    packages={"torch": Package("torch", "1.9.1", ("typing-extensions",))},
    torch=TorchBuild("1.9.1", "cu102", "10.2"),
    driver="470.57.02",
    accelerators=(Accelerator("Tesla T4", capability="7.5", memory_bytes=15843721216),),
    gaps=(Gap("libc", "failed", "why"),),
)


def test_a_snapshot_is_read_as_it_was_written(file):
    path = file(msgspec.json.encode(SNAPSHOT))
    assert read_file(path) == msgspec.structs.replace(SNAPSHOT, source="snapshot", path=path)


def test_a_snapshot_with_more_in_it_is_read(file):
    document = {**msgspec.to_builtins(SNAPSHOT), "tomorrow": [1]}
    assert read_file(file(json.dumps(document))).driver == "470.57.02"


@pytest.mark.parametrize(
    ("schema", "message", "hint"),
    [
        ("card-doctor/snapshot/2", "of another version of card-doctor", "pip install -U card-doctor"),
        ("card-doctor/report/1", "'card-doctor/report/1' is no snapshot", "card-doctor snapshot"),
        ("https://json-schema.org/draft", "is no snapshot", "card-doctor snapshot"),
        (7, "7 is no snapshot", "card-doctor snapshot"),
    ],
)
def test_another_schema_is_a_clear_error(file, schema, message, hint):
    with pytest.raises(EnvironmentReadError, match=message) as error:
        read_file(file(json.dumps({**msgspec.to_builtins(SNAPSHOT), "schema": schema})))
    assert hint in error.value.hint


def test_a_snapshot_with_a_wrong_type_says_where(file):
    document = msgspec.to_builtins(SNAPSHOT)
    document["packages"]["torch"]["version"] = 1
    with pytest.raises(EnvironmentReadError, match=r"Expected `str`, got `int` - at `\$.packages\[...\].version`"):
        read_file(file(json.dumps(document)))


def test_names_of_a_snapshot_written_by_hand_are_normalised(file):
    document = {
        "schema": "card-doctor/snapshot/1",
        "source": "requirements",
        "packages": {"PyYAML": {"name": "PyYAML", "version": "6.0"}},
    }
    assert list(read_file(file(json.dumps(document))).packages) == ["pyyaml"]


REPORT = {
    "version": "1",
    "pip_version": "24.0",
    "installed": [
        {
            "metadata": {
                "metadata_version": "2.1",
                "name": "Foo.Bar",
                "version": "1.0",
                "requires_dist": ["numpy (>=1.17)", "pytest ; extra == 'dev'"],
                "provides_extra": ["dev"],
                "requires_python": ">=3.7",
                "description": "x" * 1000,
            },
            "metadata_location": "/env/lib/python3.9/site-packages/foo_bar-1.0.dist-info",
            "direct_url": {"url": "https://user:token@example.org/foo", "dir_info": {"editable": True}},
            "installer": "pip",
            "requested": True,
        },
        {
            "metadata": {"name": "numpy", "version": "1.22.3"},
            "metadata_location": "C:\\env\\Lib\\numpy-1.22.3.dist-info",
        },
        {"metadata": {"name": "NumPy", "version": "1.21.0"}},
    ],
    "environment": {
        "implementation_name": "cpython",
        "python_full_version": "3.9.18",
        "python_version": "3.9",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
    },
}


def test_a_report_of_pip_inspect(file):
    snapshot = read_file(file(json.dumps(REPORT)))
    assert snapshot.complete
    assert snapshot.python == Python("3.9.18", markers=REPORT["environment"])
    assert snapshot.platform == Platform("Linux", "x86_64")
    assert snapshot.packages["foo-bar"] == Package(
        name="foo-bar",
        version="1.0",
        requires=("numpy (>=1.17)", "pytest ; extra == 'dev'"),
        extras=("dev",),
        requires_python=">=3.7",
        location="/env/lib/python3.9/site-packages",
        info="foo_bar-1.0.dist-info",
        editable=True,
        url="https://example.org/foo",
    )
    assert (snapshot.packages["numpy"].location, snapshot.packages["numpy"].info) == (
        "C:\\env\\Lib",
        "numpy-1.22.3.dist-info",
    )
    assert snapshot.gaps[0] == Gap("package numpy", "failed", "listed twice: 1.22.3 is taken, 1.21.0 is not")


def test_a_report_that_pip_really_wrote(file):
    """Of the environment that runs the tests."""
    done = subprocess.run([sys.executable, "-m", "pip", "inspect", "--local"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this environment has no pip that knows `inspect`")
    snapshot = read_file(file(done.stdout))
    assert snapshot.python.version.startswith("{}.{}.{}".format(*sys.version_info))
    assert snapshot.packages["msgspec"].version == msgspec.__version__
    assert any(requirement.startswith("packaging") for requirement in snapshot.packages["pytest"].requires)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "2"}, "a `pip inspect` report of version 2; known is version 1"),
        ({"installed": [{"metadata": {"name": "x"}}]}, "missing required field `version`"),
        ({"installed": "all"}, "Expected `array`, got `str`"),
        ({"environment": {"python_version": 3.9}}, "Expected `str`, got `float`"),
    ],
)
def test_a_report_that_can_not_be_read_says_what_is_wrong(file, change, message):
    with pytest.raises(EnvironmentReadError, match=message):
        read_file(file(json.dumps({**REPORT, **change})))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:token@example.org/a/b.whl?sig=1#sha256=2", "https://example.org/a/b.whl"),
        ("file:///srv/x", "file:///srv/x"),
        ("git+ssh://git@example.org/r.git@v1", "git+ssh://example.org/r.git@v1"),
        ("https://[", "https://"),
    ],
)
def test_no_url_keeps_a_secret(url, shown):
    assert without_credentials(url) == shown
