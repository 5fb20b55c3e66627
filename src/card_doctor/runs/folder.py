"""A Trainer's output folder → Run: its state, results, model card and settings, each fact from the best of them.

Where no state was saved, TensorBoard's events stand in for it. `training_args.bin`, the optimizer's and the scheduler's
state are pickles: they are never read. What the log shows goes before what other files say: it is what happened.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

import msgspec

from card_doctor.errors import CardDoctorError, RunError
from card_doctor.model import Gap, Run
from card_doctor.runs.curve import Curve, number, scores_of, whole
from card_doctor.runs.events import read_events
from card_doctor.runs.files import read_object, read_text
from card_doctor.runs.schedule import schedule_of
from card_doctor.runs.settings import SUFFIXES, Settings, read_settings, settings_of
from card_doctor.runs.stream import members

STATE = "trainer_state.json"
# TensorBoard's files: beside the state, or in runs/DATE_HOST/ as TrainingArguments.logging_dir has them
EVENTS = ("events.out.tfevents.*", "*/events.out.tfevents.*", "runs/*/events.out.tfevents.*")
_CHECKPOINT = re.compile(r"checkpoint-(\d{1,12})")
_MAX_LABELS = 100_000


def read_run(path: Path) -> Run:
    """The run in a folder, or the settings in a file. RunError where there is neither, or nothing can be read."""
    if path.is_dir():
        return _Folder(path).run()
    if path.name == STATE:
        return _Folder(path.parent, only=path).run()
    if not path.exists():
        raise RunError(f"{path}: no such file or folder", "expected a Trainer's output folder, or a settings file")
    return _of_settings(path)


def _of_settings(path: Path) -> Run:
    settings = read_settings(path)
    told = {key: path.name if key in settings.stated else "default" for key in settings.hyperparameters}
    gaps = tuple(Gap(name, "failed", f"a number written as text: {text!r}") for name, text in settings.texts.items())
    return Run("settings", str(path), settings.hyperparameters, told, settings.precision, gaps=gaps)


class State(NamedTuple):
    """What a trainer_state.json says: its members but for the log, and the log as a curve."""

    facts: Mapping[str, Any]
    curve: Curve

    @classmethod
    def read(cls, path: Path) -> State:
        """Of a file of any length; RunError where it is no trainer state."""
        facts: Dict[str, Any] = {}
        curve = Curve()
        logged = False
        for key, value in members(path, "log_history"):
            if key == "log_history":
                logged = True
                curve.add(value)
            elif isinstance(value, (int, float, str)):
                facts[key] = value
        if not logged and "global_step" not in facts:
            raise RunError(f"{path}: no state of a Trainer: it has neither log_history nor global_step")
        return cls(facts, curve)

    @classmethod
    def logged(cls, entries: Iterable[Mapping[str, Any]]) -> State:
        """Of the entries of a log, where nothing else is left of the run; the facts have its `arguments`."""
        facts: Dict[str, Any] = {}
        curve = Curve()
        for entry in entries:
            curve.add(entry)
            facts.update((key, entry[key]) for key in ("epoch", "arguments") if key in entry)
            facts["global_step"] = max(facts.get("global_step", 0), entry.get("step", 0))
        return cls(facts, curve)


class _Folder:
    def __init__(self, path: Path, only: Optional[Path] = None) -> None:
        self._path, self._only = path, only
        self._gaps: List[Gap] = []

    def run(self) -> Run:
        state, final = self._state()
        arguments = state.facts.get("arguments")  # of events; what a state's file holds under any name is no mapping
        logged = settings_of(arguments) if isinstance(arguments, Mapping) else None
        model = self._object("config.json")
        run = run_of(
            state,
            path=str(self._path),
            results={
                **self._object("all_results.json"),
                **self._object("train_results.json"),
                **self._object("eval_results.json"),
            },
            told=[*self._told(), *([Told.by("TensorBoard events", logged)] if logged else [])],
            saved_last=final,
        )
        if (self._path / "training_args.bin").exists() or any(self._path.glob("checkpoint-*/training_args.bin")):
            self._gaps.append(Gap("training_args.bin", "not-asked", "present, not read: it is a pickle"))
        return msgspec.structs.replace(run, labels=_labels(model), longest=_longest(model), gaps=tuple(self._gaps))

    def _state(self) -> Tuple[State, bool]:
        """The state of the end if there is one, else of the newest checkpoint that can be read; whether it is
        the former.
        """
        checkpoints = []
        for folder in self._path.glob("checkpoint-*"):
            numbered = _CHECKPOINT.fullmatch(folder.name)
            if numbered:
                checkpoints.append((int(numbered.group(1)), folder / STATE))
        places = (
            [self._only] if self._only else [self._path / STATE, *(at for _, at in sorted(checkpoints, reverse=True))]
        )
        there = [place for place in places if place.exists()]
        if not there:
            return self._logged(), False
        broken: Optional[RunError] = None
        for place in there:
            try:
                return State.read(place), place == self._path / STATE
            except RunError as error:  # noqa: PERF203  a few
                broken = broken or error
                self._gaps.append(Gap(str(place.relative_to(self._path)), "failed", error.message.partition(": ")[2]))
        assert broken is not None  # noqa: S101  there was at least one
        raise broken

    def _logged(self) -> State:
        """What TensorBoard's events show of a run that saved no state; of several runs, the newest."""
        found = [path for pattern in EVENTS for path in self._path.glob(pattern)]
        if not found:
            raise RunError(
                f"{self._path}: no training run: no {STATE}, no checkpoint-N with one, no TensorBoard events",
                "expected the output_dir of a Trainer, or a file of settings",
            )
        newest = max(found, key=lambda path: path.name).parent  # the name holds the time
        state = State.logged(read_events(sorted(path for path in found if path.parent == newest)))
        if not state.curve.points and not state.curve.evaluations:
            raise RunError(f"{newest}: TensorBoard events without a loss or an evaluation of a Trainer's")
        return state

    def _object(self, name: str) -> Mapping[str, Any]:
        """A small JSON file of the folder; empty where there is none, or it can't be read: then a gap says why."""
        path = self._path / name
        if not path.exists():
            return {}
        try:
            return read_object(path)
        except RunError as error:
            self._gaps.append(Gap(name, "failed", error.message.partition(": ")[2]))
            return {}

    def _told(self) -> List[Told]:
        """What the settings and the model card in the folder say, the better first."""
        told = []
        for suffix in SUFFIXES:
            path = self._path / f"training_args{suffix}"
            if path.exists():
                try:
                    told.append(Told.by(path.name, read_settings(path)))
                except RunError as error:
                    self._gaps.append(Gap(path.name, "failed", error.message.partition(": ")[2]))
        readme = self._path / "README.md"
        if readme.exists():
            try:
                told.append(_by_card(readme))
            except CardDoctorError as error:
                self._gaps.append(Gap(readme.name, "failed", error.message.partition(": ")[2]))
        return told


