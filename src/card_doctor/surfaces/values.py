"""What an expression of a module stands for, as far as it is followed. Constants stand for themselves."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Optional, Tuple

from card_doctor.model.surface import Class, Function, Lambda, ModuleSurface
from card_doctor.surfaces.finder import Found


class _Unknown:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


class _Missing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


UNKNOWN: Any = _Unknown()
MISSING: Any = _Missing()  # of a name that a module surely does not have
CONSTANTS = (str, int, float, bool, type(None))


class Module:
    """A module of the environment. `lazy` maps names to the submodules that define them, where the module
    replaces itself by one that imports on demand; None where it does not.
    """

    __slots__ = (
        "backends",
        "broken",
        "dynamic",
        "failure",
        "found",
        "lazy",
        "lazy_stars",
        "name",
        "replaced",
        "scope",
        "stars",
        "state",
        "sure",
        "surface",
        "trusted",
        "typing",
        "typing_stars",
    )

    def __init__(self, name: str, found: Optional[Found], *, trusted: bool) -> None:
        self.name = name
        self.found = found
        self.trusted = trusted
        self.surface: Optional[ModuleSurface] = None
        self.reset()

    def reset(self) -> None:
        self.scope: Dict[str, Any] = {}
        self.state = "new"  # new, running, done
        self.sure = False
        self.broken = False
        self.dynamic = False  # it binds names that can't be known
        self.failure: Any = None
        self.stars: List[Module] = []
        self.replaced = False  # by an object of its own class, whose private attributes are not known
        self.backends: Optional[Module] = None  # of which that class is, and which may tell what a name needs
        self.lazy: Optional[Dict[str, Tuple[str, str]]] = None
        self.typing: Dict[str, Tuple[str, str]] = {}
        self.typing_stars: List[str] = []

    @property
    def package(self) -> str:
        return self.name if self.found and self.found.is_package else self.name.rpartition(".")[0]

    def __repr__(self) -> str:
        return f"<module {self.name}>"


class Type:
    """A class that a module defines."""

    __slots__ = ("bases", "module", "scope", "stmt")

    def __init__(self, module: Module, stmt: Class, bases: List[Any]) -> None:
        self.module = module
        self.stmt = stmt
        self.bases = bases
        self.scope: Dict[str, Any] = {}

    @property
    def path(self) -> str:
        return f"{self.module.name}.{self.stmt.name}"

    def __repr__(self) -> str:
        return f"<class {self.path}>"


class Procedure:
    """A function that a module or a class defines, perhaps bound to an instance."""

    __slots__ = ("instance", "module", "owner", "stmt")

    def __init__(self, module: Module, stmt: Function, owner: Optional[Type] = None, instance: Any = None) -> None:
        self.module = module
        self.stmt = stmt
        self.owner = owner
        self.instance = instance

    @property
    def path(self) -> str:
        return f"{self.module.name}.{self.stmt.name}"

    def __repr__(self) -> str:
        return f"<function {self.path}>"


class Closure:
    """A lambda, and the frame that its names are looked up in."""

    __slots__ = ("frame", "stmt")

    def __init__(self, stmt: Lambda, frame: Any) -> None:
        self.stmt = stmt
        self.frame = frame


class StandIn:
    """What a module gives in place of a name whose backends are not available: using it calls `raises` with them."""

    __slots__ = ("backends", "given_by", "name", "raises")

    def __init__(self, name: str, given_by: Module, backends: List[Any], raises: Procedure) -> None:
        self.name = name
        self.given_by = given_by
        self.backends = backends
        self.raises = raises


class Instance:
    __slots__ = ("attributes", "exact", "type")

    def __init__(self, type_: Type) -> None:
        self.type = type_
        self.attributes: Dict[str, Any] = {}
        self.exact = True


class Native:
    """Something of the interpreter itself, by its dotted name: `builtins.ImportError`, `os.environ.get`."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"<{self.path}>"


class Sequence:
    """`exact` is False where there may be other items."""

    __slots__ = ("_words", "exact", "items", "kind")

    def __init__(self, kind: str, items: List[Any], *, exact: bool = True) -> None:
        self.kind = kind
        self.items = items
        self.exact = exact
        self._words: Tuple[int, Optional[FrozenSet[str]]] = (-1, None)

    def words(self) -> Optional[FrozenSet[str]]:
        """The items, where all are strings: an `__all__` is asked for every name that is looked up through it."""
        if self._words[0] != len(self.items):
            plain = all(isinstance(item, str) for item in self.items)
            self._words = (len(self.items), frozenset(self.items) if plain else None)
        return self._words[1]


class Mapping:
    __slots__ = ("exact", "items")

    def __init__(self, items: Dict[Any, Any], *, exact: bool = True) -> None:
        self.items = items
        self.exact = exact


class Method:
    """A method of a value that is followed: of a string, a list, a dict."""

    __slots__ = ("name", "value")

    def __init__(self, value: Any, name: str) -> None:
        self.value = value
        self.name = name


class Super:
    __slots__ = ("instance", "owner")

    def __init__(self, owner: Type, instance: Any) -> None:
        self.owner = owner
        self.instance = instance


class Later:
    """A call that is made only when its value is asked for."""

    __slots__ = ("args", "done", "function", "keywords", "line", "value")

    def __init__(self, function: Any, args: List[Any], keywords: Dict[str, Any], line: int) -> None:
        self.function = function
        self.args = args
        self.keywords = keywords
        self.line = line
        self.done = False
        self.value: Any = UNKNOWN


def same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    return type(one) is type(other) and isinstance(one, (*CONSTANTS, tuple)) and one == other
