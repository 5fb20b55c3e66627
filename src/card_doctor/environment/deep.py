"""`--deep`: torch's account of itself, and real steps of training, in the probed interpreter's own process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

import msgspec

from card_doctor.environment.process import lines, run, signal_name
from card_doctor.errors import EnvironmentReadError
from card_doctor.model import Accelerator, Gap, TorchAccount, TriedStep

PAYLOAD = Path(__file__).parent / "payload" / "torch_account.py"
FACT = "torch's own account"
MORE = "allow more with --timeout SECONDS"


class Doing(msgspec.Struct, tag="doing"):
    """What comes next, so that it is known where torch stopped."""

    what: Literal["import torch", "account", "step"]
    device: str = ""
    precision: str = ""

    def __str__(self) -> str:
        if self.what == "step":
            return f"training a step in {self.precision} on {self.device}"
        return "`import torch`" if self.what == "import torch" else "asking torch for its devices"


class Import(msgspec.Struct, tag="import"):
    seconds: float
    failed: Optional[str] = None


class Account(msgspec.Struct, tag="account"):
    version: str
    cuda: Optional[str]
    hip: Optional[str]
    cuda_available: Optional[bool]
    architectures: Optional[Tuple[str, ...]]
    cudnn: Optional[str]
    nccl: Optional[str]
    bf16_supported: Optional[bool]
    devices: Optional[Tuple[Accelerator, ...]]
    numpy: Optional[str] = None


class Warned(msgspec.Struct, tag="warnings"):
    texts: Tuple[str, ...]


class Step(msgspec.Struct, tag="step"):
    device: str
    precision: str
    error: Optional[str] = None
    difference: Optional[float] = None
    tolerance: Optional[float] = None
    seconds: Optional[float] = None
    fp32_seconds: Optional[float] = None


class End(msgspec.Struct, tag="end"):
    pass


Line = Union[Doing, Import, Account, Warned, Step, End]


def read_account(executable: Optional[str], timeout: float) -> Tuple[Optional[TorchAccount], Tuple[Gap, ...]]:
    """What torch says in `executable` (None: in another process of the running interpreter), within `timeout` seconds;
    a gap where it did not say all of it. An import that fails or crashes is a part of the account.
    """
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    python = executable or sys.executable
    try:
        folder = Path(tempfile.mkdtemp(prefix="card-doctor-"))
    except OSError as error:
        raise EnvironmentReadError(f"no temporary folder can be made: {error.strerror}", "set TMPDIR") from error
    try:
        script = shutil.copyfile(PAYLOAD, folder / "card_doctor_torch_account.py")
        output = folder / "account.jsonl"
        code, said = run([python, "-B", str(script), str(output)], timeout)
        told = understood(output.read_bytes() if output.exists() else b"")
    except OSError as error:
        return None, (Gap(FACT, "failed", f"{python} can't be started: {error.strerror or error}"),)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return judged(told, code, lines(said), f"{python} -c 'import torch'", timeout)


def understood(said: bytes) -> List[Line]:
    """What it was killed in the middle of is no line."""
    return [msgspec.json.decode(line, type=Line) for line in said.split(b"\n")[:-1]]


def judged(
    told: List[Line], code: Optional[int], said: List[str], again: str, timeout: float
) -> Tuple[Optional[TorchAccount], Tuple[Gap, ...]]:
    """What was told, and what it means that no more was: `code` None is a time-out."""
    facts: Dict[str, Any] = {}
    steps: List[TriedStep] = []
    doing: Optional[Doing] = None
    for line in told:
        if isinstance(line, Doing):
            doing = line
        elif isinstance(line, Import):
            facts.update(seconds=line.seconds, failed=line.failed)
        elif isinstance(line, Account):
            facts.update(msgspec.structs.asdict(line))
        elif isinstance(line, Warned):
            facts["warnings"] = line.texts
        elif isinstance(line, Step):
            steps.append(TriedStep(**msgspec.structs.asdict(line)))
    gaps: Tuple[Gap, ...] = ()
    if code is None:
        where = doing or "the interpreter's start-up"
        gaps = (Gap(FACT, "timeout", f"{where} did not end within {timeout:g} seconds: {MORE}, or see {again}"),)
    elif not facts.get("failed") and not (told and isinstance(told[-1], End)):
        because = f": {said[-1]}" if said else ""
        ended = (f"crashed with {signal_name(-code)}" if code < 0 else f"ended with exit code {code}") + because
        if doing and doing.what == "import torch" and not facts:
            facts["failed"] = ended
        elif doing and doing.what == "step":
            steps.append(TriedStep(doing.device, doing.precision, error=ended))
        else:
            gaps = (Gap(FACT, "failed", f"{doing or again} {ended}"),)
    return (TorchAccount(**facts, steps=tuple(steps)) if facts else None), gaps
