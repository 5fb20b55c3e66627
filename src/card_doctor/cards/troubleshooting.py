"""The cases that an article foresees, with its advice, and the families of checks that answer them."""

from __future__ import annotations

import re
from typing import List, Tuple

from card_doctor.model import TroubleshootingCase

MAX_CASES = 50
_CASE = re.compile(r"(?P<case>[A-Z][^:.!?]{2,60}):\s(?P<advice>.{10,})")
_ANSWERS: Tuple[Tuple[Tuple[str, ...], str], ...] = (
    (("versions", "packages", "python"), r"\bversions?\b|librar|compatib|dependenc|\bupdate"),
    (("training", "data"), r"\bparameters?\b.*\balign|align.*\b(?:dataset|parameters?)\b|\bverify your training"),
    (("results", "training"), r"\baccuracy\b|learning rate|\bepochs?\b|overfit|underfit|converg"),
    (("data", "results"), r"\bbalanced?\b|imbalanc|sampling|\bf1\b|\bclasses\b"),
    (("accelerator", "amp", "resources"), r"\bhardware\b|\bgpu\b|\bcuda\b|out of memory|\bmemory\b|\bslow"),
)
_ANSWER = tuple((families, re.compile(pattern, re.IGNORECASE)) for families, pattern in _ANSWERS)


def case_of(text: str) -> List[TroubleshootingCase]:
    """The case that a list item under "Troubleshooting" describes; none where no check could answer it."""
    families = next((families for families, pattern in _ANSWER if pattern.search(text)), None)
    if families is None:
        return []
    found = _CASE.match(text)
    named = found is not None and ": " not in found.group("advice")[:0]
    case, advice = (
        (found.group("case"), found.group("advice")) if found and named else (text.partition(":")[0][:80], text)
    )
    return [TroubleshootingCase(case.strip(), advice.strip(), families)]
