"""What a module does when it is imported, as its file says it, whatever environment the file stands in: the
statements that bind names, import, guard and raise. Bodies of functions, which do not run at import, are left out.
"""

from __future__ import annotations

from typing import List, Literal, Optional, Tuple, Union

import msgspec

# --- expressions: a plain string is a name ---------------------------------------------------------------------


class Const(msgspec.Struct, array_like=True, tag="c"):
    value: Union[bool, int, float, str, None]


class Attr(msgspec.Struct, array_like=True, tag="."):
    value: Expr
    name: str
    line: int


class Call(msgspec.Struct, array_like=True, tag="()"):
    """`keywords` with the name None are `**mappings`."""

    function: Expr
    args: List[Expr]
    keywords: List[Tuple[Optional[str], Expr]]
    line: int


class Items(msgspec.Struct, array_like=True, tag="[]"):
    kind: Literal["list", "tuple", "set"]
    items: List[Expr]


class Words(msgspec.Struct, array_like=True, tag="w"):
    """A display of string constants alone, such as an `__all__`."""

    kind: Literal["list", "tuple", "set"]
    items: List[str]


class Pairs(msgspec.Struct, array_like=True, tag="{}"):
    """A dict display; a key None is `**value`."""

    items: List[Tuple[Optional[Expr], Expr]]


class Index(msgspec.Struct, array_like=True, tag="[i]"):
    value: Expr
    index: Expr


class Slice(msgspec.Struct, array_like=True, tag=":"):
    lower: Optional[Expr]
    upper: Optional[Expr]


class Logic(msgspec.Struct, array_like=True, tag="?"):
    """`and`, `or`; `not` has one operand; `if` is [test, body, orelse]."""

    kind: Literal["and", "or", "not", "if"]
    operands: List[Expr]


class Compare(msgspec.Struct, array_like=True, tag="<"):
    operators: List[str]
    operands: List[Expr]


class Binary(msgspec.Struct, array_like=True, tag="+"):
    operator: str
    left: Expr
    right: Expr


class Loop(msgspec.Struct, array_like=True):
    """A `for` of a comprehension."""

    target: Expr
    iterable: Expr
    conditions: List[Expr]


class Each(msgspec.Struct, array_like=True, tag="for"):
    """A comprehension; the element of a dict's is a pair."""

    kind: Literal["list", "set", "generator", "dict"]
    element: Expr
    loops: List[Loop]


class Named(msgspec.Struct, array_like=True, tag=":="):
    name: str
    value: Expr


class Starred(msgspec.Struct, array_like=True, tag="*"):
    value: Expr


class Text(msgspec.Struct, array_like=True, tag="f"):
    """A formatted string."""

    parts: List[Expr]


class Lambda(msgspec.Struct, array_like=True, tag="\\"):
    """One whose parameters are plain."""

    parameters: List[str]
    body: Expr


class Opaque(msgspec.Struct, array_like=True, tag="o"):
    """A value that is not followed; `uses` are evaluated for it."""

    uses: List[Expr]


Expr = Union[
    str,
    Const,
    Attr,
    Call,
    Items,
    Words,
    Pairs,
    Index,
    Slice,
    Logic,
    Compare,
    Binary,
    Each,
    Named,
    Starred,
    Text,
    Lambda,
    Opaque,
]

# --- statements ------------------------------------------------------------------------------------------------


class Import(msgspec.Struct, array_like=True, tag="import"):
    module: str
    alias: Optional[str]
    line: int


class From(msgspec.Struct, array_like=True, tag="from"):
    module: str
    level: int
    names: List[Tuple[str, Optional[str]]]  # ("*", None) is a star
    line: int


class Bind(msgspec.Struct, array_like=True, tag="bind"):
    """Names that get a value which is not followed."""

    names: List[str]


class Assign(msgspec.Struct, array_like=True, tag="="):
    target: Expr  # a name, an attribute, an item, or a display of those
    value: Expr
    line: int


