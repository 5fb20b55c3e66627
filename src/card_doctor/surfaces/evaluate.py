"""What the modules of one environment do when they are imported, followed statement by statement over their
surfaces. Nothing is run: what can't be decided is UNKNOWN, both branches of an undecided condition are looked at,
and what fails there is not sure.
"""

from __future__ import annotations

import builtins
import re
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Set,
    Tuple,
)
from typing import (
    Type as ClassOf,
)

from card_doctor.model.derived import Kind
from card_doctor.model.surface import (
    Assert,
    Assign,
    Attr,
    Augment,
    Binary,
    Bind,
    Call,
    Class,
    Compare,
    Const,
    Declare,
    Delete,
    Each,
    Evaluate,
    Expr,
    For,
    From,
    Function,
    FunctionSurface,
    Global,
    Handler,
    If,
    Import,
    Index,
    Items,
    Leave,
    Logic,
    ModuleSurface,
    Named,
    Opaque,
    Pairs,
    Raise,
    Return,
    Slice,
    Starred,
    Stmt,
    Text,
    Try,
    While,
    With,
    Words,
)
from card_doctor.surfaces import natives
from card_doctor.surfaces.natives import Environment, Fails
from card_doctor.surfaces.values import (
    CONSTANTS,
    UNKNOWN,
    Instance,
    Later,
    Mapping,
    Method,
    Module,
    Native,
    Procedure,
    Sequence,
    Super,
    Type,
    same,
)

# How a block ends.
NEXT, RETURN, BREAK, CONTINUE, PERHAPS = range(5)

# Bounds for what is followed; none is met by the packages that were looked at, all are met by endless recursion.
CALL_DEPTH = 40
LOOP_LIMIT = 2000
STATEMENT_LIMIT = 4_000_000
# For one call whose value a condition asks for, with all that it calls.
CALL_BUDGET = 2_000
# How often one function is followed for its own sake (a module that calls `add_docstring` a thousand times).
CALLS_FOLLOWED = 30

# `accelerate>=0.20.1`, `transformers[torch] >= 4.0`
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9])(?:\[[\w,-]+\])?\s*(?:[<>=!~]=|[<>])\s*v?\d")

_ALWAYS_THERE = frozenset(
    ("__name__", "__file__", "__doc__", "__path__", "__spec__", "__dict__", "__package__", "__loader__", "__class__")
)
_NO_NAME = "no_module_defines_this_name"


class Failure(NamedTuple):
    """Something that raises: `error` is a builtin exception's name or a Type; `row` is what is told of it."""

    error: Any
    row: Row
    sure: bool


class Row(NamedTuple):
    """A take that fails, with the stack of imports and calls that leads to it."""

    kind: Kind
    importer: Module
    provider: Optional[str]  # a module, or for a stop a distribution
    name: str
    line: int
    stack: Tuple[Tuple[Module, int], ...]
    error: str
    message: str


class Raised(Exception):  # noqa: N818  what the followed code does
    """Unwinds to the `try` that catches."""

    def __init__(self, failure: Failure, catcher: Catcher) -> None:
        super().__init__()
        self.failure = failure
        self.catcher = catcher


class Catcher:
    """A `try` that is being followed."""

    def __init__(self, catches: Callable[[Any], Optional[bool]]) -> None:
        self.catches = catches
        self.perhaps: List[Failure] = []  # what an undecided branch raises into it


class Frame:
    """Where names are looked up: a module, the body of a class, or a call."""

    __slots__ = ("declared", "entered", "follow", "kind", "module", "outer", "owner", "returns", "scope", "typing")

    def __init__(self, module: Module, scope: Dict[str, Any], kind: str, outer: Optional[Frame] = None) -> None:
        self.module = module
        self.scope = scope
        self.kind = kind  # module, class, call
        self.outer = outer
        self.owner: Optional[Type] = None
        self.declared: Set[str] = set()
        self.entered = 0  # how many distributions had been asked for
        self.returns: List[Any] = []
        self.follow: bool = outer.follow if outer else False
        self.typing = False


class TooMuch(Exception):  # noqa: N818  an outcome
    """The bound on statements is met."""


class OutOfBudget(Exception):  # noqa: N818  an outcome
    """A call is too long to be followed for its value."""


