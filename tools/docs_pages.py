"""The site's pages that are made from the code while mkdocs builds: the commands, and a page a check and a hazard.

They are never written to disk, so that they can't be stale. A hook of mkdocs (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

from typing import Any, Dict, List

import click

from card_doctor.checks.registry import FAMILIES, CheckInfo, all_checks
from card_doctor.cli import ids
from card_doctor.cli.explain import explain
from card_doctor.cli.program import program
from card_doctor.reporting.markdown import escaped
from card_doctor.settings import Settings

MOST = 5000


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File  # noqa: PLC0415  the tests of `pages` need no mkdocs

    for path, content in pages().items():
        files.append(File.generated(config, path, content=content))
    return files


def pages() -> Dict[str, str]:
    """Every generated page, by its path below docs/."""
    checks, hazards = all_checks(), [f"packages/{hazard.id}" for hazard in ids.hazards()]
    made = {"commands.md": _commands(), "checks/index.md": _index(checks, hazards)}
    made.update({f"checks/{check.id}.md": _page(check.id, check.severity) for check in checks})
    made.update({f"checks/{name}.md": _page(name, "") for name in hazards})
    return made


def _page(name: str, severity: str) -> str:
    told = explain(name, Settings())
    parts = [f"# {name}", f"*{told.kind}{', at worst: ' + severity if severity else ''}*", _text(told.question)]
    parts += [_text(paragraph) for paragraph in told.text.split("\n\n")]
    for title, lines in (("When", told.when), ("Remedies", told.remedies), ("Evidence", told.evidence)):
        if lines:
            parts += [f"## {title}", "\n".join(f"- {_line(line)}" for line in lines)]
    if told.symptom:
        parts.insert(3, f"Fails with: `{told.symptom}`" if "`" not in told.symptom else _text(told.symptom))
    parts.append(f"    card-doctor explain {name}")
    return "\n\n".join(filter(None, parts)) + "\n"


def _index(checks: Any, hazards: List[str]) -> str:
    lines = ["# Checks", f"{len(checks)} checks and {len(hazards)} hazards."]
    for family in FAMILIES:
        of_family: List[CheckInfo] = [check for check in checks if check.family == family]
        rows = [f"- [{check.id}]({check.id}.md): {_text(check.question)}" for check in of_family]
        lines += [f"## {family}", "\n".join(rows)]
    lines += ["## Hazards", "Combinations that break although nothing declares it."]
    lines.append("\n".join(f"- [{name}]({name}.md)" for name in hazards))
    return "\n\n".join(lines) + "\n"


def _commands() -> str:
    """`--help` of every command, as it is printed."""
    context = click.Context(program, info_name="card-doctor")
    parts = ["# Commands", _help(program, context)]
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        inner = click.Context(command, info_name=name, parent=context)
        parts += [f"## card-doctor {name}", _help(command, inner)]
        if isinstance(command, click.Group):
            for sub in command.list_commands(inner):
                child = command.get_command(inner, sub)
                parts += [f"### {name} {sub}", _help(child, click.Context(child, info_name=sub, parent=inner))]
    return "\n\n".join(parts) + "\n"


def _help(command: click.Command, context: click.Context) -> str:
    return f"```text\n{command.get_help(context)}\n```"


def _line(text: str) -> str:
    return f"<{text}>" if text.startswith("https://") and " " not in text else _text(text)


def _text(text: str) -> str:
    return escaped(" ".join(text.split()), MOST)
