"""`data/`: do the data agree with the card's task, and are the classes balanced?"""

from __future__ import annotations

import re
from typing import Iterator, Optional, Tuple

from card_doctor.checks.card import place
from card_doctor.checks.classes import balance_in
from card_doctor.checks.registry import check
from card_doctor.checks.statistics import majority_macro_f1
from card_doctor.checks.training import batch_of, rows_by_steps, shown, steps_per_epoch
from card_doctor.model import Case, DataFile, Finding, NotApplicable, Remedy, Severity, Task, Unknown

FEW = 0.01  # a part of the rows, up to which it is a blemish and not a cause
_UNLABELLED = "-1"  # what the Hub's data sets have where the label is held back
_LENGTHS = ("max_seq_length", "max_length", "model_max_length", "sequence_len")


def task_of(case: Case) -> Optional[Task]:
    """The well-known data set that the card names."""
    named = case.card.dataset if case.card else {}
    words = re.findall(r"[\w-]+", " ".join(str(one).lower() for one in named.values() if isinstance(one, str)))
    tasks = case.knowledge.tasks() if words else {}
    return next((tasks[word] for word in words if word in tasks), None)


def _training(case: Case) -> DataFile:
    file = next((file for file in case.needs_data().files if file.part == "train"), None)
    if file is None:
        raise NotApplicable("no file to train on among the data")
    return file


def _labelled(case: Case) -> DataFile:
    file = _training(case)
    if file.label is None:
        raise Unknown("the column of the classes (--label COLUMN)")
    return file


def _name(file: DataFile) -> str:
    return file.path.replace("\\", "/").rpartition("/")[2] or file.path


@check("data/rows", severity="warning")
def rows(case: Case) -> Iterator[Finding]:
    """Are there as many rows as the card was trained on?

    The card's table tells (steps of an epoch, times the batch size), or the data set that it names.

    Example: 822 steps at batch size 32 are 26,273 to 26,304 rows; the file has 5,000.
    Remedy: the whole data set.
    """
    card, file = case.needs_card(), _training(case)
    expected = rows_by_steps(steps_per_epoch(card), batch_of(card.hyperparameters))
    by = f"the card's table has {steps_per_epoch(card):g} steps an epoch" if expected else ""
    task = task_of(case)
    if expected is None and task and task.train:
        expected, by = (task.train, task.train), "the card names that data set"
    if expected is None:
        raise NotApplicable("the card does not tell how many rows it had")
    low, high = expected
    if not low * (1 - FEW) <= file.rows <= high * (1 + FEW):
        yield Finding(
            id="data/rows",
            severity="warning",
            subject=_name(file),
            found=f"{file.rows:,} rows",
            needs=shown(expected),
            message=f"{file.rows:,} rows to train on, the card had {shown(expected)}",
            because=f"It is reckoned from this: {by}. With other data, other scores are to be expected.",
            at=place(card, "results") or place(card, "dataset.name"),
        )


@check("data/columns", severity="warning")
def columns(case: Case) -> Iterator[Finding]:
    """Are the columns those of the card's data set?

    A script for a named data set takes its columns by name.

    Example: MNLI has `premise` and `hypothesis`; the file has `text_a` and `text_b`.
    Remedy: rename them: `dataset.rename_column("text_a", "premise")`.
    """
    case.needs_card()
    task = task_of(case)
    if task is None or not task.text:
        raise NotApplicable("the card names no data set that is known")
    for file in case.needs_data().files:
        missing = [name for name in task.text if name not in file.columns]
        if missing:
            yield Finding(
                id="data/columns",
                severity="warning",
                subject=_name(file),
                found=", ".join(file.columns),
                needs=", ".join(task.text),
                message=f"there is no column {' or '.join(missing)}",
                because="A script for the card's data set takes its texts from there.",
                remedies=(Remedy("setting", text=f"rename the column of that text to {missing[0]}"),),
            )