class Follower:
    """Follows imports through one environment. `surface` gives a module's surface (None: can't be known),
    `function` the surface of a function of it.
    """

    def __init__(
        self,
        environment: Environment,
        surface: Callable[[Module], Optional[ModuleSurface]],
        function: Callable[[Module, Function], Optional[FunctionSurface]],
        text_shows: Callable[[Module, str], bool],
    ) -> None:
        self.environment = environment
        self.finder = environment.finder
        self.surface_of = surface
        self.function_of = function
        self.text_shows = text_shows
        self.modules: Dict[str, Module] = {}
        self.rows: Dict[Tuple[Any, ...], Tuple[Row, bool]] = {}
        self.stack: List[Tuple[Module, int]] = []
        self.catchers: List[Catcher] = []
        self.handling: List[Failure] = []
        self.sure = True
        self.depth = 0
        self.statements = 0
        self.budget: Optional[int] = None  # of the call that is followed for its value
        self.memo: Dict[Any, Any] = {}
        self.calls: Dict[int, int] = {}
        self.followed: Set[Tuple[int, bool]] = set()
        self.injected: Set[str] = set()
        # Which distributions were asked for, and how many of those before the statement that is at hand: what a
        # package says when it stops is about the others.
        self.consulted: List[str] = []
        self.mark = 0
        self.opaque_calls = 0

    # --- failing

    def fail(self, error: Any, row: Row) -> None:
        """Unwind to the `try` that catches this; where none does, note it, and go on as if it had not failed:
        what comes after it would fail next.
        """
        if self.handling and row.kind == "enforced":
            row = self.handling[-1].row  # raised while another is handled: that one is the cause
        failure = Failure(error, row, self.sure)
        for catcher in reversed(self.catchers):
            caught = catcher.catches(error)
            if caught is None:
                failure = failure._replace(sure=False)
            if caught is not False:
                raise Raised(failure, catcher)
        self.note(row)

    def note(self, row: Row) -> None:
        if not self.sure and (row.kind == "enforced" or (self.depth and row.kind != "refused-keyword")):
            # Under conditions that are not known packages say what they do not want, and their functions import
            # what they need for it.
            return
        if row.kind == "enforced" and self.depth and not self.is_kind(row.error, "ImportError"):
            return  # of a call with other arguments
        key = (row.kind, row.importer.name, row.provider, row.name)
        known = self.rows.get(key)
        if known is None or (self.sure and not known[1]):
            self.rows[key] = (row, self.sure)

    def row(self, kind: Kind, module: Module, provider: Optional[str], name: str, line: int, **told: str) -> Row:
        return Row(
            kind, module, provider, name, line, tuple(self.stack), told.get("error", ""), told.get("message", "")
        )

    # --- modules

    def module(self, name: str) -> Optional[Module]:
        """The module of that name, not yet run; None where import would not find it."""
        module = self.modules.get(name)
        if module is None:
            found = self.finder.find(name)
            if found is None:
                return None
            trusted = self.finder.is_standard(found.root)
            module = self.modules[name] = Module(name, found, trusted=trusted)
        return module

    def import_module(self, name: str, frame: Frame, line: int) -> Any:
        """`import name`: every package on the way is run. The module, UNKNOWN, or what `fail` does."""
        module: Any = None
        parts = name.split(".")
        for index in range(len(parts)):
            partial = ".".join(parts[: index + 1])
            if partial in self.injected:
                return UNKNOWN
            parent = module
            module = self.module(partial)
            if module is None:
                return self.not_found(partial, parent, frame, line)
            if isinstance(parent, Module) and not frame.typing:
                parent.scope.setdefault(parts[index], module)
            self.run(module, frame, line)
        return module

    def not_found(self, name: str, parent: Optional[Module], frame: Frame, line: int) -> Any:
        importer = frame.module
        if importer.trusted or self.same_distribution(importer, name):
            return UNKNOWN
        if parent is None:
            if self.finder.open_ended:
                return UNKNOWN
        elif self.may_hold(parent, name.rpartition(".")[2]):
            return UNKNOWN
        message = f"No module named '{name}'"
        self.consulted.append(name.partition(".")[0])
        self.fail(
            "ModuleNotFoundError",
            self.row("missing-module", importer, name, "", line, error="ModuleNotFoundError", message=message),
        )
        return UNKNOWN

    def may_hold(self, parent: Module, last: str) -> bool:
        """May this package provide a submodule that is no file of its folder?"""
        found = parent.found
        if found is None or found.compiled or found.path is None or parent.dynamic:
            return found is None or found.compiled or parent.dynamic or self.finder.open_ended
        surface = self.load(parent)
        return surface is None or surface.extends or last in parent.scope

    def same_distribution(self, importer: Module, name: str) -> bool:
        root = importer.name.partition(".")[0]
        other = name.partition(".")[0]
        return root == other or self.environment.share(root, other)

    def load(self, module: Module) -> Optional[ModuleSurface]:
        if module.surface is None and module.failure is None:
            module.surface = self.surface_of(module)
        return module.surface

    def run(self, module: Module, frame: Optional[Frame], line: int) -> None:
        """Import a module: follow it, once. One that failed is followed again, as Python does."""
        if module.state == "running" or (module.state == "done" and (module.sure or not self.sure)):
            return
        if module.failure is not None and any(catcher.catches(module.failure.error) for catcher in self.catchers):
            self.fail(module.failure.error, module.failure.row)
        if module.trusted and frame is not None:
            return  # the standard library imports what it has; it is run when a name is looked for
        surface = self.load(module)
        if surface is None:
            if module.failure is None:
                module.state, module.sure = "done", True
            else:  # it does not parse
                stack = (*self.stack, (frame.module, line)) if frame is not None else tuple(self.stack)
                self.fail(module.failure.error, module.failure.row._replace(stack=stack))
            return
        before = len(self.rows)
        if frame is not None:
            self.stack.append((frame.module, line))
        failure = module.failure
        module.reset()
        module.failure = failure
        module.state = "running"
        sure, handling, self.handling = self.sure, self.handling, []
        budget, self.budget = self.budget, None
        mark = self.mark
        inner = Frame(module, module.scope, "module")
        try:
            self.block(surface.body, inner, outermost=True)
            module.state = "done"
            module.sure = sure or len(self.rows) == before
            module.failure = None
        except Raised as raised:
            module.failure = raised.failure
            raise
        finally:
            if module.state == "running":
                module.state = "new"
            self.sure, self.handling, self.budget, self.mark = sure, handling, budget, mark
            if frame is not None:
                self.stack.pop()

    # --- names of modules

    def shows(self, module: Module, name: str) -> bool:
        """Does the text of a module of the standard library show that it defines this name? Else it is run."""
        if module.state == "new" and not self.text_shows(module, name):
            self.run(module, None, 0)
        return module.state == "new"

    def lookup(self, module: Module, name: str, *, run: bool = True) -> Any:
        """The value of a module's name; `MISSING` where it surely has none, UNKNOWN where it may have one.
        `run` imports a submodule of that name, as `from module import name` does.
        """
        found = module.found
        if name in _ALWAYS_THERE:
            return UNKNOWN
        if module.lazy is not None:
            value = self.lazily(module, name)
            if value is not MISSING:
                return value
        if name in module.scope:
            return module.scope[name]
        if found is None or found.compiled:
            return UNKNOWN
        unread = module.surface is None and found.path is not None
        unknown = unread or self.sets_names(module) or module.state == "running"
        for star in reversed(module.stars):
            value = self.starred(star, name, set())
            if value is UNKNOWN:
                unknown = True
            elif value is not MISSING:
                return value
        if "__getattr__" in module.scope:
            value = self.module_getattr(module, name, unsure=unknown)
            if value is not MISSING:
                return value
            if unknown and self.names_as_gone(module, name):
                return MISSING
        if found is not None and found.is_package:
            sub = self.module(f"{module.name}.{name}")
            if sub is not None:
                if run and not module.trusted:
                    self.run(sub, Frame(module, module.scope, "module"), 0)
                return sub
        if unknown or (module.surface is not None and module.surface.extends and self._aliases(module, name)):
            return UNKNOWN
        return MISSING

    @staticmethod
    def sets_names(module: Module) -> bool:
        """Does it bind names that no statement shows?"""
        surface = module.surface
        return module.dynamic or (surface is not None and module.name.rpartition(".")[2] in surface.sets)

    def _aliases(self, module: Module, name: str) -> bool:
        return f"{module.name}.{name}" in self.injected

    def starred(self, module: Module, name: str, seen: Set[str]) -> Any:
        """What `from module import *` brings for that name."""
        if module.name in seen:
            return MISSING
        seen.add(module.name)
        if module.state == "new" and module.trusted:
            self.run(module, None, 0)
        names = module.scope.get("__all__")
        if isinstance(names, Sequence) and names.exact and not module.dynamic:
            listed = {item for item in names.items if isinstance(item, str)}
            if all(isinstance(item, str) for item in names.items) and name not in listed:
                return MISSING
        elif names is None and name.startswith("_"):
            return MISSING if not module.dynamic else UNKNOWN
        if name in module.scope:
            return module.scope[name]
        found = module.found
        if (
            self.sets_names(module)
            or found is None
            or found.compiled
            or module.surface is None
            or module.state == "running"
        ):
            return UNKNOWN
        for star in reversed(module.stars):
            value = self.starred(star, name, seen)
            if value is not MISSING:
                return value
        if isinstance(names, Sequence) and "__getattr__" in module.scope:
            return UNKNOWN
        if isinstance(names, Sequence) and name in names.items:
            return UNKNOWN
        return MISSING

    def lazily(self, module: Module, name: str) -> Any:
        """A name of a module that imports its submodules on demand."""
        assert module.lazy is not None  # noqa: S101  for the type checker
        targets: List[Tuple[str, str]] = []
        if name in module.lazy:
            submodule, what = module.lazy[name]
            targets.append((f"{module.name}.{submodule}", what))
        elif name in module.typing:
            targets.append(module.typing[name])
        else:
            for star in module.typing_stars:
                if name in self.static_names(star):
                    targets.append(self.static_names(star)[name])
                    break
        for where, what in targets:
            if where == "":
                return UNKNOWN
            frame = Frame(module, module.scope, "module")
            source = self.import_module(where, frame, 0)
            if not isinstance(source, Module):
                return UNKNOWN
            if what == "":
                return source
            value = self.lookup(source, what)
            return UNKNOWN if value is MISSING else value
        return MISSING

    def static_names(self, name: str) -> Dict[str, Tuple[str, str]]:
        """Where a module's text says that its names are defined: its `__all__`, else every public name that any
        branch binds, those of its own star imports too.
        """
        key = ("names", name)
        if key not in self.memo:
            names: Dict[str, Tuple[str, str]] = {}
            self.memo[key] = names
            module = self.module(name)
            surface = self.load(module) if module else None
            if module is not None and surface is not None:
                own, stars = natives.names_of(surface.body)
                names.update((one, (name, one)) for one in own)
                for level, star in stars:
                    for one, where in self.static_names(self.absolute(star, level, module)).items():
                        names.setdefault(one, where)
        known: Dict[str, Tuple[str, str]] = self.memo[key]
        return known

    def module_getattr(self, module: Module, name: str, *, unsure: bool = False) -> Any:
        """What a module's `__getattr__` makes of a name."""
        value, _ = self._getattr(module, name)
        return value

    def _getattr(self, module: Module, name: str) -> Tuple[Any, int]:
        function = module.scope["__getattr__"]
        if not isinstance(function, Procedure) or module.state == "running":
            return UNKNOWN, 0
        key = ("getattr", module.name, name)
        if key in self.memo:
            kept: Tuple[Any, int] = self.memo[key]
            return kept
        self.memo[key] = (UNKNOWN, 0)  # for one that asks for itself
        catcher = Catcher(lambda error: self.is_kind(error, "AttributeError"))
        self.catchers.append(catcher)
        line = 0
        try:
            value = self.invoke(function, [name], {}, 0)
            if value is None:
                value = UNKNOWN
        except Raised as raised:
            if raised.catcher is not catcher:
                raise
            value, line = MISSING, raised.failure.row.line
        finally:
            self.catchers.remove(catcher)
        if catcher.perhaps and value is MISSING:
            value = UNKNOWN
        self.memo[key] = (value, line)
        return value, line

    def names_as_gone(self, module: Module, name: str) -> bool:
        """Does `__getattr__` refuse this very name, and not merely every name that it does not know?"""
        return self._getattr(module, name)[1] != self._getattr(module, _NO_NAME)[1]

    def take(self, module: Module, name: str, frame: Frame, line: int, *, how: str) -> Any:
        """`from module import name` or `module.name`; what is missing fails."""
        value = self.lookup(module, name, run=how == "from")
        if value is not MISSING:
            return value
        importer = frame.module
        if importer.trusted or self.same_distribution(importer, module.name):
            return UNKNOWN
        if how == "from":
            error = "ImportError"
            message = f"cannot import name '{name}' from '{module.name}'"
        else:
            error = "AttributeError"
            message = f"module '{module.name}' has no attribute '{name}'"
        self.fail(error, self.row("missing-name", importer, module.name, name, line, error=error, message=message))
        return UNKNOWN

    # --- statements

    def block(self, statements: Iterable[Stmt], frame: Frame, *, outermost: bool = False) -> int:
        end = NEXT
        sure = self.sure
        try:
            for statement in statements:
                self.statements += 1
                if self.budget is not None:
                    self.budget -= 1
                    if self.budget < 0:
                        raise OutOfBudget
                if self.statements > STATEMENT_LIMIT:
                    raise TooMuch
                if outermost:
                    self.mark = len(self.consulted)
                try:
                    how = _STATEMENTS[type(statement)](self, statement, frame)
                except Raised as raised:
                    if end != PERHAPS:
                        raise
                    raised.catcher.perhaps.append(raised.failure)  # it is reached only perhaps
                    return PERHAPS
                if how == PERHAPS:
                    end = PERHAPS
                    self.sure = False  # the rest is reached only perhaps
                elif how is not None and how != NEXT:
                    return PERHAPS if end == PERHAPS else how
            return end
        finally:
            self.sure = sure

    def import_(self, node: Import, frame: Frame) -> None:
        root = node.module.partition(".")[0]
        if frame.typing:
            if node.alias:
                frame.module.typing[node.alias] = (node.module, "")
            return
        if frame.module.trusted:
            # the standard library imports what it has
            target = self.module(node.module if node.alias else root)
            self.bind(node.alias or root, target or UNKNOWN, frame)
            return
        module = self.import_module(node.module, frame, node.line)
        if node.alias:
            self.bind(node.alias, module, frame)
        else:
            self.bind(root, self.modules.get(root, UNKNOWN), frame)

    def from_(self, node: From, frame: Frame) -> None:
        name = self.absolute(node.module, node.level, frame.module)
        if name == "__future__":
            return
        if frame.typing:
            self.type_only(node, name, frame)
            return
        if frame.module.trusted:
            self.from_trusted(node, name, frame)
            return
        module = self.import_module(name, frame, node.line)
        for taken, alias in node.names:
            if taken == "*":
                if isinstance(module, Module):
                    frame.module.stars.append(module)
                    self.unbind_starred(module, frame)
                else:
                    frame.module.dynamic = True
            elif isinstance(module, Module):
                self.bind(alias or taken, self.taken_from(module, taken, frame, node.line), frame)
            else:
                self.bind(alias or taken, UNKNOWN, frame)

    def taken_from(self, module: Module, name: str, frame: Frame, line: int) -> Any:
        special = self.special(module, name)
        if special is not None:
            return special
        if module.trusted and self.shows(module, name):
            return Native(f"{module.name}.{name}")
        self.stack.append((frame.module, line))
        try:
            value = self.lookup(module, name)
        finally:
            self.stack.pop()
        return self.take(module, name, frame, line, how="from") if value is MISSING else value

    def unbind_starred(self, module: Module, frame: Frame) -> None:
        """A star import replaces what was bound before it."""
        names = module.scope.get("__all__")
        if isinstance(names, Sequence) and names.exact:
            for name in names.items:
                if isinstance(name, str) and name in module.scope:
                    frame.scope.pop(name, None)

    def type_only(self, node: From, name: str, frame: Frame) -> None:
        for taken, alias in node.names:
            if taken == "*":
                frame.module.typing_stars.append(name)
            else:
                frame.module.typing[alias or taken] = (name, taken)

    def from_trusted(self, node: From, name: str, frame: Frame) -> None:
        module = self.module(name)
        for taken, alias in node.names:
            if taken != "*":
                value = self.special(module, taken) if module else None
                if value is None:
                    sub = (
                        self.module(f"{name}.{taken}") if module and module.found and module.found.is_package else None
                    )
                    value = sub or (Native(f"{name}.{taken}") if module else UNKNOWN)
                self.bind(alias or taken, value, frame)
            elif module is None:
                frame.module.dynamic = True
            else:
                frame.module.stars.append(module)

    def absolute(self, module: str, level: int, importer: Module) -> str:
        if not level:
            return module
        package = importer.package
        for _ in range(level - 1):
            package = package.rpartition(".")[0]
        return f"{package}.{module}" if module else package

    def bind_unknown(self, node: Bind, frame: Frame) -> None:
        for name in node.names:
            self.bind(name, UNKNOWN, frame)

    def bind(self, name: str, value: Any, frame: Frame) -> None:
        if name in frame.declared:
            scope = frame.module.scope
            scope[name] = value if self.sure or same(scope.get(name), value) else UNKNOWN
        else:
            frame.scope[name] = value

    def assign(self, node: Assign, frame: Frame) -> None:
        value = self.eval(node.value, frame)
        self.store(node.target, value, frame, node.line)
        if isinstance(node.target, Items) and "__getattr__" in node.target.items and isinstance(node.value, Call):
            self.attach(node.value, frame)

    def store(self, target: Expr, value: Any, frame: Frame, line: int) -> None:
        if isinstance(target, str):
            self.bind(target, value, frame)
        elif isinstance(target, Items):
            self.unpack(target, value, frame, line)
        elif isinstance(target, Attr):
            self.store_attribute(self.force(self.eval(target.value, frame)), target.name, value)
        elif isinstance(target, Index):
            self.store_item(self.force(self.eval(target.value, frame)), self.eval(target.index, frame), value, frame)
        elif isinstance(target, Starred):
            self.store(target.value, UNKNOWN, frame, line)

    def unpack(self, target: Items, value: Any, frame: Frame, line: int) -> None:
        value = self.force(value)
        items = value.items if isinstance(value, Sequence) and value.exact else value
        if isinstance(items, (list, tuple)) and len(items) == len(target.items):
            pairs = list(zip(target.items, items))
        else:
            pairs = [(item, UNKNOWN) for item in target.items]
        for item, one in pairs:
            self.store(item, one, frame, line)

    def attach(self, call: Call, frame: Frame) -> None:
        """A package that says which submodule has which names, and gets its `__getattr__` from a function for it
        (https://scientific-python.org/specs/spec-0001/).
        """
        module = frame.module
        lazy: Dict[str, Tuple[str, str]] = {}
        for expression in (*call.args, *(value for _, value in call.keywords)):
            value = self.quietly(expression, frame)
            if isinstance(value, Mapping):
                lazy.update(structure(value))
                if not structure(value):
                    return
            elif isinstance(value, Sequence):
                lazy.update((item, (item, "")) for item in value.items if isinstance(item, str))
        if lazy:
            module.lazy = {**(module.lazy or {}), **lazy}
            del module.scope["__getattr__"]  # it knows no other names

    def store_attribute(self, value: Any, name: str, new: Any) -> None:
        if isinstance(value, Module):
            value.scope[name] = new if self.sure else UNKNOWN
            value.dynamic = value.dynamic or name == "__class__"  # whose `__getattribute__` may know any name
        elif isinstance(value, Instance):
            kept = value.attributes
            kept[name] = new if self.sure or same(kept.get(name), new) else UNKNOWN
        elif isinstance(value, Type):
            value.scope[name] = new if self.sure else UNKNOWN

    def store_item(self, value: Any, key: Any, new: Any, frame: Frame) -> None:
        key = self.force(key)
        if isinstance(value, Native) and value.path == "sys.modules":
            if key == frame.module.name:
                self.replace_module(frame.module, new)
            elif isinstance(key, str):
                self.injected.add(key)
                frame.module.dynamic = True
            else:
                frame.module.dynamic = True
        elif isinstance(value, Native) and value.path in {"globals", "locals", "vars"}:
            if isinstance(key, str) and frame.kind == "module":
                frame.scope[key] = new
            else:
                frame.module.dynamic = True
        elif isinstance(value, Mapping):
            if _hashable(key) and key is not UNKNOWN:
                value.items[key] = new if self.sure else (new if key not in value.items else UNKNOWN)
                value.exact = value.exact and self.sure
            else:
                value.exact = False
        elif isinstance(value, Sequence):
            value.exact = False

    def replace_module(self, module: Module, value: Any) -> None:
        """`sys.modules[__name__] = …`: a lazy module, where it is given which submodule has which names."""
        values = [value]
        if isinstance(value, Later):
            values = [self.force(item) for item in (*value.args, *value.keywords.values())]
        lazy: Dict[str, Tuple[str, str]] = {}
        known = False
        for item in values:
            if isinstance(item, Mapping):
                names = structure(item)
                if names or not item.items:
                    lazy.update(names)
                    known = known or (bool(names) and item.exact)
        extra = [item for item in values if isinstance(item, Mapping) and not structure(item)]
        for item in extra:
            for name in item.items:
                if isinstance(name, str):
                    module.typing.setdefault(name, ("", ""))
        if not known:
            # It was merged into what is computed from the files of a folder: what it says itself stands.
            for name, item in module.scope.items():
                if name.endswith("import_structure") and isinstance(item, Mapping):
                    lazy.update(structure(item))
        module.lazy = lazy
        if not known and not module.typing and not module.typing_stars:
            module.dynamic = True

    def augment(self, node: Augment, frame: Frame) -> None:
        value = self.force(self.eval(node.value, frame))
        old = self.force(self.eval(node.target, frame))
        if isinstance(old, Sequence) and node.operator == "+":
            old = Sequence(old.kind, list(old.items), exact=old.exact)
            natives.extend(old, value, sure=True)
            new: Any = old
        else:
            new = natives.binary(node.operator, old, value)
        self.store(node.target, new, frame, node.line)

    def evaluate(self, node: Evaluate, frame: Frame) -> None:
        if node.annotations and not self.annotations_run(frame):
            return
        for value in node.values:
            result = self.eval(value, frame)
            if isinstance(result, Later):
                count = self.calls.get(id(result.function.stmt), 0) if isinstance(result.function, Procedure) else 0
                if count < CALLS_FOLLOWED:
                    if isinstance(result.function, Procedure):
                        self.calls[id(result.function.stmt)] = count + 1
                    self.force(result)

    def annotations_run(self, frame: Frame) -> bool:
        if frame.kind == "call" or self.environment.python >= (3, 14):  # https://peps.python.org/pep-0649/
            return False
        return frame.module.surface is None or frame.module.surface.eager_annotations

    def declare(self, node: Declare, frame: Frame) -> None:
        if node.annotation and frame.kind != "call" and self.annotations_run(frame):
            for value in node.annotation:
                self.eval(value, frame)
        if node.value is not None:
            self.bind(node.name, self.eval(node.value, frame), frame)

    def function(self, node: Function, frame: Frame) -> None:
        for decorator in node.decorators:
            self.eval(decorator, frame)
        if frame.kind == "call":
            self.bind(node.name, UNKNOWN, frame)  # it may take what surrounds it
        else:
            self.bind(node.name, Procedure(frame.module, node, frame.owner), frame)

    def class_(self, node: Class, frame: Frame) -> None:
        for decorator in node.decorators:
            self.eval(decorator, frame)
        bases = [self.force(self.eval(base, frame)) for base in node.bases]
        value = Type(frame.module, node, bases)
        inner = Frame(frame.module, value.scope, "class", frame)
        inner.owner = value
        self.block(node.body, inner)
        self.bind(node.name, value, frame)

    def if_(self, node: If, frame: Frame) -> int:
        test = self.truth(self.eval(node.test, frame))
        if test is False and not frame.module.trusted and frame.kind == "module" and mentions_typing(node.test):
            surface = frame.module.surface
            if surface is not None and (surface.extends or _binds_getattr(surface)):
                self.follow_type_only(node.body, frame)
        if test is not None:
            return self.block(node.body if test else node.orelse, frame)
        return self.branches([node.body, node.orelse], frame)

    def follow_type_only(self, body: List[Stmt], frame: Frame) -> None:
        inner = Frame(frame.module, dict(frame.scope), "module", None)
        inner.typing = True
        catcher = Catcher(lambda _: True)
        self.catchers.append(catcher)
        try:
            self.block(body, inner)
        except Raised as raised:
            if raised.catcher is not catcher:
                raise
        finally:
            self.catchers.remove(catcher)

    def branches(self, bodies: List[List[Stmt]], frame: Frame) -> int:
        """Each of these may be what runs: a name is bound where one binds it, and known where all agree."""
        before = dict(frame.scope)
        sure, self.sure = self.sure, False
        ends: List[int] = []
        scopes: List[Dict[str, Any]] = []
        for body in bodies:
            frame.scope.clear()
            frame.scope.update(before)
            raised_out = False
            try:
                end = self.block(body, frame)
            except Raised as raised:
                raised.catcher.perhaps.append(raised.failure)
                raised_out = True
                end = RETURN
            ends.append(end)
            if not raised_out and end in {NEXT, PERHAPS}:
                scopes.append(dict(frame.scope))
        self.sure = sure
        frame.scope.clear()
        frame.scope.update(joined(scopes) if scopes else before)
        if all(end == NEXT for end in ends):
            return NEXT
        if all(end == RETURN for end in ends):
            return RETURN
        return PERHAPS

    def try_(self, node: Try, frame: Frame) -> int:
        catcher = Catcher(lambda error: self.handler_of(node.handlers, error, frame)[0])
        self.catchers.append(catcher)
        failure: Optional[Failure] = None
        end = NEXT
        opaque_calls = self.opaque_calls
        try:
            end = self.block(node.body, frame)
        except Raised as raised:
            if raised.catcher is not catcher:
                self.remove(catcher)
                self.finally_(node, frame)
                raise
            failure = raised.failure
        self.remove(catcher)
        if failure is None and self.opaque_calls > opaque_calls and catcher.catches("Exception"):
            # what is not followed may raise, where someone expects that it may raise anything
            catcher.perhaps.append(Failure("Exception", self.row("enforced", frame.module, None, "", 0), False))
        if failure is not None:
            end = self.handle(node, failure, frame)
        elif catcher.perhaps:
            first = catcher.perhaps[0]
            handler = self.handler_of(node.handlers, first.error, frame)[1]
            orelse = node.orelse if end in {NEXT, PERHAPS} else []
            self.handling.append(first)
            try:
                other = self.branches([orelse, handler.body if handler else []], frame)
            finally:
                self.handling.pop()
            end = other if end == NEXT else PERHAPS
        elif end in {NEXT, PERHAPS} and node.orelse:
            other = self.block(node.orelse, frame)
            end = PERHAPS if PERHAPS in {end, other} and other != RETURN else (other if end == NEXT else PERHAPS)
        final = self.finally_(node, frame)
        return final if final not in {None, NEXT} else end

    def finally_(self, node: Try, frame: Frame) -> int:
        return self.block(node.final, frame) if node.final else NEXT

    def remove(self, catcher: Catcher) -> None:
        if catcher in self.catchers:
            del self.catchers[self.catchers.index(catcher) :]

    def handle(self, node: Try, failure: Failure, frame: Frame) -> int:
        _, handler = self.handler_of(node.handlers, failure.error, frame)
        sure = self.sure
        self.sure = sure and failure.sure
        self.handling.append(failure)
        try:
            if handler is None:
                return NEXT
            if handler.name:
                self.bind(handler.name, UNKNOWN, frame)
            return self.block(handler.body, frame)
        finally:
            self.handling.pop()
            self.sure = sure

    def handler_of(self, handlers: List[Handler], error: Any, frame: Frame) -> Tuple[Optional[bool], Optional[Handler]]:
        """Whether these catch it (None: can't be known), and which one does."""
        unknown: Optional[Handler] = None
        for handler in handlers:
            caught: Optional[bool] = True
            if handler.types is not None:
                caught = self.catches(self.quietly(handler.types, frame), error)
            if caught:
                return (True, handler) if unknown is None else (None, unknown)
            if caught is None and unknown is None:
                unknown = handler
        return (False, None) if unknown is None else (None, unknown)

    def quietly(self, node: Expr, frame: Frame) -> Any:
        """The value of an expression whose failing is no finding."""
        catchers, self.catchers = self.catchers, []
        rows = self.rows
        self.rows = {}
        try:
            return self.force(self.eval(node, frame))
        finally:
            self.catchers = catchers
            self.rows = rows

    def catches(self, kinds: Any, error: Any) -> Optional[bool]:
        if isinstance(kinds, Sequence):
            answers = [self.catches(self.force(kind), error) for kind in kinds.items]
            return True if True in answers else (None if None in answers or not kinds.exact else False)
        return self.is_kind(error, kinds)

    def is_kind(self, error: Any, kind: Any) -> Optional[bool]:
        """Is this exception one of that kind? Both are names of builtins, Natives or Types."""
        if isinstance(kind, Native):
            kind = kind.path.rpartition(".")[2]
        if isinstance(error, Native):
            error = error.path.rpartition(".")[2]
        if isinstance(error, str):
            if isinstance(kind, str):
                of_error, of_kind = _exception(error), _exception(kind)
                if of_error is None or of_kind is None:
                    # what Python itself raises is none of a library's own classes
                    return error == kind if of_error is not None else None
                return issubclass(of_error, of_kind)
            if isinstance(kind, Type):
                # a class of a package, which what Python itself raises is not
                special = _exception(kind.stmt.name)
                return issubclass(_exception(error) or Exception, special) if special else False
            return None
        if isinstance(error, Type):
            if isinstance(kind, Type):
                if error.stmt is kind.stmt or error.path == kind.path:
                    return True
            elif isinstance(kind, str):
                if kind in {"Exception", "BaseException"}:
                    return True
            else:
                return None
            answers = [self.is_kind(self.force(base), kind) for base in error.bases]
            return True if True in answers else (None if None in answers else False)
        return None

    def with_(self, node: With, frame: Frame) -> int:
        suppressed: List[Expr] = []
        for item in node.items:
            value = self.eval(item, frame)
            if isinstance(item, Call) and isinstance(value, Native) and value.path == "contextlib.suppress()":
                suppressed += item.args
        for name in node.names:
            self.bind(name, UNKNOWN, frame)
        if suppressed:
            return self.try_(Try(node.body, [Handler(Items("tuple", suppressed), None, [])], [], []), frame)
        return self.block(node.body, frame)

    def for_(self, node: For, frame: Frame) -> int:
        iterable = self.force(self.eval(node.iterable, frame))
        items = natives.items_of(iterable)
        if items is not None and len(items) <= LOOP_LIMIT:
            for item in items:
                self.store(node.target, item, frame, 0)
                end = self.block(node.body, frame)
                if end == RETURN:
                    return RETURN
                if end == BREAK:
                    return NEXT
                if end == PERHAPS:
                    # whether it goes round again can't be known: the others perhaps
                    return self.branches([node.body, []], frame) and PERHAPS
            return self.block(node.orelse, frame)
        target = node.target
        self.store(target, UNKNOWN, frame, 0)
        end = self.branches([node.body, []], frame)
        return NEXT if end == NEXT else PERHAPS

    def while_(self, node: While, frame: Frame) -> int:
        test = self.truth(self.eval(node.test, frame))
        if test is False:
            return NEXT
        end = self.branches([node.body, []], frame)
        return NEXT if end == NEXT else PERHAPS

    def raise_(self, node: Raise, frame: Frame) -> int:
        error: Any = None
        message = ""
        if node.exception is None:
            if self.handling:
                error = self.handling[-1].error
        else:
            value = self.eval(node.exception, frame)
            if isinstance(value, Later):
                error = value.function
                message = next((text for text in map(self.force, value.args[:1]) if isinstance(text, str)), "")
            elif isinstance(value, Instance):
                error = value.type
            elif isinstance(value, Native):
                error = Native(value.path[:-2]) if value.path.endswith("()") else value
                if isinstance(node.exception, Call) and node.exception.args:
                    text = self.force(self.eval(node.exception.args[0], frame))
                    message = text if isinstance(text, str) else ""
            else:
                error = value
        if isinstance(error, Native):
            error = error.path.rpartition(".")[2]
        if error is None or error is UNKNOWN:
            error = "Exception"
        told = error if isinstance(error, str) else error.stmt.name if isinstance(error, Type) else "Exception"
        provider = self.blamed(frame, message)
        row = self.row("enforced", frame.module, provider, "", node.line, error=told, message=message)
        self.fail(error, row)
        return RETURN if frame.kind == "call" else NEXT

    def blamed(self, frame: Frame, message: str) -> Optional[str]:
        """The distribution that a stop is about: one that is named with a version, of those that were asked for,
        or the last of these.
        """
        named = [name for name in _NAMED.findall(message) if not self.is_own(frame.module, name)]
        for since in (self.mark, frame.entered if frame.kind == "call" else self.mark):
            asked = [name for name in self.consulted[since:][:-20:-1] if not self.is_own(frame.module, name)]
            if asked:
                return next((name for name in named if name in asked), asked[0])
        return named[0] if named else None

    def is_own(self, module: Module, name: str) -> bool:
        return name.replace("-", "_") == module.name.partition(".")[0] or self.same_distribution(module, name)

    def assert_(self, node: Assert, frame: Frame) -> None:
        if self.truth(self.eval(node.test, frame)) is False:
            self.fail(
                "AssertionError",
                self.row("enforced", frame.module, None, "", node.line, error="AssertionError"),
            )

    def return_(self, node: Return, frame: Frame) -> int:
        frame.returns.append(self.eval(node.value, frame) if node.value is not None else None)
        return RETURN

    def delete(self, node: Delete, frame: Frame) -> None:
        for target in node.targets:
            if isinstance(target, str):
                frame.scope.pop(target, None)
            elif isinstance(target, Items):
                self.delete(Delete(target.items), frame)
            elif isinstance(target, Index):
                value = self.force(self.eval(target.value, frame))
                if isinstance(value, (Mapping, Sequence)):
                    value.exact = False

    def global_(self, node: Global, frame: Frame) -> None:
        frame.declared.update(node.names)

    def leave(self, node: Leave, frame: Frame) -> int:
        return BREAK if node.kind == "break" else CONTINUE

    # --- expressions

    def eval(self, node: Expr, frame: Frame) -> Any:
        return _EXPRESSIONS[type(node)](self, node, frame)

    def force(self, value: Any) -> Any:
        """The value of a call that was put off."""
        while isinstance(value, Later):
            if not value.done:
                value.done = True
                value.value = self.invoke(value.function, value.args, value.keywords, value.line)
            value = value.value
        return value

    def truth(self, value: Any) -> Optional[bool]:
        value = self.force(value)
        if value is UNKNOWN or value is MISSING:
            return None
        if isinstance(value, Native):
            return None if value.path.endswith("()") else True
        if isinstance(value, Instance):
            return None
        if isinstance(value, (Sequence, Mapping)):
            return bool(value.items) or (None if not value.exact else False)
        if isinstance(value, (Module, Type, Procedure, Method, Super)):
            return True
        try:
            return bool(value)
        except Exception:  # noqa: BLE001  a value of another library
            return None

    def name(self, node: str, frame: Frame) -> Any:
        scope: Optional[Frame] = frame
        while scope is not None:
            if node in scope.scope and node not in scope.declared:
                return scope.scope[node]
            scope = scope.outer
        module = frame.module
        if node in module.scope:
            return module.scope[node]
        if node in {"__name__", "__package__"}:
            return module.name if node == "__name__" else module.package
        for star in reversed(module.stars):
            value = self.starred(star, node, set())
            if value is not MISSING and value is not UNKNOWN:
                return value
        return Native("builtins." + node) if hasattr(builtins, node) else UNKNOWN

    def const(self, node: Const, frame: Frame) -> Any:
        return node.value

    def attribute(self, node: Attr, frame: Frame) -> Any:
        value = self.eval(node.value, frame)
        if isinstance(value, Later):
            value = self.force(value)
        return self.get_attribute(value, node.name, frame, node.line)

    def get_attribute(self, value: Any, name: str, frame: Frame, line: int) -> Any:
        if isinstance(value, Module):
            special = self.special(value, name)
            if special is not None:
                return special
            if value.trusted and not frame.module.trusted and self.shows(value, name):
                return Native(f"{value.name}.{name}")
            if value.trusted and value.state == "new":
                self.run(value, None, 0)
            result = self.take(value, name, frame, line, how="attribute")
            if name == "__version__":
                return self.environment.version_of_module(self, value, result)
            return result
        if isinstance(value, Native):
            return self.environment.native_attribute(value, name, self)
        if isinstance(value, Instance):
            if name in value.attributes:
                return value.attributes[name]
            found = self.class_attribute(value.type, name)
            if isinstance(found, Procedure):
                bound = Procedure(found.module, found.stmt, found.owner, value)
                if any(_last(decorator) in _PROPERTIES for decorator in found.stmt.decorators):
                    return Later(bound, [], {}, line)
                return bound
            return UNKNOWN if found is MISSING or found is None else found
        if isinstance(value, Super):
            for base in map(self.force, value.owner.bases):
                found = self.class_attribute(base, name) if isinstance(base, Type) else UNKNOWN
                if isinstance(found, Procedure):
                    return Procedure(found.module, found.stmt, found.owner, value.instance)
                if found is not MISSING:
                    return UNKNOWN
            return UNKNOWN
        if isinstance(value, Type):
            if name in {"__name__", "__qualname__"}:
                return value.stmt.name
            found = self.class_attribute(value, name)
            return UNKNOWN if found is MISSING else found
        return natives.attribute(value, name)

    def class_attribute(self, value: Type, name: str, seen: Optional[Set[int]] = None) -> Any:
        """An attribute of a class or of its bases, in a simple order; UNKNOWN where a base is not known."""
        seen = seen if seen is not None else set()
        if id(value) in seen:
            return MISSING
        seen.add(id(value))
        if name in value.scope:
            return value.scope[name]
        unknown = False
        for base in map(self.force, value.bases):
            if isinstance(base, Type):
                found = self.class_attribute(base, name, seen)
                if found is UNKNOWN:
                    unknown = True
                elif found is not MISSING:
                    return found
            elif not (isinstance(base, Native) and base.path == "builtins.object"):
                unknown = True
        return UNKNOWN if unknown else MISSING

    def special(self, module: Module, name: str) -> Any:
        """What is known of the interpreter itself, and functions that ask for the environment."""
        return self.environment.special(module, name)

    def call(self, node: Call, frame: Frame) -> Any:
        function = self.force(self.eval(node.function, frame))
        if isinstance(function, Native) and function.path == "builtins.super" and frame.owner is not None:
            return Super(frame.owner, frame.scope.get("self", UNKNOWN))
        args: List[Any] = []
        exact = True
        for arg in node.args:
            if isinstance(arg, Starred):
                items = natives.items_of(self.force(self.eval(arg.value, frame)))
                if items is None:
                    exact = False
                else:
                    args += items
            else:
                args.append(self.eval(arg, frame))
        keywords: Dict[str, Any] = {}
        open_keywords = not exact
        for key, expression in node.keywords:
            value = self.eval(expression, frame)
            if key is not None:
                keywords[key] = value
                continue
            value = self.force(value)
            if isinstance(value, Mapping):
                keywords.update({str(k): v for k, v in value.items.items() if isinstance(k, str)})
                open_keywords = open_keywords or not value.exact
            else:
                open_keywords = True
        return self.call_value(function, args, keywords, frame, node.line, exact=not open_keywords)

    def call_value(
        self, function: Any, args: List[Any], keywords: Dict[str, Any], frame: Frame, line: int, *, exact: bool = True
    ) -> Any:
        if function is UNKNOWN:
            self.opaque_calls += 1
            for value in (*args, *keywords.values()):
                self.spoil(value)
            return UNKNOWN
        if isinstance(function, (Procedure, Type)):
            known = self.natively(lambda: self.environment.known_call(self, function, args, keywords), frame, line)
            if known is not None:
                return known.value if isinstance(known, natives.Known) else UNKNOWN
            if isinstance(function, Type) and self.is_exception(function):
                return Later(function, args, keywords, line)
            self.check_keywords(function, keywords, frame, line)
            if not exact:
                args = list(args)
            if isinstance(function, Type):
                return self.instantiate(function, args, keywords, frame, line)
            if frame.follow and self.follows(frame, function.module):
                return self.follow_call(function, args, keywords, frame, line)
            later = Later(function, args, keywords, line)
            if self.catchers and frame.kind != "class" and not frame.follow:
                self.force(later)  # it may raise into a `try`
            return later
        if isinstance(function, (Native, Method)):
            return self.natively(
                lambda: self.environment.call(self, function, args, keywords, frame, line), frame, line
            )
        for value in (*args, *keywords.values()):
            self.spoil(value)
        return UNKNOWN

    def natively(self, answer: Callable[[], Any], frame: Frame, line: int) -> Any:
        """What the interpreter answers, or raises."""
        try:
            return answer()
        except Fails as fails:
            kind: Kind = "missing-module" if fails.provider else "enforced"
            told = {"error": fails.error, "message": fails.message}
            self.fail(fails.error, self.row(kind, frame.module, fails.provider, "", line, **told))
            return UNKNOWN

    def spoil(self, value: Any) -> None:
        """What was handed to code that is not followed may have been changed."""
        if isinstance(value, (Sequence, Mapping)) and not (isinstance(value, Sequence) and value.kind == "tuple"):
            value.exact = False

    def is_exception(self, value: Type) -> bool:
        return self.is_kind(value, "BaseException") is True and (
            value.stmt.name.endswith(("Error", "Exception", "Warning", "NotAvailable", "NotFound"))
            or any(
                isinstance(base, Native) or (isinstance(base, Type) and self.is_exception(base))
                for base in map(self.force, value.bases)
                if not (isinstance(base, Native) and base.path == "builtins.object")
                and (not isinstance(base, Native) or _exception(base.path.rpartition(".")[2]) is not None)
            )
        )

    def follows(self, frame: Frame, module: Module) -> bool:
        """A script's calls are followed, and those that a distribution makes to its own functions."""
        return frame.module.found is None or self.same_distribution(frame.module, module.name)

    def follow_call(
        self, function: Procedure, args: List[Any], keywords: Dict[str, Any], frame: Frame, line: int
    ) -> Any:
        key = (id(function.stmt), self.sure)
        if key in self.followed:
            return UNKNOWN if function.instance is not None else Later(function, args, keywords, line)
        self.followed.add(key)
        self.stack.append((frame.module, line))
        try:
            return self.invoke(function, args, keywords, line, follow=True)
        finally:
            self.stack.pop()

    def instantiate(self, value: Type, args: List[Any], keywords: Dict[str, Any], frame: Frame, line: int) -> Any:
        instance = Instance(value)
        if not (frame.follow and self.follows(frame, value.module)):
            return instance
        fields = self.fields(value)
        if fields is not None:
            names = list(fields)
            for name, default in fields.items():
                instance.attributes[name] = default
            instance.attributes.update(zip(names, args))
            instance.attributes.update({key: v for key, v in keywords.items() if key in fields})
            init = self.class_attribute(value, "__post_init__")
            args, keywords = [], {}
        else:
            init = self.class_attribute(value, "__init__")
        if isinstance(init, Procedure):
            self.follow_call(Procedure(init.module, init.stmt, init.owner, instance), args, keywords, frame, line)
        return instance

    def fields(self, value: Type) -> Optional[Dict[str, Any]]:
        """The fields of a dataclass with their defaults; None where it is none, or one that can't be known."""
        if not any(_last(decorator) == "dataclass" for decorator in value.stmt.decorators):
            return None
        if "__init__" in value.scope:
            return None
        fields: Dict[str, Any] = {}
        for base in map(self.force, reversed(value.bases)):
            if isinstance(base, Type):
                fields.update(self.fields(base) or {})
        frame = Frame(value.module, value.scope, "class")
        for stmt in value.stmt.body:
            if isinstance(stmt, Declare):
                default: Any = UNKNOWN
                if isinstance(stmt.value, Const):
                    default = stmt.value.value
                elif isinstance(stmt.value, Call) and _last(stmt.value.function) == "field":
                    for key, expression in stmt.value.keywords:
                        if key == "default":
                            default = self.quietly(expression, frame)
                fields[stmt.name] = default
        return fields

    def check_keywords(self, function: Any, keywords: Dict[str, Any], frame: Frame, line: int) -> None:
        """Does the other distribution's callable take these keyword arguments?"""
        if not keywords or frame.module.trusted or self.same_distribution(frame.module, function.module.name):
            return
        if function.module.trusted:
            return
        taken = self.takes(function)
        if taken is None:
            return
        for name in keywords:
            if name not in taken:
                told = function.stmt.name + ("" if isinstance(function, Procedure) else ".__init__")
                self.fail(
                    "TypeError",
                    self.row(
                        "refused-keyword",
                        frame.module,
                        function.module.name,
                        f"{function.stmt.name}({name}=…)",
                        line,
                        error="TypeError",
                        message=f"{told}() got an unexpected keyword argument '{name}'",
                    ),
                )

    def takes(self, function: Any) -> Optional[Set[str]]:
        """The keyword arguments of a callable; None where it takes any, or they can't be known."""
        if isinstance(function, Type):
            stmt = function.stmt
            if self.class_attribute(function, "__new__") is not MISSING:
                return None
            fields = self.fields(function)
            if fields is not None:
                return set(fields) if len(stmt.decorators) == 1 and not self._open_fields(function) else None
            if stmt.decorators:
                return None
            init = self.class_attribute(function, "__init__")
            return self.takes(init) if isinstance(init, Procedure) else None
        if function.stmt.decorators:
            return None
        surface = self.function_of(function.module, function.stmt)
        if surface is None or surface.parameters.keywords is not None:
            return None
        parameters = surface.parameters
        return set(parameters.positional[parameters.positional_only :]) | set(parameters.keyword_only)

    def _open_fields(self, value: Type) -> bool:
        return any(
            not isinstance(base, Type) or self._open_fields(base)
            for base in map(self.force, value.bases)
            if not (isinstance(base, Native) and base.path == "builtins.object")
        )

    def invoke(
        self, function: Any, args: List[Any], keywords: Dict[str, Any], line: int, *, follow: bool = False
    ) -> Any:
        """The value that a call returns, by following the function's body."""
        if not isinstance(function, Procedure) or self.depth >= CALL_DEPTH:
            return UNKNOWN
        if function.module.trusted and function.stmt.name != "__getattr__":
            self.opaque_calls += 1  # it asks the system
            return UNKNOWN
        key: Any = None
        values = (*args, *keywords.values())
        if function.instance is None and not follow and all(isinstance(one, CONSTANTS) for one in values):
            key = (id(function.stmt), tuple(args), tuple(sorted(keywords.items())), self.sure)
            if key in self.memo:
                kept, asked_then = self.memo[key]
                self.consulted += asked_then
                return kept
        asked_before = len(self.consulted)
        asked = natives.asked_by_name(function.stmt.name)
        if asked:
            self.consulted.append(asked)
        surface = self.function_of(function.module, function.stmt)
        if surface is None or surface.generator:
            for one in values:
                self.spoil(one)
            return UNKNOWN
        frame = Frame(function.module, {}, "call")
        frame.follow = follow
        frame.owner = function.owner
        frame.entered = len(self.consulted)
        self.bind_arguments(function, surface, args, keywords, frame)
        self.depth += 1
        sure, handling, self.handling = self.sure, self.handling, []
        first = self.budget is None and not follow
        catchers, stack = len(self.catchers), len(self.stack)
        if first:
            self.budget = CALL_BUDGET
        value: Any = UNKNOWN
        try:
            end = self.block(surface.body, frame, outermost=follow)
            returns = [*frame.returns, None] if end in {NEXT, PERHAPS} else frame.returns
            results = [self.force(one) for one in returns]
            if results and all(same(other, results[0]) for other in results[1:]):
                value = results[0]
        except OutOfBudget:
            if not first:
                raise
            del self.catchers[catchers:]
            del self.stack[stack:]
        finally:
            self.depth -= 1
            self.sure, self.handling = sure, handling
            if first:
                self.budget = None
        if value is UNKNOWN:
            value = self.environment.by_name(function)
        if key is not None:
            self.memo[key] = (value, tuple(self.consulted[asked_before:]))
        return value

    def bind_arguments(
        self, function: Procedure, surface: FunctionSurface, args: List[Any], keywords: Dict[str, Any], frame: Frame
    ) -> None:
        parameters = surface.parameters
        names = list(parameters.positional)
        scope = frame.scope
        static = any(_last(decorator) == "staticmethod" for decorator in function.stmt.decorators)
        if function.owner is not None and names and not static:
            scope[names.pop(0)] = function.instance if function.instance is not None else UNKNOWN
        outside = Frame(function.module, function.module.scope, "module")
        defaults = dict(zip(reversed(parameters.positional), reversed(parameters.defaults)))
        optional = {
            **defaults,
            **{
                name: default
                for name, default in zip(parameters.keyword_only, parameters.keyword_defaults)
                if default is not None
            },
        }
        scope.update(zip(names, args))
        for name in (*names, *parameters.keyword_only):
            if name in keywords:
                scope[name] = keywords[name]
            elif name not in scope:
                scope[name] = self.quietly(optional[name], outside) if name in optional else UNKNOWN
        if parameters.rest:
            scope[parameters.rest] = Sequence("tuple", list(args[len(names) :]))
        if parameters.keywords:
            rest = {key: value for key, value in keywords.items() if key not in scope}
            scope[parameters.keywords] = Mapping(dict(rest))

    def items(self, node: Items, frame: Frame) -> Any:
        items: List[Any] = []
        exact = True
        for item in node.items:
            if isinstance(item, Starred):
                inner = natives.items_of(self.force(self.eval(item.value, frame)))
                if inner is None:
                    exact = False
                else:
                    items += inner
            else:
                items.append(self.eval(item, frame))
        if node.kind == "tuple" and exact and all(isinstance(item, CONSTANTS) for item in items):
            return tuple(items)
        return Sequence(node.kind, items, exact=exact)

    def words(self, node: Words, frame: Frame) -> Any:
        return tuple(node.items) if node.kind == "tuple" else Sequence(node.kind, list(node.items))

    def pairs(self, node: Pairs, frame: Frame) -> Any:
        out = Mapping({})
        for key, value in node.items:
            result = self.eval(value, frame)
            if key is None:
                result = self.force(result)
                if isinstance(result, Mapping):
                    out.items.update(result.items)
                    out.exact = out.exact and result.exact
                else:
                    out.exact = False
                continue
            known = self.force(self.eval(key, frame))
            if known is UNKNOWN or not _hashable(known):
                out.exact = False
            else:
                out.items[known] = result
        return out

    def index(self, node: Index, frame: Frame) -> Any:
        value = self.force(self.eval(node.value, frame))
        if isinstance(node.index, Slice):
            lower = self.force(self.eval(node.index.lower, frame)) if node.index.lower is not None else None
            upper = self.force(self.eval(node.index.upper, frame)) if node.index.upper is not None else None
            return natives.cut(value, lower, upper)
        index = self.force(self.eval(node.index, frame))
        return self.natively(lambda: self.environment.item(self, value, index), frame, 0)

    def slice_(self, node: Slice, frame: Frame) -> Any:
        return UNKNOWN

    def logic(self, node: Logic, frame: Frame) -> Any:
        operands = node.operands
        if node.kind == "not":
            truth = self.truth(self.eval(operands[0], frame))
            return UNKNOWN if truth is None else not truth
        if node.kind == "if":
            test = self.truth(self.eval(operands[0], frame))
            if test is not None:
                return self.eval(operands[1 if test else 2], frame)
            sure, self.sure = self.sure, False
            try:
                one, other = (self.guarded(operand, frame) for operand in operands[1:])
            finally:
                self.sure = sure
            return one if same(one, other) else UNKNOWN
        stop = node.kind == "or"
        sure = self.sure
        unknown = False
        value: Any = UNKNOWN
        try:
            for operand in operands:
                value = self.guarded(operand, frame) if unknown else self.eval(operand, frame)
                truth = self.truth(value)
                if truth is stop:
                    # decided, whatever those before it are: but only as a truth
                    return value if not unknown else stop
                if truth is None:
                    unknown = True
                    self.sure = False
        finally:
            self.sure = sure
        return UNKNOWN if unknown else value

    def guarded(self, node: Expr, frame: Frame) -> Any:
        """An expression that is evaluated only perhaps: what it raises is raised only perhaps."""
        try:
            return self.eval(node, frame)
        except Raised as raised:
            raised.catcher.perhaps.append(raised.failure)
            return UNKNOWN

    def compare(self, node: Compare, frame: Frame) -> Any:
        values = [self.force(self.eval(operand, frame)) for operand in node.operands]
        for operator, left, right in zip(node.operators, values, values[1:]):
            result = self.environment.compare(operator, left, right, self)
            if result is not True:
                return result
        return True

    def binary(self, node: Binary, frame: Frame) -> Any:
        return natives.binary(
            node.operator, self.force(self.eval(node.left, frame)), self.force(self.eval(node.right, frame))
        )

    def each(self, node: Each, frame: Frame) -> Any:
        inner = Frame(frame.module, {}, "call", frame)
        inner.owner = frame.owner
        values: List[Any] = []
        exact = self.loop(node, 0, inner, values)
        if node.kind == "dict":
            out = Mapping({}, exact=exact)
            for value in values:
                pair = natives.items_of(value)
                key = self.force(pair[0]) if pair and len(pair) == 2 else UNKNOWN
                if pair is None or key is UNKNOWN or not _hashable(key):
                    out.exact = False
                else:
                    out.items[key] = pair[1]
            return out
        return Sequence("list" if node.kind == "generator" else node.kind, values, exact=exact)

    def loop(self, node: Each, depth: int, frame: Frame, values: List[Any]) -> bool:
        """Collect the elements of a comprehension from this `for` on; False where there may be others."""
        if depth == len(node.loops):
            values.append(self.eval(node.element, frame))
            return True
        loop = node.loops[depth]
        items = natives.items_of(self.force(self.eval(loop.iterable, frame)))
        if items is None or len(items) > LOOP_LIMIT:
            return False
        exact = True
        for item in items:
            self.store(loop.target, item, frame, 0)
            tests = [self.truth(self.guarded(condition, frame)) for condition in loop.conditions]
            if False in tests:
                continue
            if None in tests or len(values) > natives.SIZE_LIMIT:
                exact = False
            else:
                exact = self.loop(node, depth + 1, frame, values) and exact
        return exact

    def named(self, node: Named, frame: Frame) -> Any:
        value = self.eval(node.value, frame)
        self.bind(node.name, value, frame)
        return value

    def starred_value(self, node: Starred, frame: Frame) -> Any:
        self.eval(node.value, frame)
        return UNKNOWN

    def text(self, node: Text, frame: Frame) -> Any:
        parts = [self.force(self.eval(part, frame)) for part in node.parts]
        if all(isinstance(part, (str, int)) for part in parts):
            return "".join(map(str, parts))
        return natives.Partial("".join(str(part) if isinstance(part, (str, int)) else "…" for part in parts))

    def opaque(self, node: Opaque, frame: Frame) -> Any:
        for use in node.uses:
            self.eval(use, frame)
        return UNKNOWN


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()
_PROPERTIES = frozenset(("property", "cached_property"))

