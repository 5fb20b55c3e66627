"""Writes the manual pages, of the same text as `--help`: `python tools/man_pages.py DIR` (needs click-man)."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click_man.core import write_man_pages

from card_doctor import __version__
from card_doctor.cli.program import program

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    context = click.Context(program, info_name="card-doctor")
    # click-man asks a group for its dictionary; ours imports a command when it is named
    program.commands.update({name: program.get_command(context, name) for name in program.list_commands(context)})
    write_man_pages("card-doctor", program, version=__version__, target_dir=str(folder))
    print(f"{len(list(folder.glob('*.1')))} pages in {folder}")
