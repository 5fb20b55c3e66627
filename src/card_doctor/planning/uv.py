"""uv as it really is: found, asked in an environment that is ours to answer for, and its words passed on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE, TimeoutExpired
from threading import Thread
from typing import IO, Dict, NamedTuple, Optional, Sequence, Tuple

from card_doctor.environment.process import kill, signal_name, start
from card_doctor.errors import CardDoctorError
from card_doctor.planning.index import redacted, uv_environment, without_index

OLDEST = (0, 8, 4)  # --exclude-newer-package; pylock.toml is older
WORDS = 4000  # characters of what uv says that are passed on
# What it says beside its answer.
ASIDE = (
    "warning:",
    "Resolved ",
    "Resolving ",
    "Using ",
    "Ignoring ",
    "Building ",
    "Built ",
    "Downloading ",
    "Downloaded ",
)
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class ResolverError(CardDoctorError):
    """The resolver could not answer: it is not there, too old, or its index is out of reach."""

    kind = "resolver"


class Said(NamedTuple):
    """How uv ended (None: not in time), what it gave, and what it said, without secrets. `undated`: it was to look at
    days, and met files of which the index tells none.
    """

    code: Optional[int]
    out: str
    words: str
    undated: bool = False


class Uv:
    """One uv, and how often it was asked to resolve."""

    def __init__(self, *, offline: bool = False, downloads: bool = False) -> None:
        self.path = find_uv()
        self.offline = offline or os.environ.get("UV_OFFLINE", "").lower() in {"1", "true"}
        self.downloads = downloads
        self.calls = 0
        self._environment = uv_environment(os.environ, downloads=downloads)
        self._indexless = without_index(os.environ)
        self._version: Optional[Tuple[int, ...]] = None

    @property
    def version(self) -> str:
        return ".".join(map(str, self._read_version()))

    def ask(
        self,
        arguments: Sequence[str],
        *,
        indexed: bool = True,
        supervised: bool = True,
        limit: Optional[float] = None,
    ) -> Said:
        """Run `uv ARGUMENTS`, for at most `limit` seconds; `supervised`, it ends when we do, killed or not. It works in
        the root folder, where no uv.toml of somebody else's lies about.
        """
        command = [self.path, *arguments]
        if indexed:
            command += ["--offline"] * self.offline + ["--no-index"] * self._indexless
        root = Path(self.path).anchor or os.sep
        try:
            process = start(command, supervised=supervised, stdout=PIPE, stderr=PIPE, env=self._environment, cwd=root)
        except OSError as error:
            raise ResolverError(f"{self.path} can't be started: {error.strerror or error}", "reinstall uv") from None
        said: Dict[str, bytes] = {}
        deadline = None if limit is None else time.monotonic() + limit
        listeners = [
            Thread(target=_listen, args=(stream, name, said), daemon=True)
            for name, stream in (("out", process.stdout), ("err", process.stderr))
        ]
        try:
            for listener in listeners:
                listener.start()
            for listener in listeners:
                listener.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            code = process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutExpired:
            return Said(None, "", f"uv did not end within {limit:g} seconds")
        finally:
            kill(process)
        undated = b"is missing an upload date" in said["err"]
        return Said(code, said["out"].decode("utf-8", "replace"), _words(said["err"]), undated)

    def fail(self, said: Said, what: str) -> ResolverError:
        """Why uv gave no answer (exit code 2, or killed)."""
        if self._read_version() < OLDEST:
            needed = ".".join(map(str, OLDEST))
            return ResolverError(
                f"{self.path} is uv {self.version}; planning needs {needed} or newer",
                "pip install -U 'card-doctor[plan]'",
            )
        first = next((line for line in said.words.splitlines() if line.startswith("error")), said.words)
        ended = signal_name(-said.code) if said.code is not None and said.code < 0 else f"exit code {said.code}"
        causes = [line.strip() for line in said.words.splitlines() if line.strip().startswith("cause:")]
        told = "; ".join([first.replace("error: ", "", 1) or ended, *(cause[7:] for cause in causes[:3])])
        return ResolverError(f"{what}: {told}", _hint(said.words, offline=self.offline))

    def _read_version(self) -> Tuple[int, ...]:
        if self._version is None:
            said = subprocess.run([self.path, "--version"], capture_output=True, text=True, check=False).stdout
            self._version = tuple(map(int, re.findall(r"\d+", said)[:3]))
        return self._version


def find_uv() -> str:
    """The one of the extra `plan`, which mostly stands beside our interpreter; else the one on PATH."""
    import shutil  # noqa: PLC0415

    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    if beside is not None:
        return beside
    try:
        from uv import find_uv_bin  # noqa: PLC0415

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        pass
    found = shutil.which("uv")
    if found is None:
        raise ResolverError(
            "planning needs uv, which is neither installed beside card-doctor nor on PATH",
            "pip install 'card-doctor[plan]'",
        )
    return str(Path(found).absolute())


def _listen(stream: IO[bytes], name: str, said: Dict[str, bytes]) -> None:
    with stream:
        said[name] = stream.read()


def _words(err: bytes) -> str:
    text = _ESCAPES.sub("", err.decode("utf-8", "replace"))
    lines = [line.rstrip() for line in text.splitlines() if not line.lstrip().startswith(ASIDE)]
    return redacted("\n".join(lines)).strip()[:WORDS]


def _hint(words: str, *, offline: bool) -> Optional[str]:
    if "No space left on device" in words or "os error 28" in words:
        return "make room, or set UV_CACHE_DIR to a disk that has some"
    if offline:
        return "without --offline it can be fetched"
    return "see that the index can be reached: PIP_INDEX_URL, UV_DEFAULT_INDEX, HTTPS_PROXY say where and how"


def python_platform(system: str, machine: str, libc: Optional[Tuple[str, str]]) -> Optional[str]:
    """Uv's name of a platform, where it is not this machine's; None where uv has none."""
    if system == "Linux":
        if libc and libc[0] == "musl":
            return f"{machine}-unknown-linux-musl"
        version = libc[1].split(".")[:2] if libc else ["2", "28"]
        minor = min(max(int(version[1]), 17), 40) if version[1].isdigit() else 28
        known = (17, 28, *range(31, 41))
        return f"{machine}-manylinux_2_{max(one for one in known if one <= minor)}"
    if system == "Darwin":
        return {"arm64": "aarch64-apple-darwin", "x86_64": "x86_64-apple-darwin"}.get(machine)
    if system == "Windows":
        return {"amd64": "x86_64", "x86": "i686", "arm64": "aarch64"}.get(machine.lower(), machine) + "-pc-windows-msvc"
    return None
