from __future__ import annotations

from typing import Any, Dict, Optional

import msgspec
import pytest

from card_doctor.checks import binaries, surfaces
from card_doctor.knowledge import Matrices
from card_doctor.model import NotApplicable, Package, Release, Unknown
from card_doctor.model.derived import Derived, Need, Step
from made import PYTHON, Known, case

DATASETS = Need(
    kind="missing-name",
    importer="datasets",
    importer_version="2.1.0",
    provider="pyarrow",
    provider_version="21.0.0",
    module="pyarrow",
    name="PyExtensionType",
    at=Step("datasets/features/features.py", 513),
    entry="datasets",
    chain=(Step("datasets/__init__.py", 37), Step("datasets/arrow_dataset.py", 50)),
    error="AttributeError",
    message="module 'pyarrow' has no attribute 'PyExtensionType'",
)
NO_MODULE = msgspec.structs.replace(
    DATASETS, kind="missing-module", importer="torch", importer_version="1.10.1", provider=None, provider_version=None,
    module="pkg_resources", name="", at=Step("torch/torch_version.py", 3), error="ModuleNotFoundError",
)  # fmt: skip
STOP = msgspec.structs.replace(
    DATASETS, kind="enforced", importer="transformers", importer_version="4.57.6", provider="tokenizers",
    provider_version="0.19.1", module="", name="", at=Step("transformers/utils/versions.py", 44), error="ImportError",
    message="tokenizers>=0.22.0,<=0.23.0 is required for a normal functioning of this module, but found 0.19.1.",
)  # fmt: skip
KEYWORD = msgspec.structs.replace(
    DATASETS, kind="refused-keyword", importer="transformers", importer_version="4.30.2", provider="accelerate",
    provider_version="1.0.1", module="accelerate.accelerator", name="Accelerator(dispatch_batches=…)",
    at=Step("transformers/trainer.py", 4000), error="TypeError",
)  # fmt: skip
CHECKS = {
    "missing-name": surfaces.missing_name,
    "missing-module": surfaces.missing_module,
    "enforced": surfaces.enforced_version,
    "refused-keyword": surfaces.refused_keyword,
}


def findings(
    *needs: Need,
    packages: Optional[Dict[str, Package]] = None,
    of: Optional[Need] = None,
    releases: Optional[Dict[str, Dict[str, Release]]] = None,
) -> Any:
    installed = {}
    for need in needs:
        installed[need.importer] = need.importer_version
        if need.provider and need.provider_version:
            installed[need.provider] = need.provider_version
    found = {name: Package(name, version) for name, version in installed.items()}
    judged = case(*{**found, **(packages or {})}.values(), known=Known(told_releases=releases or {}))
    judged = msgspec.structs.replace(judged, derived=Derived(installed=installed, needs=needs))
    return list(CHECKS[(of or needs[0]).kind](judged))


def test_a_missing_name_is_told_with_its_place_and_the_chain():
    (finding,) = findings(DATASETS)
    assert finding.id == "packages/missing-name"
    assert (finding.subject, finding.found, finding.breaks, finding.severity) == ("pyarrow", "21.0.0", "yes", "error")
    assert finding.message == (
        "datasets 2.1.0 takes pyarrow.PyExtensionType (datasets/features/features.py:513), "
        "which pyarrow 21.0.0 does not have"
    )
    assert finding.details == ("reached through datasets/__init__.py:37 > datasets/arrow_dataset.py:50",)
    assert "AttributeError" in finding.because


def test_one_cause_is_one_finding():
    other = msgspec.structs.replace(DATASETS, name="Other", at=Step("datasets/table.py", 7))
    elsewhere = msgspec.structs.replace(DATASETS, provider="huggingface-hub", provider_version="0.1.0")
    one, two = findings(DATASETS, other, elsewhere)
    assert one.message.endswith("does not have (and 1 other)")
    assert "datasets/table.py:7 takes pyarrow.Other" in one.details
    assert two.subject == "huggingface-hub"


def test_what_is_sure_comes_first():
    perhaps = msgspec.structs.replace(DATASETS, name="Perhaps", sure=False)
    (finding,) = findings(perhaps, DATASETS)
    assert finding.breaks == "yes"
    assert "PyExtensionType" in finding.message


