"""What a package gives only where another one is there, and new enough: its lazy modules put a stand-in in the place
of a name whose backends are not available, and that raises when it is used.

Which backends a name needs is read from the text of the file that defines it, by the rules that stand beside the
class of the lazy module (transformers' `BASE_FILE_REQUIREMENTS`, `@requires` and `BACKENDS_MAPPING`:
https://github.com/huggingface/transformers/blob/main/src/transformers/utils/import_utils.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, List, NamedTuple, Optional, Tuple

from packaging.version import Version

from card_doctor.model import Package
from card_doctor.model.surface import Assign, Call, Class, Expr, Function, If, Logic, Return, Stmt, Try, Words
from card_doctor.surfaces.following import Frame, last_name
from card_doctor.surfaces.values import UNKNOWN, Closure, Mapping, Module, Procedure, Sequence, StandIn

if TYPE_CHECKING:
    from card_doctor.surfaces.modules import Modules

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Wanted(NamedTuple):
    """What a comparison with an installed release asks for, and where it stands."""

    requirement: str
    module: Module
    line: int


def stand_in(follower: Modules, lazy: Module, where: str, name: str) -> Optional[StandIn]:
    """What a lazy module gives for a name of that submodule, where one of its backends is surely not available."""
    rules = lazy.backends
    module = follower.modules.get(where) or follower.module(where)
    if rules is None or module is None or module.found is None or module.found.path is None:
        return None
    known, raises = rules.scope.get("BACKENDS_MAPPING"), rules.scope.get("requires_backends")
    if not isinstance(known, Mapping) or not isinstance(raises, Procedure):
        return None
    missing: List[Any] = []
    for backend in dict.fromkeys((*_of_file(follower, rules, where), *_of_name(follower, module, name))):
        told = follower.force(known.items.get(backend))
        items = told.items if isinstance(told, Sequence) else ()
        available = follower.force(items[0]) if items else None
        if isinstance(available, Procedure) and follower.truth(follower.invoke(available, [], {}, 0)) is False:
            missing.append(backend)
    return StandIn(name, lazy, missing, raises) if missing else None


def _of_file(follower: Modules, rules: Module, where: str) -> Tuple[Any, ...]:
    """The backends of everything in a file, by its name: those of the first rule that holds."""
    defaults = rules.scope.get("BASE_FILE_REQUIREMENTS")
    if not isinstance(defaults, Mapping) or not defaults.exact:
        return ()
    for rule, backends in defaults.items.items():
        if not isinstance(rule, Closure):
            return ()
        args = [where.rpartition(".")[2], UNKNOWN][: len(rule.stmt.parameters)]
        holds = follower.truth(follower.call_closure(rule, args, {}))
        if holds is None:
            return ()  # by what the file says
        if holds:
            return follower.force(backends) if isinstance(backends, tuple) else ()
    return ()


def _of_name(follower: Modules, module: Module, name: str) -> Tuple[str, ...]:
    """Those that its decorator names."""
    surface = follower.load(module)
    for stmt in surface.body if surface else ():
        if isinstance(stmt, (Class, Function)) and stmt.name == name:
            for decorator in stmt.decorators:
                if isinstance(decorator, Call) and last_name(decorator) == "requires":
                    return tuple(
                        word
                        for key, value in decorator.keywords
                        if key == "backends" and isinstance(value, Words)
                        for word in value.items
                    )
    return ()


def wanted(follower: Modules, importer: Module, provider: Package) -> Optional[Wanted]:
    """The release that the importer asks for where it says whether a distribution is available, if the installed one
    is older: what it compares is compared again, and looked at.
    """
    predicate = follower.predicates.get((importer.name.partition(".")[0], provider.name))
    installed = follower.environment.parsed(provider.version)
    surface = follower.function_of(predicate.module, predicate.stmt) if predicate else None
    if predicate is None or surface is None or not isinstance(installed, Version):
        return None
    found: List[Wanted] = []
    kept = follower.memo, follower.consulted, follower.compared
    follower.memo, follower.consulted, follower.compared = {}, [], []
    try:
        frame = Frame(predicate.module, predicate.module.scope, "module")
        for expression, line in _ways(predicate, surface.body):
            del follower.compared[:]
            follower.quietly(expression, frame)
            asked = _asked(follower, provider.name, installed)
            found += [Wanted(requirement, predicate.module, line) for requirement in asked]
    finally:
        follower.memo, follower.consulted, follower.compared = kept
    return max(found, key=lambda one: Version(one.requirement.rpartition(">")[2].lstrip("=")), default=None)


def _ways(predicate: Procedure, body: List[Stmt]) -> Iterator[Tuple[Expr, int]]:
    """What decides a predicate: a call of it, and what the names that it returns are bound to in its module."""
    yield Call(predicate.stmt.name, [], [], 0), predicate.stmt.first
    names = {name for stmt in _statements(body) if isinstance(stmt, Return) for name in _names(stmt.value)}
    surface = predicate.module.surface
    for stmt in _statements(surface.body if surface else []):
        if isinstance(stmt, Assign) and isinstance(stmt.target, str) and stmt.target in names:
            yield stmt.value, stmt.line


def _asked(follower: Modules, provider: str, installed: Version) -> Iterator[str]:
    """What the comparisons that were made ask of the installed release and do not get."""
    for left, how, right in follower.compared:
        for one, asks, other in ((left, how, right), (right, _MIRRORED.get(how, how), left)):
            if one == installed and isinstance(other, Version):
                if asks in {">=", "<"} and installed < other:
                    yield f"{provider}>={other}"
                elif asks in {">", "<="} and installed <= other:
                    yield f"{provider}>{other}"


def _statements(body: List[Stmt]) -> Iterator[Stmt]:
    """Those of a block, and of the blocks in it that run with it."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, If):
            yield from _statements([*stmt.body, *stmt.orelse])
        elif isinstance(stmt, Try):
            handled = [inner for handler in stmt.handlers for inner in handler.body]
            yield from _statements([*stmt.body, *handled, *stmt.orelse, *stmt.final])


def _names(value: Optional[Expr]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Logic):
        for operand in value.operands:
            yield from _names(operand)
