"""What following code through an environment rests on: where it stands, what raises, and who catches it."""

from __future__ import annotations

import builtins
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple
from typing import Type as ClassOf

from card_doctor.model.derived import Kind
from card_doctor.model.surface import Attr, Call, Expr, Function, FunctionSurface, ModuleSurface, Stmt
from card_doctor.surfaces.natives import Environment, Fails
from card_doctor.surfaces.values import (
    CONSTANTS,
    UNKNOWN,
    Closure,
    Mapping,
    Module,
    Native,
    Procedure,
    Sequence,
    StandIn,
    Type,
)

# How a block ends.
NEXT, RETURN, BREAK, CONTINUE, PERHAPS = range(5)
STATEMENT_LIMIT = 4_000_000


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


class Failure(NamedTuple):
    """Something that raises: `error` is a builtin exception's name or a Type; `row` is what is told of it."""

    error: Any
    row: Row
    sure: bool


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


class Following:
    """The state of one walk, and its failures."""

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
        self.doubts = 0  # conditions on the way that could not be decided
        self.depth = 0
        # The module that runs, with the doubts and the `try`s that it was entered with: what it imports beyond those
        # it imports for sure.
        self.running = ("", 0, 0)
        self.imports: Dict[str, Set[str]] = {}
        self.statements = 0
        self.budget: Optional[int] = None  # of the call that is followed for its value
        self.memo: Dict[Any, Any] = {}
        self.calls: Dict[int, int] = {}  # by function, how many calls in a row raised nothing
        self.untold: Dict[int, int] = {}  # by function, how many calls in a row told no value
        self.followed: Set[Tuple[int, bool]] = set()
        self.injected: Set[str] = set()
        # Which distributions were asked for, and how many of those before the statement that is at hand: what a
        # package says when it stops is about the others.
        self.consulted: List[str] = []
        self.mark = 0
        self.opaque_calls = 0
        # The functions that tell what is available, and how versions were compared.
        self.predicates: Dict[Tuple[str, str], Procedure] = {}  # by whose they are, and what they ask for
        self.compared: List[Tuple[Any, str, Any]] = []

    @property
    def sure(self) -> bool:
        return self.doubts == 0

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
        if row.importer.trusted:
            return  # the standard library fits the interpreter that it came with
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

    def same_distribution(self, importer: Module, name: str) -> bool:
        root = importer.name.partition(".")[0]
        other = name.partition(".")[0]
        return root == other or self.environment.share(root, other)

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

    def guarded(self, node: Expr, frame: Frame) -> Any:
        """An expression that is evaluated only perhaps: what it raises is raised only perhaps."""
        try:
            return self.eval(node, frame)
        except Raised as raised:
            raised.catcher.perhaps.append(raised.failure)
            return UNKNOWN

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
                of_error, of_kind = exception_class(error), exception_class(kind)
                if of_error is None or of_kind is None:
                    # what Python itself raises is none of a library's own classes
                    return error == kind if of_error is not None else None
                return issubclass(of_error, of_kind)
            if isinstance(kind, Type):
                # a class of a package, which what Python itself raises is not
                special = exception_class(kind.stmt.name)
                return issubclass(exception_class(error) or Exception, special) if special else False
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

    # What the rest of the follower does, in the order of its parts.

    def eval(self, node: Expr, frame: Frame) -> Any:
        raise NotImplementedError

    def force(self, value: Any) -> Any:
        raise NotImplementedError

    def call(self, node: Call, frame: Frame) -> Any:
        raise NotImplementedError

    def call_closure(self, function: Closure, args: List[Any], keywords: Dict[str, Any]) -> Any:
        raise NotImplementedError

    def use(self, value: StandIn, name: str, frame: Frame, line: int) -> Any:
        raise NotImplementedError

    def truth(self, value: Any) -> Optional[bool]:
        raise NotImplementedError

    def invoke(
        self, function: Any, args: List[Any], keywords: Dict[str, Any], line: int, *, follow: bool = False
    ) -> Any:
        raise NotImplementedError

    def block(self, statements: Iterable[Stmt], frame: Frame, *, outermost: bool = False) -> int:
        raise NotImplementedError

    def bind(self, name: str, value: Any, frame: Frame) -> None:
        raise NotImplementedError

    def store(self, target: Expr, value: Any, frame: Frame, line: int) -> None:
        raise NotImplementedError


_OTHER_EXCEPTIONS: Dict[str, ClassOf[BaseException]] = {
    # https://docs.python.org/3/library/importlib.metadata.html
    "PackageNotFoundError": type("PackageNotFoundError", (ModuleNotFoundError,), {}),
    "DistributionNotFound": type("DistributionNotFound", (Exception,), {}),
    "VersionConflict": type("VersionConflict", (Exception,), {}),
    "JSONDecodeError": type("JSONDecodeError", (ValueError,), {}),
    "InvalidVersion": type("InvalidVersion", (ValueError,), {}),
}


def exception_class(name: str) -> Optional[ClassOf[BaseException]]:
    value = _OTHER_EXCEPTIONS.get(name) or getattr(builtins, name, None)
    return value if isinstance(value, type) and issubclass(value, BaseException) else None


def is_hashable(value: Any) -> bool:
    return isinstance(value, (*CONSTANTS, tuple, Closure))


def last_name(node: Expr) -> str:
    """`functools.wraps(x)` → wraps"""
    if isinstance(node, Call):
        node = node.function
    return node if isinstance(node, str) else node.name if isinstance(node, Attr) else ""
