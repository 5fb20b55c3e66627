"""Cards that are broken in every way: `python benchmarks/fuzz_cards.py EXAMPLES.jsonl [ROUNDS] [SEED]`

Each round mutates the quoted lines of a real card (bytes flipped, lines cut, doubled, joined and shuffled, pieces of
other cards and of hostile text put in) and reads the result. It must end in a card or a CardError, within a time and a
memory; what a card then says must be JSON, and free of control characters.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import List

import msgspec

from card_doctor.cards.readme import read_card
from card_doctor.cards.text import decode, printable
from card_doctor.errors import CardError
from card_doctor.model import Card, Source

SECONDS = 2.0  # for one card of at most MAX_SIZE, on a busy machine
MAX_SIZE = 20_000
MEGABYTES = 300  # of the whole process
HOSTILE = [
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[31m", b"\x1b]8;;x\x07", b"[bold red]", b"---\n", b"```\n",
    b"```yaml\n", b"<!--", b"-->", b"<table><tr><td>", b"</table>", b"<", b"&#0;", b"|", b"\\", b"*" * 50,
    b"(" * 200, b"[" * 200, b"{" * 200, b"&a [*a, *a]\n", b"1" * 400, b"1." * 200, b"e-" * 50, b"9" * 50 + b"e999",
    b"nan", b"inf", b": " * 50, b"= " * 50, b"\xe2\x80\xae", b"\r", b"\t" * 40, b"- optimizer: {'a': ",
    b"- optimizer: {'name': '\\x1b[31m'}\n", b'base_model: "\\e[31m"\n', b"&#x202e;",
    b"Use x and the args are:\n", b"@misc{", b"torch " * 30, b">=1,<" * 30, "→".encode() * 9, b"\n" * 60,
]  # fmt: skip


def main(path: str, rounds: str = "200000", seed: str = "1") -> int:
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    cards = ["\n".join(row["lines"]).encode() for row in rows]
    chance = random.Random(seed)
    slowest, read, refused, started = 0.0, 0, 0, time.monotonic()
    for _ in range(int(rounds)):
        data = mutated(chance, cards)
        begun = time.process_time()
        try:
            card = read_card(decode(data, "fuzz"), "fuzz", Source("file", "fuzz"))
        except CardError:
            refused += 1
        except BaseException:
            print(repr(data))
            raise
        else:
            check(card, data)
            read += 1
        slowest = max(slowest, time.process_time() - begun)
        if slowest > SECONDS:
            print(repr(data))
            raise SystemExit(f"{slowest:.2f} s for {len(data)} bytes")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{read} cards read, {refused} refused, in {time.monotonic() - started:.0f} s; "
        f"the slowest took {slowest * 1000:.0f} ms, the process {megabytes:.0f} MB at most"
    )
    return 0 if megabytes < MEGABYTES else 1


def mutated(chance: random.Random, cards: List[bytes]) -> bytes:
    data = bytearray(chance.choice(cards))
    for _ in range(chance.randint(1, 8)):
        at, length = chance.randint(0, len(data)), chance.randint(0, 40)
        kind = chance.randrange(7)
        if kind == 0:
            data[at:at] = chance.choice(HOSTILE) * chance.choice((1, 1, 1, 20))
        elif kind == 1 and data:
            data[at % len(data)] = chance.randrange(256)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length] * chance.randint(1, 20)
        elif kind == 4:
            other = chance.choice(cards)
            start = chance.randint(0, len(other))
            data[at:at] = other[start : start + chance.randint(0, 400)]
        elif kind == 5:
            lines = data.split(b"\n")
            chance.shuffle(lines)
            data = bytearray(chance.choice((b"\n", b"\n\n", b" ", b"\r\n")).join(lines))
        else:
            lines = data.split(b"\n")
            lines[chance.randrange(len(lines))] = b""
            data = bytearray(b"\n".join(lines))
        del data[MAX_SIZE:]
    return bytes(data)


def check(card: Card, data: bytes) -> None:
    said = msgspec.json.encode(card).decode()
    values = json.loads(said)
    hidden = [one for one in texts(values) if printable(one) != one]
    if hidden:
        print(repr(data))
        raise SystemExit(f"control characters in {hidden[0]!r}")


def texts(value: object) -> List[str]:
    if isinstance(value, dict):
        return [one for pair in value.items() for part in pair for one in texts(part)]
    if isinstance(value, list):
        return [one for part in value for one in texts(part)]
    return [value] if isinstance(value, str) else []


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