class Told(NamedTuple):
    """Hyperparameters as one file tells them; `defaults` are those that it leaves to the Trainer."""

    source: str
    hyperparameters: Mapping[str, Any]
    precision: Optional[str]
    defaults: Tuple[str, ...] = ()

    @classmethod
    def by(cls, source: str, settings: Settings) -> Told:
        defaults = tuple(key for key in settings.hyperparameters if key not in settings.stated)
        return cls(source, settings.hyperparameters, settings.precision, defaults)


def _by_card(path: Path) -> Told:
    """The card that the Trainer wrote. It names the precision only where that is fp16."""
    from card_doctor.cards.readme import read_card  # noqa: PLC0415
    from card_doctor.model import Source  # noqa: PLC0415

    card = read_card(read_text(path), path.parent.name, Source("readme", str(path)))
    mode = card.precision.mode if card.precision else None
    written = "fp32 or bf16" if "learning_rate" in card.hyperparameters and not card.precision else None
    return Told(path.name, card.hyperparameters, mode or written)


def run_of(
    state: State,
    *,
    path: Optional[str],
    results: Mapping[str, Any],
    told: List[Told],
    saved_last: bool,
) -> Run:
    """The run that a Trainer's state shows. `saved_last`: the state was saved after training, not at a checkpoint."""
    facts, curve = state
    points, evaluations = curve.points, curve.evaluations
    planned, step = whole(facts.get("max_steps")) or None, whole(facts.get("global_step"))
    epoch, epochs = number(facts.get("epoch")), number(facts.get("num_train_epochs"))
    per_epoch = _per_epoch(step, epoch)
    hyperparameters: Dict[str, Any] = {}
    read_from: Dict[str, str] = {}
    for one in told:
        for key, value in one.hyperparameters.items():
            if key not in hyperparameters:
                hyperparameters[key] = value
                read_from[key] = "default" if key in one.defaults else one.source

    def show(key: str, value: Any, *, over: bool = False) -> None:
        if value is not None and (over or key not in hyperparameters):
            hyperparameters[key] = value
            read_from[key] = "the log"

    schedule = schedule_of(points, planned)
    if schedule:
        known = number(hyperparameters.get("learning_rate"))
        show("learning_rate", schedule.peak, over=known is not None and abs(known / schedule.peak - 1) > 0.05)
        show("lr_scheduler_type", schedule.kind)
        if "lr_scheduler_warmup_ratio" not in hyperparameters:
            show("lr_scheduler_warmup_steps", schedule.warmup)
    show("num_epochs", epochs)
    show("train_batch_size", whole(facts.get("train_batch_size")))
    trainings = curve.last.get("train", {})
    # transformers 4.6 gave the rate of steps under that name; 4.8 has both
    counts_rows = "train_steps_per_second" in trainings
    seen = _rows(trainings, "train_runtime", "train_samples_per_second") if counts_rows else None
    if seen and planned:
        show("total_train_batch_size", _whole_batch(seen / planned, per_epoch))
    trained = whole(results.get("train_samples"))
    if (
        trained is None
        and seen
        and epochs
        and per_epoch
        and planned
        and abs(planned - epochs * per_epoch) < per_epoch / 2
    ):
        trained = round(seen / epochs)
    evaluated = whole(results.get("eval_samples")) or _rows(
        curve.last.get("eval", {}), "eval_runtime", "eval_samples_per_second"
    )
    last = evaluations[-1] if evaluations else None
    logged = {**({"loss": last.loss} if last.loss is not None else {}), **last.scores} if last else {}
    return Run(
        source="trainer",
        path=path,
        hyperparameters=hyperparameters,
        read_from=read_from,
        precision=next((one.precision for one in told if one.precision), None),
        step=step,
        planned_steps=planned,
        epoch=epoch,
        finished=True if "train" in curve.last or saved_last else None,
        save_steps=whole(facts.get("save_steps")),
        steps_per_epoch=per_epoch,
        train_rows=trained,
        evaluated_rows=round(evaluated) if evaluated else None,
        training=points,
        evaluations=evaluations,
        scores=scores_of(results) or logged,
    )


