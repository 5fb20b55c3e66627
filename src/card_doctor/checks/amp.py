"""`amp/`: can the precision of the run be had here, and is it fast here?"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional, Tuple

import msgspec

from card_doctor.checks.card import place
from card_doctor.checks.devices import HALF, becomes, driver_runs, drives, needs_torch, torch_build, within
from card_doctor.checks.registry import check
from card_doctor.knowledge.hardware import Device, Hardware, Outcome, Rule
from card_doctor.model import (
    Accelerator,
    Breaks,
    Case,
    Finding,
    NotApplicable,
    Package,
    Place,
    Remedy,
    Severity,
    Unknown,
)

CPU = "https://uxlfoundation.github.io/oneDNN/dev_guide_data_types.html"
TF32 = "https://pytorch.org/docs/stable/notes/cuda.html#tensorfloat-32-tf32-on-ampere-and-later-devices"
NATIVE = "https://docs.nvidia.com/cuda/cuda-c-programming-guide/#compute-capabilities"


class _Here(NamedTuple):
    """Where training computes; of several GPUs, the one that is spoken of. No GPU: the CPU."""

    device: Device
    gpu: Optional[Accelerator]

    def __str__(self) -> str:
        return self.gpu.name if self.gpu else "the CPU (there is no GPU)"


def _asked(case: Case, precision: str) -> None:
    """The engine has resolved what the run's precision is: as told, as the card says, else fp32."""
    needs_torch(case)
    mode = case.machine.precision
    if mode is None or mode not in {"fp32", "tf32", *HALF}:
        raise Unknown(f"what {mode} needs" if mode else "precision")
    if mode != precision:
        raise NotApplicable(f"training is in {mode}")


def _places(case: Case) -> Tuple[_Here, ...]:
    """What training will compute on, one of each kind of GPU. Not asked where torch does not get to the GPU at all."""
    gpus = case.needs_accelerators()
    if not gpus:
        return (_Here("cpu", None),)
    try:
        build = torch_build(case)
    except Unknown:  # what the GPU can't do, it can't do under any build
        driven = list(gpus)
    else:
        driven = [gpu for gpu in gpus if drives(build, gpu)]
        if not driven:
            raise NotApplicable("torch is built for no GPU that is here: accelerator/ says so")
        if driver_runs(case, build) is False:
            raise NotApplicable("the driver is too old for torch: accelerator/ says so")
    if any(gpu.kind == "xpu" for gpu in driven):
        raise Unknown("what becomes of half precision on Intel's GPUs")
    kinds = {gpu.name: gpu for gpu in driven}.values()
    return tuple(_Here("mps" if gpu.kind == "mps" else "cuda", gpu) for gpu in kinds)


def _rule(case: Case, precision: str, here: _Here) -> Optional[Rule]:
    hardware: Hardware = case.knowledge.hardware()
    capability = hardware.capability(here.gpu) if here.gpu else None
    if here.gpu and here.gpu.kind == "cuda" and capability is None:
        raise Unknown(f"compute capability of {here.gpu.name}")
    rule = becomes(case, precision, here.device, capability)
    if rule and rule.outcome == "untried":
        raise Unknown(f"what the installed transformers makes of {precision} on {here}")
    return rule


def _outcomes(case: Case, precision: str, *outcomes: Outcome) -> Iterator[Tuple[_Here, Rule]]:
    _asked(case, precision)
    for here in _places(case):
        rule = _rule(case, precision, here)
        if rule and rule.outcome in outcomes:
            yield here, rule


@check("amp/fp16-refused", severity="error")
def fp16_refused(case: Case) -> Iterator[Finding]:
    """Does the Trainer take fp16 on this machine?

    Mixed precision in fp16 is made for CUDA GPUs. TrainingArguments(fp16=True) stops with a ValueError without one,
    until transformers 4.41; after, on a CPU with torch before 2.3. On Apple's GPUs it needs accelerate 1.11.

    Example: a card with "Native AMP" and transformers 4.18.0, on a machine without a GPU.
    Remedy: fp32 (`--precision fp32`, TrainingArguments(fp16=False)), or a GPU.
    """
    for here, rule in _outcomes(case, "fp16", "refused", "setting"):
        yield _refused(case, "amp/fp16-refused", here, rule)


@check("amp/bf16-refused", severity="error")
def bf16_refused(case: Case) -> Iterator[Finding]:
    """Does the Trainer take bf16 on this machine?

    bf16 came with transformers 4.13 and torch 1.10, and GPUs compute it from compute capability 8.0 (Ampere) on.
    transformers before 4.35 and torch before 2.4 refuse it on older GPUs; some releases want to be told that there is
    no GPU (use_cpu=True) before they take it on a CPU.

    Example: bf16 on a T4 (7.5) with torch 2.1.
    Remedy: fp16 where the GPU has tensor cores, else fp32.
    """
    for here, rule in _outcomes(case, "bf16", "refused", "setting"):
        yield _refused(case, "amp/bf16-refused", here, rule)


