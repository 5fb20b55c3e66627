"""The nearest set that works: what moves, why, what is held back, what stands in the way. A real resolver on a small
index; the releases, hazards and GPUs are made for the test, or those that ship.
"""

from __future__ import annotations

import msgspec
import pytest

from card_doctor.checks import engine
from card_doctor.checks.registry import decisive_checks
from card_doctor.errors import CardError
from card_doctor.knowledge import Matrices
from card_doctor.model import Accelerator, Machine, Policy, Release
from card_doctor.planning.ground import Site
from card_doctor.planning.interpreters import Interpreter
from card_doctor.planning.planner import Planner
from card_doctor.planning.uv import Uv
from local_index import sdist, serve, wheel
from made import LINUX, T4, Known, card, hazard

H100 = Accelerator("NVIDIA H100", capability="9.0")
DAYS = {"1.0": "2022-01-01", "1.5": "2022-03-01", "2.0": "2024-01-01"}
FILES = (
    *(wheel("alpha", version, ["beta"], uploaded=day) for version, day in DAYS.items()),
    *(wheel("beta", version, uploaded=day) for version, day in DAYS.items()),
    wheel("gamma", "1.0", ["beta<1.5"]),
    wheel("helper", "1.0"),
    wheel("delta", "1.0", ["helper"]),
    wheel("old", "1.0", tag="cp36-cp36m-manylinux1_x86_64"),
    sdist("built", "1.0", requires=["beta<1.5"]),
    wheel("torch", "1.9.1", uploaded="2021-09-20"),
    wheel("torch", "1.13.1", uploaded="2022-12-15"),
    wheel("torch", "2.1.2", ["triton-like"], uploaded="2023-12-14"),
    wheel("triton-like", "1.0", uploaded="2023-12-01"),
    wheel("transformers", "4.18.0", uploaded="2022-04-06"),
    wheel("datasets", "1.18.4", uploaded="2022-03-07"),
    wheel("datasets", "2.15.0", uploaded="2023-11-16"),
)


def known(**distributions):
    told = {
        name: {one: Release(one, DAYS[one], ("py3-none-any",), requires=tuple(requires)) for one in DAYS}
        for name, requires in {"alpha": ["beta"], "beta": [], "helper": [], **distributions}.items()
    }
    return Known(told_releases=told)


def real_torch():
    """The releases of torch and the GPUs that ship, and a transformers, as if they required nothing."""
    ships = Matrices()
    transformers = {"4.18.0": Release("4.18.0", "2022-04-06", ("py3-none-any",))}
    torch = {name: msgspec.structs.replace(one, requires=()) for name, one in ships.releases("torch").items()}
    releases = {"torch": torch, "transformers": transformers}
    return Known(told_releases=releases, told_hardware=ships.hardware())


@pytest.fixture(scope="module")
def served():
    with serve(*FILES) as index:
        yield index


@pytest.fixture
def plan(served, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "planner-cache"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)

    def make(versions, knowledge=None, *, gpus=(), date=None, python=None):
        checks = decisive_checks()
        site = Site(
            card(versions),
            Machine(None, tuple(gpus), "fp32", ("gpu",)),
            LINUX,
            knowledge or known(),
            lambda case: engine.run(checks, case)[0],
            Policy(match="any"),
        )
        # For another machine no interpreter is looked for: the test runs whatever is installed.
        return Planner(site, Uv(), date=date, python=python, elsewhere=True).plan()

    return make


def reasons(made):
    return {one.subject: (one.card, one.planned, one.because) for one in made.differences}


def test_what_the_card_does_not_pin_is_of_its_time(plan):
    made = plan({"alpha": "1.0"})
    assert (made.date, made.requirements) == ("2022-01-08", ("alpha==1.0", "beta==1.0"))
    assert (made.differences, made.proof.level, made.calls) == ((), "resolved", 1)


def test_a_day_that_is_told_wins_and_none_is_as_new_as_possible(plan):
    assert plan({"alpha": "1.0"}, date="2022-04-01").requirements == ("alpha==1.0", "beta==1.5")
    newest = plan({"alpha": "1.0"}, date="none")
    assert (newest.date, newest.requirements) == (None, ("alpha==1.0", "beta==2.0"))


def test_a_hazard_becomes_a_constraint_before_the_resolver_is_asked(plan):
    knowledge = known()
    knowledge.told_hazards = (hazard("beta-2", {"alpha": "", "beta": ">=2"}, ["beta<2"]),)
    made = plan({"alpha": "1.0"}, knowledge, date="none")
    assert made.requirements == ("alpha==1.0", "beta==1.5")
    assert reasons(made) == {"beta": (None, "1.5", "beta-2 breaks")}
    assert made.calls == 1


def test_what_only_the_resolved_set_shows_is_fed_back(plan):
    """What `gamma` requires is not known beforehand."""
    knowledge = Known(told_releases={"beta": known().told_releases["beta"]})
    knowledge.told_hazards = (hazard("beta-2", {"alpha": "", "beta": ">=2"}, ["beta<2"]),)
    made = plan({"alpha": "1.0"}, knowledge, date="none")
    assert made.requirements == ("alpha==1.0", "beta==1.5")
    assert made.calls == 2


