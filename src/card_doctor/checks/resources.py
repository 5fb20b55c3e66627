"""`resources/`: memory and disk for this card's batch. None of it decides whether training runs: it is an estimate."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional, Tuple

from card_doctor.checks.card import place
from card_doctor.checks.devices import HALF, counted, version_of
from card_doctor.checks.memory import GIB, LONG, OPTIMIZERS, SHORT, Estimate, Step, estimate
from card_doctor.checks.registry import check
from card_doctor.knowledge.models import Shape, shape_of
from card_doctor.model import Accelerator, Card, Case, Finding, Host, NotApplicable, Remedy, Severity, Unknown

METHOD = "https://arxiv.org/abs/2205.05198"
CHECKPOINTS = 2  # the Trainer writes the next one before it removes the last
DOCKERS_SHM = (
    64 * 2**20
)  # bytes of /dev/shm in a container: https://docs.docker.com/reference/cli/docker/container/run/
PROCESS = 2 * GIB  # bytes of a process that has imported torch with CUDA, and its data


class _Run(NamedTuple):
    """What a card trains."""

    shape: Shape
    optimizer: str
    batch: int  # of one device
    effective: int  # of all devices and accumulated steps
    lengths: Tuple[int, int]
    checkpointing: bool


def _run(case: Case) -> _Run:
    card, batch = _batch(case)
    stated = card.hyperparameters
    if "lora_r" in stated or any(fact.key.startswith("quantization.") for fact in card.facts):
        raise Unknown("what an adapter or a quantized model takes of memory")
    config = {**card.architecture, "model_type": card.model_type} if card.architecture and card.model_type else None
    shape = shape_of(config or (case.knowledge.model(card.base_model) if card.base_model else None) or {})
    if shape is None:
        raise Unknown(f"the sizes of {card.base_model or 'the model'}")
    devices, steps = _number(card, "num_devices") or 1, _number(card, "gradient_accumulation_steps") or 1
    length = _number(card, "max_seq_length") or _number(card, "max_length")
    longest = min(length or LONG, shape.positions)
    return _Run(
        shape,
        _optimizer(card),
        batch,
        _number(card, "total_train_batch_size") or batch * devices * steps,
        (longest if length else min(SHORT, longest), longest),
        str(stated.get("gradient_checkpointing", "")).lower() == "true",
    )


def _batch(case: Case) -> Tuple[Card, int]:
    """The card and its batch on one device: a card without one states no training."""
    card = case.needs_card()
    batch = _number(card, "train_batch_size")
    if batch is None:
        raise NotApplicable("the card states no batch size")
    return card, batch


def _number(card: Card, name: str) -> Optional[int]:
    value = card.hyperparameters.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**24 else None


def _optimizer(card: Card) -> str:
    """The Trainer's default where the card says nothing: AdamW."""
    stated = card.hyperparameters.get("optimizer")
    named = stated.get("name") if isinstance(stated, dict) else stated
    name = str(named or "adamw").lower().replace("-", "_")
    if name not in OPTIMIZERS:
        raise Unknown(f"what the optimizer {named} keeps")
    if name == "sgd" and isinstance(stated, dict) and stated.get("momentum"):
        return "adagrad"  # as much: one number a parameter
    return name


def _estimate(case: Case, run: _Run, batch: int, *, checkpointing: bool, on_gpu: bool = True) -> Estimate:
    half = case.machine.precision in HALF and on_gpu
    short, long = run.lengths
    step = Step(batch, short, half, checkpointing, on_gpu=on_gpu)
    return estimate(run.shape, run.optimizer, step._replace(fused=_may_be_fused(case)), step._replace(length=long))


def _may_be_fused(case: Case) -> bool:
    """By itself transformers uses torch's fused attention, which came with torch 2.0, since 4.36:
    https://github.com/huggingface/transformers/releases/tag/v4.36.0
    """
    installed = case.package("transformers"), case.package("torch")
    if None in installed:
        return True
    transformers, torch = (version_of(one).release for one in installed if one)
    return transformers >= (4, 36) and torch >= (2, 0)


def _gpus(case: Case) -> Tuple[Accelerator, ...]:
    gpus = case.needs_accelerators()
    if not gpus:
        raise NotApplicable("no GPU")
    return gpus


