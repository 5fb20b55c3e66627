"""A log of any length → what it failed of, in one pass and bounded memory.

Nearly all of a log is progress. So a block of it is first searched for a few short words (`_ANCHORS`) that every text
of a signature contains; a line that has one is looked at, and the lines of a traceback below its header. A text with
none of these words is searched for by itself.

Which failure is *the* failure: the first that is a cause by itself, in the order of the log. Python prints a chain of
exceptions from the first to the last, and of many processes the one that fails pulls the others down after it; so what
comes first is nearer to the cause. An error after which training went on ended nothing.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from card_doctor.knowledge.signatures import Signatures
from card_doctor.logs.lines import ESCAPES, shown, split_prefix
from card_doctor.model import Diagnosis, Line, Recognised, Signature

BLOCK = 1 << 20  # bytes that are searched at once
LONGEST_TEXT = 400  # characters of a line that a diagnosis repeats
NEAR = 60  # lines below an exception that still belong to it: messages go on for long
DEEPEST = 20_000  # lines of one traceback that are followed
MOST_RANKS = 4096
# The run went on if so much progress follows. A bar is drawn again when its process ends, once for each process.
WENT_ON = {b"'loss': ": 3, b"it/s": 20, b"s/it": 20}

_ANCHORS = (
    "rror", "not ", "o module", "name '", "attribute '", "ailed", "nsupported", "version", "symbol",
    "arning", "CUDA", "library", "memory", "xpected", "xception",
)  # fmt: skip
_HEADER = b"Traceback (most recent call last)"
_LINK = b"he above exception"
_LINKS = ("During handling of the above exception", "The above exception was the direct cause")


class _Anchored(NamedTuple):
    anchor: str
    signatures: Tuple[Tuple[str, Signature], ...]  # each with one of its texts


class _Event:
    """A signature where it was first seen."""

    def __init__(self, signature: Signature, line: Line, match: Optional[re.Match[str]], chain: int) -> None:
        self.signature = signature
        self.line = line
        self.caught = {name: value or "" for name, value in match.groupdict().items()} if match else {}
        self.chain = chain  # 0: outside of any traceback
        self.count = 1
        self.progress: Mapping[bytes, int] = {}


class _Process:
    """What one process (rank) is printing."""

    def __init__(self) -> None:
        self.chain = 0
        self.linked = False  # what is printed next belongs to the chain
        self.last = -NEAR  # line of the chain's last exception, or of its header
        self.frames: Optional[int] = None  # lines since the header of a traceback that is being printed


class Scanner:
    """Takes a log in pieces of any size; `result` may be asked at any time. Not for several threads at once."""

    def __init__(self, signatures: Signatures) -> None:
        self._modules = signatures.modules
        self._anchored = _anchored(signatures.all)
        self._searched = (*(one.anchor.encode() for one in self._anchored), _HEADER, _LINK)
        self._patterns = {one.id: re.compile(one.pattern) for one in signatures.all if one.pattern}
        self._held = b""  # the beginning of a line whose end has not come
        self._lines = 0  # complete ones before the block
        self._processes: Dict[Optional[str], _Process] = {}
        self._printing = 0  # tracebacks whose exception has not come
        self._chains = 0
        self._ends: Dict[int, Line] = {}  # the last exception of the chains that bear a signature, and of the newest
        self._events: Dict[str, _Event] = {}
        self._progress = dict.fromkeys(WENT_ON, 0)  # since the first event
        self._counted = 0  # where in the block progress is counted to

    def feed(self, data: bytes) -> None:
        """The next piece of the log."""
        for start in range(0, len(data), BLOCK):
            block = self._held + data[start : start + BLOCK]
            # A log of bars alone has no line's end for gigabytes
            end = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
            if not end and len(block) > BLOCK:
                end = len(block)
            self._held = block[end:]
            if end:
                self._search(block[:end])

    def result(self) -> Diagnosis:
        """What the log shows so far."""
        if self._held:
            held, self._held = self._held, b""
            self._search(held)
        events = list(self._events.values())
        ended = [event for event in events if event.signature.role != "warning" and not self._went_on(event)]
        causes = [event for event in ended if event.signature.role == "cause"]
        explained = {event.chain for event in causes if event.chain}
        general = [event for event in ended if event.signature.role == "general" and event.chain not in explained]
        symptoms = [event for event in ended if event.signature.role == "symptom"]
        return Diagnosis(
            lines=self._lines,
            failures=tuple(map(self._recognised, (*causes, *general))),
            symptoms=tuple(map(self._recognised, symptoms)),
            noticed=tuple(self._recognised(event) for event in events if event not in ended),
            unrecognised=self._unrecognised(),
        )

    def _search(self, block: bytes) -> None:
        if b"\x1b" in block:
            block = ESCAPES.sub(b"", block)
        self._counted = 0
        position = 0  # all before it is dealt with, and counted in self._lines
        for start in self._hits(block):
            position = self._follow(block, position, start)
            if start >= position:
                self._lines += block.count(b"\n", position, start)
                position = self._line(block, start)
        position = self._follow(block, position, len(block))
        self._lines += block.count(b"\n", position)
        self._count(block, len(block))

    def _hits(self, block: bytes) -> List[int]:
        """Where the lines begin that have an anchor."""
        starts = set()
        for anchor in self._searched:
            found = block.find(anchor)
            while found >= 0:
                starts.add(block.rfind(b"\n", 0, found) + 1)
                end = block.find(b"\n", found)
                found = block.find(anchor, end) if end >= 0 else -1
        return sorted(starts)

    def _follow(self, block: bytes, position: int, end: int) -> int:
        """Line by line to `end`, while a traceback is being printed."""
        while self._printing and position < end:
            position = self._line(block, position)
        return position

    def _line(self, block: bytes, start: int) -> int:
        """Look at the line that begins at `start`; where the next one begins."""
        end = block.find(b"\n", start)
        end = len(block) if end < 0 else end
        for text in shown(block[start:end]):
            self._look(block, start, text)
        self._lines += end < len(block)
        return end + 1

    def _look(self, block: bytes, start: int, text: str) -> None:
        rank, words = split_prefix(text)
        process = self._process(rank)
        line = Line(self._lines + 1, words.strip()[:LONGEST_TEXT], rank)
        self._structure(process, line, words)
        chain = process.chain if line.number - process.last <= NEAR else 0
        if process.frames is not None:
            return  # the source lines in a traceback quote errors that did not happen
        events = [_Event(signature, line, match, chain) for signature, match in self._shown(words)]
        specific = [event for event in events if event.signature.role != "general"]
        if events:
            self._count(block, start)
        for event in specific or events:
            self._add(event)

    def _shown(self, words: str) -> Iterator[Tuple[Signature, Optional[re.Match[str]]]]:
        """The signatures that a line bears, each with what its pattern caught."""
        for anchor, signatures in self._anchored:
            if anchor not in words:
                continue
            for part, signature in signatures:
                if part not in words:
                    continue
                pattern = self._patterns.get(signature.id)
                match = pattern.search(words) if pattern else None
                if pattern is None or match:
                    yield signature, match

    def _structure(self, process: _Process, line: Line, words: str) -> None:
        """Where in a chain of tracebacks its process is."""
        if "Traceback (most recent call last)" in words:
            if process.frames is None:
                self._printing += 1
            linked = process.linked or "Original Traceback" in words
            if not (process.chain and linked and line.number - process.last <= NEAR):
                self._chains += 1
                process.chain = self._chains
            process.linked, process.frames, process.last = False, 0, line.number
        elif words.startswith(_LINKS):
            process.linked = True
        elif process.frames is not None:
            process.frames += 1
            ends = bool(words) and not words[0].isspace() and not words.startswith(("╭", "│", "╰"))
            if ends or process.frames > DEEPEST:
                process.frames = None
                self._printing -= 1
            if ends:
                process.last = line.number
                self._end(process.chain, line)

    def _end(self, chain: int, line: Line) -> None:
        bearing = {event.chain for event in self._events.values()}
        for other in [one for one in self._ends if one != chain and one not in bearing]:
            del self._ends[other]
        self._ends[chain] = line

    def _process(self, rank: Optional[str]) -> _Process:
        if rank not in self._processes and len(self._processes) >= MOST_RANKS:
            rank = None
        return self._processes.setdefault(rank, _Process())

    def _add(self, event: _Event) -> None:
        seen = self._events.get(event.signature.id)
        if seen is not None and seen.line.number == event.line.number:
            return  # by another of its texts
        if seen is not None and not self._went_on(seen):
            seen.count += 1
            return
        if seen is not None:
            event.count += seen.count
            del self._events[event.signature.id]  # the order is that of what may have ended the run
        event.progress = dict(self._progress)
        self._events[event.signature.id] = event

    def _count(self, block: bytes, position: int) -> None:
        """Progress up to there, which tells something only once there is an event."""
        if self._events:
            for mark in WENT_ON:
                self._progress[mark] += block.count(mark, self._counted, position)
        self._counted = position

    def _went_on(self, event: _Event) -> bool:
        """Whether training went on after an exception. What is no exception is believed as it stands."""
        return bool(event.chain) and any(
            self._progress[mark] - event.progress[mark] >= enough for mark, enough in WENT_ON.items()
        )

    def _unrecognised(self) -> Optional[Line]:
        """The last exception, where nothing in its chain is known."""
        newest = max(self._ends, default=0)
        known = any(event.chain == newest for event in self._events.values())
        return None if known or not newest else self._ends[newest]

    def _recognised(self, event: _Event) -> Recognised:
        one = event.signature
        caught = dict(event.caught)
        if "module" in caught:
            top = caught["module"].partition(".")[0]
            caught["distribution"] = self._modules.get(caught["module"]) or self._modules.get(top, top)
        became = self._ends.get(event.chain)
        return Recognised(
            signature=one.id,
            role=one.role,
            cause=_filled(one.cause, caught),
            remedy=_filled(one.remedy, caught),
            command=_filled(one.command, caught) if one.command else None,
            related=one.related,
            line=event.line,
            count=event.count,
            became=became if became and became.number > event.line.number else None,
        )


def diagnose(lines: Iterable[str], signatures: Signatures) -> Diagnosis:
    """What a log shows, from its lines, with or without their ends."""
    scanner = Scanner(signatures)
    for line in lines:
        scanner.feed((line if line.endswith("\n") else line + "\n").encode("utf-8", "replace"))
    return scanner.result()


def _anchored(signatures: Iterable[Signature]) -> Tuple[_Anchored, ...]:
    """The signatures by the anchor that their texts contain."""
    by_anchor: Dict[str, List[Tuple[str, Signature]]] = {}
    for signature in signatures:
        for text in signature.texts:
            anchor = next((one for one in _ANCHORS if one in text), text)
            by_anchor.setdefault(anchor, []).append((text, signature))
    return tuple(_Anchored(anchor, tuple(entries)) for anchor, entries in by_anchor.items())


def _filled(text: str, caught: Mapping[str, str]) -> str:
    for name, value in caught.items():
        text = text.replace(f"{{{name}}}", value)
    return text