_STATEMENTS: Dict[ClassOf[Any], Callable[[Follower, Any, Frame], Optional[int]]] = {
    Import: Follower.import_,
    From: Follower.from_,
    Bind: Follower.bind_unknown,
    Assign: Follower.assign,
    Augment: Follower.augment,
    Evaluate: Follower.evaluate,
    Declare: Follower.declare,
    Function: Follower.function,
    Class: Follower.class_,
    If: Follower.if_,
    Try: Follower.try_,
    With: Follower.with_,
    For: Follower.for_,
    While: Follower.while_,
    Raise: Follower.raise_,
    Assert: Follower.assert_,
    Return: Follower.return_,
    Delete: Follower.delete,
    Global: Follower.global_,
    Leave: Follower.leave,
}
_EXPRESSIONS: Dict[ClassOf[Any], Callable[[Follower, Any, Frame], Any]] = {
    str: Follower.name,
    Const: Follower.const,
    Attr: Follower.attribute,
    Call: Follower.call,
    Items: Follower.items,
    Words: Follower.words,
    Pairs: Follower.pairs,
    Index: Follower.index,
    Slice: Follower.slice_,
    Logic: Follower.logic,
    Compare: Follower.compare,
    Binary: Follower.binary,
    Each: Follower.each,
    Named: Follower.named,
    Starred: Follower.starred_value,
    Text: Follower.text,
    Opaque: Follower.opaque,
}


