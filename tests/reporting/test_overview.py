"""Many cards in one table."""

from __future__ import annotations

import msgspec
import pytest
from samples import BROKEN, NEWER, NUMPY, PYARROW, UNREADABLE, document, report

from card_doctor.model import Verdict
from card_doctor.reporting.text import render


def named(name, one=BROKEN, **changes):
    return msgspec.structs.replace(one, card=msgspec.structs.replace(BROKEN.card, name=name), **changes)


def text_of(*reports, **options):
    return render(document(*reports), **options)


def row_of(text, name):
    (row,) = [line for line in text.splitlines() if f" {name}" in line]
    return row


def test_a_card_is_a_row_with_its_verdict_and_its_own_obstacle():
    several = [named(f"card-{number}", findings=(NUMPY,)) for number in range(6)]
    other = named("other", verdict=Verdict("at-risk", "newer"), findings=(NUMPY, NEWER))
    text = text_of(*several, other, width=120)
    assert row_of(text, "card-3").split() == ["[x]", "no", "exact", "card-3"]
    assert row_of(text, "other").split()[:4] == ["[!]", "at-risk", "newer", "other:"]
    assert "torch: found 2.1.2, needs 1.9.1" in row_of(text, "other")
    assert "trains: at-risk 1, no 6" in text


def test_what_stands_in_the_way_of_all_is_said_once_and_of_most_is_counted():
    several = [named(f"card-{number}", findings=(NUMPY, PYARROW)) for number in range(6)]
    text = text_of(*several, named("other", findings=(NUMPY,)), width=120)
    everywhere, _, rest = text.partition("stands in its way")
    assert "In the way of every card\n  numpy: found 2.0.2" in everywhere
    assert "numpy: found" not in rest
    assert "6 cards  pyarrow: found" in rest


def test_a_card_that_is_not_read_has_a_row_and_counts_for_none():
    several = [named(f"card-{number}", findings=(NUMPY,)) for number in range(6)]
    text = text_of(*several, UNREADABLE, width=120)
    assert f"[?]  not read              {UNREADABLE.error}" in text
    assert "In the way of every card" in text
    assert "1 card not read" in text


def test_a_few_cards_are_read_one_by_one_and_many_on_request():
    several = [named(f"card-{number}") for number in range(6)]
    assert "One command fixes it all" in text_of(*several[:5])
    assert "One command fixes it all" not in text_of(*several)
    assert "One command fixes it all" in text_of(*several, verbose=True)


@pytest.mark.parametrize("width", [40, 80])
def test_no_line_is_wider_than_the_terminal(width):
    several = [named(f"some-organisation/{'long' * 20}-{number}") for number in range(6)]
    text = text_of(*several, report(card=None), width=width)
    assert max(map(len, text.splitlines())) <= max(width, 48)  # beside the columns there is room for 20
