# Imports torch in the interpreter that runs it, asks it about itself, and trains a few steps in each precision that
# the devices offer. Standard library and the torch found there, 1.6 to the newest; Python 3.6 and newer.
# A script (`python torch_trial.py OUTPUT`): each answer is a line of JSON, written at once, and what is about to be
# tried is announced before, so that whoever reads it knows where a torch hung or crashed.
import functools
import json
import math
import os
import sys
import time
import warnings

MYPY = False
if MYPY:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

LONGEST = 300  # characters of a message that are told
MOST_WARNINGS = 5
STEPS = 10  # timed steps of training; the fastest counts
ENOUGH = 0.5  # seconds, after which no further step is timed
SCALED_STEPS = 12  # GradScaler starts at 2**16, and halves that in each step that overflows
# Rounding of a half precision, as its distance from 1 to the next number (torch.finfo(...).eps), times the number of
# roundings in a row that the comparison goes through.
TOLERANCE = {"fp16": 2.0**-10 * 8, "bf16": 2.0**-7 * 8}
# Of the timed step: rows, width, and width between two matrices.
SIZE_ON_GPU, SIZE_ON_CPU = (4096, 1024, 4096), (256, 256, 1024)


class Voice:
    def __init__(self, output: str) -> None:
        self.file = open(output, "a", encoding="ascii")

    def say(self, kind: str, **facts: "Any") -> None:
        self.file.write(json.dumps(dict(facts, type=kind)) + "\n")
        self.file.flush()


