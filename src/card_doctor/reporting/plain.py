"""Makes any text harmless on a terminal line: what a card, a path or a package says is data, not control."""

from __future__ import annotations

# What a terminal without Unicode is shown instead of common typography; the rest becomes an escape.
_TYPOGRAPHY = str.maketrans(
    {
        "\u2010": "-",
        "\u2011": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2022": "*",
        "\u2026": "...",
        "\u2192": "->",
        "\u2264": "<=",
        "\u2265": ">=",
        "\u00d7": "x",
    }
)


def plain(text: object, encoding: str = "utf-8") -> str:
    r"""`text` on one line, without anything that a terminal would obey, in characters that `encoding` has.

    Line breaks, tabs and the like become blanks; control characters, bidirectional marks and lone surrogates
    become visible escapes (``\x1b``).
    """
    shown = str(text)
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else " " if char.isspace() else _escaped(char) for char in shown)
    try:
        shown.encode(encoding)
    except UnicodeEncodeError:
        shown = shown.translate(_TYPOGRAPHY).encode(encoding, "backslashreplace").decode(encoding)
    return shown


def short(text: object, most: int) -> str:
    """`plain` text of at most `most` characters: what a consumer cuts or refuses is cut here, and shows it."""
    made = plain(str(text)[: most + 1])
    return made if len(made) <= most else made[: most - 3] + "..."


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
