"""Statements: what they bind, import and raise; both branches of what can't be decided."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple
from typing import Type as ClassOf

from card_doctor.model.surface import (
    Assert,
    Assign,
    Attr,
    Augment,
    Bind,
    Call,
    Class,
    Declare,
    Delete,
    Evaluate,
    Expr,
    For,
    From,
    Function,
    Global,
    Handler,
    If,
    Import,
    Index,
    Items,
    Leave,
    Logic,
    ModuleSurface,
    Raise,
    Return,
    Starred,
    Stmt,
    Try,
    While,
    With,
)
from card_doctor.surfaces import operations
from card_doctor.surfaces.calls import Calls
from card_doctor.surfaces.expressions import LOOP_LIMIT
from card_doctor.surfaces.following import (
    BREAK,
    CONTINUE,
    NEXT,
    PERHAPS,
    RETURN,
    STATEMENT_LIMIT,
    Catcher,
    Failure,
    Frame,
    OutOfBudget,
    Raised,
    TooMuch,
    is_hashable,
    last_name,
)
from card_doctor.surfaces.values import (
    MISSING,
    UNKNOWN,
    Instance,
    Later,
    Mapping,
    Module,
    Native,
    Procedure,
    Sequence,
    Type,
    same,
)

# `accelerate>=0.20.1`, `transformers[torch] >= 4.0`
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9])(?:\[[\w,-]+\])?\s*(?:[<>=!~]=|[<>])\s*v?\d")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]")


class Follower(Calls):
    def block(self, statements: Iterable[Stmt], frame: Frame, *, outermost: bool = False) -> int:
        end = NEXT
        doubts = self.doubts
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
                    self.doubts = doubts + 1  # the rest is reached only perhaps
                elif how is not None and how != NEXT:
                    return PERHAPS if end == PERHAPS else how
            return end
        finally:
            self.doubts = doubts

    def import_(self, node: Import, frame: Frame) -> None:
        root = node.module.partition(".")[0]
        if frame.typing:
            if node.alias:
                frame.module.typing[node.alias] = (node.module, "")
            return
        if frame.module.trusted:
            target = self.from_standard(node.module if node.alias else root, frame, node.line)
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
            self.bind_unknown(Bind([taken for taken, _ in node.names]), frame)
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

    def from_standard(self, name: str, frame: Frame, line: int) -> Optional[Module]:
        """The standard library imports what it has; what is of another platform it guards."""
        module = self.module(name)
        if module is None and any(catcher.catches("ModuleNotFoundError") for catcher in self.catchers):
            self.fail("ModuleNotFoundError", self.row("missing-module", frame.module, name, "", line))
        return module

    def from_trusted(self, node: From, name: str, frame: Frame) -> None:
        module = self.from_standard(name, frame, node.line)
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

    def bind_unknown(self, node: Bind, frame: Frame) -> None:
        for name in node.names:
            self.bind(name, UNKNOWN, frame)

    def bind(self, name: str, value: Any, frame: Frame) -> None:
        if name in frame.declared:
            scope = frame.module.scope
            scope[name] = value if self.sure or same(scope.get(name), value) else UNKNOWN
            if frame.scope is not scope:
                frame.scope[name] = value  # that this call has bound it is sure, wherever the call stands
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

    def store_item(self, value: Any, key: Any, new: Any, frame: Frame) -> None:
        key = self.force(key)
        if isinstance(value, Native) and value.path == "sys.modules":
            if key == frame.module.name:
                self.replace_module(frame.module, new)
            elif isinstance(key, str):
                self.injected.add(key)
            else:
                frame.module.dynamic = True
        elif isinstance(value, Native) and value.path in {"globals", "locals", "vars"}:
            if isinstance(key, str) and frame.kind == "module":
                frame.scope[key] = new
            else:
                frame.module.dynamic = True
        elif isinstance(value, Mapping):
            if is_hashable(key) and key is not UNKNOWN:
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
        module.replaced = True
        module.backends = value.type.module if isinstance(value, Instance) else None
        if not known and not module.typing and not module.typing_stars:
            module.dynamic = True

    def augment(self, node: Augment, frame: Frame) -> None:
        value = self.force(self.eval(node.value, frame))
        old = self.force(self.eval(node.target, frame))
        if isinstance(old, Sequence) and node.operator == "+":
            old = Sequence(old.kind, list(old.items), exact=old.exact)
            operations.extend(old, value, sure=True)
            new: Any = old
        else:
            new = operations.binary(node.operator, old, value)
        self.store(node.target, new, frame, node.line)

    def evaluate(self, node: Evaluate, frame: Frame) -> None:
        if node.annotations and not self.annotations_run(frame):
            return
        for value in node.values:
            result = self.eval(value, frame)
            if isinstance(result, Later):
                self.run_call(result)

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
        if any(last_name(decorator) == "global_enum" for decorator in node.decorators):
            frame.module.dynamic = True  # its members become names of the module
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
        self.doubts += 1
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
            if not raised_out and end != RETURN:  # a loop that is left goes on after it
                scopes.append(dict(frame.scope))
        self.doubts -= 1
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
        if failure is None:
            catcher.perhaps += self.expected(node, catcher, frame, opaque=self.opaque_calls > opaque_calls)
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

    def expected(self, node: Try, catcher: Catcher, frame: Frame, *, opaque: bool) -> List[Failure]:
        """What a body may raise that shows nothing: a name that is not bound, or anything from what is not followed,
        where someone expects that.
        """
        errors = ["NameError"] if any(_mentions(handler.types, "NameError") for handler in node.handlers) else []
        if opaque and catcher.catches("Exception"):
            errors.append("Exception")
        return [Failure(error, self.row("enforced", frame.module, None, "", 0), sure=False) for error in errors]

    def finally_(self, node: Try, frame: Frame) -> int:
        return self.block(node.final, frame) if node.final else NEXT

    def remove(self, catcher: Catcher) -> None:
        if catcher in self.catchers:
            del self.catchers[self.catchers.index(catcher) :]

    def handle(self, node: Try, failure: Failure, frame: Frame) -> int:
        _, handler = self.handler_of(node.handlers, failure.error, frame)
        self.doubts += not failure.sure
        self.handling.append(failure)
        try:
            if handler is None:
                return NEXT
            if handler.name:
                self.bind(handler.name, UNKNOWN, frame)
            return self.block(handler.body, frame)
        finally:
            self.handling.pop()
            self.doubts -= not failure.sure

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
        items = operations.items_of(iterable)
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
            if not items:
                # what fills it may not have been followed
                self.store(node.target, UNKNOWN, frame, 0)
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
        or the last of these; where none was, the first that is installed of all words ("upgrade numpy to >= 2").
        """
        named = [name for name in _NAMED.findall(message) if not self.is_own(frame.module, name)]
        for since in (self.mark, frame.entered if frame.kind == "call" else self.mark):
            asked = [name for name in self.consulted[since:][:-20:-1] if not self.is_own(frame.module, name)]
            if asked:
                return next((name for name in named if name in asked), asked[0])
        words = [*named, *_WORD.findall(message)] if named else []
        installed = (name for name in words if self.environment.installed(name))
        return next((name for name in installed if not self.is_own(frame.module, name)), named[0] if named else None)

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


def _mentions(types: Optional[Expr], name: str) -> bool:
    """Does an `except` name this exception?"""
    if isinstance(types, Items):
        return any(_mentions(item, name) for item in types.items)
    return types == name


def _binds_getattr(surface: ModuleSurface) -> bool:
    for stmt in surface.body:
        if isinstance(stmt, Function) and stmt.name == "__getattr__":
            return True
        if isinstance(stmt, Assign) and isinstance(stmt.target, Items) and "__getattr__" in stmt.target.items:
            return True
    return False
