"""The part of the text report on a training run and its data: rows beside the card's, and the reasoned answers."""

from __future__ import annotations

from card_doctor.model import Answer, Comparison, Data, DataFile, ParameterRow, ScoreRow
from card_doctor.reporting.terminal import Page

_MARKS = {"same": "[ok]", "within": "[ok]", "differs": "[!]", "below": "[!]", "above": "[!]", "unknown": "[?]"}
_MOST = 6  # classes in a line


def compared(page: Page, run: Comparison, *, verbose: bool) -> None:
    """The run beside the card, then the answers that it asks for."""
    page.gap()
    page.line((f"The run {run.path or ''}".rstrip() + " beside the card", "bold"))
    if run.parameters:
        rows = [(_MARKS[row.level], _words(row.parameter), row.card, _run(row)) for row in run.parameters]
        page.table(rows, header=("", "Parameter", "card", "run"), indent=2)
    if run.scores:
        page.gap()
        shown = [(_MARKS[row.level], _words(row.metric), f"{row.card:.4f}", _score(row)) for row in run.scores]
        page.table(shown, header=("", "Score", "card", "run"), indent=2)
        if verbose and run.measure:
            page.line(f"chance: {run.measure}", indent=2)
    for gap in run.gaps:
        if verbose or gap.reason == "failed":
            page.line(f"{gap.fact}: {gap.detail}", indent=2)
    for answer in run.answers:
        _answer(page, answer)


def data(page: Page, given: Data) -> None:
    """A line a file: rows, label, classes."""
    page.gap()
    page.line(("The data", "bold"))
    rows = [(_name(file), f"{file.rows:,} rows", file.part, _classes(file)) for file in given.files]
    page.table(rows, indent=2)


def _answer(page: Page, answer: Answer) -> None:
    page.gap()
    page.line(answer.seen, prefix=[(f"{answer.case}: ", "bold")])
    for cause in answer.causes:
        page.line(f"{cause.cause}: {cause.because}", prefix=[f"  {cause.verdict:<11}"])
    page.line(answer.first, prefix=["  try first  "])


def _words(key: str) -> str:
    return (
        "scheduler"
        if key == "lr_scheduler_type"
        else key.replace("lr_scheduler_", "").replace("num_", "").replace("_", " ")
    )


def _run(row: ParameterRow) -> str:
    if row.run is None:
        return "not known"
    value = "the same" if row.level == "same" else row.run
    return f"{value} ({row.source})" if row.source in {"the log", "default"} else value


def _score(row: ScoreRow) -> str:
    if row.tolerance is None:
        return f"{row.run:.4f} (not judged)"
    side = "within" if row.level == "within" else f"{abs(row.run - row.card):.4f} {row.level},"
    return f"{row.run:.4f} ({side} chance {row.tolerance:.4f})"


def _name(file: DataFile) -> str:
    return file.path.replace("\\", "/").rpartition("/")[2] or file.path


def _classes(file: DataFile) -> str:
    if file.label is None:
        return "no label"
    labelled = sum(file.classes.values())
    some = list(file.classes.items())[:_MOST]
    shown = ", ".join(f"{name} {count / labelled:.1%}" for name, count in some)
    more = f" and {file.class_count - _MOST} more" if file.class_count > _MOST else ""
    return f"{file.label}: {shown}{more}"
