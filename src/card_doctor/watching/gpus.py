"""The GPUs while a command runs: what `gpu_samples.py` says, read without ever waiting for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Optional, Tuple

import msgspec

from card_doctor.environment.hardware.nvidia import loader_environment
from card_doctor.model import GpuSample, WatchedGpu

MOST = 1 << 20  # bytes of an answer; what says more is no driver


class Gpus:
    """`newest` is empty where there is no driver, and stays as it was where that hangs: `fresh` tells."""

    def __init__(self, interval: float) -> None:
        self.described: Tuple[WatchedGpu, ...] = ()
        self.newest: Tuple[GpuSample, ...] = ()
        self._said = b""
        self._process = _started(interval)

    def look(self) -> Tuple[GpuSample, ...]:
        """The newest sample since the last look; empty where there was none."""
        self.newest = ()
        if self._process is not None and self._process.stdout is not None:
            with suppress(BlockingIOError):
                while len(self._said) < MOST:
                    said = os.read(self._process.stdout.fileno(), 1 << 16)
                    if not said:
                        break
                    self._said += said
            *lines, self._said = self._said.split(b"\n")
            for line in lines:
                self._understand(line)
        return self.newest

    def _understand(self, line: bytes) -> None:
        with suppress(msgspec.MsgspecError):
            if not self.described:
                self.described = msgspec.json.decode(line, type=Tuple[WatchedGpu, ...])
            else:
                self.newest = msgspec.json.decode(line, type=Tuple[GpuSample, ...])

    def end(self) -> float:
        """Stop asking; the processor time that it took, in seconds."""
        if self._process is None:
            return 0.0
        with suppress(OSError):
            self._process.kill()  # it may hang where a signal does not reach it: then it is left to the system
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        for _ in range(20):
            with suppress(ChildProcessError):
                pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
                if pid:
                    self._process.returncode = status
                    return used.ru_utime + used.ru_stime
            time.sleep(0.01)
        return 0.0


def _started(interval: float) -> Optional[subprocess.Popen[bytes]]:
    found = PathFinder.find_spec("pynvml")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parents[1 if found.submodule_search_locations else 0]
    script = Path(__file__).with_name("gpu_samples.py")
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(folder), str(interval)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=loader_environment(),
            start_new_session=True,
        )
    except OSError:
        return None
    assert process.stdout is not None  # noqa: S101  for the type checker
    os.set_blocking(process.stdout.fileno(), False)
    return process
