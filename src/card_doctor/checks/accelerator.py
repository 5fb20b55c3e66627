"""`accelerator/`: is there a GPU, and can this torch build drive it?"""

from __future__ import annotations

from typing import Iterator, List, Optional, Sequence, Tuple

from card_doctor.checks.card import place
from card_doctor.checks.devices import (
    becomes,
    counted,
    driver_runs,
    drives,
    first_driver,
    nearest_build,
    needs_torch,
    oldest_driver,
    spelled,
    toolkit_driver,
    torch_build,
)
from card_doctor.checks.registry import check
from card_doctor.knowledge.hardware import Hardware, at_least, kernels, lowest, pair
from card_doctor.model import (
    Accelerator,
    Breaks,
    Case,
    Finding,
    NotApplicable,
    Place,
    Remedy,
    Severity,
    TorchBuild,
    Unknown,
)

COMPATIBILITY = "https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html"
BINARIES = "https://docs.nvidia.com/cuda/blackwell-compatibility-guide"
GENERATIONS = "https://docs.nvidia.com/datacenter/tesla/drivers/cuda-toolkit-driver-and-architecture-matrix.html"


def _gpus(case: Case) -> Tuple[Accelerator, ...]:
    needs_torch(case)
    gpus = case.needs_accelerators()
    if not gpus:
        raise NotApplicable("no GPU")
    return gpus


def _cuda(case: Case) -> Tuple[TorchBuild, str, Tuple[Accelerator, ...]]:
    """A CUDA build, its CUDA, and NVIDIA's GPUs."""
    gpus = tuple(gpu for gpu in _gpus(case) if gpu.kind == "cuda")
    build = torch_build(case)
    if not gpus:
        raise NotApplicable("no GPU of NVIDIA's")
    if not build.cuda:
        raise NotApplicable(f"{spelled(build)} is no CUDA build")
    return build, build.cuda, gpus


def on_cpu(case: Case) -> Tuple[Severity, Breaks, str, Optional[Place]]:
    """What it means that training falls back to the CPU: slow, or refused in the card's precision."""
    precision = case.machine.precision
    rule = becomes(case, precision, "cpu") if precision and case.package("transformers") else None
    if rule and rule.outcome == "refused":
        at = place(case.card, "precision") if case.card else None
        return "error", "yes", f" Training then uses the CPU, which {precision} is refused on. {rule.because}", at
    return "warning", "no", " Training then uses the CPU, and is many times slower.", None


@check("accelerator/no-gpu", severity="note")
def no_gpu(case: Case) -> Iterator[Finding]:
    """Is there a GPU?

    Without one the Trainer uses the CPU. Everything works there, in fp32, and takes many times longer.

    Example: a continuous-integration runner.
    Remedy: none is needed; `--gpu` names the machine that the training will run on, where that is another.
    """
    needs_torch(case)
    if case.needs_accelerators():
        return
    if on_cpu(case)[1] == "yes":
        raise NotApplicable(f"the CPU does not take {case.machine.precision}: amp/ says so")
    another = Remedy("hardware", text="name the machine that will train with --gpu, if it is another")
    yield Finding(
        id="accelerator/no-gpu",
        severity="note",
        subject="gpu",
        found="none",
        message="no GPU: training uses the CPU, and is many times slower",
        because="The Trainer takes the CPU where it sees no GPU.",
        remedies=() if "gpu" in case.machine.assumed else (another,),
    )


@check("accelerator/build-mismatch", severity="error")
def build_mismatch(case: Case) -> Iterator[Finding]:
    """Is this torch built for the kind of GPU that is here?

    A CPU build of torch sees no GPU, a CUDA build none of AMD's: training falls back to the CPU without a word. Where
    the precision needs a GPU, it stops at once.

    Example: torch 2.1.0+cpu beside a Tesla T4.
    Remedy: torch's build for that GPU, in the same release.
    """
    gpus, build = _gpus(case), torch_build(case)
    if any(drives(build, gpu) for gpu in gpus):
        return
    severity, breaks, then, at = on_cpu(case)
    nearest = nearest_build(case, gpus) or Remedy(
        "setting", text="install torch's build for it: https://pytorch.org/get-started"
    )
    yield Finding(
        id="accelerator/build-mismatch",
        severity=severity,
        subject="torch",
        found=f"{build.version} {build.build}",
        needs=f"a {gpus[0].kind} build",
        message=f"{spelled(build)} does not use {counted(gpus)}",
        because=f"It holds no code for this kind of GPU.{then}",
        breaks=breaks,
        evidence=("https://pytorch.org/get-started/previous-versions/",),
        remedies=(nearest,),
        at=at,
    )


