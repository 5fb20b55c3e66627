"""Modules: importing them, and what names they have."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Set, Tuple

from card_doctor.model.surface import (
    Assign,
    Bind,
    Class,
    Declare,
    From,
    Function,
    If,
    Import,
    Items,
    ModuleSurface,
    Stmt,
    Try,
    Words,
)
from card_doctor.surfaces.backends import stand_in
from card_doctor.surfaces.following import Catcher, Following, Frame, Raised
from card_doctor.surfaces.values import MISSING, UNKNOWN, Module, Procedure, Sequence

# Import and the interpreter set these on every module.
_ALWAYS_THERE = frozenset(
    """__annotations__ __builtins__ __cached__ __class__ __dict__ __doc__ __file__ __loader__ __name__ __package__
    __path__ __spec__ __warningregistry__""".split()  # noqa: SIM905
)
_NO_NAME = "no_module_defines_this_name"


class Modules(Following):
    """Imports modules and looks names up in them."""

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

    def load(self, module: Module) -> Optional[ModuleSurface]:
        if module.surface is None and module.failure is None:
            module.surface = self.surface_of(module)
        return module.surface

    def run(self, module: Module, frame: Optional[Frame], line: int) -> None:
        """Import a module: follow it, once. One that failed is followed again, as Python does."""
        if frame is not None:
            self.imports_for_sure(module)
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
        doubts, handling, self.handling = self.doubts, self.handling, []
        running, self.running = self.running, (module.name, doubts, len(self.catchers))
        budget, self.budget = self.budget, None
        mark = self.mark
        inner = Frame(module, module.scope, "module")
        try:
            self.block(surface.body, inner, outermost=True)
            module.state = "done"
            module.sure = not doubts or len(self.rows) == before
            module.failure = None
        except Raised as raised:
            module.failure = raised.failure
            raise
        finally:
            if module.state == "running":
                module.state = "new"
            self.doubts, self.handling, self.budget, self.mark = doubts, handling, budget, mark
            self.running = running
            if frame is not None:
                self.stack.pop()

    def imports_for_sure(self, module: Module) -> None:
        """Note that the running module never does without this one: under no condition, in no `try`."""
        importer, doubts, catchers = self.running
        if self.doubts == doubts and all(one.catches("ImportError") is False for one in self.catchers[catchers:]):
            self.imports.setdefault(importer, set()).add(module.name)

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
            value, line = self.module_getattr(module, name)
            # Refusing this very name, not merely every name that it does not know, says that it is gone.
            if value is not MISSING or (unknown and line != self.module_getattr(module, _NO_NAME)[1]):
                return value
        if found is not None and found.is_package:
            sub = self.module(f"{module.name}.{name}")
            if sub is not None:
                if run and not module.trusted:
                    self.run(sub, Frame(module, module.scope, "module"), 0)
                return sub
        late = module.surface is not None and name in module.surface.late
        late = late or (module.replaced and name.startswith("_"))
        if unknown or late or f"{module.name}.{name}" in self.injected:
            return UNKNOWN
        return MISSING

    @staticmethod
    def sets_names(module: Module) -> bool:
        """Does it bind names that no statement shows?"""
        surface = module.surface
        return module.dynamic or (
            surface is not None and (surface.open or module.name.rpartition(".")[2] in surface.sets)
        )

    def starred(self, module: Module, name: str, seen: Set[str]) -> Any:
        """What `from module import *` brings for that name."""
        if module.name in seen:
            return MISSING
        seen.add(module.name)
        if module.state == "new" and module.trusted:
            self.run(module, None, 0)
        names = module.scope.get("__all__")
        if isinstance(names, Sequence) and names.exact and not module.dynamic:
            words = names.words()
            if words is not None and name not in words:
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
            instead = stand_in(self, module, where, what) if name not in module.lazy else None
            if instead is not None:
                return instead
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
                own, stars = names_of(surface.body)
                names.update((one, (name, one)) for one in own)
                for level, star in stars:
                    for one, where in self.static_names(self.absolute(star, level, module)).items():
                        names.setdefault(one, where)
        known: Dict[str, Tuple[str, str]] = self.memo[key]
        return known

    def module_getattr(self, module: Module, name: str) -> Tuple[Any, int]:
        """What a module's `__getattr__` makes of a name; with MISSING, the line that refuses it."""
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

    def absolute(self, module: str, level: int, importer: Module) -> str:
        if not level:
            return module
        package = importer.package
        for _ in range(level - 1):
            package = package.rpartition(".")[0]
        return f"{package}.{module}" if module else package

    def special(self, module: Module, name: str) -> Any:
        """What is known of the interpreter itself, and functions that ask for the environment."""
        return self.environment.special(module, name)


def names_of(body: List[Stmt]) -> Tuple[List[str], List[Tuple[int, str]]]:
    """What a module defines by its text alone: its `__all__`, else the public names that any branch binds; and
    what it imports by star.
    """
    names: List[str] = []
    stars: List[Tuple[int, str]] = []
    todo: List[List[Stmt]] = [body]
    while todo:
        for stmt in todo.pop():
            if isinstance(stmt, Assign):
                if stmt.target == "__all__" and isinstance(stmt.value, Words):
                    return stmt.value.items, []
                if isinstance(stmt.target, str):
                    names.append(stmt.target)
                elif isinstance(stmt.target, Items):
                    names += [item for item in stmt.target.items if isinstance(item, str)]
            elif isinstance(stmt, (Function, Class, Declare)):
                names.append(stmt.name)
            elif isinstance(stmt, Bind):
                names += stmt.names
            elif isinstance(stmt, Import):
                names.append(stmt.alias or stmt.module.partition(".")[0])
            elif isinstance(stmt, From):
                if stmt.names[0][0] == "*":
                    stars.append((stmt.level, stmt.module))
                else:
                    names += [alias or name for name, alias in stmt.names]
            elif isinstance(stmt, If):
                todo += [stmt.body, stmt.orelse]
            elif isinstance(stmt, Try):
                todo += [stmt.body, stmt.orelse, stmt.final, *(handler.body for handler in stmt.handlers)]
    return [name for name in names if not name.startswith("_")], stars