@check("amp/fp16-ignored", severity="warning")
def fp16_ignored(case: Case) -> Iterator[Finding]:
    """Will fp16 be in effect?

    On a CPU, transformers from 4.41 on takes fp16, and accelerate leaves it out without a word: training is in fp32.

    Example: a card with "Native AMP" and transformers 4.46, on a machine without a GPU.
    Remedy: say fp32 (`--precision fp32`), so that what is written down is what was done.
    """
    for here, rule in _outcomes(case, "fp16", "ignored"):
        yield _finding(
            case,
            "amp/fp16-ignored",
            here,
            message=f"fp16 has no effect on {here}: training is in fp32",
            rule=rule,
            remedies=_others(case, "fp16", here),
        )


@check("amp/fp16-slow", severity="warning")
def fp16_slow(case: Case) -> Iterator[Finding]:
    """Is fp16 fast on this GPU?

    Tensor cores, from compute capability 7.0 (Volta) on, but not in the GTX 16 series, make fp16 several times faster
    than fp32. Other GPUs train in it too, at the speed of fp32 or below, and save only memory.

    Example: fp16 on a GTX 1080 (6.1).
    Remedy: fp32, unless the memory is needed.
    """
    _asked(case, "fp16")
    hardware: Hardware = case.knowledge.hardware()
    for here in _places(case):
        if here.gpu is None or here.gpu.kind != "cuda" or _rule(case, "fp16", here):
            continue
        if hardware.multiplies("fp16", here.gpu) is False:
            yield _finding(
                case,
                "amp/fp16-slow",
                here,
                message=f"{here} has no tensor cores: fp16 is no faster than fp32 on it",
                because="It computes fp16 no faster than fp32, and converts between them on top.",
                evidence=(NATIVE,),
                needs="tensor cores",
                remedies=_others(case, "fp16", here),
            )


@check("amp/bf16-slow", severity="warning")
def bf16_slow(case: Case) -> Iterator[Finding]:
    """Does this GPU compute bf16, or only emulate it?

    Since torch 2.4, `torch.cuda.is_bf16_supported()` says yes on every GPU. Those before capability 8.0 (Ampere)
    have no bf16 arithmetic: training runs, often slower than in fp32. The same is so of CPUs without AVX512-BF16 or
    AMX (on Arm: BF16), and told as a note.

    Example: bf16 on a T4 (7.5) with torch 2.6.
    Remedy: fp16 where the GPU has tensor cores, else fp32.
    """
    _asked(case, "bf16")
    if not case.needs_accelerators():
        yield from _slow_on_this_cpu(case)
        return
    for here, rule in _outcomes(case, "bf16", "emulated"):
        yield _finding(
            case,
            "amp/bf16-slow",
            here,
            message=f"{here} has no bf16 arithmetic: torch emulates it, slowly",
            rule=rule,
            remedies=_others(case, "bf16", here),
        )


def _slow_on_this_cpu(case: Case) -> Iterator[Finding]:
    """As a note: what it costs depends on the CPU and on the build of torch, and `--deep` measures it."""
    features = case.snapshot.host.cpu_features if case.snapshot.host else None
    if "gpu" in case.machine.assumed:
        raise NotApplicable("the CPU of another machine is not known")
    if features is None:
        raise NotApplicable("what the CPU can do was not read")
    here = _Here("cpu", None)
    rule = _rule(case, "bf16", here)
    hardware: Hardware = case.knowledge.hardware()
    if set(features) & set(hardware.cpu_flags.get("bf16", ())) or (rule and rule.outcome == "refused"):
        return
    finding = _finding(
        case,
        "amp/bf16-slow",
        here,
        message="this CPU has no bf16 arithmetic: training in bf16 is likely slower than in fp32",
        because="It has neither AVX512-BF16 nor AMX (nor Arm's BF16): each bf16 number is made fp32 and back.",
        evidence=(CPU,),
        needs="AVX512-BF16 or AMX",
        remedies=(*_others(case, "bf16", here), Remedy("setting", text="measure it: card-doctor check --deep")),
    )
    yield msgspec.structs.replace(finding, severity="note", found="a CPU without bf16")


@check("amp/apex-gone", severity="warning")
def apex_gone(case: Case) -> Iterator[Finding]:
    """Is the Apex that the card was trained with here, and does transformers still take it?

    Cards of the years before 2022 say "Apex, opt level O1": mixed precision by NVIDIA's Apex. transformers asks for
    it by half_precision_backend="apex" (fp16_backend before), which stops where Apex is not installed, and has been
    unknown since transformers 5.0. torch has the same of its own since 1.6.

    Example: "mixed_precision_training: Apex, opt level O1" and transformers 5.0.
    Remedy: torch's own: TrainingArguments(fp16=True), and no backend.
    """
    stated = case.card.precision if case.card else None
    if stated is None or stated.backend != "apex":
        raise NotApplicable("the card does not say Apex")
    _asked(case, "fp16")
    for here in _places(case)[:1]:  # it is of the releases, whatever the GPU
        rule = becomes(case, "fp16", here.device, backend="apex")
        native = _rule(case, "fp16", here)
        if rule is None or (native and native.outcome == "refused"):
            continue
        finding = _finding(
            case,
            "amp/apex-gone",
            here,
            message=f"the card was trained with Apex, which is not to be had here: {rule.symptom}",
            rule=rule,
            remedies=(Remedy("setting", text="torch's own AMP: TrainingArguments(fp16=True), without a backend"),),
            breaks="maybe",
        )
        installed = case.package("transformers")
        found = f"transformers {installed.version}" if installed and not rule.missing else "none"
        yield msgspec.structs.replace(finding, subject="apex", found=found, needs="Apex")