def _host(case: Case) -> Host:
    if "gpu" in case.machine.assumed:
        raise NotApplicable("another machine than this one is judged")
    if case.snapshot.host is None:
        raise Unknown("memory and disk of the machine")
    return case.snapshot.host


@check("resources/gpu-memory", severity="warning")
def gpu_memory(case: Case) -> Iterator[Finding]:
    """Does the card's batch fit into the GPU's memory?

    An estimate, for transformer models whose sizes are known (a config.json beside the card, or its base model):
    weights, gradients and the optimizer's state by their number of bytes, activations by batch and length of the texts,
    as a range. Half precision halves activations alone: the weights that are trained stay in fp32.

    Example: bert-large at batch 64 on a T4.
    Remedy: a smaller batch with gradient accumulation keeps the card's effective batch; gradient checkpointing.
    """
    run = _run(case)
    gpus = _gpus(case)
    smallest = min(gpus, key=lambda gpu: _room(gpu) or 0)
    room = _room(smallest)
    if room is None:
        raise Unknown(f"the memory of {smallest.name}")
    needed = _estimate(case, run, run.batch, checkpointing=run.checkpointing)
    low, high = needed.total
    if high <= room:
        return
    severity: Severity = "warning" if low > room else "note"
    word = "does not" if low > room else "may not"
    yield Finding(
        id="resources/gpu-memory",
        severity=severity,
        subject="gpu memory",
        found=f"{_gib(room)} GiB" + ("" if smallest.memory_free_bytes is None else " free"),
        needs=f"{_range(low, high)} GiB",
        message=f"a batch of {run.batch} {word} fit into {smallest.name}: it takes {_range(low, high)} GiB (estimated)",
        because=_told(case, run, needed),
        evidence=(METHOD,),
        remedies=_smaller(case, run, room, len(gpus)),
        details=_assumptions(run, case),
        at=place(case.card, "hyperparameters.train_batch_size") if case.card else None,
    )


def _room(gpu: Accelerator) -> Optional[int]:
    return gpu.memory_bytes if gpu.memory_free_bytes is None else gpu.memory_free_bytes


def _told(case: Case, run: _Run, needed: Estimate) -> str:
    low, high = needed.activations
    short, long = run.lengths
    texts = f"{long} tokens" if short == long else f"{short} to {long} tokens"
    return (
        f"{needed.parameters / 1e6:.0f} million parameters: weights {_gib(needed.weights)}, gradients "
        f"{_gib(needed.gradients)}, {run.optimizer} {_gib(needed.optimizer)}, activations {_range(low, high)} GiB at "
        f"{texts} in {case.machine.precision}."
    )


def _assumptions(run: _Run, case: Case) -> Tuple[str, ...]:
    short, long = run.lengths
    length = () if short == long else (f"the card states no length: {short} to {long} tokens a text are assumed",)
    half = case.machine.precision in HALF
    return (
        *length,
        "weights, gradients and the optimizer's state are kept in fp32" + (", as AMP does" if half else ""),
        *(["from attention that keeps no scores (sdpa) to one that keeps all (eager)"] if _may_be_fused(case) else []),
    )