@check("accelerator/driver-too-old", severity="error")
def driver_too_old(case: Case) -> Iterator[Finding]:
    """Does the NVIDIA driver run what torch's CUDA compiled?

    Code of CUDA 11 and later runs under any driver of its major (11: 450.80.02, 12: 525, 13: 580 and newer); before,
    each minor release of CUDA needs its own. Under an older one torch sees no GPU, and training falls back to the CPU.
    The CUDA version that nvidia-smi prints is the driver's own limit; an installed toolkit does not matter.

    Example: torch 2.1.2, built with CUDA 12.1, under driver 470.57.02.
    Remedy: a newer driver, or a build of torch with an older CUDA.
    """
    build, cuda, gpus = _cuda(case)
    if any(_too_old(case, build, cuda, gpu) for gpu in gpus):
        raise NotApplicable("no newer driver would help: the GPU is too old for this build")
    if case.machine.driver is None:
        raise Unknown("driver")
    runs = driver_runs(case, build)
    if runs is None:
        raise Unknown(f"whether driver {case.machine.driver} runs CUDA {cuda}")
    if runs:
        return
    needed = oldest_driver(case, cuda)
    severity, breaks, then, at = on_cpu(case)
    update = Remedy("driver", text=f"update the NVIDIA driver to {needed} or newer")
    yield Finding(
        id="accelerator/driver-too-old",
        severity=severity,
        subject="driver",
        found=case.machine.driver,
        needs=f">={needed}",
        message=f"driver {case.machine.driver} is too old for {spelled(build)}, which needs {needed}",
        because=f"torch sees no GPU under it.{then}",
        breaks=breaks,
        evidence=(COMPATIBILITY,),
        remedies=tuple(filter(None, (update, nearest_build(case, gpus)))),
        at=at,
    )


@check("accelerator/driver-without-gpu", severity="error")
def driver_without_gpu(case: Case) -> Iterator[Finding]:
    """Does this driver know this GPU? (where one of both was told)

    A driver drops the oldest GPUs (470 was the last for Kepler, 580 the last for Maxwell, Pascal and Volta), and knows
    none that came after it: the first is the one of the first CUDA toolkit that builds for the GPU.

    Example: --gpu K80 --driver 535.54.
    Remedy: a driver of a branch that knows it.
    """
    build, cuda, gpus = _cuda(case)
    driver = case.machine.driver
    if driver is None or not {"gpu", "driver"} & set(case.machine.assumed):
        raise NotApplicable("what a driver tells of, it knows")
    if driver_runs(case, build) is False:
        raise NotApplicable("the driver is too old for this build")
    hardware: Hardware = case.knowledge.hardware()
    _, breaks, then, at = on_cpu(case)
    for gpu in _kinds(gpus):
        capability = hardware.capability(gpu)
        if capability is None or _too_old(case, build, cuda, gpu) or not kernels(build.architectures or (), capability):
            continue  # other checks tell of it
        generation = hardware.generation(capability)
        last = generation.last_driver if generation else None
        first = first_driver(case, capability)
        if last and at_least(driver, str(last + 1)):
            needs, words, update = f"<{last + 1}", f"{last} was the last branch that did", f"install driver {last}"
        elif first and at_least(driver, first.partition(".")[0]) is False:
            needs, words, update = (
                f">={first}",
                f"{first} is the first",
                f"update the NVIDIA driver to {first} or newer",
            )
        else:
            continue
        yield Finding(
            id="accelerator/driver-without-gpu",
            severity="error" if breaks == "yes" else "warning",
            subject="driver",
            found=driver,
            needs=needs,
            message=f"driver {driver} does not know {gpu.name}: {words}",
            because=f"torch sees no GPU under it.{then}",
            breaks=breaks,
            evidence=(GENERATIONS,),
            remedies=(Remedy("driver", text=update),),
            at=at,
        )


@check("accelerator/gpu-too-old", severity="error")
def gpu_too_old(case: Case) -> Iterator[Finding]:
    """Is the GPU still supported by this build of torch?

    CUDA 12 builds nothing for Kepler, CUDA 13 nothing for Maxwell, Pascal and Volta, and torch's wheels leave out old
    GPUs before CUDA does. torch sees the GPU, and its first computation stops with "no kernel image is available".

    Example: a Tesla K80 (compute capability 3.7) with torch 2.1.2, which starts at 5.0.
    Remedy: an older torch, or a build of the same release with an older CUDA.
    """
    build, cuda, gpus = _cuda(case)
    hardware: Hardware = case.knowledge.hardware()
    for gpu in _kinds(gpus):
        oldest = _too_old(case, build, cuda, gpu)
        if oldest is None:
            continue
        capability = hardware.capability(gpu)
        generation = hardware.generation(capability) if capability else None
        last = generation.last_driver if generation else None
        end = f" No driver after {last} knows it." if last else ""
        told = f"It is built for {oldest} and newer.{end}"
        yield _no_code(case, "accelerator/gpu-too-old", build, gpu, told)
    _needs_capabilities(hardware, gpus)