@check("data/labels", severity="warning")
def labels(case: Case) -> Iterator[Finding]:
    """Are the labels those of the card's task, and the same in every file?

    As many classes as the task (or the model of the run) has, none in the evaluation that training never saw, no rows
    without one; -1 stands for a label that is held back.

    Example: MNLI has three classes; the file has a fourth one, `-`, for rows without agreement.
    Remedy: leave those rows out.
    """
    file = _labelled(case)
    task = task_of(case)
    classes = set(file.classes) - {_UNLABELLED}
    expected = task.labels if task else case.run.labels if case.run else None
    if expected and file.class_count <= len(file.classes) and len(classes) != expected:
        yield Finding(
            id="data/labels",
            severity="warning",
            subject=file.label or "",
            found=f"{len(classes)} classes",
            needs=f"{expected}",
            message=f"{_name(file)} has the classes {_listed(tuple(classes))}",
            because="The card's task has as many." if task else "The model of the run tells as many apart.",
        )
    elif len(classes) == 1:
        yield Finding(
            id="data/labels",
            severity="warning",
            subject=file.label or "",
            found="1 class",
            message=f"every row of {_name(file)} has the label {next(iter(classes))}",
            because="There is nothing to tell apart.",
        )
    unlabelled = file.unlabelled + file.classes.get(_UNLABELLED, 0)
    if unlabelled:
        yield Finding(
            id="data/labels",
            severity="warning",
            subject=file.label or "",
            found=f"{unlabelled:,} rows",
            message=f"{unlabelled:,} of {file.rows:,} rows of {_name(file)} have no label",
            because="The loss of such a row fails, or teaches the model a class that there is not.",
            remedies=(Remedy("setting", text="leave them out: dataset.filter(...)"),),
        )
    for other in case.needs_data().files:
        unknown = sorted(set(other.classes) - set(file.classes) - {_UNLABELLED})
        if other.part == "evaluation" and unknown and file.class_count <= len(file.classes):
            yield Finding(
                id="data/labels",
                severity="warning",
                subject=other.label or "",
                found=_listed(tuple(unknown)),
                message=f"{_name(other)} has labels that {_name(file)} has not: {_listed(tuple(unknown))}",
                because="What training never saw can't be predicted: those rows are wrong for sure.",
            )


def _listed(names: Tuple[str, ...]) -> str:
    some = sorted(names)[:6]
    return ", ".join(some) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


@check("data/imbalance", severity="warning")
def imbalance(case: Case) -> Iterator[Finding]:
    """Are the classes of about the same size?

    Where the largest has three times the rows of the smallest, or more, a model gains accuracy by leaving the smallest
    out. Accuracy and micro F1 count rows, macro F1 counts classes, weighted F1 weights them by their rows: macro and
    weighted F1 can differ by half of the summed differences between the classes' shares and equal shares, by balance
    alone. Entropy is given in parts of that of equal classes.

    Example: 92 %, 5 % and 3 %: always saying the first gives accuracy 0.92, macro F1 0.32.
    Remedy: weight the loss by class, or sample the rare classes more often; report macro F1 beside the accuracy.
    """
    file = _labelled(case)
    balance = balance_in(file)
    if balance is None:
        raise NotApplicable("the labels are no classes, or one alone")
    if not balance.uneven:
        return
    most = max(balance.shares)
    macro = majority_macro_f1(most, len(balance.shares))
    yield Finding(
        id="data/imbalance",
        severity="warning",
        subject=file.label or "",
        found=f"{balance.ratio:.3g} to 1",
        message=f"{_name(file)}: {balance.words}",
        because=f"Always saying {balance.largest} gives accuracy (and micro F1) {most:.2f}, but macro F1 {macro:.2f}.",
        details=(f"by balance alone, macro and weighted F1 can differ by up to {balance.spread:.2f}",),
        remedies=(
            Remedy(
                "setting",
                text="weight the loss by class (CrossEntropyLoss(weight=...)) or sample the rare classes more often "
                "(WeightedRandomSampler); report macro F1",
            ),
        ),
    )


