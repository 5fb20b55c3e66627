"""A module's source → its `ModuleSurface`. Nothing is run, and no text can crash the process."""

from __future__ import annotations

import ast
import re
from typing import Callable, Dict, Iterable, Iterator, List, Literal, Optional, Set, Tuple, Union

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
    Lambda,
    Leave,
    Logic,
    Loop,
    ModuleSurface,
    Named,
    Opaque,
    Pairs,
    Parameters,
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
from card_doctor.surfaces.shortening import Told, last_line, shorten

# The largest source read: generated modules of a megabyte are imported in earnest, larger ones were not met.
SIZE_LIMIT = 4_000_000
# Longer string constants are documentation; what a package says when it stops is shorter.
TEXT_LIMIT = 600

_EXTENDS = (b"sys.modules", b"meta_path", b"__path__", b"path_hooks")
_SETS = re.compile(rb"setattr\(\s*([A-Za-z_][A-Za-z0-9_]*)\s*,")
# What is sought in every source begins with a literal: such a pattern is several times as fast.
_GLOBAL = re.compile(rb"global[ \t]+([A-Za-z_][\w, \t]*)")
_ONE_GLOBAL = re.compile(rb"globals\(\)\[[\"'](\w+)[\"']\]\s*=[^=]")
# A line in which names are written to globals(), handed to someone with it, or bound by a program in a string.
_WRITES_GLOBALS = re.compile(
    rb"globals\(\)(?:\[(?![\"']\w+[\"']\])[^\]\n]*\]\s*=[^=]|\.(?:update|setdefault)\b)"
    rb"|^[ \t]*\w+[ \t]*=[ \t]*globals\(\)[ \t]*$|[\w.]\(globals\(\)|\bexec_?\([\"']"
)
_RUNS_TEXT = re.compile(rb"exec_?\([\"']")
# A module's `__getattr__` keeps there what it found: that is followed instead.
_GETATTR = re.compile(rb"^def __getattr__\(.*?(?=^[^\s#)]|\Z)", re.MULTILINE | re.DOTALL)
# Syntax by the Python that brought it; only a text that shows one is parsed whole for an older Python. What is
# rarely in a body, that is sought outside of them alone.
_NEW_IN_BODIES: Tuple[Tuple[Tuple[int, int], re.Pattern[bytes]], ...] = (
    ((3, 8), re.compile(rb":=")),
    ((3, 8), re.compile(rb", */[,)\n]")),
    ((3, 10), re.compile(rb"match [^\n]*:[ \t]*(?:#[^\n]*)?\n\s*case ")),
    ((3, 11), re.compile(rb"except ?\*")),
)
_NEW_OUTSIDE: Tuple[Tuple[Tuple[int, int], re.Pattern[bytes]], ...] = (
    ((3, 12), re.compile(rb"type [A-Za-z_]\w*(?:\[[^\n]*\])? *= ")),
    ((3, 12), re.compile(rb"def \w+\[")),
    ((3, 12), re.compile(rb"class \w+\[")),
)


class Unreadable(Exception):  # noqa: N818  an outcome, not an error
    """Why a source could not be read."""


