"""Whatever stands in a card, it is read or refused: nothing breaks, hangs, or reaches a terminal."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_doctor.cards.readme import read_card
from card_doctor.cards.text import decode, printable
from card_doctor.errors import CardError
from card_doctor.model import Source

PIECES = [
    "---\n", "license: mit\n", "model-index:\n- results:\n  - metrics:\n    - value: 1\n", "# ",
    "## Training results\n", "### ", "Framework versions\n", "- ", "• ", "* ", "learning_rate: ", "- optimizer: ",
    "Adam with betas=(0.9,0.999) and epsilon=1e-08\n", "Use x and the args are:\n", "{'name': 'Adam', 'beta_1': ",
    "5e-05\n", "1.10.0+cu111\n", "0,6876", "nan", "Transformers ", "Pytorch ",
    "| Epoch | Step | Validation Loss |\n", "|---|---|---|\n", "| 1 | 2 | 0.3 |\n", "|", "```yaml\n", "```\n",
    "<!--", "-->", "<table>\n<tr><td>", "</td></tr></table>\n", "<!doctype html>", "\n\n",
    "trained for 3 epochs with a learning rate of ", "bf16 mixed precision", "- Precision: ", "(", ")", "[", "]",
    "{", "}", "&a [*a]", ": ", "=", "\x1b[31m", "\x00", "\u202e", "\\",
]  # fmt: skip
TEXT = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=40).map("".join)


@given(TEXT)
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_card_that_json_can_say(text: str) -> None:
    card = read_card(printable(text), "x", Source("file"))
    said = json.loads(msgspec.json.encode(card))
    assert said["schema"] == "card-doctor/card/1"
    lines = text.count("\n") + text.count("\r") + 1
    for fact in card.facts:
        assert printable(fact.raw) == fact.raw
        assert fact.line is None or 1 <= fact.line <= lines


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        text = decode(data, "x")
    except CardError:
        return
    read_card(text, "x", Source("file"))


@pytest.mark.parametrize(
    "piece",
    [
        "- ", "|",
        "(", "[", "<a ", "<!--", "```python\n", "a: ", "# a\n", "torch ", "1.", "1,", "a\n---\n",
        "| 1 | 2 |\n", "- Loss: 0.1\n", "- optimizer: Adam with betas=(0.9,", "for 3 epochs ", "2x10^", "&amp;", "*",
        "{'a': ", "\x1b[", "_a",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "---\n", "<html><body>"])
def test_time_grows_with_the_size(before: str, piece: str) -> None:
    def seconds(size: int) -> float:
        text = printable((before + piece * (size // len(piece) + 1))[:size])
        started = time.process_time()
        read_card(text, "x", Source("file"))
        return time.process_time() - started

    seconds(1000)
    # In a straight line it is ten times; squared, a hundred. A tenth of a second is a busy machine's noise.
    assert seconds(100_000) < 30 * seconds(10_000) + 0.1


@pytest.mark.parametrize(
    "text",
    [
        '---\nbase_model: "\\e[31mred"\n---\n',
        "- optimizer: {'name': '\\x1b[31mAdam', 'beta_1': 0.9}\n",
        "- **Hardware:** A100 \x1b]0;title\x07&#x202e;\n",
        "- Epochs: 3 \x1b[2J[bold red]not markup[/]\n",
    ],
)
def test_no_escape_reaches_a_terminal_however_it_is_written(text: str) -> None:
    said = msgspec.json.encode(read_card(printable(text), "\x1b[31mname", Source("file"))).decode()
    assert "\\u001b" not in said
    assert "\u202e" not in said
