"""How a watched command ended, for a person: what was over- or under-used, and why it failed."""

from __future__ import annotations

from typing import List, Optional

from card_doctor.model import Capacity, Ended, GpuSample, Sample
from card_doctor.reporting.diagnosis import describe
from card_doctor.reporting.json import DiagnosisDocument, WatchDocument
from card_doctor.reporting.terminal import Page, Span

GIB = 2**30


def render(
    document: WatchDocument,
    diagnosis: Optional[DiagnosisDocument] = None,
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
    verbose: bool = False,
    quiet: bool = False,
) -> str:
    """The document as text, with its diagnosis where it has one."""
    page = Page(width, color=color, encoding=encoding)
    ended = document.ended
    head: Span = (f"card-doctor watch: {how_it_ended(ended)}", "bold")
    if quiet:
        page.line(head)
        return page.text()
    page.gap()
    page.line(head)
    for usage in _usage(document.samples, document.capacity):
        page.line(usage, indent=4)
    shown = [one for one in document.observations if verbose or one.severity == "warning"]
    for one in shown:
        page.line(
            one.message,
            (f" [{one.id}]", "dim"),
            prefix=[(f"{one.severity}: ", "bold yellow" if one.severity == "warning" else "cyan")],
        )
        page.line(one.because, indent=9)
        page.line(f"try: {one.remedy}", indent=9)
    if diagnosis is not None and ended.failed:
        page.gap()
        if diagnosis.exit_code or diagnosis.unrecognised:
            page.line("What it printed:")
            describe(page, diagnosis, verbose=verbose)
        else:
            page.line("What it printed shows no known failure.")
    if verbose:
        page.line(f"Watching took {document.overhead_percent:.2f} % of a processor.")
    return page.text()


def how_it_ended(ended: Ended) -> str:
    """One sentence."""
    what = f"was ended by {ended.signal}" if ended.signal else f"ended with exit code {ended.code}"
    why = ", for lack of memory, as the kernel says" if ended.killed_for_memory else ""
    largest = f", {size(ended.largest_memory_bytes)} in its largest process" if ended.largest_memory_bytes else ""
    busy = ended.processor_seconds / ended.seconds if ended.seconds else 0.0
    return f"the command {what}{why} after {duration(ended.seconds)} ({busy:.1f} processors{largest})"


def live(sample: Sample, capacity: Capacity) -> str:
    """A sample in one line."""
    parts = [f"card-doctor {duration(sample.at)}"]
    parts += [_gpu(index, one, capacity) for index, one in enumerate(sample.gpus)]
    if sample.processor is not None:
        parts.append(f"cpu {sample.processor:.0f}%")
    parts += _of("mem", sample.memory_bytes, capacity.memory_bytes)
    parts += _of("shm", sample.shared_bytes, capacity.shared_bytes)
    if sample.disk_free_bytes is not None:
        parts.append(f"disk {sample.disk_free_bytes / GIB:.0f}G free")
    return " | ".join(parts)


def size(amount: int) -> str:
    """In GiB, or in MiB where it is less than one."""
    return f"{amount / GIB:.1f} GiB" if amount >= GIB else f"{amount / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """``12.3 s``, ``4:05``, ``1:04:05``"""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _gpu(index: int, one: GpuSample, capacity: Capacity) -> str:
    words = [f"gpu{index}"]
    words += [f"{one.busy:.0f}%"] if one.busy is not None else []
    total = capacity.gpus[index].memory_bytes if index < len(capacity.gpus) else None
    words += [part.partition(" ")[2] for part in _of("", one.memory_bytes, total)]
    words += [f"{one.temperature:.0f}C"] if one.temperature is not None else []
    words += [f"{one.power:.0f}W"] if one.power is not None else []
    return " ".join(words)


def _of(what: str, used: Optional[int], total: Optional[int]) -> List[str]:
    if used is None:
        return []
    return [f"{what} {used / GIB:.1f}" + (f"/{total / GIB:.1f}G" if total else "G")]


def _usage(samples: tuple[Sample, ...], capacity: Capacity) -> List[str]:
    """Mean and most of each, over the whole run."""
    lines = []
    for index, gpu in enumerate(capacity.gpus):
        here = [sample.gpus[index] for sample in samples if index < len(sample.gpus)]
        busy = [one.busy for one in here if one.busy is not None]
        memory = [one.memory_bytes for one in here if one.memory_bytes is not None]
        words = [f"{sum(busy) / len(busy):.0f} % busy"] if busy else []
        words += [f"at most {max(memory) / GIB:.1f} of {(gpu.memory_bytes or 0) / GIB:.1f} GiB"] if memory else []
        lines += [f"GPU {index} ({gpu.name}): {', '.join(words)}"] if words else []
    processor = [sample.processor for sample in samples if sample.processor is not None]
    if processor and capacity.processors:
        mean = sum(processor) / len(processor)
        lines.append(f"the machine's {capacity.processors} processors: {mean:.0f} % busy")
    memory = [sample.memory_bytes for sample in samples if sample.memory_bytes is not None]
    if memory and capacity.memory_bytes:
        lines.append(f"memory: at most {max(memory) / GIB:.1f} of {capacity.memory_bytes / GIB:.1f} GiB")
    return lines
