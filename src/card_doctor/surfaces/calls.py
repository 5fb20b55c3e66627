"""Calls: into what is understood, into functions that are followed, and into signatures that refuse them."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Set

from card_doctor.model.surface import Call, Const, Declare, FunctionSurface, Starred
from card_doctor.surfaces import natives, operations
from card_doctor.surfaces.expressions import Expressions
from card_doctor.surfaces.following import NEXT, PERHAPS, Frame, OutOfBudget, Raised, exception_class, last_name
from card_doctor.surfaces.values import (
    CONSTANTS,
    MISSING,
    UNKNOWN,
    Closure,
    Instance,
    Later,
    Mapping,
    Method,
    Module,
    Native,
    Procedure,
    Sequence,
    StandIn,
    Super,
    Type,
    same,
)

# Bounds for what is followed; none is met by the packages that were looked at, all are met by endless recursion.
CALL_DEPTH = 40
# For one call whose value a condition asks for, with all that it calls.
CALL_BUDGET = 2_000
# How often one function is followed for what it does (a module calls `add_docstring` a thousand times).
CALLS_FOLLOWED = 30
# A function whose value this many calls in a row could not tell is not followed for it again (one of pytz's is
# called for each of its 597 time zones).
CALLS_UNTOLD = 30


class Calls(Expressions):
    """Follows calls."""

    def call(self, node: Call, frame: Frame) -> Any:
        function = self.force(self.eval(node.function, frame))
        if isinstance(function, Native) and function.path == "builtins.super" and frame.owner is not None:
            return Super(frame.owner, frame.scope.get("self", UNKNOWN))
        args: List[Any] = []
        exact = True
        for arg in node.args:
            if isinstance(arg, Starred):
                items = operations.items_of(self.force(self.eval(arg.value, frame)))
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
                self.run_call(later)  # it may raise into a `try`
            return later
        if isinstance(function, Closure):
            return self.call_closure(function, args, keywords) if exact else UNKNOWN
        if isinstance(function, StandIn):
            return self.use(function, "", frame, line)
        if isinstance(function, (Native, Method)):
            return self.natively(
                lambda: self.environment.call(self, function, args, keywords, frame, line), frame, line
            )
        for value in (*args, *keywords.values()):
            self.spoil(value)
        return UNKNOWN

    def call_closure(self, function: Closure, args: List[Any], keywords: Dict[str, Any]) -> Any:
        scope = {**dict(zip(function.stmt.parameters, args)), **keywords}
        if self.depth >= CALL_DEPTH or set(scope) != set(function.stmt.parameters):
            return UNKNOWN
        self.depth += 1
        try:
            return self.eval(function.stmt.body, Frame(function.frame.module, scope, "call", function.frame))
        finally:
            self.depth -= 1

    def use(self, value: StandIn, name: str, frame: Frame, line: int) -> Any:
        """Call what stands in for something, or take one of its attributes: as it does, private ones are left alone."""
        if name.startswith("_"):
            return value.name if name == "__name__" else UNKNOWN
        if frame.follow and self.follows(frame, value.raises.module):
            self.stack += [(frame.module, line), (value.given_by, 0)]
            try:
                self.invoke(value.raises, [value, Sequence("list", value.backends)], {}, line, follow=True)
            finally:
                del self.stack[-2:]
        return UNKNOWN

    def run_call(self, later: Later) -> None:
        """Follow a call for what it does; not of a function that has raised nothing often enough."""
        stmt = id(later.function.stmt)
        quiet = self.calls.get(stmt, 0)
        if quiet < CALLS_FOLLOWED:
            self.calls[stmt] = quiet + 1
            try:
                self.force(later)
            except Raised:
                self.calls[stmt] = 0
                raise

    def is_exception(self, value: Type) -> bool:
        return self.is_kind(value, "BaseException") is True and (
            value.stmt.name.endswith(("Error", "Exception", "Warning", "NotAvailable", "NotFound"))
            or any(
                isinstance(base, Native) or (isinstance(base, Type) and self.is_exception(base))
                for base in map(self.force, value.bases)
                if not (isinstance(base, Native) and base.path == "builtins.object")
                and (not isinstance(base, Native) or exception_class(base.path.rpartition(".")[2]) is not None)
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
        if not any(last_name(decorator) == "dataclass" for decorator in value.stmt.decorators):
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
                elif isinstance(stmt.value, Call) and last_name(stmt.value.function) == "field":
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
        stmt = id(function.stmt)
        values = (*args, *keywords.values())
        if function.instance is None and not follow and all(isinstance(one, CONSTANTS) for one in values):
            key = (stmt, tuple(args), tuple(sorted(keywords.items())), self.sure)
            if key in self.memo:
                kept, asked_then = self.memo[key]
                self.consulted += asked_then
                return kept
        asked_before = len(self.consulted)
        asked = natives.asked_by_name(function.stmt.name)
        if asked:
            self.consulted.append(asked)
            self.predicates[function.module.name.partition(".")[0], asked] = function
        if not follow and self.untold.get(stmt, 0) >= CALLS_UNTOLD:
            for one in values:
                self.spoil(one)
            return self.environment.by_name(function)
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
        doubts, handling, self.handling = self.doubts, self.handling, []
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
            self.doubts, self.handling = doubts, handling
            if first:
                self.budget = None
        self.untold[stmt] = self.untold.get(stmt, 0) + 1 if value is UNKNOWN else 0
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
        static = any(last_name(decorator) == "staticmethod" for decorator in function.stmt.decorators)
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