@check("accelerator/no-kernels", severity="error")
def no_kernels(case: Case) -> Iterator[Finding]:
    """Does this build of torch hold code for this GPU?

    Compiled code (sm_80) runs on GPUs of the same major capability and an equal or higher minor one; PTX (compute_80)
    on all newer ones, if the driver is as new as the CUDA that made it; sm_90a on that one alone, sm_100f in its
    family; a Jetson runs only its own. Most wheels hold no PTX: a GPU that is newer than torch has nothing to run.

    Example: an H100 (9.0) with torch 1.9.1, whose wheel ends at sm_70.
    Remedy: a newer torch, or a build of the same release with a newer CUDA.
    """
    build, cuda, gpus = _cuda(case)
    hardware: Hardware = case.knowledge.hardware()
    kinds = [gpu for gpu in _kinds(gpus) if not _too_old(case, build, cuda, gpu)]
    if not kinds:
        raise NotApplicable("the GPU is too old for this build")
    for gpu in kinds:
        capability = hardware.capability(gpu)
        if capability is None:
            continue
        if not build.architectures:
            raise Unknown(f"what {spelled(build)} is compiled for")
        way = kernels(build.architectures, capability)
        if way is None:
            told = f"It is compiled for {', '.join(build.architectures)}, and none of that runs here."
            yield _no_code(case, "accelerator/no-kernels", build, gpu, told)
        elif way == "ptx" and case.machine.driver:
            needed = toolkit_driver(case, cuda)
            if needed and at_least(case.machine.driver, needed) is False:
                told = f"It has PTX alone for this GPU, and only driver {needed} or newer compiles that of CUDA {cuda}."
                yield _no_code(case, "accelerator/no-kernels", build, gpu, told)
    _needs_capabilities(hardware, gpus)


@check("accelerator/mixed-gpus", severity="note")
def mixed_gpus(case: Case) -> Iterator[Finding]:
    """Are the GPUs of this machine of one kind?

    The Trainer uses all of them and gives each the same share of a batch: the slowest sets the pace, and the smallest
    memory the size.

    Example: an A100 and a T4.
    Remedy: CUDA_VISIBLE_DEVICES with those of one kind.
    """
    gpus = _gpus(case)
    kinds = _kinds(gpus)
    if len(kinds) == 1:
        return
    yield Finding(
        id="accelerator/mixed-gpus",
        severity="note",
        subject="gpu",
        found=counted(gpus),
        message=f"GPUs of {len(kinds)} kinds: {counted(gpus)}",
        because="The Trainer gives each the same share of a batch: the slowest sets the pace, the smallest the size.",
        remedies=(Remedy("setting", text="set CUDA_VISIBLE_DEVICES to those of one kind"),),
    )


def _kinds(gpus: Sequence[Accelerator]) -> List[Accelerator]:
    """One of each name."""
    return list({gpu.name: gpu for gpu in reversed(gpus)}.values())[::-1]


def _needs_capabilities(hardware: Hardware, gpus: Sequence[Accelerator]) -> None:
    for gpu in gpus:
        if hardware.capability(gpu) is None:
            raise Unknown(f"compute capability of {gpu.name}")


def _too_old(case: Case, build: TorchBuild, cuda: str, gpu: Accelerator) -> Optional[str]:
    """The oldest capability that the build is for, where this GPU is older."""
    hardware: Hardware = case.knowledge.hardware()
    capability = hardware.capability(gpu)
    toolkit = hardware.toolkit(cuda)
    first = lowest(build.architectures) if build.architectures else pair(toolkit.oldest) if toolkit else None
    return "{}.{}".format(*first) if capability and first and capability < first else None


def _no_code(case: Case, check_id: str, build: TorchBuild, gpu: Accelerator, told: str) -> Finding:
    hardware: Hardware = case.knowledge.hardware()
    capability = "{}.{}".format(*(hardware.capability(gpu) or ()))
    gpus = [one for one in case.needs_accelerators() if one.kind == "cuda"]
    nearest = nearest_build(case, gpus)
    others = [one for one in gpus if one.name != gpu.name]
    without = Remedy("setting", text=f"leave {gpu.name} out of CUDA_VISIBLE_DEVICES") if others else None
    other = Remedy("hardware", text="a GPU that this torch is built for")
    return Finding(
        id=check_id,
        severity="error",
        subject="torch",
        found=f"{build.version} {build.build}",
        needs=f"code for {capability}",
        message=f"{spelled(build)} has no code for {gpu.name} (compute capability {capability})",
        because=f"{told} The first computation stops with: no kernel image is available for execution on the device.",
        breaks="yes",
        evidence=(GENERATIONS if check_id == "accelerator/gpu-too-old" else BINARIES,),
        remedies=tuple(filter(None, (nearest, without))) or (other,),
    )
