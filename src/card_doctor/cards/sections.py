"""Where in the card a line stands: under which heading, behind which sentence. A heading is a hint only."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import List, Literal, NamedTuple, Optional, Tuple

Kind = Literal[
    "other",
    "versions",
    "hyperparameters",
    "evaluation",
    "quantization",
    "requirements",
    "usage",
    "aside",
    "troubleshooting",
]


class Section(NamedTuple):
    """`generated`: the words are a generator's own, so that every line of its list counts."""

    kind: Kind
    generated: bool = False
    part: str = ""  # "all": Sentence-Transformers lists every argument, defaults too


NOWHERE = Section("other")

# What opens each kind of section; the first that matches counts. Generators first, then what people write, in the
# languages that were seen.
_TITLES: Tuple[Tuple[Section, Tuple[str, ...]], ...] = (
    (Section("versions", generated=True), (r"framework versions?", r"versões dos? frameworks?", "关键依赖版本")),
    (Section("hyperparameters", generated=True, part="all"), (r"all hyper-?parameters",)),
    (Section("hyperparameters", generated=True), (r"(?:training|non-default|train) hyper-?parameters",)),
    (Section("evaluation", generated=True), (r"training (?:results|logs)",)),
    (Section("troubleshooting"), (r".*\btroubleshooting\b.*", r"common (?:issues|problems).*")),
    (
        Section("aside"),
        (
            r".*\b(?:citation|bibtex|limitations?|out-of-scope|license|baselines?|comparison|compared|changelog)\b.*",
            r".*\b(?:related|acknowledge?ments?)\b.*",
        ),
    ),
    (
        Section("usage"),
        (
            r".*\b(?:how to use|usage|quick ?start|inference|examples?|intended uses?|deployment|serving)\b.*",
            r".*\b(?:generation|get(?:ting)? started)\b.*|使用方法|快速开始|使い方|사용법",
        ),
    ),
    (
        Section("versions"),
        (
            r"(?:.*\b(?:package|library|software|dependency|framework|environment|key|tested) )?versions?(?: info\w*)?",
            r".*\b(?:development|training|software|runtime|test|tested|python) environment|environment",
            r"software(?: stack)?|(?:software|framework)s?(?: (?:and|&) \w+)?|frameworks?(?: used)?",
            r"tech(?:nical)? stack|libraries(?: used)?|compute infrastructure",
            r".*版本.*|.*环境.*|.*환경.*|.*環境.*|versões|versiones|versionen|umgebung|entorno|ambiente|версии.*",
            r"versions? des (?:frameworks|bibliothèques)",
        ),
    ),
    (
        Section("requirements"),
        (
            r".*\b(?:requirements?|dependencies|prerequisites?|installation|install|setup)\b.*",
            r"依赖.*|安装.*|설치.*",
        ),
    ),
    (Section("quantization"), (r".*\bquanti[sz]ation\b.*",)),
    (NOWHERE, (r"(?:.* )?(?:data|datasets?)",)),
    (
        Section("hyperparameters"),
        (
            r".*hyper-?\s?param[eè]t\w*.*|hiperpar[aâá]metros.*|parameters|trainingsparameter|q?lora ?\w*",
            r".*\b(?:training|fine-?tuning|train|lora|peft|optimi[sz]\w+)(?: \w+)? (?:config\w*|arguments|args)",
            r".*\b(?:training|fine-?tuning|train|lora|adapter)(?: \w+)? (?:settings?|parameters|details|set-?up)",
            r".*\btraining(?: \w+)? (?:procedure|recipe)|tham số.*|.*гиперпараметр.*",
            r".*超参数.*|.*训练参数.*|.*训练配置.*|训练细节|.*ハイパーパラメータ.*|.*하이퍼파라미터.*",
        ),
    ),
    (
        Section("evaluation"),
        (
            r"(?:.*\b)?(?:evaluation|results?|metrics?|performance|scores?|benchmarks?|eval)\b.*",
            r"resultados.*|métricas.*|ergebnisse|résultats|.*kết quả.*",
            r".*评估.*|.*结果.*|.*評価.*|.*결과.*|.*성능.*",
        ),
    ),
)
# A stem of every word above: most lines hold none, and are done with one look.
_STEMS = re.compile(
    r"vers|frame|环境|環境|환경|版本|hyper|hiper|param|parám|train|tham|result|kết|log|trouble|issue|problem|cit|bibtex"
    r"|how to|usage|start|infer|example|limit|intend|scope|deploy|serv|generat|licen|baselin|compar|change|relat"
    r"|acknowl|使|사용|快|environ|umgeb|entorno|ambiente|software|stack|librar|infra|верс|require|depend|prereq|install|setup|set-up|依|安|설"
    r"|quanti|tun|lora|adapter|peft|optimi|超|训|ハイパ|하이퍼|гипер|evalu|metric|métric|perform|score|benchmark|eval|评|结|評"
    r"|결|성|ergeb|résul|tech|config|argument|detail|proced|recipe|data",
    re.IGNORECASE,
)
_TITLE = [(section, re.compile("|".join(patterns), re.IGNORECASE)) for section, patterns in _TITLES]

