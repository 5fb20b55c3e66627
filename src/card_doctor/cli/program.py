"""The program around the commands: finds the one that was named, and turns whatever happens into an exit code."""

from __future__ import annotations

import importlib
from typing import List, Optional, Sequence, Tuple

import click

from card_doctor import __version__
from card_doctor.cli.session import Session
from card_doctor.errors import CardDoctorError

COMMANDS = (
    "check",
    "plan",
    "build",
    "trial",
    "snapshot",
    "compare",
    "fleet",
    "cards",
    "diagnose",
    "watch",
    "explain",
    "checks",
    "schema",
)


class Program(click.Group):
    """A group whose commands are modules of this package, imported when they are named."""

    def list_commands(self, ctx: click.Context) -> List[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"card_doctor.cli.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: List[str]
    ) -> Tuple[Optional[str], Optional[click.Command], List[str]]:
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            import difflib  # noqa: PLC0415

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f"did you mean `{near[0]}`? " if near else ""
            raise click.UsageError(
                f"no such command: {args[0]}; {meant}A card is checked with `card-doctor check {args[0]}`", ctx
            )
        return super().resolve_command(ctx, args)


@click.command(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="card-doctor", message="%(prog)s %(version)s")
def program() -> None:
    """Says what will break before you train: reads a model card, looks at your environment and GPU.

    Without a command it runs `check`. Settings: [tool.card-doctor] in pyproject.toml, or card-doctor.toml. Exit
    codes: 0 nothing to report, 1 something is, 2 no answer could be given, 130 interrupted.

    Completion: eval "$(_CARD_DOCTOR_COMPLETE=bash_source card-doctor)", also zsh_source and fish_source.
    """


def run(args: Sequence[str], *, started_with_m: bool = False) -> int:
    """Run one command line and give its exit code: 0, 1, 2 or 130, on any input."""
    session = Session(args, started_with_m=started_with_m)
    try:
        # Not in click's standalone mode: its exit codes and its way to print errors are not ours.
        code = program.main(list(args) or ["check"], prog_name="card-doctor", standalone_mode=False, obj=session)
    except (KeyboardInterrupt, click.Abort):
        return 130
    except click.ClickException as error:
        return session.fail("usage", error.format_message(), _hint(error))
    except CardDoctorError as error:
        return session.fail(error.kind, error.message, error.hint)
    except Exception as error:  # noqa: BLE001  whatever it is, a script gets an exit code that it knows
        if session.verbose:
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        message = f"unexpected {type(error).__name__}: {error}".rstrip(": ")
        return session.fail("internal", message, "a bug in card-doctor: please report it with what `-v` adds")
    return int(code or 0)


def _hint(error: click.ClickException) -> Optional[str]:
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return None
    if context.parent is None and isinstance(error, click.NoSuchOption):
        return f"options follow the command, as in `{context.command_path} check --gpu T4`"
    return f"see `{context.command_path} --help`"
