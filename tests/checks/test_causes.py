from __future__ import annotations

import msgspec
import pytest

from card_doctor.checks.causes import one_a_cause
from card_doctor.model import Finding, Remedy

HAZARD = Finding(
    "packages/pyarrow-21-extension-type", "error", "pyarrow", "pyarrow 21 has no PyExtensionType", breaks="yes",
    remedies=(Remedy("pin", "pyarrow<21"),), between=("datasets", "pyarrow"),
)  # fmt: skip
DERIVED = Finding(
    "packages/missing-name", "error", "pyarrow", "datasets takes pyarrow.PyExtensionType", breaks="yes",
    details=("reached through a.py:1",), between=("datasets", "pyarrow"),
)  # fmt: skip
DECLARED = Finding(
    "packages/declared-requirement", "warning", "pyarrow", "datasets requires pyarrow<20", breaks="maybe",
    remedies=(Remedy("pin", "pyarrow<20"),), between=("datasets", "other", "pyarrow"),
)  # fmt: skip


def having(finding, **changes):
    return msgspec.structs.replace(finding, **changes)


def test_a_hazard_speaks_for_what_is_derived_and_declared_between_the_same_distributions():
    (told,) = one_a_cause([DECLARED, DERIVED, HAZARD])
    assert (told.id, told.breaks, told.severity) == (HAZARD.id, "yes", "error")
    assert told.details == (DERIVED.message, *DERIVED.details, DECLARED.message)
    assert [remedy.requirement for remedy in told.remedies] == ["pyarrow<21", "pyarrow<20"]


def test_what_is_joined_is_as_bad_as_its_worst_part():
    reported = having(HAZARD, breaks="maybe", severity="warning")
    (told,) = one_a_cause([reported, DERIVED])
    assert (told.id, told.breaks, told.severity) == (HAZARD.id, "yes", "error")


@pytest.mark.parametrize(
    "other",
    [
        having(HAZARD, between=("transformers", "pyarrow")),
        having(HAZARD, breaks="no", severity="note"),
        having(HAZARD, between=()),
    ],
    ids=["of other distributions", "of a feature", "of none"],
)
def test_another_cause_stays_a_finding_of_its_own(other):
    assert len(one_a_cause([other, DERIVED])) == 2


def test_two_hazards_between_the_same_distributions_are_two_causes():
    assert len(one_a_cause([HAZARD, having(HAZARD, id="packages/pyarrow-csv")])) == 2


def test_a_stop_of_the_package_itself_speaks_before_the_names_that_it_would_miss():
    stop = having(DERIVED, id="packages/enforced-version", message="stops", details=())
    (told,) = one_a_cause([DERIVED, stop])
    assert (told.id, told.details) == ("packages/enforced-version", (DERIVED.message, *DERIVED.details))


def test_a_hazard_about_a_third_distribution_does_not_explain_the_other_two():
    third = having(HAZARD, subject="accelerate", between=("accelerate", "datasets", "pyarrow"))
    assert len(one_a_cause([third, DERIVED])) == 2
    assert len(one_a_cause([third, having(DECLARED, between=("datasets", "pyarrow"))])) == 2


def test_what_compiled_files_say_is_not_said_twice():
    compiled = having(DERIVED, id="packages/numpy-abi", message="cannot use it", details=("a.so was compiled for it",))
    (told,) = one_a_cause([HAZARD, compiled])
    assert told.details == ("a.so was compiled for it",)