def test_what_is_needed_and_declared_by_nobody_is_added(plan):
    knowledge = known()
    need = hazard("no-helper", {"alpha": ""}, ["helper<2"], missing=("helper",), subject="helper")
    knowledge.told_hazards = (need,)
    made = plan({"alpha": "1.0"}, knowledge)
    assert "helper==1.0" in made.requirements
    assert reasons(made)["helper"] == (None, "1.0", "no-helper breaks")


def test_the_remedy_that_keeps_the_card_is_taken_before_one_that_moves_it(plan):
    knowledge = known()
    knowledge.told_hazards = (hazard("two-ways", {"alpha": "<2", "beta": ">=2"}, ["alpha>=2", "beta<2"]),)
    assert plan({"alpha": "1.0"}, knowledge, date="none").requirements == ("alpha==1.0", "beta==1.5")


def test_releases_that_exclude_each_other_give_up_the_least_and_say_so(plan):
    made = plan({"gamma": "1.0", "beta": "1.5"}, Known(), date="none")
    assert "gamma==1.0" in made.requirements
    stated, planned, because = reasons(made)["beta"]
    assert (stated, planned) == ("1.5", "1.0")
    assert "depend on beta<1.5" in because


def test_nothing_resolves_and_the_wall_is_named(plan):
    made = plan({"alpha": "7.0"}, Known())
    assert made.blocked_by
    assert "alpha==7.0" in made.blocked_by[-1].words
    assert made.proof.level == "unproven"
    assert made.requirements == ()


def test_the_smallest_change_that_moves_a_wall_is_told(plan):
    made = plan({"transformers": "4.18.0", "alpha": "1.0", "absent": "1.0"}, Known(), date="none")
    assert made.blocked_by[0].way.startswith("leave absent out: the others resolve")


def test_a_card_that_states_nothing_has_no_plan(plan):
    with pytest.raises(CardError, match="states no versions"):
        plan({})


def test_a_build_of_another_index_is_planned_as_the_default_one_and_its_index_is_named(plan):
    made = plan({"torch": "1.9.1+cu111"}, real_torch(), gpus=[T4])
    stated, planned, because = reasons(made)["torch"]
    assert (stated, planned) == ("1.9.1+cu111", "1.9.1")
    assert "--find-links" in because


def test_a_gpu_that_the_cards_torch_runs_on_moves_nothing(plan):
    made = plan({"transformers": "4.18.0", "torch": "1.9.1"}, real_torch(), gpus=[T4])
    assert (made.python, [one for one in made.differences if one.card is not None]) == ("3.9", [])
    assert {"torch==1.9.1", "transformers==4.18.0"} <= set(made.requirements)


def test_a_newer_gpu_moves_torch_alone_and_what_only_that_requires_is_of_its_day(plan):
    made = plan({"transformers": "4.18.0", "torch": "1.9.1"}, real_torch(), gpus=[H100])
    stated, planned, because = reasons(made)["torch"]
    assert (stated, planned) == ("1.9.1", "2.1.2")
    assert because.startswith("the first default build with kernels for the NVIDIA H100")
    assert set(made.requirements) == {"torch==2.1.2", "transformers==4.18.0", "triton-like==1.0", "datasets==1.18.4"}
    assert made.date == "2022-04-13"


def test_what_loads_the_data_is_added_where_the_card_names_none(plan):
    made = plan({"transformers": "4.18.0", "torch": "1.9.1"}, real_torch(), gpus=[T4])
    assert "datasets==1.18.4" in made.requirements
    assert reasons(made)["datasets"][:2] == (None, "1.18.4")
    assert not any(one.startswith("datasets") for one in plan({"torch": "1.9.1"}, real_torch()).requirements)


def test_the_python_that_the_card_states_is_tried_first_and_is_no_requirement(plan):
    made = plan({"alpha": "1.0", "python": "3.8.10"})
    assert (made.python, made.requirements, made.differences) == ("3.8", ("alpha==1.0", "beta==1.0"), ())


def test_a_range_that_the_card_states_is_kept_and_what_meets_it_is_no_difference(plan):
    made = plan({"alpha": "1.5", "beta": "<1.5", "python": ">=3.8"})
    assert (made.requirements, made.differences) == (("alpha==1.5", "beta==1.0"), ())
    assert plan({"alpha": "1.0", "python": "<3.8"}).python == "3.7"


def test_another_python_than_the_cards_is_a_difference_with_its_reason(plan):
    made = plan({"alpha": "1.0", "python": "Python 3.8"}, python=Interpreter("3.11.4"))
    assert reasons(made) == {"python": ("Python 3.8", "3.11", "it was asked for")}
    made = plan({"torch": "1.9.1", "python": "3.12"}, real_torch(), gpus=[T4])
    assert (made.python, reasons(made)["python"][:2]) == ("3.8", ("3.12", "3.8"))


