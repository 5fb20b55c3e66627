"""The hardware that a card names: what it was trained on, as printed, and how many of it."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, Tuple

from card_doctor.cards.values import is_absent
from card_doctor.cards.vocabulary import GPU, OTHER_HARDWARE

MAX_VALUE = 160
_MODEL = (
    r"(?:NVIDIA\s|Nvidia\s|nvidia\s)?(?:(?:GeForce|Tesla|Quadro)\s)?"
    r"(?:(?:RTX|GTX)[ -]?(?:A?\d{4})(?:\s?(?:Ti|SUPER|Super))?(?:\sAda)?|Titan\s(?:RTX|Xp|X|V)"
    r"|(?:A100|H100|H200|H800|A800|B200|GH200|V100|P100|L40S?|A10G?|A30|A40|A16|T4|L4|K80|P4|P40|M60|MI\d{3}X?"
    r"|TPU ?v\d(?:-\d{1,4}|\.\d{1,3})?)(?:[ -](?:SXM\d?|PCIe|NVL|HBM\dE?|\d{2,3}\s?GB?))*|Graphcore\s\w+\sIPUs?)"
)
_TRAINED_ON = re.compile(
    r"\b(?:train\w*|fine-?tun\w*|ran|run|took|hours?|time|performed|done)\b[^.;]{0,80}?\bon\s"
    r"(?:an?\s|the\s|single\s|one\s|our\s|google\s|colab\s|free\s|about\s|kaggle\s){0,3}"
    rf"(?:(?P<count>\d{{1,4}})\s?[x×]?\s?)?(?P<gpu>{_MODEL})(?!\w)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"[A-Z]{1,2}\d{2,4}|RTX|GTX|TPU|T[Ii][Tt][Aa][Nn]|IPU|T4|L4|P4")
_COUNT = re.compile(rf"(?P<count>\d{{1,4}})\s?(?:[x×*]\s?)?(?={_MODEL})")
_CUDA = re.compile(r"v?(\d{1,2}(?:\.\d{1,2}){0,2}\+?)")
_NO_VALUE = ("(e.g", "e.g", "torch", "cuda")


def of_label(label: str, value: str) -> Dict[str, Any]:
    """What ``label: value`` says of the hardware."""
    if is_absent(value) or len(value) > MAX_VALUE or value.startswith(_NO_VALUE):
        return {}
    other = OTHER_HARDWARE.get(label)
    if other == "cuda":
        found = _CUDA.match(value)
        return {"cuda": found.group(1)} if found else {}
    if other is not None:
        return {other: value}
    if label not in GPU or not re.search(r"[A-Za-z]", value):
        return {}
    count = _COUNT.match(value)
    return {"gpu": value, **({"gpu_count": int(count.group("count"))} if count else {})}


def in_sentence(text: str) -> Iterator[Tuple[Dict[str, Any], str, int]]:
    """``trained on 8x A100 80GB``, the words that say it, and where they begin."""
    for found in _TRAINED_ON.finditer(text) if _NAMED.search(text) else ():
        gpu, count = found.group("gpu").strip(), found.group("count")
        stated = {"gpu": f"{count} {gpu}", "gpu_count": int(count)} if count else {"gpu": gpu}
        yield stated, found.group(), found.start()
