"""What can be set by flags, in `[tool.card-doctor]` of pyproject.toml, and in card-doctor.toml: the same names."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal, Mapping, Optional, Tuple, Union

import msgspec

from card_doctor.errors import MatrixError, UsageError
from card_doctor.model import Ignore, Policy
from card_doctor.model.case import FailOn, Match

Format = Literal["text", "json", "markdown", "github", "junit", "sarif", "gitlab", "html"]
Color = Literal["auto", "always", "never"]
Mode = Literal["fp32", "fp16", "bf16"]
Texts = Tuple[str, ...]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400)]  # a day: what every platform's timers take


class IgnoreSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is ignored, why, and until which day (the last on which it is)."""

    id: str
    subject: Optional[str] = None
    reason: Optional[str] = None
    until: Optional[dt.date] = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Every flag, with its default."""

    python: Optional[str] = None
    environment: Optional[str] = None
    platform: Optional[str] = None
    gpu: Texts = ()
    driver: Optional[str] = None
    precision: Optional[Mode] = None
    deep: bool = False
    plan: bool = False
    match: Match = "compatible"
    select: Texts = ()
    ignore: Tuple[Union[str, IgnoreSetting], ...] = ()
    script: Optional[str] = None
    fail_on: FailOn = "error"
    format: Format = "text"
    output: Texts = ()
    matrices: Texts = ()
    offline: bool = False
    run: Optional[str] = None
    data: Texts = ()
    label: Optional[str] = None
    timeout: Seconds = 20.0
    color: Color = "auto"
    verbose: bool = False
    quiet: bool = False

    def with_flags(self, flags: Mapping[str, Any]) -> Settings:
        """What a flag says wins; flags that were not given are None, empty or False. Ignores add up, and an
        environment that is named replaces the one of the settings as a whole.
        """
        given = {name: value for name, value in flags.items() if value not in (None, (), False)}
        if "python" in given or "environment" in given:
            given = {"python": None, "environment": None, "platform": None, **given}
        if "ignore" in given:
            given["ignore"] = (*self.ignore, *given["ignore"])
        return msgspec.structs.replace(self, **given)

    def policy(self, today: dt.date) -> Tuple[Policy, Tuple[Ignore, ...]]:
        """How strictly to judge, and the ignores that have ended before `today`."""
        ignores = [_ignore(setting) for setting in self.ignore]
        ended = tuple(ignore for ignore in ignores if ignore.until is not None and ignore.until < today.isoformat())
        standing = tuple(ignore for ignore in ignores if ignore not in ended)
        return Policy(self.match, self.fail_on, self.select, standing, self.precision), ended


class _Tools(msgspec.Struct, frozen=True):
    ours: Optional[Settings] = msgspec.field(default=None, name="card-doctor")


class _Project(msgspec.Struct, frozen=True):
    tool: _Tools = _Tools()


def load(folder: Path) -> Settings:
    """The settings of the nearest card-doctor.toml, or pyproject.toml that has some, in `folder` or above it."""
    for directory in (folder, *folder.parents):
        own = _read(directory / "card-doctor.toml")
        if own is not None:
            return _from(directory, _decode(own, directory / "card-doctor.toml", Settings))
        project = _read(directory / "pyproject.toml")
        # Most have nothing for us: looking for the name costs less than parsing them.
        if project is not None and "card-doctor" in project:
            ours = _decode(project, directory / "pyproject.toml", _Project).tool.ours
            if ours is not None:
                return _from(directory, ours)
    return Settings()


def _read(path: Path) -> Optional[str]:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None


def _decode(text: str, path: Path, kind: Any) -> Any:
    from card_doctor.toml import decode_toml  # noqa: PLC0415  only where there is a file to read

    try:
        return decode_toml(text, path, kind)
    except MatrixError as error:
        raise UsageError(error.message, error.hint) from None


def _from(directory: Path, settings: Settings) -> Settings:
    """Paths in a settings file are meant from where it lies, wherever the command is run."""

    def resolved(value: str) -> str:
        return str(directory / value)

    return msgspec.structs.replace(
        settings,
        # A version or a command has no file of its name there.
        python=resolved(settings.python)
        if settings.python and (directory / settings.python).exists()
        else settings.python,
        environment=resolved(settings.environment) if settings.environment else None,
        script=resolved(settings.script) if settings.script else None,
        run=resolved(settings.run) if settings.run else None,
        data=tuple(map(resolved, settings.data)),
        matrices=tuple(map(resolved, settings.matrices)),
        output=tuple(_output_from(directory, output) for output in settings.output),
    )


def _output_from(directory: Path, output: str) -> str:
    name, equals, path = output.partition("=")
    return f"{name}{equals}{directory / path}" if path else output


def _ignore(setting: Union[str, IgnoreSetting]) -> Ignore:
    if isinstance(setting, str):
        name, _, subject = setting.partition(":")
        return Ignore(name, subject or None)
    until = setting.until.isoformat() if setting.until else None
    return Ignore(setting.id, setting.subject, setting.reason, until)