def test_a_day_that_is_told_takes_nothing_newer_of_what_the_card_states_either(plan):
    made = plan({"alpha": "1.5"}, date="2022-02-01")
    assert made.requirements == ("alpha==1.0", "beta==1.0")
    assert reasons(made)["alpha"] == ("1.5", "1.0", "alpha 1.5 is of 2022-03-01, after 2022-02-01")


def test_a_day_before_any_release_is_told_without_asking_the_resolver(plan):
    made = plan({"alpha": "1.5"}, date="1999-01-01")
    (wall,) = made.blocked_by
    assert wall.message == "there was no release of alpha by 1999-01-01: the first is of 2022-01-01"
    assert (wall.way, made.calls) == ("a later day: --date 2022-03-01", 0)


def test_what_can_only_be_removed_is_left_out_and_that_is_said(plan):
    knowledge = known()
    knowledge.told_hazards = (hazard("helper-breaks", {"alpha": "", "helper": ""}, ["-helper"]),)
    made = plan({"alpha": "1.0", "helper": "1.0"}, knowledge)
    assert made.requirements == ("alpha==1.0", "beta==1.0")
    assert reasons(made)["helper"] == ("1.0", None, "helper-breaks breaks")


def test_nothing_is_left_out_where_another_release_mends_it(plan):
    knowledge = known()
    knowledge.told_hazards = (hazard("two", {"alpha": "", "beta": ">=1.5"}, ["-beta", "beta<1.5"]),)
    made = plan({"alpha": "1.0", "beta": "1.5"}, knowledge)
    assert made.requirements == ("alpha==1.0", "beta==1.0")


def test_a_python_that_has_no_such_wheel_moves_what_it_must_and_says_which_has(plan):
    made = plan({"torch": "1.9.1"}, real_torch(), python=Interpreter("3.11.4"), date="none")
    stated, planned, because = reasons(made)["torch"]
    assert stated == "1.9.1"
    assert "has wheels for Python 3.6 to 3.9, and this is 3.11" in because
    assert planned == "1.13.1"


def test_an_index_without_days_is_held_back_by_what_is_known(plan, monkeypatch):
    with serve(*FILES, dated=False) as undated:
        monkeypatch.setenv("UV_DEFAULT_INDEX", undated.url)
        made = plan({"alpha": "1.0"})
    assert made.requirements == ("alpha==1.0", "beta==1.0")
    assert any("does not tell when" in note for note in made.notes)


def test_a_wall_that_no_python_moves_is_asked_about_once_and_told_once(plan):
    """Nor is what the resolver's proof does not name given up: it has no part in it."""
    made = plan({"transformers": "4.18.0", "alpha": "1.0", "absent": "1.0"}, Known())
    (wall,) = made.blocked_by
    assert (wall.subject, wall.message) == ("absent", "no set of releases has all that the card states")
    # All; without `absent`, near and far from the card's; what moves it.
    assert made.calls == 4


def test_a_wall_that_another_python_may_move_is_asked_about_again(plan):
    made = plan({"transformers": "4.18.0", "old": "1.0"}, Known(), date="2024-01-01")
    walls = [(wall.subject, wall.message) for wall in made.blocked_by]
    assert walls == [
        ("old", f"no set of releases for Python 3.{minor} has all that the card states") for minor in (11, 10, 9)
    ]


def test_an_index_is_asked_without_days_only_where_it_tells_none(plan, monkeypatch):
    assert plan({"alpha": "7.0"}, Known(), date="2022-04-01").calls == 1
    with serve(*FILES, dated=False) as undated:
        monkeypatch.setenv("UV_DEFAULT_INDEX", undated.url)
        assert plan({"alpha": "7.0"}, Known(), date="2022-04-01").calls == 2


def test_what_has_no_wheel_and_does_not_go_with_the_rest_is_told_by_its_requirements(plan):
    made = plan({"transformers": "4.18.0", "built": "1.0", "beta": "1.5"}, Known())
    (wall,) = made.blocked_by
    assert (wall.subject, wall.message) == ("built, beta", "no set of releases has all that the card states")
    assert wall.words.startswith("error: No solution found")
    assert "beta<1.5" in wall.words


def test_what_is_declared_is_left_to_the_resolver_though_we_know_no_release_that_old(plan):
    anywhere = ("py3-none-any",)
    delta = {"1.0": Release("1.0", "2022-01-01", anywhere, requires=("helper",))}
    knowledge = Known(told_releases={"delta": delta, "helper": {"2.0": Release("2.0", "2024-01-01", anywhere)}})
    need = hazard("no-helper", {"delta": ""}, ["helper"], missing=("helper",), subject="helper")
    knowledge.told_hazards = (need,)
    made = plan({"delta": "1.0"}, knowledge)
    assert (made.requirements, made.differences) == (("delta==1.0", "helper==1.0"), ())
