"""Flags that several commands share. Their defaults are in `Settings`; here, not given is None or empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence, Tuple, TypeVar

import click

from card_doctor import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


def complete_cards(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> List[CompletionItem]:
    """The catalogue's names, and files."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    from card_doctor.cards import catalogue  # noqa: PLC0415
    from card_doctor.knowledge import Matrices  # noqa: PLC0415

    names = [name for name in catalogue(Matrices().directories) if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


def complete_ids(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> List[CompletionItem]:
    """Ids of checks and of hazards."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    from card_doctor.cli import ids  # noqa: PLC0415

    return [CompletionItem(known) for known in ids.known() if known.startswith(incomplete)]


def complete_selectors(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> List[CompletionItem]:
    """Families too."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    from card_doctor.checks.registry import FAMILIES  # noqa: PLC0415

    families = [CompletionItem(family) for family in FAMILIES if family.startswith(incomplete)]
    return [*families, *complete_ids(_ctx, _param, incomplete)]


def parts(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> Tuple[str, ...]:
    """`--select A --select B` and `--select A,B` are the same."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def _seconds(ctx: click.Context, param: click.Parameter, value: Optional[float]) -> Optional[float]:
    if value is not None and not 0 < value <= 86400:
        raise click.BadParameter("expected seconds, more than 0 and at most a day (86400)", ctx, param)
    return value


def _apply(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def which_python() -> Callable[[F], F]:
    return click.option("--python", metavar="PATH|VERSION|DIR", help="The interpreter, or its environment, to look at.")


def which_environment() -> Callable[[F], F]:
    return _apply(
        which_python(),
        click.option(
            "--environment",
            metavar="FILE",
            type=click.Path(),
            help="A file instead: a snapshot, pylock.toml, uv.lock, requirements, conda list --json, an SBOM.",
        ),
        click.option("--platform", metavar="TAG", help="The platform of a file that does not name one."),
    )


def what_to_check() -> Callable[[F], F]:
    return _apply(
        click.option(
            "--select",
            multiple=True,
            callback=parts,
            metavar="ID|FAMILY",
            shell_complete=complete_selectors,
            help="Only these checks.",
        ),
        click.option(
            "--ignore",
            multiple=True,
            callback=parts,
            metavar="ID|FAMILY[:SUBJECT]",
            shell_complete=complete_selectors,
            help="Not these findings.",
        ),
    )


def each_card() -> Callable[[F], F]:
    return click.option(
        "--card", metavar="CARD", shell_complete=complete_cards, help="Judge it in each group of nodes."
    )


def which_run() -> Callable[[F], F]:
    return _apply(
        click.option("--run", metavar="DIR", type=click.Path(), help="A training run's folder, or its settings file."),
        click.option(
            "--data", multiple=True, metavar="FILE", type=click.Path(), help="A file of its data. Repeatable."
        ),
        click.option("--label", metavar="COLUMN", help="The column of the data that holds the classes."),
    )


def everywhere(*formats: str, timeout: str = "For another interpreter (default: 20).") -> Callable[[F], F]:
    """The flags that every command has; `timeout` is what its seconds are for."""
    choices = list(formats or ("text", "json"))
    return _apply(
        click.option("--format", type=click.Choice(choices), help=f"What to print (default: {choices[0]})."),
        click.option(
            "--output", multiple=True, metavar="FORMAT=PATH", help="Also write a file, in that format. Repeatable."
        ),
        click.option(
            "--matrices",
            multiple=True,
            metavar="DIR",
            type=click.Path(exists=True, file_okay=False),
            help="Your own cards and hazards, beside those that ship. Repeatable.",
        ),
        click.option("--offline", is_flag=True, help="Ask nothing over the network; read what is here."),
        click.option("--timeout", type=float, callback=_seconds, metavar="SECONDS", help=timeout),
        click.option(
            "--color", type=click.Choice(["auto", "always", "never"]), help="Colour the text (default: auto)."
        ),
        click.option("-v", "--verbose", is_flag=True, help="Everything: reasons, evidence, every check."),
        click.option("-q", "--quiet", is_flag=True, help="One line."),
        click.version_option(__version__, prog_name="card-doctor", message="%(prog)s %(version)s"),
    )