@check("data/duplicates", severity="warning")
def duplicates(case: Case) -> Iterator[Finding]:
    """Does the same text stand there twice, or under two labels?

    Duplicates count several times in the loss. The same text under different labels can't be learned: it sets a ceiling
    to the accuracy. Up to 1 % of the rows is a note.

    Example: 1,200 of 8,000 rows repeat a text; 90 texts have two labels.
    Remedy: drop them: `SELECT DISTINCT`, `dataset.to_pandas().drop_duplicates()`.
    """
    for file in case.needs_data().files:
        for number, what, why in (
            (file.duplicates, "rows repeat an earlier text", "They count several times."),
            (file.contradictions, "texts stand under more than one label", "That can't be learned."),
        ):
            if number:
                yield Finding(
                    id="data/duplicates",
                    severity=_by_part(number, file.rows),
                    subject=_name(file),
                    found=f"{number:,}",
                    message=f"{number:,} {what} (of {file.rows:,} rows, {number / file.rows:.1%})",
                    because=why,
                    remedies=(Remedy("setting", text="keep one row a text"),),
                )


@check("data/leakage", severity="warning")
def leakage(case: Case) -> Iterator[Finding]:
    """Are rows of the evaluation also trained on?

    Their scores tell what was learned by heart. The texts of both files are compared, blanks around them left out.

    Example: 1,900 of 2,000 evaluation rows stand in the training file.
    Remedy: take them out of the training file, and train again.
    """
    data = case.needs_data()
    if len(data.files) < 2:
        raise NotApplicable("one file: name the evaluation's too (--data twice)")
    if not data.compared:
        raise Unknown("text columns that all files have")
    parts = {file.path: file for file in data.files}
    for overlap in data.overlaps:
        evaluation, train = parts[overlap.evaluation], parts[overlap.train]
        yield Finding(
            id="data/leakage",
            severity=_by_part(overlap.rows, evaluation.rows),
            subject=_name(evaluation),
            found=f"{overlap.rows:,} rows",
            message=f"{overlap.rows:,} of {evaluation.rows:,} rows ({overlap.rows / evaluation.rows:.1%}) are also in "
            f"{_name(train)}",
            because="A score on what was trained on tells what was learned by heart.",
            remedies=(Remedy("setting", text=f"take those rows out of {_name(train)}"),),
        )


@check("data/empty", severity="warning")
def empty(case: Case) -> Iterator[Finding]:
    """Are there rows without a text?

    Example: 40 rows whose `hypothesis` is empty, blank or missing.
    Remedy: leave them out; a missing text (null) stops most tokenizers.
    """
    for file in case.needs_data().files:
        for text in file.texts:
            if text.empty:
                yield Finding(
                    id="data/empty",
                    severity=_by_part(text.empty, file.rows),
                    subject=f"{_name(file)} {text.name}",
                    found=f"{text.empty:,}",
                    message=f"{text.empty:,} of {file.rows:,} texts are empty or missing",
                    because="There is nothing to learn from; a missing one (null) stops most tokenizers.",
                    remedies=(Remedy("setting", text="leave those rows out"),),
                )


@check("data/too-long", severity="warning")
def too_long(case: Case) -> Iterator[Finding]:
    """Do the texts fit into the model?

    Every word is one token or more: a row of more words than the model (config.json of the run) or the card's
    max_length takes tokens is cut for sure. How many more are, a tokenizer would tell.

    Example: 300 rows have more than 512 words.
    Remedy: a longer max_length where the model has it; else split or shorten the texts.
    """
    case.needs_data()
    stated = case.card.hyperparameters if case.card else {}
    limits = [int(stated[name]) for name in _LENGTHS if isinstance(stated.get(name), (int, float))]
    limits += [case.run.longest] if case.run and case.run.longest else []
    if not limits:
        raise Unknown("how many tokens the model takes (--run with its config.json)")
    limit = min(limits)
    for file in case.needs_data().files:
        for text in file.texts:
            # counted for the lengths that models have: the next larger one says less, and nothing that is wrong
            known = min((one for one in text.longer_than if one >= limit), default=None)
            cut = text.longer_than[known] if known is not None else 0
            if cut:
                yield Finding(
                    id="data/too-long",
                    severity=_by_part(cut, file.rows),
                    subject=f"{_name(file)} {text.name}",
                    found=f"{cut:,} rows",
                    message=f"at least {cut:,} of {file.rows:,} texts are longer than the {limit} tokens that fit "
                    f"(the longest has {text.longest_words:,} words)",
                    because="What does not fit is cut off, and with it perhaps what decides the label.",
                )


def _by_part(number: int, rows: int) -> Severity:
    return "warning" if number > FEW * rows else "note"
