"""A line of a log as a reader sees it, and which process printed it."""

from __future__ import annotations

import re
from typing import Iterator, Optional, Tuple

ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")

LONGEST = 1 << 15  # characters that are looked at as one text; what is longer is no message

# What launchers and collectors of logs put before a line, again and again: a time, a container, a process.
_PREFIX = re.compile(
    r"\[(?:rank|default|Rank )?(?P<torch>\d{1,6})\]: ?"  # torch; torchrun --tee
    r"|\s{0,5}(?P<slurm>\d{1,6}): "  # srun --label
    r"|\[\d+,(?P<mpi>\d{1,6})\]<std(?:out|err)>: ?"  # mpirun --tag-output
    r"|\((?P<ray>\w+ pid=\d+)(?:, ip=[\d.]+)?\) "
    r"|(?P<host>(?:worker|node|host|ip)[-\w.]*\d): "  # deepspeed's pdsh
    r"|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?"  # Kubernetes, GitHub Actions
    r"|[\w.-]+-\d+ +\| "  # docker compose
)
_GROUP = re.compile(r"\s*[|+](?:-+ \d+ -+)?\s?(?=\s*\S)")  # the margin of an exception group


def shown(raw: bytes) -> Iterator[str]:
    """What a terminal would have shown of a line without its colours: each text that a carriage return overwrote."""
    for part in raw.decode("utf-8", "replace").split("\r"):
        for start in range(0, len(part), LONGEST):
            text = part[start : start + LONGEST].rstrip()
            if text:
                yield text


def split_prefix(text: str) -> Tuple[Optional[str], str]:
    """The process that printed a line, where the line says so, and the line without what stands before it."""
    rank = None
    position = 0
    while True:
        found = _PREFIX.match(text, position)
        if found is None or found.end() == position:
            break
        rank = next(filter(None, found.groups()), rank)
        position = found.end()
    rest = text[position:]
    margin = _GROUP.match(rest)
    return rank, rest[margin.end() :] if margin else rest