_LEADS: Tuple[Tuple[Section, re.Pattern[str]], ...] = tuple(
    (section, re.compile(pattern, re.IGNORECASE))
    for section, pattern in (
        (Section("hyperparameters", generated=True), r"following hyper-?parameters were used"),
        (Section("evaluation", generated=True), r"achieves the following results? on"),
        (Section("quantization", generated=True), r"quantization config was used"),
        (Section("hyperparameters"), r"hyper-?parameters?\b[^.]{0,80}:?$"),
        (Section("evaluation"), r"(?:results?|metrics|scores)\b[^.]{0,80}:$"),
        (Section("versions"), r"(?:versions|environment|frameworks|libraries)\b[^.]{0,80}:$"),
    )
)
_LONGEST_TITLE = 100


@lru_cache(maxsize=8192)
def of_title(text: str) -> Optional[Section]:
    """The kind of section that a heading opens, None where it says nothing."""
    if not _STEMS.search(text):
        return None
    text = re.sub(r"^[\W\d_]+|[\W_]+$", "", text[:_LONGEST_TITLE])
    return next((section for section, pattern in _TITLE if pattern.fullmatch(text)), None)


def of_lead(text: str) -> Optional[Section]:
    """The kind of list that a sentence announces."""
    if not (text.endswith(":") or "following" in text or "hyperparam" in text.lower()) or len(text) > 400:
        return None
    return next((section for section, pattern in _LEADS if pattern.search(text)), None)


class Where:
    """The headings above the current line, and the list that a sentence has announced."""

    def __init__(self) -> None:
        self._headings: List[Tuple[int, Section]] = []
        self._lead: Optional[Section] = None
        self._in_list = False

    def heading(self, level: int, text: str) -> None:
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        above = self._headings[-1][1] if self._headings else NOWHERE
        named = of_title(text)
        if level == 1 and named and named.kind == "usage":
            named = None  # an article's title: "How to use …"
        self._headings.append((level, named or above))
        self._lead = None

    def prose(self, text: str) -> None:
        """A line that is no list item: it may be a heading without its mark, or announce a list."""
        lead = of_lead(text)
        if lead is None and len(text) < _LONGEST_TITLE and text[-1:] not in ".!?;" and ":" not in text[:-1]:
            lead = of_title(text)
            lead = None if lead and lead.kind in {"usage", "aside"} else lead
        if lead is not None or self._in_list:
            self._lead = lead
        self._in_list = False

    def item(self) -> None:
        self._in_list = True

    @property
    def section(self) -> Section:
        return self._lead or (self._headings[-1][1] if self._headings else NOWHERE)
