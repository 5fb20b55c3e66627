"""What a running command shares with the program around it: how it was started, its settings, where it prints."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Optional, Sequence, TextIO, Tuple

import msgspec

from card_doctor.errors import CardDoctorError, UsageError
from card_doctor.reporting.plain import plain
from card_doctor.settings import Settings, load


class Look(NamedTuple):
    """How text is laid out for where it goes: what a `Page` wants to know."""

    width: int = 80
    color: bool = False
    encoding: str = "utf-8"


# A command's answer in each of its formats. Only text takes notice of the look: the others are UTF-8 everywhere.
Renderers = Mapping[str, Callable[[Look], str]]


class Session:
    def __init__(self, args: Sequence[str], *, started_with_m: bool) -> None:
        self.started_with_m = started_with_m
        # What fails before the flags are understood is told in the form that they ask for all the same.
        self.json = "--format=json" in args or ("--format", "json") in zip(args, args[1:])
        self.verbose = "-v" in args or "--verbose" in args

    def settings(self, flags: Mapping[str, Any], *, reports: bool = False) -> Settings:
        """The settings of the working directory, with the flags over them. The files that the settings name are
        for reports: `card-doctor cards` must not overwrite one.
        """
        try:
            settings = load(Path.cwd())
        except FileNotFoundError:  # the working directory was removed
            settings = Settings()
        if not reports:
            settings = msgspec.structs.replace(settings, output=())
        settings = settings.with_flags(flags)
        self.json = settings.format == "json"
        self.verbose = settings.verbose
        return settings

    def warn(self, message: str) -> None:
        _say("warning: " + message)

    def tell(self, message: str) -> None:
        """What is being done, in a line of its own that stays."""
        _say(message)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        """Shows what is being done, each in place of the last, on standard error where that is a terminal."""
        terminal = sys.stderr is not None and sys.stderr.isatty()

        def show(doing: str) -> None:
            if terminal:
                sys.stderr.write(f"\r\x1b[K{plain(doing, sys.stderr.encoding or 'utf-8')} ...")
                sys.stderr.flush()

        try:
            yield show
        finally:
            if terminal:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()

    def fail(self, kind: str, message: str, hint: Optional[str]) -> int:
        """Say why there is no answer, and give the exit code for that."""
        if self.json:
            from card_doctor.reporting.json import ErrorDocument, encode  # noqa: PLC0415

            show(encode(ErrorDocument(kind, message, hint)))
        _say("error: " + message)
        if hint:
            _say("hint: " + hint)
        return 2


class Progress:
    """How far a long run is, on standard error: a line that is overwritten on a terminal, else one every ten seconds;
    a short run prints none.
    """

    def __init__(self, total: int, what: str, *, quiet: bool = False) -> None:
        self._total, self._what = total, what
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._every = 0.2 if self._terminal else 10.0
        self._due = float("inf") if quiet else time.monotonic() + max(self._every, 1.0)
        self._shown = ""

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + self._every
        self._show(f"{done:,} of {self._total:,} {self._what}")

    def end(self) -> None:
        """Nothing stays on the terminal."""
        if self._terminal and self._shown:
            self._show("")

    def _show(self, text: str) -> None:
        if self._terminal and sys.stderr is not None:
            with suppress(OSError):
                _put(sys.stderr, f"\r{text.ljust(len(self._shown))}{'' if text else chr(13)}".encode())
        else:
            _say(text)
        self._shown = text


class Output:
    """Where an answer goes. Made before the work is done, so that a wrong `--output` costs nothing."""

    def __init__(self, settings: Settings, formats: Sequence[str] = ("text", "json")) -> None:
        self._settings = settings
        self._files = [_file(output, formats) for output in settings.output]
        self._format = settings.format if settings.format in formats else formats[0]

    @property
    def is_json_alone(self) -> bool:
        """Is JSON on standard output all that is asked for?"""
        return self._format == "json" and not self._files

    def deliver(self, renderers: Renderers, *, aside: bool = False) -> None:
        """The files first: where one can't be written, that error is all that is printed. `aside`: on standard error,
        where standard output is another program's.
        """
        stream = sys.stderr if aside else sys.stdout
        for name, path in self._files:
            write(path, renderers[name](Look()))
        look = _look(self._settings, stream) if self._format == "text" else Look()
        show(renderers[self._format](look), look.encoding, aside=aside)


def _file(output: str, formats: Sequence[str]) -> Tuple[str, Path]:
    name, _, path = output.partition("=")
    if name not in formats or not path:
        raise UsageError(f"--output {output}: expected FORMAT=PATH", f"FORMAT is {' or '.join(formats)}")
    if not Path(path).parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {Path(path).parent}")
    return name, Path(path)


def write(path: Path, text: str) -> None:
    """All of it or nothing: a reader never sees half a report."""
    data = _ended(text).encode("utf-8", "backslashreplace")
    target = path.resolve()  # a link stays a link
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not target.is_file():  # a pipe, /dev/stderr: nothing that could be replaced
            target.write_bytes(data)
            return
        try:
            temporary.write_bytes(data)
            if target.exists():
                import shutil  # noqa: PLC0415  here and below: JSON to a pipe needs none of it

                shutil.copymode(target, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CardDoctorError(f"{path}: can't be written: {error.strerror or error}") from None


def show(text: str, encoding: str = "utf-8", *, aside: bool = False, ended: bool = True) -> None:
    """Data, on standard output (`aside`: on standard error); `ended` unless more of the line is to come. A reader that
    went away (`| head`) is no error.
    """
    stream = sys.stderr if aside else sys.stdout
    if stream is None:  # closed by whoever started us
        return
    try:
        _put(stream, (_ended(text) if ended else text).encode(encoding, "backslashreplace"))
    except OSError as error:
        _silence(stream)
        if not aside and not isinstance(error, BrokenPipeError):
            raise CardDoctorError(f"standard output can't be written: {error.strerror or error}") from None


def _say(line: str) -> None:
    """A log line, on standard error; where nobody reads that, it is lost."""
    if sys.stderr is None:
        return
    encoding = sys.stderr.encoding or "utf-8"
    try:
        _put(sys.stderr, _ended(plain(line, encoding)).encode(encoding))
    except OSError:
        _silence(sys.stderr)


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _put(stream: TextIO, data: bytes) -> None:
    stream.flush()
    stream.buffer.write(data)
    stream.flush()


def _silence(stream: TextIO) -> None:
    """Python would try once more at its end, fail, and turn the exit code into 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _look(settings: Settings, stream: Optional[TextIO]) -> Look:
    import shutil  # noqa: PLC0415

    encoding = stream.encoding if stream is not None else None
    return Look(shutil.get_terminal_size().columns, _color(settings.color, stream), encoding or "utf-8")


def _color(choice: str, stream: Optional[TextIO]) -> bool:
    """A flag wins; then https://no-color.org and https://force-color.org: set, and not empty."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
