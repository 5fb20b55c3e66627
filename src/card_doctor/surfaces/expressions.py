"""Expressions: what they stand for, as far as it can be known."""

from __future__ import annotations

import builtins
from typing import Any, Callable, Dict, List, Optional, Set
from typing import Type as ClassOf

from card_doctor.model.surface import (
    Attr,
    Binary,
    Call,
    Compare,
    Const,
    Each,
    Expr,
    Index,
    Items,
    Lambda,
    Logic,
    Named,
    Opaque,
    Pairs,
    Slice,
    Starred,
    Text,
    Words,
)
from card_doctor.surfaces import operations
from card_doctor.surfaces.following import Frame, is_hashable, last_name
from card_doctor.surfaces.modules import Modules
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

LOOP_LIMIT = 2000
_PROPERTIES = frozenset(("property", "cached_property"))


class Expressions(Modules):
    """Evaluates expressions."""

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
            return bool(value.items) if value.exact else None  # what was added under a condition may not be there
        if isinstance(value, (Module, Type, Procedure, Method, Super, Closure, StandIn)):
            return True
        try:
            return bool(value)
        except Exception:  # noqa: BLE001  a value of another library
            return None

    def name(self, node: str, frame: Frame) -> Any:
        scope: Optional[Frame] = frame
        while scope is not None:
            if node in scope.scope:
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
            if value.trusted and (frame.module.trusted or self.shows(value, name)):
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
            if name == "__class__":
                return value.type
            found = self.class_attribute(value.type, name)
            if isinstance(found, Procedure):
                bound = Procedure(found.module, found.stmt, found.owner, value)
                if any(last_name(decorator) in _PROPERTIES for decorator in found.stmt.decorators):
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
        if isinstance(value, StandIn):
            return self.use(value, name, frame, line)
        return operations.attribute(value, name)

    def store_attribute(self, value: Any, name: str, new: Any) -> None:
        if isinstance(value, Module):
            value.scope[name] = new if self.sure else UNKNOWN
            value.dynamic = value.dynamic or name == "__class__"  # whose `__getattribute__` may know any name
        elif isinstance(value, Instance):
            kept = value.attributes
            kept[name] = new if self.sure or same(kept.get(name), new) else UNKNOWN
        elif isinstance(value, Type):
            value.scope[name] = new if self.sure else UNKNOWN

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

    def items(self, node: Items, frame: Frame) -> Any:
        items: List[Any] = []
        exact = True
        for item in node.items:
            if isinstance(item, Starred):
                inner = operations.items_of(self.force(self.eval(item.value, frame)))
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
            if known is UNKNOWN or not is_hashable(known):
                out.exact = False
            else:
                out.items[known] = result
        return out

    def index(self, node: Index, frame: Frame) -> Any:
        value = self.force(self.eval(node.value, frame))
        if isinstance(node.index, Slice):
            lower = self.force(self.eval(node.index.lower, frame)) if node.index.lower is not None else None
            upper = self.force(self.eval(node.index.upper, frame)) if node.index.upper is not None else None
            return operations.cut(value, lower, upper)
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
            self.doubts += 1
            try:
                one, other = (self.guarded(operand, frame) for operand in operands[1:])
            finally:
                self.doubts -= 1
            return one if same(one, other) else UNKNOWN
        stop = node.kind == "or"
        doubts = self.doubts
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
                    self.doubts = doubts + 1
        finally:
            self.doubts = doubts
        return UNKNOWN if unknown else value

    def compare(self, node: Compare, frame: Frame) -> Any:
        values = [self.force(self.eval(operand, frame)) for operand in node.operands]
        for operator, left, right in zip(node.operators, values, values[1:]):
            result = self.environment.compare(operator, left, right, self)
            if result is not True:
                return result
        return True

    def binary(self, node: Binary, frame: Frame) -> Any:
        return operations.binary(
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
                pair = operations.items_of(value)
                key = self.force(pair[0]) if pair and len(pair) == 2 else UNKNOWN
                if pair is None or key is UNKNOWN or not is_hashable(key):
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
        items = operations.items_of(self.force(self.eval(loop.iterable, frame)))
        if items is None or len(items) > LOOP_LIMIT:
            return False
        exact = True
        for item in items:
            self.store(loop.target, item, frame, 0)
            tests = [self.truth(self.guarded(condition, frame)) for condition in loop.conditions]
            if False in tests:
                continue
            if None in tests or len(values) > operations.SIZE_LIMIT:
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
        return operations.Partial("".join(str(part) if isinstance(part, (str, int)) else "…" for part in parts))

    def lambda_(self, node: Lambda, frame: Frame) -> Any:
        return Closure(node, frame)

    def opaque(self, node: Opaque, frame: Frame) -> Any:
        for use in node.uses:
            self.eval(use, frame)
        return UNKNOWN


_EXPRESSIONS: Dict[ClassOf[Any], Callable[[Expressions, Any, Frame], Any]] = {
    str: Expressions.name,
    Const: Expressions.const,
    Attr: Expressions.attribute,
    Call: lambda follower, node, frame: follower.call(node, frame),
    Items: Expressions.items,
    Words: Expressions.words,
    Pairs: Expressions.pairs,
    Index: Expressions.index,
    Slice: Expressions.slice_,
    Logic: Expressions.logic,
    Compare: Expressions.compare,
    Binary: Expressions.binary,
    Each: Expressions.each,
    Named: Expressions.named,
    Starred: Expressions.starred_value,
    Text: Expressions.text,
    Lambda: Expressions.lambda_,
    Opaque: Expressions.opaque,
}
