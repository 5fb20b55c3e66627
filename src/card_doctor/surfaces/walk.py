"""From the entry points through the modules that run: what of them fails in this environment."""

from __future__ import annotations

import gc
import os
import sys
import threading
from typing import Callable, Dict, List, Optional, Tuple, TypeVar

from card_doctor.model import Package, Snapshot
from card_doctor.model.derived import Derived, Need, Step
from card_doctor.model.surface import Function, FunctionSurface, ModuleSurface
from card_doctor.surfaces.backends import wanted
from card_doctor.surfaces.distributions import Distributions
from card_doctor.surfaces.files import Surfaces
from card_doctor.surfaces.finder import Finder
from card_doctor.surfaces.following import Failure, Frame, Row, TooMuch
from card_doctor.surfaces.natives import Environment
from card_doctor.surfaces.source import DoesNotParse, Unreadable, read_module
from card_doctor.surfaces.statements import Follower
from card_doctor.surfaces.values import Module

T = TypeVar("T")

# What is fine-tuned everywhere, and what `trains` is about (interface.md): each part is followed by itself.
STANDARD_LOOP: Tuple[Tuple[str, str], ...] = (
    ("torch", "import torch"),
    ("tokenizers", "from tokenizers import Tokenizer, models, pre_tokenizers, trainers"),
    (
        "transformers",
        """
import transformers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers import Trainer, TrainingArguments
import transformers.modelcard
""",
    ),
    ("datasets", "import datasets"),
    (
        "datasets",
        """
import datasets
rows = datasets.Dataset.from_dict({"text": ["a"], "label": [0]})
rows.map(print, batched=True)
datasets.load_dataset("csv", data_files="rows.csv")
""",
    ),
    (
        "transformers",
        """
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from transformers import Trainer, TrainingArguments
tokenizer = PreTrainedTokenizerFast(tokenizer_file="tokenizer.json", unk_token="[UNK]", pad_token="[PAD]")
model = BertForSequenceClassification(BertConfig())
arguments = TrainingArguments(output_dir="out", report_to=[])
trainer = Trainer(model=model, args=arguments, train_dataset=[{}], eval_dataset=[{}])
trainer.train()
trainer.evaluate()
trainer.save_model("out")
BertForSequenceClassification.from_pretrained("out")
trainer.create_model_card(model_name="model")
""",
    ),
)
_SCRIPT = "__main__"
# What people train with beside it: where one of these fails by itself, that is about it alone.
COMPANIONS = (
    "accelerate", "peft", "trl", "evaluate", "sentence_transformers", "setfit", "diffusers", "lightning",
    "pytorch_lightning", "tensorboard", "wandb",
)  # fmt: skip

# Followed imports nest as deep as those of the packages themselves, with some twenty calls of ours for each.
_STACK = 512 * 1024 * 1024
_RECURSION = 60_000


def walk(snapshot: Snapshot, script: Optional[str] = None) -> Tuple[Derived, List[str]]:
    """What fails, and the files and folders that were looked at for it."""
    return with_deep_stack(lambda: _Walk(snapshot).all(script))


def with_deep_stack(function: Callable[[], T]) -> T:
    """Run in a thread whose stack holds what deep nesting needs; collecting garbage waits, there is none yet."""
    result: List[T] = []
    failed: List[BaseException] = []

    def run() -> None:
        try:
            result.append(function())
        except BaseException as error:  # noqa: BLE001  raised again where it is asked for
            failed.append(error)

    limit, size, collects = sys.getrecursionlimit(), threading.stack_size(), gc.isenabled()
    try:
        threading.stack_size(_STACK)
        thread = threading.Thread(target=run, name="surfaces")
        sys.setrecursionlimit(max(limit, _RECURSION))
        gc.disable()
        thread.start()
        thread.join()
    finally:
        if collects:
            gc.enable()
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    if failed:
        raise failed[0]
    return result[0]


