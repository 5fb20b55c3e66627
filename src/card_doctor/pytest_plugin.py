"""A pytest plugin: tests that need an environment that a card trains in.

    @pytest.mark.card_doctor("distilbert-allsides")                    skips the test where it would not train
    @pytest.mark.card_doctor("distilbert-allsides", otherwise="fail")  fails it instead, with the report
    def test_training(card_doctor): card_doctor("distilbert-allsides").verdict.trains

It is loaded by every pytest beside an installed card-doctor: until one of both is used, it imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Tuple

import pytest

if TYPE_CHECKING:
    from card_doctor.model import Report

_MARK = "card_doctor(card=None, *, otherwise='skip', gpu=None, driver=None, precision=None, match='compatible')"
_judged: Dict[Tuple[Any, ...], Any] = {}  # a suite asks the same for every test


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_MARK}: run the test only where training with the card works")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for problem in _problems(item, "skip"):
        pytest.skip(problem.partition("\n")[0] + ": " + _summary(problem))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:  # in the call, so that it counts as failed, not as an error
    for problem in _problems(item, "fail"):
        pytest.fail(problem, pytrace=False)


def _problems(item: pytest.Item, otherwise: str) -> Iterator[str]:
    """The reports of the marks that ask for this, where training would not work."""
    for mark in item.iter_markers("card_doctor"):
        wanted = dict(mark.kwargs)
        asked = wanted.pop("otherwise", "skip")
        if asked not in {"skip", "fail"}:
            raise pytest.UsageError(f"{item.nodeid}: otherwise={asked!r}: expected 'skip' or 'fail'")
        problem = _problem(mark.args, wanted) if asked == otherwise else ""
        if problem:
            yield problem


@pytest.fixture(scope="session")
def card_doctor() -> Callable[..., Report]:
    """`card_doctor.check`: the report of a card (or of none) against the interpreter that runs the tests."""
    import card_doctor  # noqa: PLC0415

    return card_doctor.check


def _problem(args: Tuple[Any, ...], wanted: Dict[str, Any]) -> str:
    """The report where training would not work; empty where it would. Asked once for the same question."""
    from card_doctor import IncompatibleEnvironment, require  # noqa: PLC0415

    key = (args, tuple(sorted(wanted.items())))
    if key not in _judged:
        try:
            require(*args, **wanted)
            _judged[key] = ""
        except IncompatibleEnvironment as error:
            _judged[key] = str(error)
    return str(_judged[key])


def _summary(report: str) -> str:
    """The first finding, of a report of many lines."""
    lines = report.splitlines()
    return next((" ".join(line.split()) for line in lines if line.startswith(("error", "warning"))), lines[-1])
