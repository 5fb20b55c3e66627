"""What `--select` and `explain` can name: families, checks, and the hazards that a check looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence, Tuple

from card_doctor.checks.registry import FAMILIES, all_checks
from card_doctor.errors import UsageError
from card_doctor.model import Hazard


def hazards(matrices: Sequence[str] = ()) -> Tuple[Hazard, ...]:
    from card_doctor.knowledge import Matrices  # noqa: PLC0415  the hot path comes here for a hazard's id alone

    return Matrices([Path(folder) for folder in matrices]).hazards()


def known(matrices: Sequence[str] = ()) -> Tuple[str, ...]:
    """Every id of a check, then every id of a hazard's finding."""
    checks = [check.id for check in all_checks()]
    return (*checks, *(f"packages/{hazard.id}" for hazard in hazards(matrices)))


def check_of(selector: str) -> str:
    """The check or family that `selector` turns on: a hazard is found by the check that looks for hazards."""
    name = selector.partition(":")[0]
    return name if name in {*FAMILIES, "all", *(check.id for check in all_checks())} else "packages/hazard"


def expect(selectors: Sequence[str], matrices: Sequence[str] = ()) -> None:
    """UsageError for a selector that nothing is called: a typo must not turn checks off in silence."""
    if not selectors:
        return
    names = {*FAMILIES, "all", *(check.id for check in all_checks())}
    for selector in selectors:
        name = selector.partition(":")[0]
        if name not in names and name not in known(matrices):
            raise unknown(name, [*names, *known(matrices)])


def unknown(name: str, names: Sequence[str]) -> UsageError:
    import difflib  # noqa: PLC0415

    near = difflib.get_close_matches(name, names, n=3)
    # A slug without its family, or a part of one, is near too.
    near += [one for one in names if name in one and one not in near][: 3 - len(near)]
    hint = f"did you mean {' or '.join(near)}?" if near else "`card-doctor checks` lists every check"
    return UsageError(f"no check or hazard is called {name}", hint)
