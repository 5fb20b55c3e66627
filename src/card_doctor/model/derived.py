"""What the files of an environment mean together: what one distribution takes and another does not give."""

from __future__ import annotations

from typing import Dict, Literal, Optional, Tuple

import msgspec

Kind = Literal["missing-module", "missing-name", "refused-keyword", "enforced"]


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A place in the chain from an entry point: a line of a file, relative to the folder it is installed in."""

    file: str
    line: int


class Need(msgspec.Struct, frozen=True):
    """One take that fails: `names` of the module `module` that `importer` wants and `provider` does not have (a
    distribution, without a version where it is not installed; None where none is known to provide the module). `loop`
    tells that the standard loop meets it, `sure` that every condition on the way was decided. For a stop that a
    package enforces, `message` is what it says; where the installed release was compared with another, `wants` is the
    requirement that would have held.
    """

    kind: Kind
    importer: str
    importer_version: str
    provider: Optional[str]
    provider_version: Optional[str]
    module: str
    name: str
    at: Step
    entry: str
    chain: Tuple[Step, ...] = ()
    error: str = ""
    message: str = ""
    sure: bool = True
    loop: bool = True
    wants: str = ""
    wants_at: Optional[Step] = None


class Derived(msgspec.Struct, frozen=True):
    """What the files of one environment mean together. `installed` are the versions that it holds for, `modules`
    counts those that were followed, `gaps` are files that could not be read, and why. `reached` are the distributions
    that the standard loop imports for sure.
    """

    installed: Dict[str, str] = {}
    needs: Tuple[Need, ...] = ()
    gaps: Tuple[Tuple[str, str], ...] = ()
    modules: int = 0
    reached: Tuple[str, ...] = ()
