"""What `--deep` saw: torch imported, asked and tried where it will train. For `accelerator/` and `amp/`."""

from __future__ import annotations

from typing import Iterator, List, Optional, Tuple

from card_doctor.checks.accelerator import on_cpu
from card_doctor.checks.card import place
from card_doctor.checks.devices import HALF, counted, driver_runs, drives, needs_torch, spelled, torch_build, version_of
from card_doctor.checks.packages import hazards_met
from card_doctor.checks.registry import check
from card_doctor.knowledge.hardware import Hardware, kernels
from card_doctor.model import (
    Accelerator,
    Breaks,
    Case,
    Finding,
    NotApplicable,
    Remedy,
    Severity,
    TorchAccount,
    TriedStep,
    Unknown,
)

FACT = "torch's own account"  # as environment/deep.py names it where it is missing
SLOWER = 1.2  # times fp32's seconds: below, it is the machine's noise, and no matter


def _account(case: Case) -> TorchAccount:
    needs_torch(case)
    if case.snapshot.account is None:
        if any(gap.fact == FACT for gap in case.snapshot.gaps):
            raise Unknown(FACT)
        raise NotApplicable("not asked for: --deep imports torch")
    return case.snapshot.account


def _imported(case: Case) -> TorchAccount:
    """What a torch that can be imported says of this machine."""
    account = _account(case)
    if account.failed:
        raise NotApplicable("torch can't be imported")
    if "gpu" in case.machine.assumed:
        raise NotApplicable("another machine than this one is judged")
    return account


@check("accelerator/torch-fails", severity="error")
def torch_fails(case: Case) -> Iterator[Finding]:
    """Can torch be imported, and hand its tensors to NumPy? (with --deep)

    Training begins with both. What a file can't show is shown by doing it, in the interpreter that will train, under
    the time limit of `--timeout`.

    Example: a torch whose libraries are damaged; one without numpy.
    Remedy: what the error names; where `packages/` knows the cause, its finding has the remedy.
    """
    account = _account(case)
    python = case.snapshot.python
    again = f"{(python and python.executable) or 'python'} -c 'import torch; torch.zeros(2).numpy()'"
    if account.failed:
        _unexplained(case, account.failed)
        yield Finding(
            id="accelerator/torch-fails",
            severity="error",
            subject="torch",
            message=f"`import torch` fails: {account.failed}",
            because="It was imported in this interpreter, as training will do.",
            breaks="yes",
            evidence=(f"reproduced: {again}",),
            remedies=(Remedy("setting", text=f"see the whole error with: {again}"),),
        )
    elif account.numpy:
        _unexplained(case, account.numpy)
        missing = case.package("numpy") is None
        trainer = case.package("transformers") is not None
        yield Finding(
            id="accelerator/torch-fails",
            severity="error" if trainer else "warning",
            subject="numpy",
            found=None if missing else case.snapshot.packages["numpy"].version,
            message=f"torch can't hand a tensor to NumPy: {account.numpy}",
            because="The Trainer turns each prediction into an array of NumPy's."
            if trainer
            else "What reads predictions or metrics of torch usually does it through NumPy.",
            breaks="yes" if trainer else "maybe",
            evidence=(f"reproduced: {again}",),
            remedies=(Remedy("install", "numpy<2" if _needs_numpy_1(case) else "numpy"),) if missing else (),
        )


def _needs_numpy_1(case: Case) -> bool:
    """NumPy 2 came with torch 2.3: https://github.com/pytorch/pytorch/issues/107302"""
    return version_of(needs_torch(case)).release < (2, 3)


def _unexplained(case: Case, error: str) -> None:
    """NotApplicable where `packages/` tells the cause of this error."""
    for hazard in hazards_met(case):
        if hazard.symptom in error:
            raise NotApplicable(f"packages/{hazard.id} tells the cause: {error}")
    for need in case.derived.needs if case.derived else ():
        if need.error and need.error in error:
            raise NotApplicable(f"packages/ tells the cause: {error}")


