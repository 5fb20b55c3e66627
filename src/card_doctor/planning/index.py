"""Where releases come from: pip's settings for uv, which reads none of them, and secrets kept out of what is shown.

What the user set for uv itself wins. pip asks all of its indexes and takes the best; uv is told to do the same.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Dict, Iterator, Mapping, Optional

# uv's own settings of where to look: https://docs.astral.sh/uv/reference/environment/
OF_UV = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
# What would make another plan of the same card: a version, a date, an interpreter, a folder to work in.
NOT_OURS = (
    "UV_BUILD_CONSTRAINT",
    "UV_EXCLUDE_NEWER",
    "UV_EXCLUDE_NEWER_PACKAGE",
    "UV_NO_BINARY",
    "UV_NO_BINARY_PACKAGE",
    "UV_ONLY_BINARY",
    "UV_OVERRIDE",
    "UV_PRERELEASE",
    "UV_PROJECT",
    "UV_PYTHON",
    "UV_REQUIRE_HASHES",
    "UV_RESOLUTION",
    "UV_SYSTEM_PYTHON",
    "UV_TORCH_BACKEND",
    "UV_WORKING_DIR",
    "VIRTUAL_ENV",
)
PATHS = ("UV_CACHE_DIR", "UV_CONFIG_FILE", "UV_PYTHON_INSTALL_DIR")
_USER = re.compile(r"(\w+://)[^/\s@'\"`]*@")
_SECRET = re.compile(r"([?&](?:token|key|password|auth|sig(?:nature)?)=)[^&\s'\"`]+", re.IGNORECASE)


def redacted(text: str) -> str:
    """Without users, passwords and tokens in URLs."""
    return _SECRET.sub(r"\1***", _USER.sub(r"\1***@", text))


def uv_environment(environ: Mapping[str, str], *, downloads: bool) -> Dict[str, str]:
    """The variables for uv: the user's, without those that are not ours to obey, with pip's settings where uv has
    none of its own. uv downloads an interpreter only with `downloads`.
    """
    given = {name: value for name, value in environ.items() if name not in NOT_OURS}
    here = Path.cwd() if _is_there() else Path.home()
    given.update({name: str(here / given[name]) for name in PATHS if given.get(name)})
    given["UV_PYTHON_DOWNLOADS"] = "automatic" if downloads else "never"
    given["NO_COLOR"] = "1"
    given.pop("FORCE_COLOR", None)
    pip = pip_settings(environ)
    if not any(environ.get(name) for name in OF_UV):
        given.update(_indexes(pip))
    if "cert" in pip:
        given.setdefault("SSL_CERT_FILE", pip["cert"])
    if "proxy" in pip:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            given.setdefault(name, pip["proxy"])
    if "trusted-host" in pip:
        given.setdefault("UV_INSECURE_HOST", " ".join(pip["trusted-host"].split()))
    return given


def _indexes(pip: Mapping[str, str]) -> Dict[str, str]:
    told: Dict[str, str] = {}
    if "index-url" in pip:
        told["UV_DEFAULT_INDEX"] = pip["index-url"]
    if "extra-index-url" in pip:
        told["UV_INDEX"] = " ".join(pip["extra-index-url"].split())
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if "find-links" in pip:
        told["UV_FIND_LINKS"] = ",".join(pip["find-links"].split())
    return told


def without_index(environ: Mapping[str, str]) -> bool:
    """Whether pip is set to look nowhere but in its folders, and uv to nothing else; uv has a flag for it alone."""
    if any(environ.get(name) for name in OF_UV):
        return False
    return pip_settings(environ).get("no-index", "").lower() in {"1", "true", "yes", "on"}


def pip_settings(environ: Mapping[str, str]) -> Dict[str, str]:
    """As `pip install` reads them: files of the machine, the user and the environment, then PIP_* over them
    (https://pip.pypa.io/en/stable/topics/configuration/). What can't be read says nothing.
    """
    settings: Dict[str, str] = {}
    for path in filter(os.path.exists, pip_files(environ)):
        import configparser  # noqa: PLC0415  few have such a file

        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update({key.replace("_", "-"): value for key, value in parser.items(section) if value})
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            settings[name[4:].lower().replace("_", "-")] = value
    return settings


def pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return
    home = Path.home()
    if os.name == "nt":
        yield Path(environ.get("PROGRAMDATA", "C:/ProgramData"), "pip", "pip.ini")
        yield home / "pip" / "pip.ini"
        yield Path(environ.get("APPDATA", str(home)), "pip", "pip.ini")
    else:
        for folder in reversed(environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")):
            yield Path(folder, "pip", "pip.conf")
        yield Path("/etc/pip.conf")
        yield home / ".pip" / "pip.conf"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
    yield Path(environ.get("VIRTUAL_ENV") or sys.prefix, "pip.ini" if os.name == "nt" else "pip.conf")
    if own:
        yield Path(own)


def stray_settings() -> Optional[Path]:
    """A file of the working directory, or above it, by which uv would go there and we do not."""
    if not _is_there():
        return None
    here = Path.cwd()
    for folder in (here, *here.parents):
        own, project = folder / "uv.toml", folder / "pyproject.toml"
        if own.is_file():
            return own
        if project.is_file():
            return project if _names_uv(project) else None
    return None


def _names_uv(project: Path) -> bool:
    try:
        return re.search(r"^\s*\[+\s*tool\.uv\b", project.read_text("utf-8", "replace"), re.MULTILINE) is not None
    except OSError:
        return False


def _is_there() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True