def structure(value: Mapping) -> Dict[str, Tuple[str, str]]:
    """{name: (submodule, name)} of {submodule: [names]}, the submodules too; empty where it is no such dict."""
    names: Dict[str, Tuple[str, str]] = {}
    for submodule, defined in value.items.items():
        items = defined.items if isinstance(defined, Sequence) else defined
        if not isinstance(submodule, str) or not isinstance(items, (list, tuple)):
            return {}
        root = submodule.partition(".")[0]
        names.setdefault(root, (root, ""))
        names.update((name, (submodule, name)) for name in items if isinstance(name, str))
    return names


def joined(scopes: List[Dict[str, Any]]) -> Dict[str, Any]:
    """A name is bound where one of these binds it, and known where all agree."""
    out = dict(scopes[0])
    for scope in scopes[1:]:
        for name in [*scope, *out]:
            if name not in scope or name not in out:
                if name not in out:
                    out[name] = scope[name]
                value = out[name]
                out[name] = value if isinstance(value, (Module, Procedure, Type)) else UNKNOWN
            elif not same(out[name], scope[name]):
                out[name] = UNKNOWN
    return out


def mentions_typing(node: Expr) -> bool:
    if isinstance(node, str):
        return node == "TYPE_CHECKING"
    if isinstance(node, Attr):
        return node.name == "TYPE_CHECKING"
    return isinstance(node, Logic) and node.kind in {"and", "or"} and any(map(mentions_typing, node.operands))


