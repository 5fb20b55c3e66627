"""The text of a file that somebody names; what is none gets an error that says what to do."""

from __future__ import annotations

from pathlib import Path

from card_doctor.errors import EnvironmentReadError

MOST = 32 * 2**20  # bytes; a `pip inspect` report of five hundred packages, with their descriptions, has a third
KNOWN = (
    "Known are a snapshot (`card-doctor snapshot`), a `pip inspect` report, pylock.toml, uv.lock, requirements "
    "(`pip freeze`), `conda list --json`, a CycloneDX SBOM."
)


def read_text(path: Path) -> str:
    """EnvironmentReadError for what is no text of a size that people write."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
    except IsADirectoryError:
        raise EnvironmentReadError(f"{path}: a directory", f"--python takes an environment's. {KNOWN}") from None
    except OSError as error:
        raise EnvironmentReadError(f"{path}: can't be read: {error.strerror or error}", KNOWN) from None
    except ValueError as error:  # a NUL in the name
        raise EnvironmentReadError(f"{str(path)!r}: can't be read: {error}", KNOWN) from None
    if len(content) > MOST:
        raise EnvironmentReadError(f"{path}: larger than {MOST // 2**20} MiB", KNOWN)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise EnvironmentReadError(
            f"{path}: UTF-16, not UTF-8", "In PowerShell: pip freeze | Out-File -Encoding utf8 requirements.txt"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EnvironmentReadError(f"{path}: not UTF-8 text (byte {error.start})", KNOWN) from None
    if "\0" in text:
        raise EnvironmentReadError(f"{path}: binary, not text", KNOWN)
    return text