@pytest.mark.parametrize(
    ("sure", "loop", "breaks", "severity"),
    [
        (True, True, "yes", "error"),
        (False, True, "maybe", "warning"),
        (True, False, "no", "warning"),
        (False, False, "no", "note"),
    ],
)
@pytest.mark.parametrize("need", [DATASETS, NO_MODULE, STOP, KEYWORD], ids=lambda need: need.kind)
def test_only_what_surely_stops_the_loop_breaks(need, sure, loop, breaks, severity):
    (finding,) = findings(msgspec.structs.replace(need, sure=sure, loop=loop))
    assert (finding.breaks, finding.severity) == (breaks, severity)


def test_a_missing_module():
    (finding,) = findings(NO_MODULE)
    assert (finding.id, finding.subject, finding.found) == ("packages/missing-module", "setuptools", None)
    assert finding.message == (
        "torch 1.10.1 imports pkg_resources (torch/torch_version.py:3), and nothing that is installed provides it"
    )
    submodule = msgspec.structs.replace(NO_MODULE, provider="torch-extra", provider_version="1", module="torch_extra.x")
    assert findings(submodule)[0].message.endswith("and torch-extra 1 does not have it")


def test_a_stop_is_told_in_its_own_words_and_mended_by_them():
    (finding,) = findings(STOP)
    assert (finding.id, finding.subject, finding.found) == ("packages/enforced-version", "tokenizers", "0.19.1")
    assert finding.message.startswith(
        "transformers 4.57.6 stops (transformers/utils/versions.py:44): tokenizers>=0.22.0"
    )
    (remedy,) = finding.remedies
    assert remedy.kind == "pin"
    assert set(remedy.requirement.replace("tokenizers", "").split(",")) == {">=0.22.0", "<=0.23.0"}


def test_what_is_too_old_to_be_used_is_told_with_the_release_that_the_files_ask_for():
    said = "\nTrainer requires the PyTorch library but it was not found. Check out the\ninstallation page.\n"
    need = msgspec.structs.replace(
        STOP, provider="torch", provider_version="1.9.1", message=said, wants="torch>=2.1.0", wants_at=Step("u.py", 251)
    )
    (finding,) = findings(need)
    assert finding.message.endswith("): Trainer requires the PyTorch library but it was not found")
    assert finding.needs == ">=2.1.0"
    assert finding.because.endswith("It asks for torch>=2.1.0 (u.py:251).")
    assert [remedy.requirement for remedy in finding.remedies] == ["torch>=2.1.0"]


def test_a_source_that_does_not_parse():
    broken = msgspec.structs.replace(
        STOP, provider="python", provider_version=None, error="SyntaxError", message="SyntaxError: invalid syntax"
    )
    assert "Python 3.9.18 can't parse it" in findings(broken)[0].message


def test_a_refused_keyword():
    (finding,) = findings(KEYWORD)
    assert finding.id == "packages/refused-keyword"
    assert "calls Accelerator(dispatch_batches=…) (transformers/trainer.py:4000)" in finding.message
    assert finding.subject == "accelerate"


def test_what_the_importer_itself_asks_for_is_the_remedy():
    asks = Package("datasets", "2.1.0", requires=("pyarrow<21,>=6", "numpy>=1.17"))
    (finding,) = findings(DATASETS, packages={"datasets": asks})
    (remedy,) = finding.remedies
    assert (remedy.kind, set(remedy.requirement[len("pyarrow") :].split(","))) == ("pin", {"<21", ">=6"})


@pytest.mark.parametrize("requires", [(), ("pyarrow>=6",), ("pyarrow<21; python_version < '3'",)])
def test_without_anything_that_helps_there_is_no_remedy(requires):
    (finding,) = findings(DATASETS, packages={"datasets": Package("datasets", "2.1.0", requires=requires)})
    assert finding.remedies == ()