@check("amp/tf32-default", severity="note")
def tf32_default(case: Case) -> Iterator[Finding]:
    """Are fp32 matrices multiplied here as they were for the card?

    On GPUs from compute capability 8.0 (Ampere) on, torch 1.7 to 1.11 multiplied fp32 matrices in TF32: 10 bits of
    mantissa instead of 23, and faster. Since 1.12 it does not, unless it is told to. Convolutions are in TF32 in both.

    Example: a card of torch 1.9.1 in fp32, and torch 2.1 on an A100.
    Remedy: `torch.backends.cuda.matmul.allow_tf32 = True` (or False), or TrainingArguments(tf32=...).
    """
    _asked(case, "fp32")
    hardware: Hardware = case.knowledge.hardware()
    card, installed = case.needs_card(), needs_torch(case)
    trained, range_ = card.versions.get("torch"), hardware.multiplies_in_tf32
    if trained is None or not range_ or "tf32" in card.hyperparameters:
        raise NotApplicable("the card does not leave TF32 to a release of torch")
    was, now = within(Package("torch", trained), range_), within(installed, range_)
    if was == now:
        return
    named = card.hardware.get("gpu")
    if isinstance(named, str) and hardware.multiplies("tf32", Accelerator(named)) is False:
        raise NotApplicable(f"the card was trained on {named}, which has no TF32")
    able = [here for here in _places(case) if here.gpu and hardware.multiplies("tf32", here.gpu)]
    for here in able[:1]:
        finding = _finding(
            case,
            "amp/tf32-default",
            here,
            message=f"fp32 matrices are multiplied in {'TF32' if now else 'fp32'} on {here} by torch "
            f"{installed.version}, by the card's {trained} in {'TF32' if was else 'fp32'}",
            because="torch 1.7 to 1.11 use TF32 by default where the GPU can, the others don't: results may differ a "
            "little, and speed a lot.",
            evidence=(TF32,),
            remedies=(Remedy("setting", text=f"as the card: torch.backends.cuda.matmul.allow_tf32 = {was}"),),
        )
        yield msgspec.structs.replace(
            finding, severity="note", subject="tf32", found=f"torch {installed.version}", needs=f"torch {trained}"
        )


def _refused(case: Case, check_id: str, here: _Here, rule: Rule) -> Finding:
    others = _others(case, rule.precision, here)
    if rule.outcome == "setting":
        told = Remedy("setting", text=f"TrainingArguments({rule.precision}=True, {rule.setting})")
        message = f"{rule.precision} is refused on {here} without {rule.setting}: {rule.symptom}"
        return _finding(case, check_id, here, message, rule=rule, remedies=(told, *others), breaks="maybe")
    message = f"{rule.precision} is refused on {here}: {rule.symptom}"
    return _finding(case, check_id, here, message, rule=rule, remedies=others, breaks="yes")


def _finding(
    case: Case,
    check_id: str,
    here: _Here,
    message: str,
    *,
    remedies: Tuple[Remedy, ...],
    rule: Optional[Rule] = None,
    because: str = "",
    evidence: Tuple[str, ...] = (),
    needs: Optional[str] = None,
    breaks: Breaks = "no",
) -> Finding:
    asked, at = _source(case)
    if rule:
        because, evidence = rule.because, rule.evidence
        needs = f"compute capability {rule.below} or newer" if rule.below else None if here.gpu else "a GPU"
    severity: Severity = "error" if breaks == "yes" else "warning"
    return Finding(
        id=check_id,
        severity=severity,
        subject=case.machine.precision or "",
        found=here.gpu.name if here.gpu else "no GPU",
        needs=needs,
        message=message,
        because=f"{because} {asked}".strip(),
        breaks=breaks,
        evidence=evidence,
        remedies=remedies,
        at=at,
    )


def _source(case: Case) -> Tuple[str, Optional[Place]]:
    """Who asks for this precision, and where."""
    stated = case.card.precision if case.card else None
    if case.card is None or stated is None or stated.mode != case.machine.precision:
        return "", None
    return f"The card says: {stated.raw}." if stated.raw else "", place(case.card, "precision")


def _others(case: Case, precision: str, here: _Here) -> Tuple[Remedy, ...]:
    """The nearest precision that works here, and is fast where that can be had."""
    hardware: Hardware = case.knowledge.hardware()
    if precision == "bf16" and here.gpu and hardware.multiplies("fp16", here.gpu) and not _rule(case, "fp16", here):
        return (Remedy("setting", text="train in fp16: TrainingArguments(fp16=True, bf16=False), --precision fp16"),)
    return (Remedy("setting", text=f"train in fp32: TrainingArguments({precision}=False), --precision fp32"),)
