"""Runs the payload in an environment: its events as they come, and how it ended where it ended too early."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any, Dict, Generator, Iterator, List, Mapping, Optional, Tuple, cast

from card_doctor.environment.interpreter import ANOTHER, cannot_start, version_of
from card_doctor.environment.process import keep_tail, kill, lines, signal_name, start
from card_doctor.errors import EnvironmentReadError

PAYLOAD = Path(__file__).parent / "payload" / "training.py"
MARK = b"card-doctor-trial "
# What a launcher of distributed training left in the shell would make the Trainer wait for other nodes.
DISTRIBUTED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
FOLDERS = (
    "HF_HOME", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE", "TRANSFORMERS_CACHE",
    "HF_METRICS_CACHE", "TORCH_HOME", "TORCH_EXTENSIONS_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR",
    "CUDA_CACHE_PATH", "XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "WANDB_DIR", "TMPDIR", "TEMP", "TMP",
)  # fmt: skip
SETTINGS = {
    **dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"), "1"),
    **dict.fromkeys(("HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK"), "1"),
    "WANDB_DISABLED": "true",
    "WANDB_MODE": "disabled",
    "COMET_MODE": "DISABLED",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "utf-8",
}
LONGEST_TRACEBACK = 6000  # bytes of what a process that ended early said last


class Ended:
    """How a payload that told no end was ended: in words, and the last that it said."""

    def __init__(self, how: str, said: str) -> None:
        self.how = how
        self.said = said


def events(
    python: Path, recipe: Mapping[str, Any], timeout: float, ended: Dict[str, Ended]
) -> Generator[Dict[str, Any], None, None]:
    """What the payload tells, as it comes. Where it ends without having told so, ``ended["early"]`` says how. Killed
    with everything that it started after `timeout` seconds, and when the iterator is closed; its folder is removed.
    EnvironmentReadError where the interpreter can't be started.
    """
    deadline = time.monotonic() + timeout
    with _folder(recipe) as folder:
        command = [str(python), "-B", *(str(folder / name) for name in ("card_doctor_trial.py", "recipe.json", "work"))]
        process = _start(command, folder)
        told: queue.Queue[Optional[bytes]] = queue.Queue()
        said = bytearray()
        answered, complained = cast("Tuple[IO[bytes], ...]", (process.stdout, process.stderr))
        try:
            Thread(target=_listen, args=(answered, told), daemon=True).start()
            listener = Thread(target=keep_tail, args=(complained, said), daemon=True)
            listener.start()
            started = False
            while (line := _next(told, process, deadline)) is not None:
                started = True
                event = json.loads(line)
                if "ended" in event:
                    return
                yield event
            in_time = time.monotonic() < deadline
            how = _how(process) if in_time else f"did not end within {timeout:g} seconds, the limit of the whole trial"
            listener.join(0.2)
            if not started:
                raise _no_start(python, how, lines(bytes(said)))
            ended["early"] = Ended(how, said[-LONGEST_TRACEBACK:].decode("utf-8", "replace"))
        finally:
            kill(process)


@contextmanager
def _folder(recipe: Mapping[str, Any]) -> Iterator[Path]:
    """Holds the payload, the recipe, and a folder to work in."""
    import shutil  # noqa: PLC0415

    folder = None
    try:
        try:
            folder = Path(tempfile.mkdtemp(prefix="card-doctor-trial-"))
            (folder / "card_doctor_trial.py").write_bytes(PAYLOAD.read_bytes())
            (folder / "recipe.json").write_text(json.dumps(recipe))
            (folder / "work").mkdir()
        except OSError as error:
            raise EnvironmentReadError(f"no temporary folder can be made: {error.strerror}", "set TMPDIR") from error
        yield folder
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _start(command: List[str], folder: Path) -> subprocess.Popen[bytes]:
    try:
        return start(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=surroundings(os.environ, folder),
            cwd=folder,
        )
    except OSError as error:
        raise cannot_start(command[0], error) from error


def surroundings(environment: Mapping[str, str], folder: Path) -> Dict[str, str]:
    """The user's environment, with every cache in `folder`, nothing reported to anyone, one GPU, and no network."""
    kept = {
        name: value
        for name, value in environment.items()
        if name not in DISTRIBUTED
        and not name.startswith(("ACCELERATE_", "WANDB_", "FSDP_", "SLURM_", "TORCHELASTIC_"))
    }
    # Several visible GPUs would make the Trainer split every batch.
    visible = {"CUDA_VISIBLE_DEVICES": environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}
    caches = {name: str(folder / "work") for name in ("TMPDIR", "TEMP", "TMP")}
    caches.update({name: str(folder / "caches" / name.lower()) for name in FOLDERS if name not in caches})
    return {**kept, **SETTINGS, **visible, **caches}


def _listen(stream: IO[bytes], told: queue.Queue[Optional[bytes]]) -> None:
    with stream:
        for line in stream:
            if line.startswith(MARK):
                told.put(line[len(MARK) :])
    told.put(None)


def _next(told: queue.Queue[Optional[bytes]], process: subprocess.Popen[bytes], deadline: float) -> Optional[bytes]:
    """None at the end of the pipe, of the process (a child that it left may hold the pipe open) or of the time."""
    while time.monotonic() < deadline:
        over = process.poll() is not None
        with suppress(queue.Empty):
            return told.get(timeout=0.2)
        if over:
            break
    return None


def _no_start(python: Path, how: str, said: List[str]) -> EnvironmentReadError:
    if version_of(str(python)) is None:
        return EnvironmentReadError(f"{python} is no working Python interpreter", ANOTHER)
    because = f": {said[-1]}" if said else ""
    return EnvironmentReadError(f"{python}: {how}, before the trial began{because}", f"see: {python} -c pass")


def _how(process: subprocess.Popen[bytes]) -> str:
    with suppress(subprocess.TimeoutExpired):
        process.wait(1)
    code = process.returncode
    if code is None:
        return "closed its output without an end"
    return f"the process was ended by {signal_name(-code)}" if code < 0 else f"the process ended with exit code {code}"
