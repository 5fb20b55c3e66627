from __future__ import annotations

import pytest

from card_doctor.cards.blocks import numbered
from card_doctor.cards.frontmatter import parse, scores, split


def test_scalars_are_text() -> None:
    text = "version: 1.10\nlanguage: no\ndate: 2022-05-08\nlr: 5e-05\noctal: 012\nsexagesimal: 1:30\nnull: ~\n"
    assert parse(text) == {
        "version": "1.10",
        "language": "no",
        "date": "2022-05-08",
        "lr": "5e-05",
        "octal": "012",
        "sexagesimal": "1:30",
        "null": "~",
    }


def test_tags_construct_nothing() -> None:
    assert parse("a: !!python/object/apply:os.system ['echo x']\nb: !!int '7'\n") == {"a": ["echo x"], "b": "7"}


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\n" + "".join(f"b{i}: [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n" for i in range(9)),
        "a: " + "[" * 100_000,
        "a: " + "{a: " * 100_000,
        "- " * 100_000 + "x",
        "\n".join(" " * depth + "a:" for depth in range(1000)),
        "a: [unclosed",
        "a: b: c",
        "a: *missing",
        "\t- a",
        "{{ card_data }}",
    ],
)
def test_bombs_and_what_is_no_yaml_are_told_not_built(text: str) -> None:
    lines = numbered(f"---\n{text}\n---\n- Loss: 0.5\n")
    front = split(lines)
    assert front.values == {}
    assert front.problem
    assert lines[front.end][1] == "- Loss: 0.5"


def test_the_lines_of_keys_and_the_end() -> None:
    front = split(numbered("\n---\nlicense: mit\nbase_model: x/y\n---\n# x\n"))
    assert front.values == {"license": "mit", "base_model": "x/y"}
    assert front.lines["base_model"] == 4
    assert front.end == 5


def test_none_and_one_without_an_end() -> None:
    assert split(numbered("# x\n---\n")).end == 0
    open_ended = split(numbered("---\na: b\n# x\n"))
    assert (open_ended.end, open_ended.problem) == (0, "the front matter has no end")


def test_model_index_old_and_new() -> None:
    metrics = [{"name": "F1", "value": "0.8"}, {"type": "wer", "value": "12.5"}]
    new = {"model-index": [{"results": [{"metrics": metrics}]}]}
    assert [(one.name, one.value) for one in scores(new)] == [("F1", "0.8"), ("wer", "12.5")]
    old = {"model_index": [{"results": [{"metric": {"name": "Accuracy", "value": "0.9"}}]}]}
    assert [(one.name, one.value) for one in scores(old)] == [("Accuracy", "0.9")]
    for odd in ("x", ["x"], [{"results": "x"}], [{"results": [{"metrics": ["x", {"value": ["1"]}]}]}], [[[]]]):
        assert list(scores({"model-index": odd})) == []