class _Walk:
    def __init__(self, snapshot: Snapshot) -> None:
        assert snapshot.python is not None  # noqa: S101  for the type checker
        self.snapshot = snapshot
        self.finder = Finder(
            snapshot.python.search_path, snapshot.packages, snapshot.python.markers.get("sys_platform", "linux")
        )
        self.distributions = Distributions(snapshot.packages)
        self.environment = Environment(snapshot, self.finder, self.distributions.owners)
        self.gaps: Dict[str, str] = {}
        self.surfaces = Surfaces(self.environment.python, self.distributions)
        self.owned: Dict[str, Optional[Package]] = {}
        self.follower = Follower(self.environment, self.surface, self.function, self.text_shows)

    def all(self, script: Optional[str]) -> Tuple[Derived, List[str]]:
        needs: Dict[Tuple[object, ...], Need] = {}
        for name, text in STANDARD_LOOP:
            if self.finder.find(name) is not None:
                self.follow(name, text.encode(), needs, loop=True)
        reached = self.reached()
        if script is not None:
            with open(script, "rb") as file:
                self.follow(os.path.basename(script), file.read(), needs, loop=True)
        for name in COMPANIONS:
            if self.finder.find(name) is not None:
                self.follow(name, f"import {name}".encode(), needs, loop=False)
        self.surfaces.store()
        derived = Derived(
            installed={package.name: package.version for package in self.snapshot.packages.values()},
            needs=tuple(needs.values()),
            gaps=(*self.finder.gaps, *sorted(self.gaps.items())),
            reached=reached,
            modules=sum(module.state == "done" for module in self.follower.modules.values()),
        )
        looked_at = [*self.finder.folders, *self.surfaces.paths, *([script] if script else [])]
        return derived, looked_at

    def follow(self, entry: str, source: bytes, needs: Dict[Tuple[object, ...], Need], *, loop: bool) -> None:
        """Follow a script, and add what fails."""
        follower = self.follower
        module = Module(entry if entry.endswith(".py") else _SCRIPT, None, trusted=False)
        frame = Frame(module, module.scope, "module")
        frame.follow = True
        follower.running = (module.name, 0, 0)
        follower.rows = {}
        try:
            module.surface = read_module(source, self.environment.python)
            follower.block(module.surface.body, frame)
        except DoesNotParse as error:
            follower.note(self.unparsed(module, error))
        except Unreadable as why:
            self.gaps[entry] = str(why)
        except TooMuch:
            self.gaps[entry] = "more statements than are followed"
        for row, sure in follower.rows.values():
            need = self.need(row, entry, sure=sure, loop=loop)
            key = (need.kind, need.importer, need.provider, need.module, need.name)
            known = needs.get(key)
            if known is None or (need.sure and not known.sure):
                needs[key] = need

    def reached(self) -> Tuple[str, ...]:
        """The distributions that the entry points followed so far import for sure."""
        todo, seen = [_SCRIPT], {_SCRIPT}
        while todo:
            new = self.follower.imports.get(todo.pop(), set()) - seen
            seen |= new
            todo += new
        owners = (self.owner(module) for module in map(self.follower.modules.get, seen) if module is not None)
        return tuple(sorted({owner.name for owner in owners if owner is not None}))

    # --- files

    def surface(self, module: Module) -> Optional[ModuleSurface]:
        found = module.found
        if found is None or found.path is None or found.compiled:
            return None
        try:
            return self.surfaces.module(found.path, self.owner(module))
        except Unreadable as why:
            self.gaps[found.path] = str(why)
        except DoesNotParse as error:
            module.failure = Failure("SyntaxError", self.unparsed(module, error), sure=True)
        except OSError as error:
            self.gaps[found.path] = f"{type(error).__name__}: {error.strerror}"
        return None

    @staticmethod
    def unparsed(module: Module, error: DoesNotParse) -> Row:
        return Row("enforced", module, "python", "", error.line, (), "SyntaxError", f"SyntaxError: {error}")

    def function(self, module: Module, stmt: Function) -> Optional[FunctionSurface]:
        found = module.found
        if found is None or found.path is None:
            return None
        try:
            return self.surfaces.function(found.path, self.owner(module), stmt)
        except (Unreadable, OSError):
            return None

    def text_shows(self, module: Module, name: str) -> bool:
        found = module.found
        if found is None or found.path is None or found.compiled:
            return found is not None and found.compiled
        return self.surfaces.shows(found.path, name)

    # --- what is told

    def need(self, row: Row, entry: str, *, sure: bool, loop: bool) -> Need:
        importer = self.owner(row.importer)
        provider: Optional[Package] = None
        owner: Optional[Module] = None
        if row.kind in {"missing-name", "refused-keyword"} and row.provider:
            owner = self.follower.modules.get(row.provider)
            provider = self.owner(owner) if owner else None
        elif row.provider:
            provider = self.environment.installed(row.provider)
            if provider is None and row.kind == "missing-module":
                provider = self.distributions.owner(row.provider, None)
        wants = (
            wanted(self.follower, row.importer, provider) if provider is not None and row.kind == "enforced" else None
        )
        name = provider.name if provider else None
        if name is None and row.kind == "enforced":
            name = row.provider
        elif name is None and owner is not None:
            name = "python" if owner.trusted else owner.name.partition(".")[0]
        return Need(
            kind=row.kind,
            importer=importer.name if importer else self.undistributed(row.importer),
            importer_version=importer.version if importer else "",
            provider=name,
            provider_version=provider.version if provider else None,
            module=(row.provider or "") if row.kind != "enforced" else "",
            name=row.name,
            at=Step(self.told(row.importer), row.line),
            entry=entry,
            chain=tuple(Step(self.told(module), line) for module, line in row.stack if module.found is not None),
            error=row.error,
            message=row.message,
            sure=sure,
            loop=loop,
            wants=wants.requirement if wants else "",
            wants_at=Step(self.told(wants.module), wants.line) if wants else None,
        )

    def owner(self, module: Module) -> Optional[Package]:
        if module.trusted or module.found is None:
            return None
        if module.name not in self.owned:
            self.owned[module.name] = self.distributions.owner(module.name, module.found.path)
        return self.owned[module.name]

    @staticmethod
    def undistributed(module: Module) -> str:
        return module.name if module.found is None else module.name.partition(".")[0]

    @staticmethod
    def told(module: Module) -> str:
        found = module.found
        if found is None or found.path is None:
            return module.name
        return os.path.relpath(found.path, found.root).replace(os.sep, "/") if found.root else found.path
