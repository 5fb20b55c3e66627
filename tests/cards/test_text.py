from __future__ import annotations

from pathlib import Path

import pytest

from card_doctor.cards.text import decode, printable, read_bytes
from card_doctor.errors import CardError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_that_a_notepad_writes(encoding: str) -> None:
    assert decode("- Loss: 0.5\r\n- Wer: 1\r".encode(encoding), "x") == "- Loss: 0.5\n- Wer: 1\n"


def test_bytes_that_are_no_text_are_replaced_not_refused() -> None:
    assert "Loss" in decode(b"- Loss: 0.5 \xff\xfe\x80 caf\xe9", "x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02}q\x00.", "binary data"),
        (b"PK\x03\x04\x00\x00", "binary data"),
        (b"", "empty"),
        (b" \n\t\xef\xbb\xbf", "empty"),
        ("\ufeff\u200b".encode(), "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs"),
    ],
)
def test_what_is_no_card_says_so(data: bytes, message: str) -> None:
    with pytest.raises(CardError, match=message):
        decode(data, "x.md")


def test_a_terminal_would_obey_nothing_that_is_left() -> None:
    text = printable("a\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07 \x9b2J b\x07 \u202ertl\u200b \x00")
    assert text == "ared link 2J b rtl "
    assert text.isprintable()


def test_too_long_absent_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_bytes(b"x" * 11)
    assert read_bytes(path, 11) == b"x" * 11
    with pytest.raises(CardError, match="longer than"):
        read_bytes(path, 10)
    for wrong in (tmp_path / "absent", tmp_path, Path("a\0b")):
        with pytest.raises(CardError):
            read_bytes(wrong)