def main(output: str) -> None:
    voice = Voice(output)
    sys.path[:] = without_script_folder(sys.path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        voice.say("doing", what="import torch")
        started = time.time()
        try:
            import torch
        except BaseException as error:
            voice.say("import", failed=told(error), seconds=time.time() - started)
            return
        voice.say("import", seconds=time.time() - started)
        voice.say("doing", what="account")
        voice.say("account", **account(torch))
        voice.say("warnings", texts=texts(caught))
    warnings.simplefilter("ignore")
    for device, precisions in places(torch):
        reference = None  # type: Optional[Tuple[float, List[Any]]]
        for precision in precisions:
            voice.say("doing", what="step", device=device, precision=precision)
            facts = {}  # type: Dict[str, Any]
            try:
                found = compared(torch, device, precision)
                if precision == "fp32":
                    (facts["seconds"],) = timed(torch, device, precision)
                    reference = found
                else:
                    beside = [precision, "fp32"] if reference else [precision]
                    facts["seconds"], facts["fp32_seconds"] = (timed(torch, device, *beside) + [None])[:2]
                    facts["tolerance"] = TOLERANCE[precision]
                    facts["difference"] = reference and difference(reference, found)
            except Exception as error:
                facts["error"] = told(error)
            voice.say("step", device=device, precision=precision, **facts)
    voice.say("end")


def without_script_folder(path: "List[str]") -> "List[str]":
    """Python puts the folder of the script it runs in front: no part of the environment."""
    folder = os.path.dirname(os.path.abspath(__file__))
    return [entry for entry in path if entry != folder]


# What torch says of itself


def account(torch: "Any") -> "Dict[str, Any]":
    facts = {"version": str(torch.__version__), "cuda": torch.version.cuda, "hip": getattr(torch.version, "hip", None)}
    answers = {
        "cuda_available": torch.cuda.is_available,
        "architectures": lambda: torch._C._cuda_getArchFlags().split(),
        "cudnn": lambda: release(torch.backends.cudnn.version()),
        "nccl": lambda: nccl(torch),
        "bf16_supported": lambda: torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        "devices": lambda: devices(torch),
    }  # type: Dict[str, Any]
    for fact, answer in answers.items():
        try:
            facts[fact] = answer()
        except Exception:  # a build or a release that does not have it
            facts[fact] = None
    try:
        torch.zeros(2).numpy()
    except Exception as error:
        facts["numpy"] = told(error)
    return facts


def nccl(torch: "Any") -> "Optional[str]":
    if not torch.version.cuda:
        return None
    from torch.cuda import nccl as library

    version = library.version()  # a tuple since torch 1.10
    return ".".join(map(str, version)) if isinstance(version, tuple) else release(version)


def release(number: "Optional[int]") -> "Optional[str]":
    """7605 is 7.6.5 and 92400 is 9.24.0: cuDNN (to 8, from 9) and NCCL (to 2.8, from 2.9) count so."""
    if number is None:
        return None
    major, rest = divmod(number, 10000 if number >= 20000 else 1000)
    return "%d.%d.%d" % (major, rest // 100, rest % 100)


def devices(torch: "Any") -> "List[Dict[str, Any]]":
    found = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        device = torch.cuda.get_device_properties(index)
        is_amd = bool(getattr(torch.version, "hip", None))
        found.append(
            {
                "name": str(device.name),
                "kind": "rocm" if is_amd else "cuda",
                "capability": None if is_amd else "%d.%d" % (device.major, device.minor),
                "memory_bytes": int(device.total_memory),
            }
        )
    return found


def texts(caught: "List[Any]") -> "List[str]":
    """What torch warned of, each once."""
    found = []  # type: List[str]
    for warning in caught:
        line = shortened(str(warning.message))
        if line and line not in found:
            found.append(line)
    return found[:MOST_WARNINGS]


# Training


def places(torch: "Any") -> "Iterator[Tuple[str, List[str]]]":
    """Each device, or the CPU where there is none, and what to try there."""
    with_dtype = hasattr(torch, "autocast")  # since 1.10
    found = False
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            found = True
            yield "cuda:%d" % index, ["fp32", "fp16"] + (["bf16"] if with_dtype else [])
    for kind in ("mps", "xpu"):
        module = getattr(torch, kind, None) if kind == "xpu" else getattr(torch.backends, kind, None)
        if not found and module is not None and module.is_available():
            found = True
            yield kind, ["fp32", "fp16", "bf16"]
    if not found:
        yield "cpu", ["fp32"] + (["bf16"] if with_dtype else [])


def autocast(torch: "Any", device: str, precision: str) -> "Any":
    if precision == "fp32":
        return torch.enable_grad()  # changes nothing
    if not hasattr(torch, "autocast"):
        return torch.cuda.amp.autocast()
    half = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.partition(":")[0], dtype=half)


def scaler_for(torch: "Any", device: str, precision: str) -> "Any":
    if precision != "fp16" or not device.startswith("cuda"):
        return None
    scaler = getattr(torch.amp, "GradScaler", None) if hasattr(torch, "amp") else None  # since 2.3
    return scaler("cuda") if scaler else torch.cuda.amp.GradScaler()


class Task:
    """A layer of a transformer in small, the same each time: attention, normalisation, two matrices, cross entropy."""

    def __init__(self, torch: "Any", device: str, rows: int, width: int, between: int) -> None:
        self.torch = torch
        random = torch.Generator().manual_seed(20260101)

        def matrix(*shape: int) -> "Any":
            return (torch.randn(*shape, generator=random) / math.sqrt(shape[0])).to(device).requires_grad_()

        self.parameters = [matrix(width, 3 * width), matrix(width, between), matrix(between, width), matrix(width, 16)]
        self.inputs = torch.randn(8, rows // 8, width, generator=random).to(device)
        self.labels = torch.randint(16, (rows,), generator=random).to(device)

    def loss(self) -> "Any":
        torch, (attention, up, down, classes) = self.torch, self.parameters
        query, key, value = (self.inputs @ attention).chunk(3, dim=-1)
        scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
        hidden = torch.nn.functional.layer_norm(self.inputs + scores.softmax(dim=-1) @ value, query.shape[-1:])
        hidden = hidden + torch.nn.functional.gelu(hidden @ up) @ down
        return torch.nn.functional.cross_entropy((hidden @ classes).reshape(-1, 16), self.labels)


def compared(torch: "Any", device: str, precision: str) -> "Tuple[float, List[Any]]":
    """The loss and the gradients of a step of training."""
    task = Task(torch, device, 128, 64, 256)
    optimizer = torch.optim.SGD(task.parameters, lr=0.01)
    scaler = scaler_for(torch, device, precision)
    for _ in range(SCALED_STEPS):
        optimizer.zero_grad()
        with autocast(torch, device, precision):
            loss = task.loss()
        if scaler is None:
            loss.backward()
        else:
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
        gradients = [one.grad.detach().float().cpu() for one in task.parameters]
        before = task.parameters[0].detach().clone()
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)  # leaves a step out whose gradients overflow
            scaler.update()
        if bool((before != task.parameters[0]).any()):
            return float(loss.detach().float()), gradients
    raise ArithmeticError("the gradients overflow in %d steps, whatever the loss is scaled by" % SCALED_STEPS)


def difference(reference: "Tuple[float, List[Any]]", found: "Tuple[float, List[Any]]") -> float:
    """The larger of two relative errors: the loss's, and the gradients' (in the 2-norm)."""
    (loss, gradients), (other_loss, others) = reference, found
    error = sum(float((one - other).norm()) ** 2 for one, other in zip(gradients, others))
    size = sum(float(one.norm()) ** 2 for one in gradients)
    both = max(abs(loss - other_loss) / abs(loss), math.sqrt(error / size))
    return both if math.isfinite(both) else 1e9  # JSON has no infinity


def timed(torch: "Any", device: str, *precisions: str) -> "List[float]":
    """Seconds of the fastest step of training in each precision."""
    task = Task(torch, device, *(SIZE_ON_CPU if device == "cpu" else SIZE_ON_GPU))
    optimizer = torch.optim.SGD(task.parameters, lr=0.01)
    wait = getattr(getattr(torch, device.partition(":")[0], None), "synchronize", lambda: None)
    if device == "cpu":
        wait = lambda: None  # noqa: E731

    def step(precision: str) -> None:
        optimizer.zero_grad()
        with autocast(torch, device, precision):
            loss = task.loss()
        loss.backward()
        optimizer.step()
        wait()

    return fastest_in_turns([functools.partial(step, precision) for precision in precisions])


def fastest_in_turns(steps: "List[Callable[[], None]]", clock: "Callable[[], float]" = time.time) -> "List[float]":
    """Seconds of the fastest of each. They take turns: what else gets busy on this machine slows them all alike."""
    fastest, end = [1e9] * len(steps), clock() + ENOUGH * len(steps)
    for turn in range(STEPS + 2):
        for place, step in enumerate(steps):
            started = clock()
            step()
            if turn > 1:  # the first ones choose kernels and fill caches
                fastest[place] = min(fastest[place], clock() - started)
        if turn > 1 and clock() > end:
            break
    return fastest


# Words


def told(error: BaseException) -> str:
    return shortened("%s: %s" % (type(error).__name__, error)) or type(error).__name__


def shortened(text: str) -> str:
    """The first line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[0] if lines else "")[:LONGEST]


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)  # what torch registered for the end is not ours to wait for