class DoesNotParse(Exception):  # noqa: N818  an outcome, not an error
    """The probed Python can't parse this: importing it raises SyntaxError."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_module(source: bytes, python: Tuple[int, int]) -> ModuleSurface:
    """The surface of a module that this version of Python imports."""
    if len(source) > SIZE_LIMIT:
        raise Unreadable(f"{len(source) / 1e6:.0f} MB of source")
    source = _with_newlines(source)
    short, told = shorten(source)
    _check_syntax(source, short, python)
    try:
        tree = _tree(short)
    except (SyntaxError, ValueError):
        told = {}
        tree = _parse(source, python)
    try:
        reader = _Reader(imported_names(tree.body), walrus=b":=" in short, told=told)
        body = reader.block(tree.body)
    except (RecursionError, MemoryError):
        raise Unreadable("nested too deep") from None
    eager = b"annotations" not in source or not any(
        isinstance(stmt, From) and stmt.module == "__future__" and ("annotations", None) in stmt.names for stmt in body
    )
    sets = sorted({name.decode() for name in _SETS.findall(source)}) if b"setattr(" in source else []
    late, writes = _late_names(source)
    return ModuleSurface(body, eager, any(mark in source for mark in _EXTENDS), sets, late, writes)


def _with_newlines(source: bytes) -> bytes:
    """Every line ends with one, the last too."""
    source = source.replace(b"\r\n", b"\n") if b"\r" in source else source
    return source if source.endswith(b"\n") else source + b"\n"


def _late_names(source: bytes) -> Tuple[List[str], bool]:
    """The names that functions may bind in their module, and whether they may bind others."""
    late: Set[bytes] = set()
    if b"global " in source:
        late.update(name.strip() for names in _GLOBAL.findall(source) for name in names.split(b","))
    if b"globals()" not in source and not _RUNS_TEXT.search(source):
        return sorted(name.decode() for name in late), False
    late.update(_ONE_GLOBAL.findall(source))
    if b"def __getattr__" in source:
        source = _GETATTR.sub(b"", source)
    writes = any(map(_WRITES_GLOBALS.search, (*_lines_with(b"globals()", source), *_lines_with(b"exec", source))))
    return sorted(name.decode() for name in late), writes


def _lines_with(text: bytes, source: bytes) -> Iterator[bytes]:
    at = source.find(text)
    while at >= 0:
        end = source.find(b"\n", at)
        end = end if end >= 0 else len(source)
        yield source[source.rfind(b"\n", 0, at) + 1 : end]
        at = source.find(text, end)


def read_function(source: bytes, first: int, last: int) -> FunctionSurface:
    """The function that begins on this line of a source that `read_module` has read."""
    source = _with_newlines(source)
    start = len(source) - len(source.split(b"\n", first - 1)[-1])
    last = last_line(source, start, first, last)
    # Lines keep their numbers. An indented one stands in a block: taking its indentation away would change its
    # strings.
    indented = source[start : start + 1] in {b" ", b"\t"}
    head = "\n" * (first - 1 - indented) + ("if 1:\n" if indented else "")
    text = b"\n".join(source[start:].split(b"\n", last - first + 1)[: last - first + 1]).decode("utf-8", "replace")
    try:
        node = _tree((head + text + "\n").encode()).body[0]
        if indented and isinstance(node, ast.If):
            node = node.body[0]
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            raise Unreadable("no function there")
        body = _Reader(None, walrus=":=" in text, told={}).block(node.body)
        generator = isinstance(node, ast.AsyncFunctionDef) or ("yield" in text and _yields(node.body))
        return FunctionSurface(_parameters(node.args), body, generator)
    except (SyntaxError, ValueError, RecursionError, MemoryError, IndexError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _parse(source: bytes, python: Tuple[int, int]) -> ast.Module:
    try:
        return _tree(source)
    except ValueError as error:  # null bytes
        raise Unreadable(str(error)) from None
    except SyntaxError as error:
        raise _judged(error, python) from None


def _tree(source: bytes) -> ast.Module:
    try:
        tree = compile(source, "<module>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except (RecursionError, MemoryError):
        raise Unreadable("nested too deep") from None
    assert isinstance(tree, ast.Module)  # noqa: S101  for the type checker
    return tree


def _check_syntax(source: bytes, short: bytes, python: Tuple[int, int]) -> None:
    shown = any(python < since and pattern.search(source) for since, pattern in _NEW_IN_BODIES) or any(
        python < since and pattern.search(short) for since, pattern in _NEW_OUTSIDE
    )
    if not shown:
        return
    try:
        ast.parse(source, feature_version=max(python, (3, 7)))
    except SyntaxError as error:
        raise _judged(error, python) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _judged(error: SyntaxError, python: Tuple[int, int]) -> Exception:
    import sys  # noqa: PLC0415

    told = f"{error.msg} (line {error.lineno})"
    # A newer Python may know this syntax, and before 3.7 `async` was a name.
    if "encoding" in str(error.msg) or "decode" in str(error.msg):
        return Unreadable(told)
    if (3, 7) <= python <= sys.version_info[:2]:
        return DoesNotParse(str(error.msg), error.lineno or 1)
    return Unreadable(f"not parsed by Python {sys.version_info[0]}.{sys.version_info[1]}: {told}")


def imported_names(body: Iterable[ast.stmt]) -> Optional[Set[str]]:
    """The names that imports outside of functions bind; None where a star import may bind any."""
    names: Set[str] = set()
    todo: List[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is ast.Import:
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)  # type: ignore[attr-defined]
        elif kind is ast.ImportFrom:
            if node.names[0].name == "*":  # type: ignore[attr-defined]
                return None
            names.update(alias.asname or alias.name for alias in node.names)  # type: ignore[attr-defined]
        elif kind is ast.Assign:
            # `np = pytest.importorskip("numpy")`, `jnp = jax.numpy`: a name that an expression binds to a module
            if isinstance(node.value, (ast.Call, ast.Attribute)):  # type: ignore[attr-defined]
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))  # type: ignore[attr-defined]
        elif kind is not ast.FunctionDef and kind is not ast.AsyncFunctionDef:
            for block in ("body", "orelse", "handlers", "finalbody", "cases"):
                todo.extend(getattr(node, block, ()))
    return names


_HOLDS_STATEMENTS = (ast.stmt, ast.ExceptHandler) + ((ast.match_case,) if hasattr(ast, "match_case") else ())

_COMPARE: Dict[type, str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_BINARY: Dict[type, str] = {ast.Add: "+", ast.BitOr: "|", ast.Sub: "-", ast.Mod: "%", ast.Mult: "*", ast.Div: "/"}
_NOTHING = Opaque([])
_PLAIN = frozenset((type(None), ast.Name, ast.Constant, ast.Load))


class _Reader:
    """`modules` are the names that may be modules: only what hangs on them can fail. None: any name may be one."""

    def __init__(self, modules: Optional[Set[str]], *, walrus: bool, told: Told) -> None:
        self.modules = modules
        self.walrus = walrus
        self.told = told

    # --- statements

    def pass_(self, node: ast.Pass, out: List[Stmt]) -> None:
        function = self.told.get(node.lineno)
        if function is not None:
            out.append(function)

    def block(self, statements: Iterable[ast.stmt]) -> List[Stmt]:
        out: List[Stmt] = []
        for statement in statements:
            if self.walrus:
                _bind(out, _named(statement))
            read = _STATEMENTS.get(type(statement))
            if read is not None:
                read(self, statement, out)
        return out

    def import_(self, node: ast.Import, out: List[Stmt]) -> None:
        out.extend(Import(alias.name, alias.asname, node.lineno) for alias in node.names)

    def from_(self, node: ast.ImportFrom, out: List[Stmt]) -> None:
        names = [(alias.name, alias.asname) for alias in node.names]
        out.append(From(node.module or "", node.level, names, node.lineno))

    def assign(self, node: ast.Assign, out: List[Stmt]) -> None:
        value = self.expr(node.value)
        for target in node.targets:
            self._assign(target, value, node.lineno, out)
            if not isinstance(value, str) and isinstance(target, ast.Name):
                value = target.id

    def _assign(self, target: ast.expr, value: Expr, line: int, out: List[Stmt]) -> None:
        if type(value) is Opaque:
            if value.uses:
                out.append(Evaluate(value.uses))
            names = _names(target)
            if names is not None:
                _bind(out, names)
                return
            value = _NOTHING
        out.append(Assign(self.expr(target), value, line))

    def declare(self, node: ast.AnnAssign, out: List[Stmt]) -> None:
        if isinstance(node.target, ast.Name):
            value = self.expr(node.value) if node.value else None
            out.append(Declare(node.target.id, self.uses(node.annotation), value, node.lineno))
        elif node.value:
            self._assign(node.target, self.expr(node.value), node.lineno, out)

    def augment(self, node: ast.AugAssign, out: List[Stmt]) -> None:
        operator = _BINARY.get(type(node.op), "?")
        out.append(Augment(self.expr(node.target), operator, self.expr(node.value), node.lineno))

    def function(self, node: Union[ast.FunctionDef, ast.AsyncFunctionDef], out: List[Stmt]) -> None:
        taken: List[Expr] = []
        for default in (*node.args.defaults, *(value for value in node.args.kw_defaults if value)):
            taken += self.uses(default)
        if taken:
            out.append(Evaluate(taken))
        annotations: List[Expr] = []
        arguments = node.args
        for argument in (*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if argument is not None and argument.annotation is not None:
                annotations += self.uses(argument.annotation)
        if node.returns is not None:
            annotations += self.uses(node.returns)
        if annotations:
            out.append(Evaluate(annotations, annotations=True))
        decorators = [self.expr(decorator) for decorator in node.decorator_list]
        first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
        out.append(Function(node.name, first, node.end_lineno or node.lineno, decorators))

    def class_(self, node: ast.ClassDef, out: List[Stmt]) -> None:
        taken: List[Expr] = []
        for keyword in node.keywords:
            taken += self.uses(keyword.value)
        if taken:
            out.append(Evaluate(taken))
        decorators = [self.expr(decorator) for decorator in node.decorator_list]
        bases = [self.expr(base) for base in node.bases]
        out.append(Class(node.name, bases, decorators, self.block(node.body), node.lineno))

    def if_(self, node: ast.If, out: List[Stmt]) -> None:
        out.append(If(self.expr(node.test), self.block(node.body), self.block(node.orelse)))

    def try_(self, node: ast.Try, out: List[Stmt]) -> None:
        handlers = [
            Handler(self.expr(handler.type) if handler.type else None, handler.name, self.block(handler.body))
            for handler in node.handlers
        ]
        out.append(Try(self.block(node.body), handlers, self.block(node.orelse), self.block(node.finalbody)))

    def with_(self, node: Union[ast.With, ast.AsyncWith], out: List[Stmt]) -> None:
        names: List[str] = []
        for item in node.items:
            if item.optional_vars is not None:
                names += _names(item.optional_vars) or []
        out.append(With([self.expr(item.context_expr) for item in node.items], names, self.block(node.body)))

    def for_(self, node: Union[ast.For, ast.AsyncFor], out: List[Stmt]) -> None:
        body, orelse = self.block(node.body), self.block(node.orelse)
        out.append(For(self.expr(node.target), self.expr(node.iter), body, orelse))

    def while_(self, node: ast.While, out: List[Stmt]) -> None:
        out.append(While(self.expr(node.test), self.block(node.body)))

    def raise_(self, node: ast.Raise, out: List[Stmt]) -> None:
        out.append(Raise(self.expr(node.exc) if node.exc else None, node.lineno))

    def assert_(self, node: ast.Assert, out: List[Stmt]) -> None:
        out.append(Assert(self.expr(node.test), node.lineno))

    def return_(self, node: ast.Return, out: List[Stmt]) -> None:
        out.append(Return(self.expr(node.value) if node.value else None))

    def delete(self, node: ast.Delete, out: List[Stmt]) -> None:
        out.append(Delete([self.expr(target) for target in node.targets]))

    def global_(self, node: ast.Global, out: List[Stmt]) -> None:
        out.append(Global(node.names))

    def evaluate(self, node: ast.Expr, out: List[Stmt]) -> None:
        if isinstance(node.value, ast.Constant):
            return
        value = self.expr(node.value)
        if type(value) is Opaque:
            if value.uses:
                out.append(Evaluate(value.uses))
        elif not isinstance(value, (str, Const)):
            out.append(Evaluate([value]))

    def leave(self, node: Union[ast.Break, ast.Continue], out: List[Stmt]) -> None:
        out.append(Leave("break" if isinstance(node, ast.Break) else "continue"))

    def match(self, node: ast.AST, out: List[Stmt]) -> None:
        """Which case matches is not looked at: each may."""
        for case in node.cases:  # type: ignore[attr-defined]
            body: List[Stmt] = []
            _bind(body, [name for part in ast.walk(case.pattern) if (name := getattr(part, "name", None))])
            out.append(If(_NOTHING, body + self.block(case.body), []))

    def alias(self, node: ast.AST, out: List[Stmt]) -> None:
        _bind(out, [node.name.id])  # type: ignore[attr-defined]

    # --- expressions

    def expr(self, node: ast.expr) -> Expr:
        read = _EXPRESSIONS.get(type(node))
        return _opaque(self.uses(node)) if read is None else read(self, node)

    def uses(self, node: Optional[ast.AST]) -> List[Expr]:
        """The attributes of possible modules that are taken when this is evaluated, in a rough order."""
        found: List[Expr] = []
        if type(node) in _PLAIN:
            return found
        todo: List[Optional[ast.AST]] = [node]
        while todo:
            node = todo.pop()
            if isinstance(node, ast.Attribute):
                root: ast.AST = node
                while isinstance(root, ast.Attribute):
                    root = root.value
                if isinstance(root, ast.Name):
                    if self.modules is None or root.id in self.modules:
                        found.append(self.expr(node))
                else:
                    todo.append(root)
            elif isinstance(node, ast.Lambda):
                todo += node.args.defaults
            elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
                todo.append(node.generators[0].iter)  # of nothing else is it sure that it is evaluated
            elif isinstance(node, ast.BoolOp):
                todo.append(node.values[0])
            elif isinstance(node, ast.IfExp):
                todo.append(node.test)
            elif node is not None:
                todo += [child for child in reversed(list(ast.iter_child_nodes(node))) if type(child) not in _PLAIN]
        return found

    def constant(self, node: ast.Constant) -> Expr:
        value = node.value
        if value is None or isinstance(value, (bool, float)):
            return Const(value)
        if isinstance(value, str):
            if len(value) > TEXT_LIMIT or not _encodable(value):
                return _NOTHING
            return Const(value)
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            return Const(value)
        return _NOTHING

    def name(self, node: ast.Name) -> Expr:
        return node.id

    def attribute(self, node: ast.Attribute) -> Expr:
        return Attr(self.expr(node.value), node.attr, node.lineno)

    def call(self, node: ast.Call) -> Expr:
        keywords = [(keyword.arg, self.expr(keyword.value)) for keyword in node.keywords]
        return Call(self.expr(node.func), [self.expr(arg) for arg in node.args], keywords, node.lineno)

    def items(self, node: Union[ast.List, ast.Tuple, ast.Set]) -> Expr:
        kind = _KINDS[type(node)]
        if node.elts and all(isinstance(item, ast.Constant) and isinstance(item.value, str) for item in node.elts):
            words = [item.value for item in node.elts]  # type: ignore[attr-defined]
            if sum(map(len, words)) <= 100 * TEXT_LIMIT and all(map(_encodable, words)):
                return Words(kind, words)
        return Items(kind, [self.expr(item) for item in node.elts])

    def pairs(self, node: ast.Dict) -> Expr:
        return Pairs([(self.expr(key) if key else None, self.expr(v)) for key, v in zip(node.keys, node.values)])

    def index(self, node: ast.Subscript) -> Expr:
        index: ast.AST = node.slice
        if type(index).__name__ == "Index":  # before Python 3.9
            index = index.value  # type: ignore[attr-defined]
        return Index(self.expr(node.value), self.expr(index))  # type: ignore[arg-type]

    def slice_(self, node: ast.Slice) -> Expr:
        if node.step is not None:
            return _NOTHING
        return Slice(self.expr(node.lower) if node.lower else None, self.expr(node.upper) if node.upper else None)

    def logic(self, node: ast.BoolOp) -> Expr:
        return Logic("and" if isinstance(node.op, ast.And) else "or", [self.expr(value) for value in node.values])

    def unary(self, node: ast.UnaryOp) -> Expr:
        operand = self.expr(node.operand)
        if isinstance(node.op, ast.Not):
            return Logic("not", [operand])
        if isinstance(node.op, ast.USub) and isinstance(operand, Const) and isinstance(operand.value, (int, float)):
            return Const(-operand.value)
        return _opaque(self.uses(node.operand))

    def choice(self, node: ast.IfExp) -> Expr:
        return Logic("if", [self.expr(node.test), self.expr(node.body), self.expr(node.orelse)])

    def compare(self, node: ast.Compare) -> Expr:
        operators = [_COMPARE[type(operator)] for operator in node.ops]
        return Compare(operators, [self.expr(operand) for operand in (node.left, *node.comparators)])

    def binary(self, node: ast.BinOp) -> Expr:
        operator = _BINARY.get(type(node.op))
        if operator is None:
            return _opaque(self.uses(node.left) + self.uses(node.right))
        return Binary(operator, self.expr(node.left), self.expr(node.right))

    def each(self, node: Union[ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp]) -> Expr:
        if any(generator.is_async for generator in node.generators):
            return _opaque(self.uses(node))
        element: Expr
        if isinstance(node, ast.DictComp):
            element = Items("tuple", [self.expr(node.key), self.expr(node.value)])
        else:
            element = self.expr(node.elt)
        loops = [
            Loop(self.expr(one.target), self.expr(one.iter), [self.expr(condition) for condition in one.ifs])
            for one in node.generators
        ]
        return Each(_EACH[type(node)], element, loops)

    def starred(self, node: ast.Starred) -> Expr:
        return Starred(self.expr(node.value))

    def text(self, node: ast.JoinedStr) -> Expr:
        parts: List[Expr] = []
        for value in node.values:
            part = value.value if isinstance(value, ast.FormattedValue) else value
            parts.append(self.expr(part))
        return Text(parts)

    def lambda_(self, node: ast.Lambda) -> Expr:
        taken = node.args
        if taken.defaults or taken.kwonlyargs or taken.vararg or taken.kwarg:
            return _opaque(self.uses(node))
        return Lambda([one.arg for one in (*getattr(taken, "posonlyargs", []), *taken.args)], self.expr(node.body))

    def named(self, node: ast.NamedExpr) -> Expr:
        return Named(node.target.id, self.expr(node.value))


_STATEMENTS: Dict[type, Callable[..., None]] = {
    ast.Pass: _Reader.pass_,
    ast.Import: _Reader.import_,
    ast.ImportFrom: _Reader.from_,
    ast.Assign: _Reader.assign,
    ast.AnnAssign: _Reader.declare,
    ast.AugAssign: _Reader.augment,
    ast.FunctionDef: _Reader.function,
    ast.AsyncFunctionDef: _Reader.function,
    ast.ClassDef: _Reader.class_,
    ast.If: _Reader.if_,
    ast.Try: _Reader.try_,
    ast.With: _Reader.with_,
    ast.AsyncWith: _Reader.with_,
    ast.For: _Reader.for_,
    ast.AsyncFor: _Reader.for_,
    ast.While: _Reader.while_,
    ast.Raise: _Reader.raise_,
    ast.Assert: _Reader.assert_,
    ast.Return: _Reader.return_,
    ast.Delete: _Reader.delete,
    ast.Global: _Reader.global_,
    ast.Expr: _Reader.evaluate,
    ast.Break: _Reader.leave,
    ast.Continue: _Reader.leave,
}
for _name, _method in (("TryStar", _Reader.try_), ("Match", _Reader.match), ("TypeAlias", _Reader.alias)):
    if hasattr(ast, _name):  # Python 3.11, 3.10, 3.12
        _STATEMENTS[getattr(ast, _name)] = _method

_EXPRESSIONS: Dict[type, Callable[..., Expr]] = {
    ast.Constant: _Reader.constant,
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.Call: _Reader.call,
    ast.List: _Reader.items,
    ast.Tuple: _Reader.items,
    ast.Set: _Reader.items,
    ast.Dict: _Reader.pairs,
    ast.Subscript: _Reader.index,
    ast.Slice: _Reader.slice_,
    ast.BoolOp: _Reader.logic,
    ast.UnaryOp: _Reader.unary,
    ast.IfExp: _Reader.choice,
    ast.Compare: _Reader.compare,
    ast.BinOp: _Reader.binary,
    ast.ListComp: _Reader.each,
    ast.SetComp: _Reader.each,
    ast.GeneratorExp: _Reader.each,
    ast.DictComp: _Reader.each,
    ast.Starred: _Reader.starred,
    ast.JoinedStr: _Reader.text,
    ast.NamedExpr: _Reader.named,
    ast.Lambda: _Reader.lambda_,
}
_KINDS: Dict[type, Literal["list", "tuple", "set"]] = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}
_EACH: Dict[type, Literal["list", "set", "generator", "dict"]] = {
    ast.ListComp: "list",
    ast.SetComp: "set",
    ast.GeneratorExp: "generator",
    ast.DictComp: "dict",
}


def _opaque(uses: List[Expr]) -> Opaque:
    return Opaque(uses) if uses else _NOTHING


def _bind(out: List[Stmt], names: List[str]) -> None:
    """One after another they become one statement: there are many, and they say little."""
    if not names:
        return
    if out and type(out[-1]) is Bind:
        out[-1].names.extend(names)
    else:
        out.append(Bind(list(names)))


def _names(target: ast.expr) -> Optional[List[str]]:
    """The names that a target binds; None where it is no display of names."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, ast.Starred):
        return _names(target.value)
    if isinstance(target, (ast.Tuple, ast.List)):
        names: List[str] = []
        for item in target.elts:
            inner = _names(item)
            if inner is None:
                return None
            names += inner
        return names
    return None


