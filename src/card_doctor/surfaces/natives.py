"""What an environment answers to the code that asks it: versions, platform, what is installed; and the few
operations on constants that such code is made of.
"""

from __future__ import annotations

import json
import operator
import re
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Tuple
from typing import Sequence as Seq

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from card_doctor.model import Package, Snapshot
from card_doctor.surfaces.finder import Finder
from card_doctor.surfaces.operations import (
    SIZE_LIMIT,
    change_mapping,
    change_sequence,
    formatted,
    items_of,
    wrapped,
)
from card_doctor.surfaces.values import (
    CONSTANTS,
    MISSING,
    UNKNOWN,
    Instance,
    Mapping,
    Method,
    Module,
    Native,
    Procedure,
    Sequence,
    StandIn,
    Type,
)

if TYPE_CHECKING:
    from card_doctor.surfaces.expressions import Expressions
    from card_doctor.surfaces.following import Frame

_SEPARATORS = re.compile(r"[-_.]+")
_VERSION_CLASSES = frozenset(
    ("Version", "LooseVersion", "StrictVersion", "NumpyVersion", "TorchVersion", "LegacyVersion")
)


class Known(NamedTuple):
    value: Any


class Fails(Exception):  # noqa: N818  what the followed code does
    """A native call that raises; `provider` is the module or distribution that is not there."""

    def __init__(self, error: str, message: str, provider: Optional[str] = None) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
        self.provider = provider


