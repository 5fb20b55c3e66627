"""One module a format, each a function `render(document) -> str`; `FORMATS` is what `--format` takes."""

from __future__ import annotations

import importlib
from typing import Callable

from card_doctor.model import Document

FORMATS = ("text", "json", "markdown", "github", "junit", "sarif", "gitlab", "html")


def renderer(name: str) -> Callable[[Document], str]:
    """What renders a document in that format; imported when it is asked for."""
    render: Callable[[Document], str] = importlib.import_module(f"card_doctor.reporting.{name}").render
    return render
