"""A watched command as a page: what was over- or under-used, and its samples as plots over time."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

from card_doctor.model import Sample
from card_doctor.reporting.curves import DASHES, Points, chart
from card_doctor.reporting.html import page
from card_doctor.reporting.json import WatchDocument, encode
from card_doctor.reporting.markup import append, element
from card_doctor.reporting.watch import GIB, how_it_ended


def render(document: WatchDocument) -> str:
    main = element("main", id="report")
    for one in document.observations:
        append(main, element("h2", one.message), element("p", one.because), element("p", f"Try: {one.remedy}"))
    for number, (title, lines) in enumerate(plots(document.samples).items()):
        append(main, element("h3", title), chart(title, lines, f"samples-{number}"))
    failure = document.diagnosis.failure if document.diagnosis else None
    if failure:
        append(main, element("h2", "What it printed"), element("p", failure.cause), element("p", failure.remedy))
    title = "card-doctor watch: " + " ".join(document.command)
    return page(title, element("p", how_it_ended(document.ended)), main, None, encode(document))


def plots(samples: Sequence[Sample]) -> Mapping[str, Dict[str, Points]]:
    """What was sampled at least twice, over the seconds since the command started."""
    percent: Dict[str, Points] = {}
    memory: Dict[str, Points] = {}
    for sample in samples:
        shares: List[Tuple[str, object]] = [("processors", sample.processor)]
        sizes: List[Tuple[str, object]] = [("memory", sample.memory_bytes), ("shared memory", sample.shared_bytes)]
        for index, gpu in enumerate(sample.gpus):
            shares.append((f"GPU {index}", gpu.busy))
            sizes.append((f"GPU {index} memory", gpu.memory_bytes))
        for drawn, values, unit in ((percent, shares, 1), (memory, sizes, GIB)):
            for name, value in values:
                if isinstance(value, (int, float)):
                    drawn.setdefault(name, []).append((sample.at, value / unit))
    found = {"Busy (percent) by second": percent, "Memory (GiB) by second": memory}
    enough = {
        title: dict([line for line in lines.items() if len(line[1]) > 1][: len(DASHES)])
        for title, lines in found.items()
    }
    return {title: lines for title, lines in enough.items() if lines}