class Environment:
    """The facts of a snapshot, as code asks for them."""

    def __init__(self, snapshot: Snapshot, finder: Finder, owners: Callable[[str], Seq[str]]) -> None:
        assert snapshot.python is not None  # noqa: S101  for the type checker
        self.finder = finder
        self.packages = snapshot.packages
        self._shared: Dict[Tuple[str, str], bool] = {}
        self.owners = owners  # of a top-level module: the distributions that install it
        self.markers = snapshot.python.markers
        self.executable = snapshot.python.executable
        self.implementation = snapshot.python.implementation
        numbers = [int(part) for part in re.findall(r"\d+", snapshot.python.version)[:3]]
        self.version = (*numbers, 0, 0)[:3]
        self.python = (self.version[0], self.version[1])
        self.constants: Dict[str, Any] = {
            "sys.version": snapshot.python.version + " (unknown build)",
            "sys.version_info": (*self.version, "final", 0),
            "sys.hexversion": self.version[0] << 24 | self.version[1] << 16 | self.version[2] << 8 | 0xF0,
            "sys.maxsize": 2**63 - 1,
            "sys.byteorder": "little",
            "sys.pypy_version_info": UNKNOWN,
            "sys.executable": self.executable or UNKNOWN,
            "sys.platform": self.markers.get("sys_platform", UNKNOWN),
            "os.name": self.markers.get("os_name", UNKNOWN),
            "typing.TYPE_CHECKING": False,
            "typing_extensions.TYPE_CHECKING": False,
            "os.sep": "\\" if self.markers.get("os_name") == "nt" else "/",
        }
        system = self.markers.get("platform_system", UNKNOWN)
        machine = self.markers.get("platform_machine", UNKNOWN)
        self.answers: Dict[str, Any] = {
            "platform.system": system,
            "platform.machine": machine,
            "platform.python_implementation": self.markers.get("platform_python_implementation", UNKNOWN),
            "platform.python_version": self.markers.get("python_full_version", UNKNOWN),
            "platform.release": self.markers.get("platform_release", UNKNOWN),
            "platform.python_version_tuple": tuple(map(str, self.version)),
            "platform.processor": UNKNOWN,
        }

    # --- what is installed

    def installed(self, name: str) -> Optional[Package]:
        return self.packages.get(_SEPARATORS.sub("-", name).lower())

    def share(self, one: str, other: str) -> bool:
        """Does one distribution install both of these top-level modules?"""
        key = (one, other)
        if key not in self._shared:
            self._shared[key] = bool(set(self.owners(one)) & set(self.owners(other)))
        return self._shared[key]

    def parsed(self, value: Any) -> Any:
        if isinstance(value, Version):
            return value
        if isinstance(value, str):
            try:
                return Version(value)
            except InvalidVersion:
                return UNKNOWN
        return UNKNOWN

    def version_of_module(self, follower: Expressions, module: Module, value: Any) -> Any:
        """A package's `__version__`: as it says, else as it was installed."""
        if "." not in module.name:
            owners = self.owners(module.name)
            follower.consulted.extend(owners)
            if len(owners) == 1 and owners[0] in self.packages:
                installed = self.packages[owners[0]].version
                known = follower.force(value)
                if isinstance(known, (str, Version)):
                    return known
                return installed
        return value

    def special(self, module: Module, name: str) -> Any:
        """A value of the interpreter, or a function of it that is understood; None for anything else."""
        path = f"{module.name}.{name}"
        if path in self.constants:
            return self.constants[path]
        if self.python < _SINCE.get(path, self.python):
            return None
        if path in _NATIVE_CALLS or path in self.answers or path in _NATIVE_VALUES:
            return Native(path)
        if module.trusted and (name in _VERSION_CLASSES):
            return Native(path)
        return None

    def native_attribute(self, value: Native, name: str, follower: Expressions) -> Any:
        path = f"{value.path}.{name}"
        if path in self.constants:
            return self.constants[path]
        if path == "sys.implementation.name":
            return self.implementation
        return Native(path) if not value.path.endswith("()") else UNKNOWN

    # --- calls

    def known_call(
        self, follower: Expressions, function: Any, args: List[Any], keywords: Dict[str, Any]
    ) -> Optional[Known]:
        """A function of a package that is known by its name or by a convention of many."""
        name = function.stmt.name
        module = function.module.name
        if name in _VERSION_CLASSES or name == "parse_version" or (name == "parse" and module.endswith("version")):
            if len(args) == 1 and (isinstance(function, Procedure) or "ersion" in name):
                return Known(self.parsed(follower.force(args[0])))
            return Known(UNKNOWN)
        if name == "RequirementCache" and isinstance(function, Type):
            return Known(self.requirement_met(follower, [follower.force(arg) for arg in args], keywords))
        path = function.path
        native = _ALIASES.get(path) or (path if path in _NATIVE_CALLS else None)
        if native is not None:
            return Known(_NATIVE_CALLS[native](self, follower, [follower.force(arg) for arg in args], keywords))
        return None

    def requirement_met(self, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
        """Whether an object of https://github.com/Lightning-AI/utilities `core/imports.py` is true."""
        text, module = [*args, *([None] * 2)][:2]
        text, module = keywords.get("requirement", text), keywords.get("module", module)
        if not isinstance(text, (str, type(None))) or not isinstance(module, (str, type(None))):
            return UNKNOWN
        try:
            requirement = Requirement(text) if text else None
        except InvalidRequirement:
            return UNKNOWN
        if requirement is not None:
            package = self.installed(requirement.name)
            follower.consulted.append(_SEPARATORS.sub("-", requirement.name).lower())
            if package is not None:
                version = self.parsed(package.version)
                if requirement.extras or version is UNKNOWN:
                    return UNKNOWN
                if requirement.specifier.contains(version, prereleases=True):
                    return True
            if str(requirement.specifier) and module is None:
                return False
            module = module or requirement.name
        return self.finder.find(str(module)) is not None or (UNKNOWN if self.finder.open_ended else False)

    def call(  # noqa: PLR0917  as the follower's own
        self,
        follower: Expressions,
        function: Any,
        args: List[Any],
        keywords: Dict[str, Any],
        frame: Frame,
        line: int,
    ) -> Any:
        if isinstance(function, Method):
            return self.call_method(follower, function, [follower.force(arg) for arg in args], keywords)
        path = function.path
        if path in self.answers:
            return self.answers[path]
        last = path.rpartition(".")[2]
        if path in _IMPORTS:
            return self.import_by_name(follower, path, [follower.force(arg) for arg in args], frame, line)
        if path in {"builtins.globals", "builtins.locals", "builtins.vars"} and not args:
            if frame.kind == "module" or last == "globals":
                return Native(last)
            return UNKNOWN
        if path in {"globals.update", "vars.update", "locals.update", "builtins.exec"}:
            frame.module.dynamic = True
            return UNKNOWN
        if path == "builtins.setattr" and args:
            return self.set_attribute(follower, args, frame)
        if path in {"builtins.getattr", "builtins.hasattr"} and len(args) > 1:
            return self.get_attribute(follower, last, args, frame, line)
        if last in _VERSION_CLASSES:
            return self.parsed(follower.force(args[0])) if args else UNKNOWN
        if path == "builtins.type":
            return UNKNOWN
        # `IntEnum._convert_("AddressFamily", __name__, …)`, `_f(globals())`: names that no statement shows
        for arg in args:
            if isinstance(arg, Native) and arg.path in {"globals", "vars", "locals"}:
                frame.module.dynamic = True
        if last in {"_convert_", "_convert"}:
            frame.module.dynamic = True
        run = _NATIVE_CALLS.get(path)
        if run is None:
            for value in (*args, *keywords.values()):
                follower.spoil(value)
            follower.opaque_calls += 1
            return Native(path + "()")
        return run(self, follower, [follower.force(arg) for arg in args], keywords)

    def import_by_name(self, follower: Expressions, path: str, args: List[Any], frame: Frame, line: int) -> Any:
        if not args or not isinstance(args[0], str) or not args[0]:
            return UNKNOWN
        name = args[0]
        if name.startswith("."):
            package = args[1] if len(args) > 1 else None
            if not isinstance(package, str):
                return UNKNOWN
            level = len(name) - len(name.lstrip("."))
            for _ in range(level - 1):
                package = package.rpartition(".")[0]
            name = f"{package}.{name[level:]}"
        if not all(part.isidentifier() for part in name.split(".")):
            return UNKNOWN
        if frame.module.trusted:
            return UNKNOWN
        module = follower.import_module(name, frame, line)
        if path == "builtins.__import__" and len(args) < 4:
            return follower.modules.get(name.partition(".")[0], UNKNOWN)
        return module

    def set_attribute(self, follower: Expressions, args: List[Any], frame: Frame) -> Any:
        target, name = follower.force(args[0]), follower.force(args[1]) if len(args) > 1 else UNKNOWN
        if isinstance(name, str) and len(args) > 2:
            follower.store_attribute(target, name, args[2])
        elif isinstance(target, Module):
            target.dynamic = True
        elif not isinstance(target, (Instance, Type)):
            frame.module.dynamic = True  # perhaps sys.modules[__name__]
        return None

    def get_attribute(self, follower: Expressions, how: str, args: List[Any], frame: Frame, line: int) -> Any:
        target, name = follower.force(args[0]), follower.force(args[1])
        if not isinstance(name, str):
            return UNKNOWN
        if isinstance(target, Module):
            if target.trusted and target.state == "new":
                follower.run(target, None, 0)  # whether it has it is the question
            special = follower.special(target, name)
            value = special if special is not None else follower.lookup(target, name, run=False)
            if name == "__version__" and value is not MISSING:
                value = self.version_of_module(follower, target, value)
            if how == "hasattr":
                return UNKNOWN if value is UNKNOWN else value is not MISSING
            if value is not MISSING:
                return value
            if len(args) > 2:
                return args[2]
            return follower.take(target, name, frame, line, how="attribute")
        if isinstance(target, Type):
            value = follower.class_attribute(target, name)
            if how == "hasattr":
                return UNKNOWN if value is UNKNOWN or value is MISSING else True
            return UNKNOWN if value is MISSING else value
        if how == "hasattr" and name == "__name__" and isinstance(target, (Instance, StandIn)):
            return isinstance(target, StandIn)  # a class has it, none of its instances
        return UNKNOWN if how == "hasattr" else follower.get_attribute(target, name, frame, line)

    def call_method(self, follower: Expressions, method: Method, args: List[Any], keywords: Dict[str, Any]) -> Any:
        value, name = method.value, method.name
        if isinstance(value, Sequence):
            return change_sequence(value, name, args, sure=follower.sure)
        if isinstance(value, Mapping):
            return change_mapping(value, name, args, keywords, sure=follower.sure)
        if isinstance(value, str):
            if name == "format":
                return formatted(value, args, keywords)
            if name == "join" and len(args) == 1:
                args = [items_of(args[0])]
            if name in _STRING_METHODS and all(isinstance(arg, (str, int, tuple, list, type(None))) for arg in args):
                return self._plain(lambda: getattr(value, name)(*args))
            return UNKNOWN
        if isinstance(value, (tuple, Version)):
            if name in {"index", "count"}:
                return self._plain(lambda: getattr(value, name)(*args))
            return UNKNOWN
        return UNKNOWN

    @staticmethod
    def _plain(run: Callable[[], Any]) -> Any:
        try:
            value = run()
        except Exception:  # noqa: BLE001  whatever a constant makes of it
            return UNKNOWN
        return wrapped(value)

    def by_name(self, function: Procedure) -> Any:
        """`is_torch_available` whose body is too clever: what its name says."""
        name = asked_by_name(function.stmt.name)
        if name is None or self.finder.find(name) is None:
            return UNKNOWN  # it may ask for something else: is_vision_available is about Pillow
        return True

    def is_loaded(self, follower: Expressions, name: str) -> Any:
        """Is the module in `sys.modules` by now?"""
        module = follower.modules.get(name)
        if module is not None and module.trusted:
            return UNKNOWN
        return module is not None and module.state != "new"

    def item(self, follower: Expressions, value: Any, index: Any) -> Any:
        if isinstance(value, Mapping):
            if value is UNKNOWN or index is UNKNOWN or not isinstance(index, (*CONSTANTS, tuple)):
                return UNKNOWN
            return value.items.get(index, UNKNOWN)
        if isinstance(value, Native):
            if value.path != "sys.modules" or not isinstance(index, str):
                return UNKNOWN
            if self.is_loaded(follower, index) is False and index not in follower.injected:
                raise Fails("KeyError", f"'{index}'")
            return follower.modules.get(index, UNKNOWN)
        if isinstance(value, Sequence):
            value = value.items if value.exact else None
        if isinstance(value, (str, list, tuple)) and isinstance(index, int):
            try:
                return value[index]
            except IndexError:
                return UNKNOWN
        return UNKNOWN

    def compare(self, how: str, left: Any, right: Any, follower: Expressions) -> Any:
        if how in {"is", "is not", "==", "!="} and (left is None or right is None):
            other = right if left is None else left
            truth = self._is_none(other)
            return UNKNOWN if truth is None else truth is (how in {"is", "=="})
        if how in {"in", "not in"}:
            if isinstance(right, Native) and right.path == "sys.modules" and isinstance(left, str):
                loaded = self.is_loaded(follower, left)
                return loaded if loaded is UNKNOWN else loaded is (how == "in")
            return self._contains(left, right, how == "in")
        if isinstance(left, Version) or isinstance(right, Version):
            left, right = self.parsed(left), self.parsed(right)
            follower.compared.append((left, how, right))
        if left is UNKNOWN or right is UNKNOWN:
            return UNKNOWN
        plain = (*CONSTANTS, tuple, Version)
        if isinstance(left, plain) and isinstance(right, plain):
            return self._plain(lambda: _COMPARISONS[how](left, right))
        both = (left, right)
        if all(isinstance(value, Sequence) and value.exact for value in both) and not how.startswith("is"):
            one, other = left.items, right.items
            if all(isinstance(item, CONSTANTS) for item in (*one, *other)):
                return self._plain(lambda: _COMPARISONS[how](one, other))
        return UNKNOWN

    @staticmethod
    def _is_none(value: Any) -> Optional[bool]:
        if value is None:
            return True
        if value is UNKNOWN or (isinstance(value, Native) and value.path.endswith("()")):
            return None
        return False

    def _contains(self, item: Any, container: Any, wanted: bool) -> Any:
        if isinstance(container, Native) and container.path == "os.environ":
            return not wanted  # as where nothing is set
        if item is UNKNOWN or not isinstance(item, CONSTANTS):
            return UNKNOWN
        if isinstance(container, Mapping):
            return wanted if item in container.items else (not wanted if container.exact else UNKNOWN)
        if isinstance(container, Sequence):
            if any(isinstance(one, CONSTANTS) and one == item for one in container.items):
                return wanted
            complete = container.exact and all(isinstance(one, CONSTANTS) for one in container.items)
            return not wanted if complete else UNKNOWN
        if isinstance(container, tuple) or (isinstance(container, str) and isinstance(item, str)):
            return (item in container) is wanted
        return UNKNOWN


def asked_by_name(function: str) -> Optional[str]:
    """What a predicate like `is_torch_available` asks for."""
    found = re.match(r"_?(?:is|has)_(\w+?)_(?:available|installed)\Z", function)
    return found[1] if found else None


# --- functions of the interpreter, by their dotted names

_Run = Callable[[Environment, "Expressions", List[Any], Dict[str, Any]], Any]


def _find_spec(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    name = args[0] if args else keywords.get("name")
    if not isinstance(name, str) or name.startswith("."):
        return UNKNOWN
    root = name.partition(".")[0]
    owners = environment.owners(root)
    follower.consulted.extend(owners or [root])
    if environment.finder.find(root) is None:
        return UNKNOWN if environment.finder.open_ended or root in follower.injected else None
    found = environment.finder.find(name)
    return Native("spec") if found is not None else None


def _version(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    name = args[0] if args else keywords.get("distribution_name")
    if not isinstance(name, str):
        return UNKNOWN
    package = environment.installed(name)
    follower.consulted.append(_SEPARATORS.sub("-", name).lower())
    if package is None:
        raise Fails("PackageNotFoundError", f"no distribution {name} is installed", name)
    return package.version


def _distribution(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    version = _version(environment, follower, args, keywords)
    return UNKNOWN if version is UNKNOWN else Mapping({"version": version})


def _metadata(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    """Of a distribution's METADATA only this is known; the name as it was asked for."""
    version = _version(environment, follower, args, keywords)
    if version is UNKNOWN:
        return UNKNOWN
    return Mapping({"name": args[0], "Name": args[0], "version": version, "Version": version}, exact=False)


def _get_distribution(
    environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]
) -> Any:
    name = args[0] if args else None
    if not isinstance(name, str):
        return UNKNOWN
    found = re.match(r"\s*([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(.*)\Z", name)
    package = environment.installed(found.group(1)) if found else None
    if found:
        follower.consulted.append(_SEPARATORS.sub("-", found.group(1)).lower())
    if package is None:
        raise Fails("DistributionNotFound", f"no distribution {name} is installed", found.group(1) if found else name)
    try:
        if found and found.group(2) and not SpecifierSet(found.group(2)).contains(package.version, prereleases=True):
            raise Fails("VersionConflict", f"{name} is required, {package.version} is installed")
    except (InvalidSpecifier, InvalidVersion):
        return UNKNOWN
    return Mapping({"version": package.version})


def _packages_distributions(
    environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]
) -> Any:
    """Which distributions install a top-level module."""
    finder = environment.finder
    names = {file.partition(".")[0] for entry in finder.search_path for file in finder.names(entry)}
    owned = {name: environment.owners(name) for name in names}
    return Mapping({name: Sequence("list", list(owners)) for name, owners in owned.items() if owners})


def _fromkeys(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    items = items_of(args[0]) if args else None
    if items is None or not all(isinstance(item, (*CONSTANTS, tuple)) for item in items):
        return UNKNOWN
    return Mapping(dict.fromkeys(items, args[1] if len(args) > 1 else None))


def _getenv(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    return args[1] if len(args) > 1 else keywords.get("default")


def _known(value: Any) -> bool:
    return isinstance(value, (*CONSTANTS, tuple, Version))


def _plainly(function: Callable[..., Any]) -> _Run:
    """A function of constants that has no effect."""

    def run(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
        values = []
        for arg in args:
            items = arg
            if isinstance(arg, Sequence):
                if not arg.exact:
                    return UNKNOWN
                items = [follower.force(item) for item in arg.items]
                if not all(map(_known, items)):
                    return len(items) if function is len else UNKNOWN
            elif isinstance(arg, Mapping):
                if not arg.exact or function not in {len, list, sorted, tuple, set}:
                    return UNKNOWN
                items = list(arg.items)
            elif not _known(arg):
                return UNKNOWN
            values.append(items)
        return environment._plain(lambda: function(*values))  # noqa: SLF001

    return run


def _make(kind: str) -> _Run:
    def run(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
        if not args:
            return Sequence(kind, []) if kind != "tuple" else ()
        items = items_of(args[0])
        exact = items is not None
        if kind == "tuple" and items is not None and all(isinstance(item, CONSTANTS) for item in items):
            return tuple(items)
        return Sequence(kind, list(items or []), exact=exact)

    return run


def _dict(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    out = Mapping(dict(keywords))
    if args:
        if isinstance(args[0], Mapping):
            out.items.update(args[0].items)
            out.exact = args[0].exact
            return out
        items = items_of(args[0])
        out.exact = items is not None
        for item in items or []:
            pair = items_of(follower.force(item))
            if pair is not None and len(pair) == 2 and isinstance(pair[0], (*CONSTANTS, tuple)):
                out.items[pair[0]] = pair[1]
            else:
                out.exact = False
    return out


def _map(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    items = items_of(args[1]) if len(args) == 2 else None
    if items is None:
        return UNKNOWN
    function = args[0]
    if isinstance(function, Native) and function.path in _NATIVE_CALLS:
        run = _NATIVE_CALLS[function.path]
        return Sequence("list", [run(environment, follower, [follower.force(item)], {}) for item in items])
    return Sequence("list", [UNKNOWN for _ in items])


def _quantify(kind: str) -> _Run:
    def run(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
        if len(args) != 1 or not isinstance(args[0], (Sequence, tuple)):
            return UNKNOWN
        items = args[0].items if isinstance(args[0], Sequence) else list(args[0])
        exact = not isinstance(args[0], Sequence) or args[0].exact
        truths = [follower.truth(item) for item in items]
        decisive = kind == "any"
        if decisive in truths:
            return decisive
        return UNKNOWN if None in truths or not exact else not decisive

    return run


def _isinstance(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    if len(args) != 2:
        return UNKNOWN
    value, kind = args
    kinds = items_of(kind) or [] if isinstance(kind, (Sequence, tuple)) else [kind]
    names = [one.path for one in kinds if isinstance(one, Native)]
    if not kinds or len(names) != len(kinds):
        if isinstance(value, Instance) and any(
            isinstance(one, Type) and _is_subclass(follower, value.type, one) for one in kinds
        ):
            return True
        plain = isinstance(value, (*CONSTANTS, tuple, Sequence, Mapping))
        classes = kinds and all(isinstance(one, Type) and _is_concrete(follower, one) for one in kinds)
        return False if plain and classes else UNKNOWN
    if isinstance(value, (*CONSTANTS, tuple)) and value is not None:
        own = {"builtins." + kind.__name__ for kind in type(value).__mro__}
    elif isinstance(value, Sequence):
        own = {"builtins." + value.kind}
    elif isinstance(value, Mapping):
        own = {"builtins.dict"}
    elif value is None:
        own = {"builtins.NoneType"}
    else:
        return UNKNOWN
    if own & set(names):
        return True
    return False if all(name.startswith("builtins.") for name in names) else UNKNOWN


def _is_subclass(follower: Expressions, one: Type, other: Type) -> bool:
    todo, seen = [one], set()
    while todo:
        kind = todo.pop()
        if kind is other or kind.stmt is other.stmt:
            return True
        if id(kind) not in seen:
            seen.add(id(kind))
            todo += [base for base in map(follower.force, kind.bases) if isinstance(base, Type)]
    return False


def _is_concrete(follower: Expressions, kind: Any) -> bool:
    """Is it a class of a package, whose bases are all known: one that nothing of the interpreter is an instance of?"""
    if not isinstance(kind, Type) or kind.module.trusted:
        return isinstance(kind, Native) and kind.path == "builtins.object"
    return all(_is_concrete(follower, base) for base in map(follower.force, kind.bases))


def _json_loads(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    if not args or not isinstance(args[0], str) or len(args[0]) > SIZE_LIMIT:
        return UNKNOWN
    try:
        return wrapped(json.loads(args[0]))
    except (ValueError, RecursionError):
        raise Fails("JSONDecodeError", "no JSON") from None


def _regex(how: str) -> _Run:
    def run(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
        if len(args) != 2 or not all(isinstance(arg, str) for arg in args) or keywords:
            return UNKNOWN
        pattern, text = args
        # a repeated group, or many repetitions, can take for ever
        if (
            len(pattern) > 100
            or len(text) > 200
            or re.search(r"\)[*+{]", pattern)
            or len(re.findall(r"[*+}]", pattern)) > 6
        ):
            return UNKNOWN
        try:
            found = getattr(re, how)(pattern, text)
        except (re.error, RecursionError, OverflowError):
            return UNKNOWN
        return wrapped(found) if how == "findall" else (Native("match") if found else None)

    return run


def _operator(how: str) -> _Run:
    def run(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
        return environment.compare(how, args[0], args[1], follower) if len(args) == 2 else UNKNOWN

    return run


def _bool(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    truth = follower.truth(args[0]) if args else False
    return UNKNOWN if truth is None else truth


def _dir(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    module = args[0] if len(args) == 1 else None
    if not isinstance(module, Module) or module.stars or module.dynamic:
        return UNKNOWN
    known = module.state == "done" and module.surface is not None
    return Sequence("list", sorted(module.scope)) if known else UNKNOWN


def _nothing(environment: Environment, follower: Expressions, args: List[Any], keywords: Dict[str, Any]) -> Any:
    return None


_NATIVE_CALLS: Dict[str, _Run] = {
    "importlib.util.find_spec": _find_spec,
    "importlib.find_loader": _find_spec,
    "pkgutil.find_loader": _find_spec,
    "importlib.metadata.version": _version,
    "importlib_metadata.version": _version,
    "importlib.metadata.distribution": _distribution,
    "importlib_metadata.distribution": _distribution,
    "importlib.metadata.metadata": _metadata,
    "importlib_metadata.metadata": _metadata,
    "importlib.metadata.packages_distributions": _packages_distributions,
    "importlib_metadata.packages_distributions": _packages_distributions,
    "pkg_resources.get_distribution": _get_distribution,
    "pkg_resources.require": _get_distribution,
    "os.environ.get": _getenv,
    "os.getenv": _getenv,
    "json.loads": _json_loads,
    "re.match": _regex("match"),
    "re.search": _regex("search"),
    "re.findall": _regex("findall"),
    "builtins.dir": _dir,
    "builtins.int": _plainly(int),
    "builtins.float": _plainly(float),
    "builtins.str": _plainly(str),
    "builtins.bool": _bool,
    "builtins.len": _plainly(len),
    "builtins.min": _plainly(min),
    "builtins.max": _plainly(max),
    "builtins.sorted": _plainly(sorted),
    "builtins.reversed": _plainly(lambda value: list(reversed(value))),
    "builtins.list": _make("list"),
    "builtins.tuple": _make("tuple"),
    "builtins.set": _make("set"),
    "builtins.frozenset": _make("set"),
    "builtins.dict": _dict,
    "builtins.dict.fromkeys": _fromkeys,
    "collections.OrderedDict": _dict,
    "builtins.map": _map,
    "builtins.any": _quantify("any"),
    "builtins.all": _quantify("all"),
    "builtins.isinstance": _isinstance,
    "builtins.print": _nothing,
    "warnings.warn": _nothing,
    "warnings.simplefilter": _nothing,
    "warnings.filterwarnings": _nothing,
    "operator.lt": _operator("<"),
    "operator.le": _operator("<="),
    "operator.eq": _operator("=="),
    "operator.ne": _operator("!="),
    "operator.ge": _operator(">="),
    "operator.gt": _operator(">"),
}
_ALIASES = {
    "importlib_metadata.api.version": "importlib.metadata.version",
}
_IMPORTS = frozenset(("importlib.import_module", "builtins.__import__"))
_NATIVE_VALUES = frozenset(
    ("os.environ", "sys.modules", "sys.implementation", "contextlib.suppress", "importlib.import_module")
)
_SINCE = {"importlib.metadata.packages_distributions": (3, 10)}
_STRING_METHODS = frozenset(
    """split rsplit startswith endswith lower upper strip lstrip rstrip replace partition rpartition join
    isdigit isnumeric title capitalize count find index removeprefix removesuffix splitlines""".split()  # noqa: SIM905
)
_COMPARISONS: Dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.eq,
    "is not": operator.ne,
}