def _named(statement: ast.stmt) -> List[str]:
    """The names that `:=` binds in a statement's own expressions."""
    names: List[str] = []
    todo: List[ast.AST] = [statement]
    while todo:
        for child in ast.iter_child_nodes(todo.pop()):
            if isinstance(child, ast.NamedExpr):
                names.append(child.target.id)
            if not isinstance(child, (ast.Lambda, *_HOLDS_STATEMENTS)):
                todo.append(child)
    return names


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _parameters(arguments: ast.arguments) -> Parameters:
    reader = _Reader(None, walrus=False, told={})
    positional_only = list(getattr(arguments, "posonlyargs", []))
    return Parameters(
        positional=[argument.arg for argument in (*positional_only, *arguments.args)],
        keyword_only=[argument.arg for argument in arguments.kwonlyargs],
        positional_only=len(positional_only),
        rest=arguments.vararg.arg if arguments.vararg else None,
        keywords=arguments.kwarg.arg if arguments.kwarg else None,
        defaults=[reader.expr(default) for default in arguments.defaults],
        keyword_defaults=[reader.expr(default) if default else None for default in arguments.kw_defaults],
    )


def _yields(body: List[ast.stmt]) -> bool:
    todo: List[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            todo.extend(ast.iter_child_nodes(node))
    return False