def _binds_getattr(surface: ModuleSurface) -> bool:
    for stmt in surface.body:
        if isinstance(stmt, Function) and stmt.name == "__getattr__":
            return True
        if isinstance(stmt, Assign) and isinstance(stmt.target, Items) and "__getattr__" in stmt.target.items:
            return True
    return False


def _last(node: Expr) -> str:
    """`functools.wraps(x)` → wraps"""
    if isinstance(node, Call):
        node = node.function
    return node if isinstance(node, str) else node.name if isinstance(node, Attr) else ""


def _hashable(value: Any) -> bool:
    return isinstance(value, (*CONSTANTS, tuple))


_OTHER_EXCEPTIONS: Dict[str, ClassOf[BaseException]] = {
    # https://docs.python.org/3/library/importlib.metadata.html
    "PackageNotFoundError": type("PackageNotFoundError", (ModuleNotFoundError,), {}),
    "DistributionNotFound": type("DistributionNotFound", (Exception,), {}),
    "VersionConflict": type("VersionConflict", (Exception,), {}),
    "JSONDecodeError": type("JSONDecodeError", (ValueError,), {}),
    "InvalidVersion": type("InvalidVersion", (ValueError,), {}),
}


def _exception(name: str) -> Optional[ClassOf[BaseException]]:
    value = _OTHER_EXCEPTIONS.get(name) or getattr(builtins, name, None)
    return value if isinstance(value, type) and issubclass(value, BaseException) else None
