from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_doctor.cards.values import enum_value, is_absent, literal, number_at_start, scalar


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5e-05", 5e-05),
        ("5.6E-05 with decay", 5.6e-05),
        ("2,430 steps", 2430),
        ("175,118", 175118),
        ("0,6876", 0.6876),
        ("1.0", 1.0),
        ("3", 3),
        (".5", 0.5),
        ("-1", -1),
        ("≈ 0.64", 0.64),
        ("~4", 4),
        ("Up to 10 epochs", 10),
        ("approximately 0.8", 0.8),
        ("92%", 92),
        ("10k", 10_000),
        ("1.5M", 1_500_000),
        ("2x10^-5", 2e-05),
        ("2 × 10⁻⁵", 2e-05),
        ("10^-4", 1e-4),
        ("3轮", 3),
        ("4bit", None),
        ("2x faster", None),
        ("16,32", None),
        ("fixed", None),
        ("9" * 400, None),
        ("1e999", None),
        ("1" * 25, None),
    ],
)
def test_numbers_in_every_notation(text: str, expected: Any) -> None:
    found = number_at_start(text)
    assert (found[0] if found else None) == expected
    assert found is None or type(found[0]) is type(expected)


def test_a_page_with_decimal_commas() -> None:
    assert number_at_start("1,234", comma=True) == (1.234, "")
    assert number_at_start("1,234") == (1234, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("True", True),
        ("None", None),
        ("", None),
        ("[More Information Needed]", None),
        ("{{ x }}", None),
        ("(2e-05, 1e-05)", [2e-05, 1e-05]),
        ("{'a': (1, None)}", {"a": [1, None]}),
        ("{'a': nan}", {"a": None}),
        ("adamw_torch", "adamw_torch"),
        ("__import__('os').system('x')", "__import__('os').system('x')"),
        ("(" + "{" * 5000, "(" + "{" * 5000),
        ("(" * 39 + ")" * 39, "(" * 39 + ")" * 39),
    ],
)
def test_scalars_of_generators(text: str, expected: Any) -> None:
    assert scalar(text) == expected or literal(text) is not None


def test_enums_and_absence() -> None:
    assert enum_value("OptimizerNames.ADAMW_TORCH") == "adamw_torch"
    assert enum_value("SchedulerType.COSINE") == "cosine"
    assert enum_value("torch.optim") == "torch.optim"
    assert is_absent("—")
    assert not is_absent("0")


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(["", " (best)", ",", "%"]))
def test_what_python_prints_is_read_back(value: float, rest: str) -> None:
    found = number_at_start(repr(value) + rest)
    assert found is None or (found[0] == value and found[1] == rest)
    assert found is not None or abs(value) >= 2**53 or len(repr(value)) > 20


@given(st.text(max_size=300))
def test_any_text_is_a_scalar_or_nothing(text: str) -> None:
    scalar(text)
    number_at_start(text)


def test_odd_literals_warn_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert literal("[1if 2]") is None
        assert literal(r"['\d']") == ["\\d"]
