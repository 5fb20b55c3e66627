"""What is made of the lines that payload/on_ray.py says; test_ray_cluster.py has a real cluster."""

from __future__ import annotations

import sys

import pytest

from card_doctor.environment.remote import question
from card_doctor.errors import EnvironmentReadError, UsageError
from card_doctor.fleet.ray import (
    Expected,
    Member,
    MismatchError,
    Refused,
    Told,
    Untold,
    absent,
    answer_of,
    expected_of,
    names_of,
    refusal,
)
from card_doctor.model import Node, Silent

REFUSED = """Version mismatch: The cluster was started with:
    Ray: 2.60.0
    Python: 3.11.7
This process on node 192.0.2.2 was started with:
    Ray: 2.59.0
    Python: 3.10.13
"""


def member(id_, name="", host="host", *, alive=True, death=0, message=""):
    return Member(id_, name, host, "192.0.2.2", alive, death, message)


def missing(members, expected):
    return [(one.node, one.reason) for one in absent(members, names_of(members), expected, 5.0)]


def test_how_many_and_which_nodes_are_expected():
    assert expected_of(["5", "gpu-1", "gpu-2"]) == Expected(5, ("gpu-1", "gpu-2"))
    assert expected_of([]) == Expected()


def test_a_node_is_called_as_it_was_named_else_as_its_host_and_told_apart_from_another():
    named = [member("a1", "gpu-1"), member("b2", "192.0.2.2", "box"), member("c3", "192.0.2.2", "box")]
    assert names_of(named) == {"a1": "gpu-1", "b2": "box (b2)", "c3": "box (c3)"}


def test_nodes_that_never_came_are_missing_by_number_and_by_name():
    here = [member("a", "n1"), member("b", "n2")]
    assert missing(here, Expected(2, ("n1",))) == []
    assert missing(here, Expected(4)) == [("node 3 of 4", "missing"), ("node 4 of 4", "missing")]
    assert missing(here, Expected(4, ("n3",))) == [("n3", "missing"), ("node 4 of 4", "missing")]


def test_a_dead_node_is_reported_unless_it_came_back_or_was_stopped():
    dead = member("c", "n3", alive=False, death=2, message="health check failed\nmore")
    assert missing([member("a", "n1"), dead], Expected(2)) == [("n3", "dead")]
    (told,) = absent([dead], names_of([dead]), Expected(), 5.0)
    assert told.message == "Ray lists it as dead: health check failed"
    assert missing([member("a", "n3"), dead], Expected()) == []
    for stopped in (1, 3, 4):
        assert missing([member("c", "n3", alive=False, death=stopped)], Expected()) == []


def test_versions_that_ray_refuses_are_told_with_the_flag_that_mends_it():
    error = refusal(Refused("mismatch", REFUSED, "2.59.0", "3.10.13"), "auto", "/env/bin/python")
    assert isinstance(error, MismatchError)
    assert "the cluster runs Ray 2.60.0 on Python 3.11.7" in error.message
    assert "/env/bin/python has Ray 2.59.0 on Python 3.10.13" in error.message
    assert "--python" in error.hint


def test_an_interpreter_without_ray_and_a_cluster_that_is_not_there_are_told_apart():
    error = refusal(Refused("no-ray", "No module named 'ray'"), "auto", "/env/bin/python")
    assert isinstance(error, UsageError)
    assert "card-doctor[ray]" in error.hint
    error = refusal(Refused("ConnectionError", "\nCould not find any\nmore"), "192.0.2.9:6379", "/env/bin/python")
    assert isinstance(error, EnvironmentReadError)
    assert error.message == "no Ray cluster at 192.0.2.9:6379 could be asked: Could not find any"


def test_what_came_of_a_node():
    assert answer_of("n", Untold("a", "timeout", ""), 5.0) == Silent(
        "n", "timeout", "it did not answer within 35 seconds"
    )
    died = answer_of("n", Untold("a", "dead", "The node died.\nlong story"), 5.0)
    assert died == Silent("n", "dead", "it died while it was asked: The node died.")
    assert answer_of("n", Untold("a", "failed", ""), 5.0).reason == "failed"
    assert answer_of("n", Told("a", "no JSON"), 5.0).reason == "failed"
    space = {"__name__": "machine"}
    asked = question()
    exec(asked.program, space)
    node = answer_of("n", Told("a", space["ask"](asked.programs, asked.files, 30.0, {})), 30.0)
    assert isinstance(node, Node)
    assert node.snapshot.python.version == sys.version.split()[0]


@pytest.mark.parametrize("death", [0, 2])
def test_a_dead_node_on_a_host_that_lives_on_is_not_missed_twice(death):
    dead = member("c", "n3", alive=False, death=death)
    assert missing([member("a", "n1"), dead], Expected(2, ("n3",))) == [("n3", "dead")]
