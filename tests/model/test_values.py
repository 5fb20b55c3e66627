from __future__ import annotations

import msgspec
import pytest

from card_doctor.model import Case, Environment, Finding, Machine, NotApplicable, Policy, Snapshot, Unknown
from made import PYTHON, T4, Known, card, case, package, snapshot


@pytest.mark.parametrize(
    "value", [snapshot(package("a", "1", "b>=2")), card({"torch": "1"}), Machine(accelerators=(T4,))]
)
def test_values_come_back_equal_from_their_json_and_can_not_be_changed(value):
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], None)


def test_a_snapshot_json_of_a_newer_writer_is_still_read():
    written = msgspec.json.encode({"source": "interpreter", "a_fact_of_tomorrow": 1})
    assert msgspec.json.decode(written, type=Snapshot).source == "interpreter"


def test_what_breaks_for_sure_can_only_be_an_error():
    with pytest.raises(ValueError, match="is an error"):
        Finding("packages/a", "warning", "a", "a is odd", breaks="yes")
    with pytest.raises(ValueError, match="at least a warning"):
        Finding("packages/a", "note", "a", "a is odd", breaks="maybe")


def test_asking_a_case_for_what_it_lacks_says_which_fact():
    bare = Case(Snapshot(source="requirements", complete=False), Machine(), Policy(), Known())
    for ask, fact in [
        (bare.needs_python, "python"),
        (bare.needs_platform, "platform"),
        (bare.needs_accelerators, "gpu"),
        (lambda: bare.package("torch"), "torch"),
    ]:
        with pytest.raises(Unknown, match=fact):
            ask()
    with pytest.raises(NotApplicable):
        bare.needs_card()


def test_a_package_that_a_complete_environment_does_not_name_is_not_there():
    assert case(package("a", "1")).package("b") is None


def test_the_environment_of_a_report_sums_the_snapshot_up():
    said = Environment.of(snapshot(package("a", "1"), path="/env/bin/python"))
    assert (said.packages, said.python, said.platform) == (1, PYTHON.version, "Linux x86_64 glibc-2.36")
