"""A card's text, read once from top to bottom: every line is asked for what its kind of section can state.

A generator's list (a heading or sentence that only it writes) counts line by line; elsewhere a line counts where its
label, or the words around its number, are known.
"""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_right
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

from card_doctor.cards import frontmatter, hardware, metrics, precision, prose
from card_doctor.cards.blocks import Code, Heading, Line, Table, blocks, clean, numbered
from card_doctor.cards.markup import Numbered, is_html, lines_of
from card_doctor.cards.names import DISTRIBUTIONS, normal
from card_doctor.cards.pairs import Pairs, pair_of, pieces
from card_doctor.cards.sections import NOWHERE, Section, Where
from card_doctor.cards.statements import CODE, GENERATED, LIST, METADATA, PAIR, SENTENCE, TABLE, Statements
from card_doctor.cards.tables import Rows, read_table
from card_doctor.cards.troubleshooting import case_of
from card_doctor.cards.values import is_absent
from card_doctor.cards.versions import plain_version, versions_in
from card_doctor.model import Card, Source

_DECIMAL_COMMA = re.compile(r"(?<![\d.,])0,\d{2,}(?![\d,])")
_LORA = re.compile(r"\b(?:q?lora|peft|dora)\b", re.IGNORECASE)
_KERAS = re.compile(r"keras|tensorflow|AdamWeightDecay", re.IGNORECASE)
_SIGNAL = re.compile(r"\d|:|=|float|half|fine-?tuned", re.IGNORECASE)  # a line without any states nothing
_VERSION_CUE = re.compile(
    r"version|framework|train|fine-?tun|environment|requir|compatib|install|librar|built with|using|tested|depend"
    r"|runs? (?:on|with)",
    re.IGNORECASE,
)
_FINE_TUNED = re.compile(
    r"(?:fine-?tuned (?:version|variant) of|fine-?tuned from)\s+(?:the\s)?(?!on\s)(?P<base>[\w./@-]{2,200})"
    r"(?:[^.\n]{0,60}?\son (?:the |an )?(?P<dataset>[\w./ -]{2,100}?) dataset)?"
    r"|trained from scratch on (?:the |an )?(?P<scratch>[\w./ -]{2,100}?) dataset"
)
_NO_DATASET = {"unknown", "unkown", "none", "undefined", "undisclosed", "unspecified", "custom", "private"}
_DATE = re.compile(
    r"\b(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6} (?P<day>\d{1,2}),? (?P<year>20[12]\d)\b"
    r"|\b(?P<iso>20[12]\d-\d\d-\d\d)\b"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HEAD = 40  # lines of an article that may hold its date
_SHORT = 80
_TEXT_FENCES = {"", "text", "txt", "yaml", "yml", "json", "toml", "ini", "plaintext", "none"}
_RECIPE_LINE = re.compile(r"([a-z_0-9]{2,40}):\s{0,20}([^#]*)")
_COMMAND = re.compile(r"(?:\$|>|%|!|pip|conda|import|from|python\s|git|#)\s?")
_SUPPOSED = re.compile(r"[^.]{0,40}\b(?:might|could|may)\b")
_MOST_PROSE = 500_000  # characters: a card has 0.1 MB in all; behind that running text is data
_END_OF_NAME = re.compile(r"\s*(?:$|[,;.()|/+&✅–—-]|and\b|or\b|with\b)")
_AN_EMOJI = 4  # characters that may stand before the name in a list of versions


class _Part(NamedTuple):
    """A line of a paragraph, or of a list item and the lines that go on."""

    text: str
    number: int
    bullet: bool
    section: Section


def read_card(text: str, name: str, source: Source) -> Card:
    """The card that a README, an article or a page (Markdown, plain text or HTML) states."""
    reader = Reader(text)
    return reader.card(name, source)


class Reader:
    """What a text states, before it is settled: a model's folder adds what its other files state."""

    def __init__(self, text: str) -> None:
        self.stated = Statements()
        self._where = Where()
        self._axolotl = "axolotl" in text
        self._pairs = Pairs(
            self.stated,
            lora=_LORA.search(text) is not None,
            keras=_KERAS.search(text) is not None,
            axolotl=self._axolotl,
            comma=_DECIMAL_COMMA.search(text) is not None,
        )
        self._results: Rows = ()
        self._paragraph: List[_Part] = []
        self._prose_left = _MOST_PROSE
        self._cases: List[Any] = []
        self._scores: List[Tuple[frontmatter.Score, Optional[int]]] = []
        self._read(lines_of(text) if is_html(text) else numbered(text))

    def _read(self, lines: Sequence[Numbered]) -> None:
        front = frontmatter.split(lines)
        self._front_matter(front)
        for block in blocks(lines[front.end :]):
            if self.stated.full:
                break
            if isinstance(block, Line):
                self._line(block)
                continue
            self._end_paragraph()
            if isinstance(block, Heading):
                self._where.heading(block.level, block.text)
                self._pairs.run = None
            elif isinstance(block, Table):
                self._table(block)
            elif isinstance(block, Code):
                self._code(block)
        self._end_paragraph()
        self._pairs.finish()
        self._model_index()

    def card(self, name: str, source: Source, results: Rows = ()) -> Card:
        """`results` are of another file, and count where the text has no table."""
        rows = self._results or results
        return self.stated.card(name, source, results=rows, troubleshooting=tuple(self._cases))

    def _front_matter(self, front: frontmatter.FrontMatter) -> None:
        bases = frontmatter.names(front.values.get("base_model"))
        if len(bases) == 1 and not is_absent(bases[0]):
            self.stated.add("base_model", bases[0], bases[0], front.lines.get("base_model"), METADATA)
        datasets = frontmatter.names(front.values.get("datasets"))
        if datasets:
            value = datasets[0] if len(datasets) == 1 else datasets
            self.stated.add("dataset.name", value, ", ".join(datasets), front.lines.get("datasets"), METADATA)
        tasks = frontmatter.names(front.values.get("pipeline_tag")) or frontmatter.tasks(front.values)
        if len(tasks) == 1:
            place = front.lines.get("pipeline_tag", front.lines.get("model-index", front.lines.get("model_index")))
            self.stated.add("dataset.task", tasks[0], tasks[0], place, METADATA)
        for day in frontmatter.names(front.values.get("date"))[:1]:
            self._date(day, front.lines.get("date"))
        place = front.lines.get("model-index", front.lines.get("model_index"))
        self._scores = [(score, place) for score in frontmatter.scores(front.values)]

    def _model_index(self) -> None:
        """What it scores counts where the text gives none; else it may have been measured on other data, and only
        what has the very name of a score of the text, once, is held against it.
        """
        written = {one.key for one in self.stated if one.key.startswith("metrics.") and one.trust > METADATA}
        labels = [metrics.label_of(score.name) for score, _ in self._scores]
        keys = [metrics.metric_key(label, generated=True) for label in labels]
        for key, label, (score, place) in zip(keys, labels, self._scores):
            if not written or (f"metrics.{key}" in written and keys.count(key) == 1 and key == label):
                self._pairs.score(score.name, score.value, place, METADATA)

    def _date(self, text: str, number: Optional[int]) -> None:
        found = _DATE.search(text)
        if found is None:
            return
        try:
            if found.group("iso"):
                day = dt.date.fromisoformat(found.group("iso"))
            else:
                day = dt.date(
                    int(found.group("year")), _MONTHS.index(found.group("month")) + 1, int(found.group("day"))
                )
        except ValueError:
            return
        self.stated.add("date", day.isoformat(), found.group(), number, METADATA)

    def _line(self, line: Line) -> None:
        text, number, bullet = line
        if self._pairs.optimizer_goes_on(text, number, bullet=bullet):
            return
        if bullet or not self._paragraph or number != self._paragraph[-1].number + 1:
            self._end_paragraph()
        section = self._where.section
        if bullet:
            self._where.item()
            if section.kind == "troubleshooting":
                self._cases += case_of(text)
        elif number <= _HEAD and len(text) < _SHORT and not self.stated.has("date", CODE):
            self._date(text, number)
        if _SIGNAL.search(text):
            if text[0] == "{" and self._pairs.mapping(text, number):
                return
            trust = LIST if bullet else PAIR
            parts = pieces(text)
            if self._pairs_of(parts, number, trust, section):
                self._end_paragraph()
                if len(parts) > 1:  # "epochs=3 seed=0 with torch 2.5.1"
                    self._versions(text, lambda _: number, SENTENCE, section)
                return
        if not bullet:
            self._where.prose(text)
        self._paragraph.append(_Part(text, number, bullet, section))

    def _pairs_of(self, texts: Sequence[str], number: int, trust: int, section: Section) -> bool:
        """Is any of them a pair that is known?"""
        known = False
        for text in texts:
            pair = pair_of(text, number, trust, section)
            known = (pair is not None and self._pairs.read(pair)) or known
        return known

    def _end_paragraph(self) -> None:
        """What the words of a paragraph say together: a sentence may go on in the next line."""
        parts, self._paragraph = self._paragraph, []
        text = " ".join(part.text for part in parts)
        self._prose_left -= len(text)
        if self._prose_left < 0 or not _SIGNAL.search(text):
            return
        starts, start = [], 0
        for part in parts:
            starts.append(start)
            start += len(part.text) + 1

        def line_at(offset: int) -> int:
            return parts[bisect_right(starts, offset) - 1].number

        section = parts[0].section
        self._versions(text, line_at, LIST if parts[0].bullet else PAIR, section)
        if section.kind not in {"usage", "aside", "troubleshooting"}:
            self._sentences(text, line_at)

    def _versions(self, text: str, line_at: Callable[[int], int], trust: int, section: Section) -> None:
        found = list(versions_in(text))
        if not found:
            self._bare_version(text, line_at, trust, section)
            return
        behind = text[found[0].start + len(found[0].raw) :]
        leads = found[0].start <= _AN_EMOJI and _END_OF_NAME.match(behind) is not None
        listed = section.kind in {"versions", "requirements"}
        if trust == LIST and section.kind == "versions" and section.generated:
            trust = GENERATED
        elif trust == PAIR or (trust == LIST and not (leads or listed or len(found) > 1)):
            trust = SENTENCE
        if trust == SENTENCE and not (len(found) > 1 or section.kind == "versions" or _VERSION_CUE.search(text)):
            return
        if section.kind in {"requirements", "usage", "aside"}:  # of the package that uses the model
            trust = SENTENCE
        for one in found:
            # "using Transformers==4.13 might solve it" tells of a way out, not of the training
            if trust > SENTENCE or not _SUPPOSED.match(text, one.start + len(one.raw)):
                self._version(one.name, one.version, one.raw, line_at(one.start), trust)
        self._pairs.run = "versions"

    def _bare_version(self, text: str, line_at: Callable[[int], int], trust: int, section: Section) -> None:
        """``Python: 3`` in a list of versions."""
        pair = pair_of(text, line_at(0), trust, section)
        name = DISTRIBUTIONS.get(normal(pair.printed)) if pair and trust != PAIR else None
        version = plain_version(pair.value, bare=True) if pair and name else None
        if name and version and section.kind == "versions":
            self._version(name, version, text, line_at(0), trust)

    def _version(self, name: str, version: str, raw: str, number: int, trust: int) -> None:
        self.stated.add("hardware.cuda" if name == "cuda" else f"versions.{name}", version, raw, number, trust)

    def _sentences(self, text: str, line_at: Callable[[int], int]) -> None:
        for said in [*prose.hyperparameters_in(text), *prose.optimizers_in(text)]:
            self.stated.add(f"hyperparameters.{said.key}", said.value, said.raw, line_at(said.start), SENTENCE)
        for said in prose.metrics_in(text):
            self.stated.add(f"metrics.{said.key}", said.value, said.raw, line_at(said.start), SENTENCE)
        for stated, start in precision.in_sentence(text):
            self.stated.add("precision", stated, stated.raw, line_at(start), SENTENCE)
        for found, raw, start in hardware.in_sentence(text):
            for key, value in found.items():
                self.stated.add(f"hardware.{key}", value, raw, line_at(start), SENTENCE)
        tuned = _FINE_TUNED.search(text)
        if tuned is None:
            return
        base, dataset = tuned.group("base"), tuned.group("dataset") or tuned.group("scratch")
        if base and not base.startswith("http") and not is_absent(base):
            trust = (
                LIST if text.startswith("This model is a fine-tuned version of") else SENTENCE
            )  # the Trainer's words
            self.stated.add("base_model", base.rstrip("."), tuned.group(), line_at(tuned.start()), trust)
        if dataset and dataset.lower() not in _NO_DATASET:
            self.stated.add("dataset.name", dataset, tuned.group(), line_at(tuned.start()), SENTENCE)

    def _table(self, table: Table) -> None:
        section = self._where.section
        rows, left = read_table(table, section, self._pairs, self.stated)
        self._results = self._results or rows
        for text, number in left:
            self._versions(text, lambda _, line=number: line, TABLE, section)  # type: ignore[misc]
        self._pairs.run = None

    def _code(self, code: Code) -> None:
        """A recipe (the YAML of axolotl or alignment-handbook), or a list that somebody fenced. Code states nothing."""
        section = self._where.section
        if code.language not in _TEXT_FENCES:
            return
        if (self._axolotl and code.language in {"yaml", "yml"}) or any(
            raw.startswith("base_model:") for _, raw in code.lines
        ):
            for number, raw in code.lines:
                found = _RECIPE_LINE.match(raw)
                if found:
                    self._pairs_of([f"{found.group(1)}: {found.group(2)}"], number, METADATA, NOWHERE)
            return
        for number, raw in code.lines:
            text = clean(raw).strip("-*•,{} \t")
            if _COMMAND.match(text):
                continue
            if section.kind in {"versions", "requirements"}:
                for one in versions_in(text):
                    self._version(one.name, one.version, one.raw, number, CODE)
            elif section.kind in {"hyperparameters", "evaluation"}:
                self._pairs_of([text], number, CODE, NOWHERE)