@check("accelerator/torch-disagrees", severity="error")
def torch_disagrees(case: Case) -> Iterator[Finding]:
    """Does torch see what was read from the driver and from its files? (with --deep)

    Where both don't agree, training follows torch: it may use the CPU beside a GPU that works, or another torch than
    the one that is installed.

    Example: nvidia-smi shows a GPU, and `torch.cuda.is_available()` says no, for want of /dev/nvidia-uvm.
    Remedy: what torch's own warning names.
    """
    account, build = _imported(case), torch_build(case)
    stated = account.version.partition("+")[0] if account.version else None
    if stated and stated != build.version.partition("+")[0]:
        message = f"torch {build.version} is installed, and `import torch` gives {account.version}"
        because = "Another torch stands before it on the search path."
        yield _disagreement("torch", "warning", "maybe", message, because, found=account.version, needs=build.version)
    elif account.architectures and build.architectures and set(account.architectures) != set(build.architectures):
        message = f"torch is compiled for {' '.join(account.architectures)}; known was {' '.join(build.architectures)}"
        yield _disagreement("torch", "note", "no", message, "It was built by somebody else than its index's wheel.")
    gpus = tuple(gpu for gpu in case.needs_accelerators() if gpu.kind in {"cuda", "rocm"})
    if account.cuda_available is None or account.devices is None:
        raise Unknown("the GPUs that torch sees")
    if account.cuda_available != bool(gpus):
        yield from _unseen(case, gpus, account)
    elif len(account.devices) != len(gpus):
        message = f"the driver has {counted(gpus)}, torch sees {counted(account.devices)}"
        yield _disagreement("gpu", "warning", "no", message, "Training uses what torch sees.")
    else:
        for gpu, seen in zip(sorted(gpus, key=_key), sorted(account.devices, key=_key)):
            if gpu.capability and seen.capability and gpu.capability != seen.capability:
                message = f"{gpu.name} has compute capability {gpu.capability}, and torch says {seen.capability}"
                yield _disagreement("gpu", "warning", "no", message, "The driver and torch tell of different devices.")


def _key(gpu: Accelerator) -> Tuple[str, str]:
    return gpu.capability or "", gpu.name


def _unseen(case: Case, gpus: Tuple[Accelerator, ...], account: TorchAccount) -> Iterator[Finding]:
    if not gpus:
        message = f"torch sees {counted(account.devices or ())}, which no driver told of"
        yield _disagreement("gpu", "note", "no", message, "Training uses it.")
        return
    build = torch_build(case)
    if not any(drives(build, gpu) for gpu in gpus) or driver_runs(case, build) is False:
        return  # then it is as it should be
    severity, breaks, then, _ = on_cpu(case)
    said = f"torch says: {account.warnings[0]}." if account.warnings else "torch does not say why."
    python = case.snapshot.python
    again = f"{(python and python.executable) or 'python'} -c 'import torch; torch.cuda.init()'"
    message = f"{spelled(build)} sees no GPU, though {counted(gpus)} should do"
    remedies = (Remedy("setting", text=f"see why with: {again}"),)
    yield _disagreement("gpu", severity, breaks, message, said + then, remedies=remedies)


def _disagreement(
    subject: str,
    severity: Severity,
    breaks: Breaks,
    message: str,
    because: str,
    *,
    found: Optional[str] = None,
    needs: Optional[str] = None,
    remedies: Tuple[Remedy, ...] = (),
) -> Finding:
    return Finding(
        id="accelerator/torch-disagrees",
        severity=severity,
        subject=subject,
        message=message,
        because=because,
        breaks=breaks,
        found=found,
        needs=needs,
        evidence=("reproduced: --deep",),
        remedies=remedies,
    )


def _steps(case: Case) -> List[TriedStep]:
    """Of the precision that training will be in."""
    account, precision = _imported(case), case.machine.precision
    if not account.steps:
        raise Unknown(FACT)
    found = [step for step in account.steps if step.precision == ("fp32" if precision == "tf32" else precision)]
    if not found:
        devices = ", ".join(dict.fromkeys(step.device for step in account.steps))
        raise NotApplicable(f"{precision} can't be tried on {devices}")
    return found


