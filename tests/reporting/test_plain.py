from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_doctor.reporting.plain import plain


@given(st.text(st.characters()), st.sampled_from(["utf-8", "ascii", "latin-1", "cp1252"]))
def test_nothing_that_a_terminal_obeys_is_left(text, encoding):
    shown = plain(text, encoding)
    assert shown.isprintable()
    shown.encode(encoding)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text):
    assert plain(text) == text
    assert plain(text, "ascii") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("one\r\ntwo\tthree", "one  two three"),
        ("file\udce9.md", "file\\udce9.md"),
        ("\u202eevil", "\\u202eevil"),
        ("\x9b2J", "\\x9b2J"),
        ("日本語 \u2013 ok", "日本語 \u2013 ok"),
    ],
)
def test_what_is_shown_instead(text, shown):
    assert plain(text) == shown


def test_without_unicode_typography_is_spelled_and_the_rest_escaped():
    assert plain("“a” \u2013 b… ≥1 é 日", "ascii") == '"a" - b... >=1 \\xe9 \\u65e5'
    assert plain("“é”", "latin-1") == '"é"'
