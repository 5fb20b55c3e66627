"""Draws docs/report.svg, the picture of the README, from a real report: `check` is run, and what it prints is drawn.

python tools/readme_svg.py CARD --python ENV [--gpu SPEC] [--driver VERSION] [--shown-as PATH]
"""

from __future__ import annotations

import argparse
import io
import shlex
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from card_doctor.checks.registry import FAMILIES
from card_doctor.checkup import run
from card_doctor.model import Document
from card_doctor.reporting.text import render

SVG = Path(__file__).parent.parent / "docs" / "report.svg"
WIDTH = 100  # columns: what GitHub shows without shrinking the letters much


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card")
    parser.add_argument("--python", required=True, metavar="ENV", help="the environment to check")
    parser.add_argument("--gpu", action="append", default=[])
    parser.add_argument("--driver")
    parser.add_argument("--shown-as", metavar="PATH", help="what stands in the picture for the path of ENV")
    parser.add_argument("--output", type=Path, default=SVG)
    args = parser.parse_args()
    document = run([args.card], python=args.python, gpus=args.gpu, driver=args.driver)
    env = str(Path(args.python).absolute())
    machine = [word for gpu in args.gpu for word in ("--gpu", gpu)] + (["--driver", args.driver] if args.driver else [])
    if args.shown_as:
        encoded = msgspec.json.encode(document).replace(env.encode(), args.shown_as.encode())
        document = msgspec.json.decode(encoded, type=Document)
    flags = " ".join(map(shlex.quote, machine))
    text = render(document, width=WIDTH, color=True, families=FAMILIES, flags=flags)
    args.output.write_text(draw(f"$ card-doctor check {args.card} {flags}\n\n{text}"), encoding="utf-8")
    print(f"{args.output}: exit code {document.exit_code}")


def draw(text: str) -> str:
    """What a terminal that is wide enough for the commands shows of `text`, as SVG."""
    width = max(Text.from_ansi(line).cell_len for line in text.splitlines())
    console = Console(record=True, width=max(width, WIDTH), file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text.rstrip()))
    return console.export_svg(title="card-doctor")


if __name__ == "__main__":
    main()