@check("amp/step-fails", severity="error")
def step_fails(case: Case) -> Iterator[Finding]:
    """Does a step of training in this precision work on this device? (with --deep)

    A layer of a transformer is trained for a step: forward under autocast, backward, GradScaler where it is fp16, and
    the optimizer, on each device that torch sees.

    Example: `CUDA error: no kernel image is available for execution on the device`.
    Remedy: what the error names; `--precision fp32` where that one worked.
    """
    failed = [step for step in _steps(case) if step.error]
    works = {(step.device, step.precision) for step in _imported(case).steps if not step.error}
    for step in failed:
        if step.error and "no kernel image" in step.error and _foreseen(case):
            raise NotApplicable("accelerator/ tells the cause: it has no code for the GPU")
        others = [mode for mode in ("fp16", "bf16", "fp32") if (step.device, mode) in works]
        yield Finding(
            id="amp/step-fails",
            severity="error",
            subject=step.precision,
            found=step.device,
            message=f"a step of training in {step.precision} fails on {step.device}: {step.error}",
            because="It was tried in this interpreter, on this machine.",
            breaks="yes",
            evidence=("reproduced: --deep",),
            remedies=tuple(
                Remedy("setting", text=f"train in {mode}, which works here: --precision {mode}") for mode in others
            ),
            at=place(case.card, "precision") if case.card else None,
        )


def _foreseen(case: Case) -> bool:
    hardware: Hardware = case.knowledge.hardware()
    compiled = torch_build(case).architectures
    capabilities = [hardware.capability(gpu) for gpu in case.needs_accelerators()]
    return bool(compiled) and any(one and not kernels(compiled or (), one) for one in capabilities)


@check("amp/step-differs", severity="warning")
def step_differs(case: Case) -> Iterator[Finding]:
    """Does this precision compute the same here as fp32, but for its rounding? (with --deep)

    The same step is trained in both. Loss and gradients may differ by eight roundings in a row (0.8 % in fp16, 6 % in
    bf16); what differs by more is a fault of the GPU, of its memory or of a library.

    Example: gradients that are 40 % off.
    Remedy: train in fp32 once to compare, and have the GPU tested.
    """
    for step in _steps(case):
        if step.difference is not None and step.tolerance is not None and step.difference > step.tolerance:
            yield Finding(
                id="amp/step-differs",
                severity="warning",
                subject=step.precision,
                found=f"{step.difference:.1%}",
                needs=f"at most {step.tolerance:.1%}",
                message=f"a step in {step.precision} on {step.device} is {step.difference:.1%} off the same in fp32",
                because="Rounding does not explain that: the GPU, its memory or a library computes wrongly.",
                breaks="maybe",
                evidence=("reproduced: --deep",),
                remedies=(Remedy("setting", text="train in fp32 to compare: --precision fp32"),),
            )


@check("amp/step-slow", severity="warning")
def step_slow(case: Case) -> Iterator[Finding]:
    """Is this precision faster than fp32, as measured here? (with --deep)

    The same step, with matrices large enough to fill the device, is timed in both, in turns, and the fastest of each
    counts: other work on this machine hardly matters. Told from 1.2 times fp32's time on.

    Example: bf16 on a CPU that has no arithmetic for it.
    Remedy: fp32, unless the memory is needed.
    """
    for step in _steps(case):
        if step.precision not in HALF or not step.seconds or not step.fp32_seconds:
            continue
        if step.seconds > SLOWER * step.fp32_seconds:
            times = step.seconds / step.fp32_seconds
            yield Finding(
                id="amp/step-slow",
                severity="warning",
                subject=step.precision,
                found=f"{times:.1f} times fp32's time",
                message=f"a step in {step.precision} on {step.device} takes {times:.1f} times as long as in fp32",
                because=f"Measured here: {1000 * step.seconds:.0f} ms against {1000 * step.fp32_seconds:.0f} ms.",
                evidence=("reproduced: --deep",),
                remedies=(Remedy("setting", text="train in fp32: --precision fp32"),),
            )
