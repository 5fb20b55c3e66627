"""A plan in the forms that installers take: requirements, a shell script, a Dockerfile."""

from __future__ import annotations

import shlex
from typing import List

from card_doctor.model import Plan
from card_doctor.reporting.plain import plain


def requirements(plan: Plan, *, hashes: bool = False) -> str:
    """For `pip install --no-deps -r`, or uv's. With hashes an installer takes the very same files, or stops."""
    lines = _head(plan)
    for pin in plan.pins:
        words = [pin.requirement, *(f"--hash={digest}" for digest in (pin.hashes if hashes else ()))]
        lines.append(" \\\n    ".join(words))
    return "\n".join(lines) + "\n"


def script(plan: Plan) -> str:
    """POSIX shell: makes the environment in the folder that it is given, with uv where there is one, else with pip."""
    python = f"python{plan.python}"
    pins = "\n".join(pin.requirement for pin in plan.pins)
    return "\n".join(
        [
            "#!/bin/sh",
            *_head(plan),
            "set -eu",
            "env=${1:?give the folder of the new environment}",
            'if [ -e "$env" ]; then echo "$env exists already" >&2; exit 1; fi',
            f"python=${{PYTHON:-{shlex.quote(plan.interpreter or python)}}}",
            f'command -v "$python" >/dev/null || python={python}',
            "list=$(mktemp)",
            "trap 'rm -f \"$list\"' EXIT",
            f"cat >\"$list\" <<'END'\n{pins}\nEND",
            "if command -v uv >/dev/null; then",
            '    uv venv --python "$python" "$env"',
            '    uv pip install --python "$env" --no-deps -r "$list"',
            "else",
            '    "$python" -m venv "$env"',
            '    "$env/bin/python" -m pip install --no-deps -r "$list"',
            "fi",
            "",
        ]
    )


def dockerfile(plan: Plan) -> str:
    """The image of that Python; the wheels bring CUDA along, so that `--gpus all` is all that a container needs."""
    pins = [f"    {shlex.quote(pin.requirement)}" for pin in plan.pins]
    return "\n".join(
        [
            *_head(plan),
            f"FROM python:{plan.python}-slim",
            "ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility",
            " \\\n".join(["RUN python -m pip install --no-cache-dir --no-deps", *pins]),
            "",
        ]
    )


def _head(plan: Plan) -> List[str]:
    day = f", as of {plan.date}" if plan.date else ""
    lines = [f"{plan.card}: Python {plan.python}{day}, proof: {plan.proof.level}"]
    lines += [
        f"{one.subject} {one.card} -> {one.planned or 'not installed'}: {one.because}"
        if one.card
        else f"{one.subject}: {one.because}"
        for one in plan.differences
    ]
    return [f"# {plain(line)}" for line in lines]