class Augment(msgspec.Struct, array_like=True, tag="+="):
    target: Expr
    operator: str
    value: Expr
    line: int


class Evaluate(msgspec.Struct, array_like=True, tag="e"):
    """Expressions that are evaluated for what they take; `annotations` only by a Python that does so."""

    values: List[Expr]
    annotations: bool = False


class Declare(msgspec.Struct, array_like=True, tag="ann"):
    """An annotated name; without a value it is not bound, but a dataclass takes it for a field."""

    name: str
    annotation: List[Expr]
    value: Optional[Expr]
    line: int


class Function(msgspec.Struct, array_like=True, tag="def"):
    """From its first line (decorators included) to its last; its body is read when it is asked for."""

    name: str
    first: int
    last: int
    decorators: List[Expr]


class Class(msgspec.Struct, array_like=True, tag="class"):
    name: str
    bases: List[Expr]
    decorators: List[Expr]
    body: List[Stmt]
    line: int


class If(msgspec.Struct, array_like=True, tag="if"):
    test: Expr
    body: List[Stmt]
    orelse: List[Stmt]


class Handler(msgspec.Struct, array_like=True):
    """`types` None catches everything."""

    types: Optional[Expr]
    name: Optional[str]
    body: List[Stmt]


class Try(msgspec.Struct, array_like=True, tag="try"):
    body: List[Stmt]
    handlers: List[Handler]
    orelse: List[Stmt]
    final: List[Stmt]


class With(msgspec.Struct, array_like=True, tag="with"):
    items: List[Expr]
    names: List[str]
    body: List[Stmt]


class For(msgspec.Struct, array_like=True, tag="for"):
    target: Expr
    iterable: Expr
    body: List[Stmt]
    orelse: List[Stmt]


class While(msgspec.Struct, array_like=True, tag="while"):
    test: Expr
    body: List[Stmt]


class Raise(msgspec.Struct, array_like=True, tag="raise"):
    exception: Optional[Expr]
    line: int


class Assert(msgspec.Struct, array_like=True, tag="assert"):
    test: Expr
    line: int


class Return(msgspec.Struct, array_like=True, tag="return"):
    value: Optional[Expr]


class Delete(msgspec.Struct, array_like=True, tag="del"):
    targets: List[Expr]


class Global(msgspec.Struct, array_like=True, tag="global"):
    names: List[str]


class Leave(msgspec.Struct, array_like=True, tag="leave"):
    """`break` or `continue`."""

    kind: Literal["break", "continue"]


Stmt = Union[
    Import,
    From,
    Bind,
    Assign,
    Augment,
    Evaluate,
    Declare,
    Function,
    Class,
    If,
    Try,
    With,
    For,
    While,
    Raise,
    Assert,
    Return,
    Delete,
    Global,
    Leave,
]


class Parameters(msgspec.Struct, array_like=True):
    """What a function takes; `defaults` are those of the last positional parameters."""

    positional: List[str]
    keyword_only: List[str]
    positional_only: int = 0
    rest: Optional[str] = None
    keywords: Optional[str] = None
    defaults: List[Expr] = []
    keyword_defaults: List[Optional[Expr]] = []


class FunctionSurface(msgspec.Struct, array_like=True):
    """A function's own statements."""

    parameters: Parameters
    body: List[Stmt]
    generator: bool = False


class ModuleSurface(msgspec.Struct, array_like=True):
    """One module's file. `eager_annotations` where no `from __future__ import annotations` defers them;
    `extends` where the file touches what import itself looks at (`sys.modules`, `__path__`, ...), so that
    it may provide submodules that are no files; `sets` are the names whose attributes it sets by `setattr`, in
    functions too: a module of that name may have attributes that no statement shows; `late` are the names that
    its functions declare `global`, and `open` tells that something writes to its `globals()`.
    """

    body: List[Stmt]
    eager_annotations: bool = True
    extends: bool = False
    sets: List[str] = []
    late: List[str] = []
    open: bool = False
