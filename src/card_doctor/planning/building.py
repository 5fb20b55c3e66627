"""An environment from a plan: made beside its place under a hidden name, checked, and then moved there at once.

Whatever ends the work half-way (an error, Ctrl-C, kill -9, a full disk), DIR is either not there or complete. What is
left beside it holds a lock as long as somebody works on it; the next build of DIR removes what nobody holds.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Dict, Iterator, Optional

import msgspec

from card_doctor.checks.requirements import normalise
from card_doctor.environment.choose import interpreter_in
from card_doctor.environment.interpreter import read_interpreter
from card_doctor.errors import CardDoctorError, UsageError
from card_doctor.model import Plan, Proof, Snapshot
from card_doctor.planning.uv import Uv

if os.name == "posix":
    import fcntl
else:
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
MARK = ".card-doctor-"  # DIR's name stands before it, a random part behind


class BuildError(CardDoctorError):
    """The environment could not be made; nothing of it is left."""

    kind = "build"


def must_be_new(folder: Path) -> None:
    """UsageError where something is there already, or nothing could be put there."""
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists already", "name a new folder: one that exists is left alone")
    if not folder.parent.is_dir():
        raise UsageError(f"there is no folder {folder.parent}", f"mkdir -p {folder.parent}")


def build(plan: Plan, folder: Path, uv: Uv, *, timeout: float, say: Callable[[str], None]) -> Plan:
    """Install the plan in `folder`, which must not exist, and see that it is there; `timeout` in seconds is for reading
    the new environment. The plan that comes back is proven as built. BuildError or ResolverError where it can't be.
    """
    folder = folder.absolute()
    must_be_new(folder)
    if plan.interpreter is None and not uv.downloads:
        raise BuildError(
            f"Python {plan.python} is not installed here, and the plan is for that one",
            f"uv python install {plan.python}, or --python-downloads",
        )
    for old in _abandoned(folder):
        say(f"removing {old.name}, left by a build that was ended")
        shutil.rmtree(old, ignore_errors=True)
    with _terminated_as_interrupted(), _workshop(folder) as shop:
        made = shop / "env"
        _install(plan, made, uv, say)
        say("reading what was installed")
        _must_be_as_planned(plan, made, timeout)
        try:
            if folder.exists() or folder.is_symlink():  # a rename would replace an empty folder
                raise UsageError(f"{folder} was made by somebody else meanwhile")
            made.rename(folder)
        except OSError as error:
            raise BuildError(f"{folder} can't be made: {error.strerror or error}") from None
    return msgspec.structs.replace(plan, proof=Proof("built"), environment=str(folder), interpreter=plan.interpreter)


def _install(plan: Plan, made: Path, uv: Uv, say: Callable[[str], None]) -> None:
    """Scripts are written so that the folder may be moved (`--relocatable`)."""
    say(f"making an environment of Python {plan.python}")
    python = plan.interpreter or str(plan.python)
    said = uv.ask(["venv", "--quiet", "--relocatable", "--python", python, str(made)], indexed=False)
    if said.code:
        raise uv.fail(said, f"an environment of {python} can't be made")
    locked = made.with_name("pylock.toml")
    try:
        locked.write_text(plan.pylock, encoding="utf-8")
    except OSError as error:
        raise BuildError(f"{locked} can't be written: {error.strerror or error}") from None
    megabytes = sum(pin.size for pin in plan.pins) // 10**6
    say(f"installing {len(plan.pins)} packages" + (f" ({megabytes} MB)" if megabytes else ""))
    said = uv.ask(["pip", "sync", "--quiet", "--python", str(made), str(locked)])
    if said.code:
        raise uv.fail(said, "the packages can't be installed")


def _must_be_as_planned(plan: Plan, made: Path, timeout: float) -> None:
    python = interpreter_in(made)
    snapshot: Snapshot = read_interpreter(str(python), timeout=timeout)
    there = {normalise(name): package.version for name, package in snapshot.packages.items()}
    wrong = [pin.requirement for pin in plan.pins if there.get(pin.name) != pin.version]
    if wrong:
        raise BuildError(f"not installed as planned: {', '.join(wrong[:5])}", "try again; if it stays so, report it")


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A hidden folder beside DIR, on the same file system, locked; gone in the end whatever happens."""
    try:
        shop = Path(tempfile.mkdtemp(prefix=f".{folder.name}{MARK}", dir=folder.parent))
    except OSError as error:
        raise BuildError(f"nothing can be made in {folder.parent}: {error.strerror or error}") from None
    try:
        with (shop / LOCK).open("wb") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield shop
    finally:
        shutil.rmtree(shop, ignore_errors=True)


def _abandoned(folder: Path) -> Iterator[Path]:
    """What builds of DIR left that nobody works on any more. Without locks (Windows) that can't be told."""
    if fcntl is None:
        return
    for old in folder.parent.glob(f".{folder.name}{MARK}*"):
        try:
            with (old / LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(lock, fcntl.LOCK_UN)
        except FileNotFoundError:
            if _is_young(old):
                continue
        except OSError:
            continue
        yield old


def _is_young(folder: Path) -> bool:
    """Made this minute: its lock is about to be."""
    import time  # noqa: PLC0415

    try:
        return time.time() - folder.stat().st_mtime < 60
    except OSError:
        return True


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """`kill` and a closed terminal end it as Ctrl-C does: cleaned up."""

    def interrupt(_number: int, _frame: Optional[FrameType]) -> None:
        raise KeyboardInterrupt

    old: Dict[int, Any] = {}
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            number = getattr(signal, name)
            with suppress(ValueError):  # not the main thread: whoever runs us sees to it
                old[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
