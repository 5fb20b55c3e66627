"""`card_doctor.TrainerCallback`: checks before the first step, and holds the run against the card at its end.

Works from transformers 4.6 on: it takes no more of it than the base class of callbacks and the arguments, state and
control that every release hands to `on_train_begin` and `on_train_end`. Imported when it is first asked for.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, List, Optional

from transformers import TrainerCallback as _Base

from card_doctor.model import Document, Policy, Run
from card_doctor.runs.curve import Curve
from card_doctor.runs.folder import State, Told, run_of
from card_doctor.runs.settings import settings_of

_FACTS = ("epoch", "global_step", "max_steps", "num_train_epochs", "save_steps")


class TrainerCallback(_Base):  # type: ignore[misc]  # not there when this is type-checked
    """For `Trainer(callbacks=[card_doctor.TrainerCallback("distilbert-allsides")])`.

    Before the first step it judges this environment and the training arguments against `card`, as `card_doctor.check`
    does; where `check` would exit with 1 it raises IncompatibleEnvironment (`stop=False`: prints the report and goes
    on). At the end it prints the run beside the card, and keeps both documents as `before` and `after`. Only the first
    process of several speaks; each of them is judged.
    """

    def __init__(self, card: Optional[str] = None, *, stop: bool = True, match: str = "compatible") -> None:
        self.card, self.stop, self.match = card, stop, match
        self.before: Optional[Document] = None
        self.after: Optional[Document] = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002  theirs
        """Judge the environment and the arguments."""
        self.before = self._judged(_settings(args))
        if self.before.exit_code and self.stop:
            from card_doctor import IncompatibleEnvironment  # noqa: PLC0415

            raise IncompatibleEnvironment(_text(self.before), self.before.reports[0])
        if self.before.counts.error + self.before.counts.warning:
            _say(_text(self.before), state)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Hold the run against the card. What goes wrong here must not cost what was trained."""
        model = getattr(kwargs.get("model"), "config", None)
        try:
            self.after = self._judged(_run(args, state, model))
            _say(_run_text(self.after), state)
        except Exception as error:  # noqa: BLE001
            _say(f"card-doctor: the run could not be held against the card: {type(error).__name__}: {error}", state)

    def _judged(self, training: Run) -> Document:
        import msgspec  # noqa: PLC0415

        from card_doctor.checkup import run  # noqa: PLC0415

        policy = msgspec.convert({"match": self.match, "precision": training.precision}, Policy)
        return run([self.card], policy=policy, started_with_m=True, training=training)


def _arguments(args: Any) -> Dict[str, Any]:
    """What TrainingArguments hold, without what they compute from the machine; its devices beside it."""
    values = {name: value for name, value in vars(args).items() if not name.startswith("_")}
    values["num_devices"] = max(1, getattr(args, "n_gpu", 1)) * max(1, getattr(args, "world_size", 1))
    return values


def _settings(args: Any) -> Run:
    settings = settings_of(_arguments(args))
    assert settings is not None  # noqa: S101  TrainingArguments have more than two of the names
    told = dict.fromkeys(settings.hyperparameters, "TrainingArguments")
    return Run("settings", None, settings.hyperparameters, told, settings.precision)


def _run(args: Any, state: Any, model: Any) -> Run:
    import msgspec  # noqa: PLC0415

    curve = Curve()
    for entry in state.log_history:
        curve.add(entry)
    facts = {name: getattr(state, name, None) for name in _FACTS}
    settings = settings_of(_arguments(args))
    told: List[Told] = [Told.by("TrainingArguments", settings)] if settings else []
    run = run_of(State(facts, curve), path=None, results={}, told=told, saved_last=True)
    labels = getattr(model, "num_labels", None)
    return msgspec.structs.replace(run, labels=labels if isinstance(labels, int) and labels > 1 else None)


def _say(text: str, state: Any) -> None:
    if getattr(state, "is_world_process_zero", True):
        sys.stderr.write(text + "\n")


def _text(document: Document) -> str:
    from card_doctor.reporting.text import render  # noqa: PLC0415

    return render(document, command="python -m card_doctor check")


def _run_text(document: Document) -> str:
    """The run's own part of the report: the environment was told at the start."""
    from card_doctor.reporting.run_text import compared  # noqa: PLC0415
    from card_doctor.reporting.terminal import Page  # noqa: PLC0415

    page, report = Page(), document.reports[0]
    page.line("card-doctor: " + (report.card.name if report.card else "the run"))
    for finding in report.findings:
        if finding.family in {"training", "results"}:
            page.line(f"{finding.subject}: {finding.message} [{finding.id}]", prefix=[f"{finding.severity:<9}"])
    if report.run:
        compared(page, report.run, verbose=False)
    return page.text()


__all__ = ["TrainerCallback"]
