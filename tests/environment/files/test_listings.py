from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_doctor.environment.files import read_file
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Platform


def row(name, version, build="0", channel="conda-forge", platform="linux-64"):
    """As conda 24 writes it."""
    return {
        "base_url": f"https://conda.anaconda.org/{channel}", "build_number": 0, "build_string": build,
        "channel": channel, "dist_name": f"{name}-{version}-{build}", "name": name, "platform": platform,
        "version": version,
    }  # fmt: skip


CONDA = [
    row("_libgcc_mutex", "0.1"),
    row("python", "3.9.18", "h955ad1f_0"),
    row("pytorch", "1.9.1", "py3.9_cuda10.2_cudnn7.6.5_0", "pytorch"),
    row("numpy", "1.22.3", "py39hc58783e_2"),
    row("tzdata", "2024a", platform="noarch"),
    row("transformers", "4.18.0", "pypi_0", "pypi", "pypi"),
    row("numpy", "2.0.2", "pypi_0", "pypi", "pypi"),
]


def test_a_conda_environment_with_what_pip_put_into_it(file):
    snapshot = read_file(file(json.dumps(CONDA)))
    assert snapshot.python.version == "3.9.18"
    assert snapshot.python.markers["python_version"] == "3.9"
    assert snapshot.platform == Platform("Linux", "x86_64")
    assert {name: snapshot.packages[name].version for name in ("torch", "transformers", "numpy")} == {
        "torch": "1.9.1", "transformers": "4.18.0", "numpy": "2.0.2",
    }  # fmt: skip
    assert (snapshot.torch.build, snapshot.torch.cuda) == ("cu102", "10.2")
    assert snapshot.complete
    assert "python" not in snapshot.packages
    assert "listed twice: 2.0.2 is taken, 1.22.3 is not" in {gap.detail for gap in snapshot.gaps}


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ("cuda112py39h3ad47f5_1", ("cu112", "11.2")),
        ("cuda126_mkl_py312h30b5a27_300", ("cu126", "12.6")),
        ("py3.9_cpu_0", ("cpu", None)),
        ("h0_0", (None, None)),
    ],
)
def test_the_build_of_torch_is_in_its_build_string(file, build, expected):
    torch = read_file(file(json.dumps([row("pytorch", "1.12.1", build)]))).torch
    assert (torch.build, torch.cuda) == expected


@pytest.mark.parametrize(
    ("subdir", "platform"),
    [
        ("linux-aarch64", Platform("Linux", "aarch64")),
        ("osx-arm64", Platform("Darwin", "arm64")),
        ("win-64", Platform("Windows", "AMD64")),
        ("noarch", None),
        ("emscripten-wasm32", None),
    ],
)
def test_the_platform_is_that_of_the_packages(file, subdir, platform):
    assert read_file(file(json.dumps([row("zlib", "1.3", platform=subdir)]))).platform == platform


def bom(*components, **more):
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": list(components), **more}


def component(name, version, purl=None, **more):
    return {"type": "library", "name": name, "version": version, **({"purl": purl} if purl else {}), **more}


BOM = bom(
    component("torch", "1.9.1+cu111", "pkg:pypi/torch@1.9.1%2Bcu111"),
    component("Ruamel.YAML", "0.17", "pkg:pypi/ruamel.yaml@0.17?vcs_url=x#y"),
    component("openssl", "3.0.11", "pkg:deb/debian/openssl@3.0.11?arch=amd64"),
    component("python", "3.9.18", "pkg:generic/python@3.9.18", type="application"),
    component("app", "1", components=[component("numpy", "1.22.3", "pkg:pypi/numpy@1.22.3")]),
)


def test_the_python_packages_of_a_bill_of_materials(file):
    snapshot = read_file(file(json.dumps(BOM)), platform="linux_x86_64")
    assert {name: one.version for name, one in snapshot.packages.items()} == {
        "torch": "1.9.1+cu111", "ruamel-yaml": "0.17", "numpy": "1.22.3",
    }  # fmt: skip
    assert snapshot.python.version == "3.9.18"
    assert snapshot.torch.cuda == "11.1"


@pytest.mark.parametrize(
    ("aggregate", "complete"), [("complete", True), ("incomplete", False), ("unknown", False), (None, False)]
)
def test_only_one_that_says_so_is_complete(file, aggregate, complete):
    more = {"compositions": [{"aggregate": aggregate, "assemblies": ["x"]}]} if aggregate else {}
    assert read_file(file(json.dumps({**BOM, **more}))).complete is complete


@given(
    st.recursive(st.none() | st.text(max_size=5) | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_whatever_is_listed_is_read_or_refused(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("x") / "sbom.json"
    for document in (bom(value), {**bom(), "compositions": value}, [{**row("x", "1"), "version": value}]):
        path.write_text(json.dumps(document))
        with contextlib.suppress(EnvironmentReadError):
            assert read_file(str(path)).path == str(path)