def _per_epoch(step: Optional[int], epoch: Optional[float]) -> Optional[float]:
    if not step or not epoch or not math.isfinite(epoch) or epoch <= 0:
        return None
    steps = step / epoch
    return float(round(steps)) if abs(steps - round(steps)) < 0.01 * steps else steps


def _rows(entry: Mapping[str, Any], runtime: str, rate: str) -> Optional[float]:
    """Rows, from the seconds that they took and how many went through in one."""
    seconds, per_second = number(entry.get(runtime)), number(entry.get(rate))
    rows = seconds * per_second if seconds and per_second else None
    return rows if rows and math.isfinite(rows) and rows >= 1 else None


def _whole_batch(mean: float, per_epoch: Optional[float]) -> Optional[int]:
    """The batch size, from the mean rows of a step: the last step of an epoch may be smaller. None where several
    would do.
    """
    low, high = mean * 0.999, mean * 1.001
    if per_epoch and per_epoch > 1:
        high *= per_epoch / (per_epoch - 1)
    candidates = range(math.ceil(low), math.floor(high) + 1) if high < 1e9 else range(0)
    usual = [one for one in candidates if one % 8 == 0] if len(candidates) > 1 else list(candidates)
    return usual[0] if len(usual) == 1 else None


def _labels(model: Mapping[str, Any]) -> Optional[int]:
    names = model.get("id2label")
    found = len(names) if isinstance(names, dict) else whole(model.get("num_labels"))
    return found if found is not None and 1 < found < _MAX_LABELS else None


def _longest(model: Mapping[str, Any]) -> Optional[int]:
    positions = whole(model.get("max_position_embeddings"))
    if positions is None or positions <= 0:
        return None
    # RoBERTa's positions begin after its padding index
    return positions - 2 if str(model.get("model_type")) in {"roberta", "xlm-roberta", "camembert"} else positions
