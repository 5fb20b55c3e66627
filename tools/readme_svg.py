"""Draws docs/report.svg, the picture of the README, from a real report: `check` is run, and what it prints is drawn.

python tools/readme_svg.py CARD --python ENV [--gpu SPEC] [--driver VERSION] [--shown-as PATH]
"""

from __future__ import annotations

import argparse
import io
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
    command = ["card-doctor", "check", args.card, *(word for gpu in args.gpu for word in ("--gpu", gpu))]
    command += ["--driver", args.driver] if args.driver else []
    if args.shown_as:
        encoded = msgspec.json.encode(document).replace(env.encode(), args.shown_as.encode())
        document = msgspec.json.decode(encoded, type=Document)
    text = render(document, width=WIDTH, color=True, families=FAMILIES)
    args.output.write_text(draw(text, " ".join(command)), encoding="utf-8")
    print(f"{args.output}: {len(text.splitlines())} lines, exit code {document.exit_code}")


def draw(text: str, title: str) -> str:
    """What a terminal of that width shows of `text`, as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text))
    return console.export_svg(title=title)


if __name__ == "__main__":
    main()