def test_what_is_known_to_be_provided_by_what_is_not_installed_is_about_that():
    absent = msgspec.structs.replace(
        NO_MODULE, importer="scikit-learn", importer_version="1.6.1", provider="scipy", module="scipy",
        at=Step("sklearn/base.py", 12),
    )  # fmt: skip
    asks = Package("scikit-learn", "1.6.1", requires=("scipy>=1.6",))
    (finding,) = findings(absent, packages={"scikit-learn": asks, "torch": Package("torch", "2.0.0")})
    assert (finding.subject, finding.found, finding.breaks) == ("scipy", None, "yes")
    assert finding.message == (
        "scikit-learn 1.6.1 imports scipy (sklearn/base.py:12), and nothing that is installed provides it"
    )
    assert [remedy.requirement for remedy in finding.remedies] == ["scipy>=1.6"]


def test_a_changed_set_is_not_judged_by_old_files():
    assert findings(DATASETS, packages={"pyarrow": Package("pyarrow", "20.0.0")}) == []
    assert findings(DATASETS, packages={"datasets": Package("datasets", "2.2.0")}) == []
    assert len(findings(DATASETS, packages={"pandas": Package("pandas", "2.0")})) == 1
    assert len(findings(NO_MODULE, packages={"pandas": Package("pandas", "2.0")})) == 1
    assert findings(NO_MODULE, packages={"setuptools": Package("setuptools", "65.0")}) == []


def test_without_files_there_is_nothing_to_ask():
    judged = case(Package("torch", "1.9.1"), source="pip-inspect")
    with pytest.raises(NotApplicable):
        list(surfaces.missing_name(judged))


def test_files_of_an_interpreter_that_could_not_be_read_are_unknown():
    with pytest.raises(Unknown):
        list(surfaces.missing_name(case(Package("torch", "1.9.1"))))


def test_without_a_requirement_the_way_out_is_what_was_there_when_the_importer_came_out():
    releases = {
        "datasets": {"2.1.0": Release("2.1.0", "2022-04-14")},
        "pyarrow": {
            version: Release(version, date)
            for version, date in {"6.0.1": "2021-11-18", "7.0.0": "2022-02-03", "21.0.0": "2025-07-18"}.items()
        },
    }
    assert [one.requirement for one in findings(DATASETS, releases=releases)[0].remedies] == ["pyarrow<=7.0.0"]
    older = msgspec.structs.replace(DATASETS, provider_version="6.0.1")
    assert [one.requirement for one in findings(older, releases=releases)[0].remedies] == ["pyarrow>=7.0.0"]
    assert findings(DATASETS)[0].remedies == ()


def test_what_is_not_installed_is_not_missed_where_nobody_asks_to_train():
    torch = msgspec.structs.replace(NO_MODULE, importer="transformers", importer_version="5.20.2", module="torch")
    assert findings(torch) == []
    assert len(findings(msgspec.structs.replace(torch, entry="train.py"))) == 1
    assert len(findings(DATASETS)) == 1, "what is installed and does not fit is told"


# --- by the shipped surfaces alone, of an environment whose files are not at hand -----------------------------------

TRAINS = {
    "torch": "2.1.2", "transformers": "4.37.2", "datasets": "2.16.1", "tokenizers": "0.15.1", "numpy": "1.26.4",
    "pandas": "2.2.0", "pyarrow": "15.0.0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "breaks"),
    [
        ({}, []),
        ({"numpy": "2.0.2", "pyarrow": "16.1.0", "pandas": "2.2.2"}, [("numpy-abi", "torch", "numpy<2")]),
        ({"pandas": "3.1.1"}, [("enforced-version", "pandas", "numpy>=2.0.2")]),
        ({"tokenizers": "0.19.1"}, [("enforced-version", "transformers", "tokenizers<0.19,>=0.14")]),
    ],
)
def test_releases_are_judged_like_installed_ones(changed, breaks):
    installed = [Package(name, version) for name, version in {**TRAINS, **changed}.items()]
    python = msgspec.structs.replace(PYTHON, version="3.11.9")
    here = case(*installed, known=Matrices(), source="pip-inspect", python=python)
    found = [*surfaces.enforced_version(here), *binaries.numpy_abi(here)]
    assert all(finding.breaks == "yes" for finding in found)
    assert [
        (finding.id.partition("/")[2], finding.between[0], finding.remedies[0].requirement) for finding in found
    ] == breaks