def _smaller(case: Case, run: _Run, room: int, devices: int) -> Tuple[Remedy, ...]:
    """The largest batch that surely fits, with as many steps accumulated as keep the card's; else checkpointing too."""
    for checkpointing in (run.checkpointing, True):
        batch = run.batch
        while batch and _estimate(case, run, batch, checkpointing=checkpointing).total[1] > room:
            batch //= 2
        if batch:
            steps = max(1, -(-run.effective // (batch * devices)))
            settings = [f"per_device_train_batch_size={batch}", f"gradient_accumulation_steps={steps}"]
            settings += ["gradient_checkpointing=True"] if checkpointing else []
            kept = batch * steps * devices
            what = "keep" if kept == run.effective else f"come near (with {kept}) to"
            return (
                Remedy("setting", text=f"{', '.join(settings)} {what} the card's effective batch of {run.effective}"),
            )
    return (Remedy("hardware", text="a GPU with more memory: not even a batch of 1 surely fits"),)


@check("resources/host-memory", severity="warning")
def host_memory(case: Case) -> Iterator[Finding]:
    """Is there enough memory beside the GPU, or for training without one?

    On a CPU all that training takes lies there; beside a GPU it is the weights, twice while they are loaded, and what
    torch itself takes. What a container may use counts, not what the machine has.

    Example: bert-base at batch 64 on a machine with 8 GiB and no GPU.
    Remedy: a smaller batch with gradient accumulation, or more memory.
    """
    run = _run(case)
    host = _host(case)
    free = host.memory_free_bytes
    if free is None:
        raise Unknown("the free memory of the machine")
    on_gpu = bool(case.needs_accelerators())
    needed = _estimate(case, run, run.batch, checkpointing=run.checkpointing, on_gpu=on_gpu)
    low, high = (2 * needed.weights, 2 * needed.weights) if on_gpu else needed.total
    low, high = low + PROCESS / 4, high + PROCESS
    if high <= free:
        return
    yield Finding(
        id="resources/host-memory",
        severity="warning" if low > free else "note",
        subject="memory",
        found=f"{_gib(free)} GiB free",
        needs=f"{_range(low, high)} GiB",
        message=f"training with a batch of {run.batch} takes {_range(low, high)} GiB of memory (estimated)",
        because="The weights are there twice while they are loaded." if on_gpu else _told(case, run, needed),
        evidence=(METHOD,),
        remedies=() if on_gpu else _smaller(case, run, int(free - PROCESS), 1),
        details=_assumptions(run, case),
    )


@check("resources/disk", severity="warning")
def disk(case: Case) -> Iterator[Finding]:
    """Is there room for the checkpoints?

    The Trainer saves weights and optimizer, every 500 steps if nothing else is said, and writes the next checkpoint
    before it removes an old one. A full disk ends the training.

    Example: bert-large saves 4 GiB at a time.
    Remedy: room for it, or save_total_limit and save_strategy.
    """
    run = _run(case)
    free = _host(case).disk_free_bytes
    if free is None:
        raise Unknown("the free space of the disk")
    each = _estimate(case, run, run.batch, checkpointing=False)
    size = each.weights + each.optimizer
    if free >= CHECKPOINTS * size:
        return
    yield Finding(
        id="resources/disk",
        severity="warning",
        subject="disk",
        found=f"{_gib(free)} GiB free",
        needs=f"{_gib(CHECKPOINTS * size)} GiB",
        message=f"a checkpoint takes {_gib(size)} GiB, and the Trainer keeps two for a moment",
        because="It is the disk of the current folder; output_dir may be on another.",
        remedies=(Remedy("setting", text="save_total_limit=1 and an output_dir with more room"),),
    )


@check("resources/shared-memory", severity="warning")
def shared_memory(case: Case) -> Iterator[Finding]:
    """Is /dev/shm large enough for data loaders and for several GPUs?

    Workers of a data loader hand batches over through it, and so does NCCL between GPUs. A container has 64 MiB unless
    it is told otherwise: "Bus error", "unable to open shared memory object", NCCL's "unhandled system error".

    Example: a container that was started without --shm-size.
    Remedy: `docker run --shm-size=8g` or `--ipc=host`.
    """
    card, _ = _batch(case)
    size = _host(case).shared_memory_bytes
    if size is None:
        raise NotApplicable("there is no /dev/shm")
    if size > DOCKERS_SHM:
        return
    gpus = case.machine.accelerators or ()
    workers = _number(card, "dataloader_num_workers")
    needed = len(gpus) > 1 or bool(workers)
    if len(gpus) > 1:
        because = f"NCCL uses it between the GPUs ({counted(gpus)})."
    elif workers:
        because = f"The card's {workers} workers of the data loader use it."
    else:
        because = "The Trainer alone does without it; data loaders with workers and several GPUs don't."
    yield Finding(
        id="resources/shared-memory",
        severity="warning" if needed else "note",
        subject="/dev/shm",  # noqa: S108  its size is told
        found=f"{size // 2**20} MiB",
        needs="more than 64 MiB",
        message=f"/dev/shm has {size // 2**20} MiB, as a container has by default",  # noqa: S108
        because=because,
        evidence=("https://docs.pytorch.org/docs/stable/multiprocessing.html#strategy-management",),
        remedies=(Remedy("setting", text="start the container with --shm-size=8g, or --ipc=host"),),
    )


def _gib(size: float) -> str:
    return f"{size / GIB:.1f}"


def _range(low: float, high: float) -> str:
    return _gib(low) if _gib(low) == _gib(high) else f"{_gib(low)} to {_gib(high)}"
