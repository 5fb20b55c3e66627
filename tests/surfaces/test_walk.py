from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
import sysconfig
from typing import Dict, List, Tuple

import pytest

from card_doctor.model.derived import Need
from card_doctor.surfaces.walk import walk
from installed import Files, environment

LIBRARY: Files = {
    "lib/__init__.py": "__version__ = '2.0'\nfrom lib.core import thing as thing\nimport lib.sub\nclass Kept: ...\n",
    "lib/core.py": "def thing(): ...\ndef other(): ...\n",
    "lib/sub.py": "VALUE = 1\n",
    "lib/alone.py": "VALUE = 2\n",
}


def needs(site, app: str, python: str = "3.9.18", **more: Files) -> List[Need]:
    """What training needs where `torch` consists of this one module."""
    packages: Dict[str, Files] = {
        "torch==1.9.1": {"torch/__init__.py": app},
        "lib==2.0": LIBRARY,
        "packaging==21.3": {
            "packaging/__init__.py": "",
            "packaging/version.py": "def parse(v): ...\nclass Version: ...",
        },
    }
    packages.update({f"{name}==1.0": files for name, files in more.items()})
    derived, _ = walk(environment(site, packages, python))
    return [need for need in derived.needs if need.loop]


def told(found: List[Need]) -> List[Tuple[str, str, str, bool]]:
    return sorted((need.kind, need.module, need.name, need.sure) for need in found)


def name(module: str, taken: str, *, sure: bool = True) -> Tuple[str, str, str, bool]:
    return ("missing-name", module, taken, sure)


def module(missing: str, *, sure: bool = True) -> Tuple[str, str, str, bool]:
    return ("missing-module", missing, "", sure)


FAILS = {
    "a module that is not there": ("import absent", [module("absent")]),
    "a submodule that is not there": ("import lib.absent", [module("lib.absent")]),
    "a name that is gone": ("from lib import gone", [name("lib", "gone")]),
    "all the names that are gone": ("from lib import thing, gone, lost", [name("lib", "gone"), name("lib", "lost")]),
    "an attribute of a module": ("import lib\nvalue = lib.gone", [name("lib", "gone")]),
    "an attribute of a submodule": ("import lib.sub as s\nvalue = s.GONE", [name("lib.sub", "GONE")]),
    "a base class": ("import lib\nclass A(lib.Gone): ...", [name("lib", "Gone")]),
    "in the body of a class": ("import lib\nclass A:\n    field = lib.gone", [name("lib", "gone")]),
    "a decorator": ("import lib\n@lib.gone\ndef f(): ...", [name("lib", "gone")]),
    "a decorator that is called": ("import lib\n@lib.gone(1)\nclass A: ...", [name("lib", "gone")]),
    "a default": ("import lib\ndef f(a=lib.gone): ...", [name("lib", "gone")]),
    "an annotation": ("import lib\ndef f(a: lib.Gone): ...", [name("lib", "Gone")]),
    "an annotation over lines": (
        "import lib\ndef f(\n    a: int = 1,\n    b: 'b' = 2,\n) -> lib.gone:\n    return b\n",
        [name("lib", "gone")],
    ),
    "an annotated name": ("import lib\na: lib.Gone = 1", [name("lib", "Gone")]),
    "in an argument": ("import lib\nx = dict(a=[lib.gone])", [name("lib", "gone")]),
    "by import_module": ("import importlib\nx = importlib.import_module('absent')", [module("absent")]),
    "by __import__": ("x = __import__('absent')", [module("absent")]),
    "a try that catches something else": (
        "try:\n    import absent\nexcept ValueError:\n    pass",
        [module("absent")],
    ),
    "a try whose handler raises": (
        "try:\n    import absent\nexcept ImportError as error:\n    raise RuntimeError('no absent') from error",
        [module("absent")],
    ),
    "an ImportError that catches no AttributeError": (
        "import lib\ntry:\n    x = lib.gone\nexcept ImportError:\n    pass",
        [name("lib", "gone")],
    ),
    "what a handler imports": (
        "try:\n    import absent\nexcept ImportError:\n    import absent_too",
        [module("absent_too")],
    ),
    "what an else imports": (
        "import sys\nif sys.executable == 'torch_deploy':\n    pass\nelse:\n    import absent",
        [module("absent")],
    ),
    "for this Python": ("import sys\nif sys.version_info >= (3, 8):\n    import absent", [module("absent")]),
    "for this platform": ("import sys\nif sys.platform != 'win32':\n    import absent", [module("absent")]),
    "for an installed package": (
        "import importlib.util\nif importlib.util.find_spec('lib') is not None:\n    import lib.gone",
        [module("lib.gone")],
    ),
    "for a version of an installed package": (
        "import importlib.metadata\nif importlib.metadata.version('lib') >= '2':\n    import absent",
        [module("absent")],
    ),
    "for an environment variable that is not set": (
        "import os\nif os.environ.get('USE_ABSENT', 'AUTO').upper() in {'AUTO', 'ON'}:\n    import absent",
        [module("absent")],
    ),
    "under a condition that can't be decided": (
        "import time\nif time.time() > 5:\n    import absent",
        [module("absent", sure=False)],
    ),
    "in a loop over names": ("for name in ('lib', 'absent'):\n    __import__(name)", [module("absent")]),
    "a name that was deleted": ("import lib\ndel lib.thing\nfrom lib import gone", [name("lib", "gone")]),
    "after a lower-case logical and": ("import lib\nx = True and lib.gone", [name("lib", "gone")]),
    "the standard library's": ("from collections import Gone", [name("collections", "Gone")]),
    "a module that the standard library lost": ("import asynchat_of_old", [module("asynchat_of_old")]),
    "what a newer Python brings": ("from typing import no_such_form", [name("typing", "no_such_form")]),
}

HOLDS = {
    "what is there": (
        "import lib, lib.sub, lib.alone\nfrom lib import thing, Kept, sub\nx = lib.thing, lib.Kept, lib.sub"
    ),
    "a submodule by name": "from lib import alone",
    "special attributes": "import lib\nx = lib.__name__, lib.__file__, lib.__path__, lib.__doc__",
    "a guard that catches": "try:\n    import absent\nexcept ImportError:\n    absent = None",
    "a guard that catches everything": "try:\n    from lib import gone\nexcept Exception:\n    gone = None",
    "a guard that is bare": "import lib\ntry:\n    x = lib.gone\nexcept:\n    x = None",
    "a guard of several": "try:\n    import absent\nexcept (ValueError, ModuleNotFoundError):\n    pass",
    "suppress": "import contextlib\nwith contextlib.suppress(ImportError):\n    import absent",
    "what follows a failure that was caught": (
        "try:\n    import absent\n    import absent.too\nexcept ImportError:\n    HAS = False\n"
        "else:\n    HAS = True\nif HAS:\n    import absent_three"
    ),
    "TYPE_CHECKING": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import absent",
    "typing.TYPE_CHECKING": "import typing\nif typing.TYPE_CHECKING:\n    import absent",
    "the body of a function": "def f():\n    import absent\n    import lib\n    return lib.gone",
    "the body of a method": "import lib\nclass A:\n    def f(self):\n        return lib.gone",
    "a lambda": "import lib\nf = lambda: lib.gone",
    "another Python": "import sys\nif sys.version_info < (3, 8):\n    import absent",
    "another platform": (
        "import sys, platform\nif sys.platform == 'win32' or platform.system() == 'Darwin':\n    import absent"
    ),
    "a package that is not there": (
        "import importlib.util\nif importlib.util.find_spec('absent') is not None:\n    import absent"
    ),
    "another version": (
        "from packaging import version\nimport importlib.metadata\n"
        "if version.parse(importlib.metadata.version('lib')) < version.parse('1.9'):\n    import absent"
    ),
    "a version that is not there": (
        "import importlib.metadata\ntry:\n    v = importlib.metadata.version('absent')\n    HAS = True\n"
        "except importlib.metadata.PackageNotFoundError:\n    HAS = False\nif HAS:\n    import absent"
    ),
    "hasattr": "import lib\nif hasattr(lib, 'gone'):\n    x = lib.gone",
    "getattr with a default": "import lib\nx = getattr(lib, 'gone', None)",
    "annotations that are not evaluated": "from __future__ import annotations\nimport lib\ndef f(a: lib.Gone): ...",
    "a short circuit": "import lib\nx = False and lib.gone",
    "a choice": "import lib\nx = lib.gone if 1 > 2 else lib.thing",
    "what the module itself set": "import lib\nlib.new = 1\nfrom lib import new",
    "a local name": "def lib(): ...\nlib.gone = 1\nx = lib.gone",
    "the standard library": (
        "import os.path, json, typing, collections.abc\nfrom functools import partial\nx = typing.Dict"
    ),
    "a module that is built in": "import sys, time, _thread, itertools, marshal, __main__",
    "an endless loop": "while True:\n    pass",
    "recursion": "def f(n):\n    return f(n)\nif f(1):\n    import absent\nelse:\n    pass",
}


@pytest.mark.parametrize("case", FAILS)
def test_what_fails_is_found(tmp_path, case):
    app, expected = FAILS[case]
    assert told(needs(tmp_path / "site", app)) == sorted(expected)


@pytest.mark.parametrize("case", HOLDS)
def test_what_holds_is_not(tmp_path, case):
    assert [need for need in needs(tmp_path / "site", HOLDS[case]) if need.sure] == []


def test_the_place_and_the_chain_are_told(tmp_path):
    app = "import first"
    first = {"first/__init__.py": "\nfrom first.inner import x", "first/inner.py": "import lib\n\n\nx = lib.gone\n"}
    (need,) = needs(tmp_path / "site", app, first=first)
    assert (need.at.file, need.at.line) == ("first/inner.py", 4)
    assert (need.importer, need.importer_version, need.provider, need.provider_version) == (
        "first", "1.0", "lib", "2.0",
    )  # fmt: skip
    assert [(step.file, step.line) for step in need.chain] == [("torch/__init__.py", 1), ("first/__init__.py", 2)]
    assert need.error == "AttributeError"
    assert need.message == "module 'lib' has no attribute 'gone'"


def test_a_guard_holds_for_all_that_is_imported_within_it(tmp_path):
    app = "try:\n    import first\nexcept ImportError:\n    first = None"
    first = {"first/__init__.py": "import first.inner", "first/inner.py": "import absent"}
    assert needs(tmp_path / "site", app, first=first) == []


def test_what_one_guards_another_needs(tmp_path):
    app = "try:\n    import first\nexcept ImportError:\n    pass\nimport second"
    first = {"first/__init__.py": "import absent"}
    second = {"second/__init__.py": "import first"}
    found = needs(tmp_path / "site", app, first=first, second=second)
    assert told(found) == [module("absent")]
    assert [step.file for step in found[0].chain] == ["torch/__init__.py", "second/__init__.py"]


def test_what_is_perhaps_imported_and_then_surely_is_sure(tmp_path):
    app = "import time\nif time.time():\n    import first\nimport first"
    first = {"first/__init__.py": "import absent"}
    assert told(needs(tmp_path / "site", app, first=first)) == [module("absent")]


EXPORTS = {
    "a star import": ({"__init__.py": "from p.a import *", "a.py": "x = 1\n_y = 1"}, ["x"], ["_y", "z"]),
    "a star import with __all__": (
        {"__init__.py": "from p.a import *", "a.py": "__all__ = ['x', '_y']\nx = _y = z = 1"},
        ["x", "_y"],
        ["z"],
    ),
    "an __all__ that is added to": (
        {
            "__init__.py": "from p.a import *",
            "a.py": "from p import b\nfrom p.b import *\n__all__ = ['x']\n__all__ += b.__all__\nx = 1",
            "b.py": "__all__ = ['y']\ny = z = 1",
        },
        ["x", "y"],
        ["z"],
    ),
    "an __all__ that can't be known": (
        {"__init__.py": "from p.a import *", "a.py": "import time\n__all__ = list(time.time())\nx = 1"},
        ["x"],
        ["z"],
    ),
    "__getattr__": (
        {
            "__init__.py": (
                "_OLD = {'x': 1}\ndef __getattr__(name):\n    if name in _OLD:\n        return _OLD[name]\n"
                "    if name == 'y':\n        from p import a\n        return a\n"
                "    raise AttributeError(f'no {name}')"
            ),
            "a.py": "",
        },
        ["x", "y", "a"],
        ["z"],
    ),
    "__getattr__ that says what is gone": (
        {
            "__init__.py": (
                "from p.c import *\n_GONE = {'z': 'was removed'}\ndef __getattr__(name):\n    if name in _GONE:\n"
                "        raise AttributeError(_GONE[name])\n    raise AttributeError(name)"
            ),
            "c.cpython-39-x86_64-linux-gnu.so": "",
        },
        ["x"],
        ["z"],
    ),
    "__getattr__ that can't be known": (
        {"__init__.py": "from p.a import find\n__getattr__ = find()", "a.py": "def find(): ..."},
        ["x"],
        [],
    ),
    "__getattr__ by a table that is turned around": (
        {
            "__init__.py": (
                "import importlib\n_NAMES = {'p.a': ['x'], 'b': ['y']}\n"
                "_WHERE = {n: m for m, names in _NAMES.items() for n in names}\n"
                "def __getattr__(name):\n    where = _WHERE.get(name)\n    if where:\n"
                "        return getattr(importlib.import_module(where), name)\n    raise AttributeError(name)"
            ),
            "a.py": "x = 1",
        },
        ["x"],
        ["z"],
    ),
    "__getattr__ that returns perhaps": (
        {
            "__init__.py": (
                "import time\ndef __getattr__(name):\n    if time.time():\n        return 1\n"
                "    raise AttributeError(name)"
            )
        },
        ["x"],
        [],
    ),
    "a class of its own": (
        {"__init__.py": "import sys, types\nclass M(types.ModuleType): ...\nsys.modules[__name__].__class__ = M"},
        ["x"],
        [],
    ),
    "globals()": ({"__init__.py": "for name in dir(object):\n    globals()[name] = 1"}, ["x"], []),
    "globals().update": ({"__init__.py": "globals().update(vars(object))"}, ["x"], []),
    "globals() of one name": ({"__init__.py": "globals()['x'] = 1"}, ["x"], ["z"]),
    "setattr on itself": ({"__init__.py": "import sys\ndef f(n):\n    import p\n    setattr(p, n, 1)\n"}, ["x"], []),
    "names from a compiled module": (
        {"__init__.py": "from p.c import x", "c.abi3.so": ""},
        ["x"],
        ["z"],
    ),
    "all of a compiled module": ({"__init__.py": "from p.c import *", "c.abi3.so": ""}, ["x"], []),
    "both branches": (
        {"__init__.py": "import time\nif time.time():\n    x = 1\nelse:\n    y = 1"},
        ["x", "y"],
        ["z"],
    ),
    "a lazy module by its structure": (
        {
            "__init__.py": (
                "from typing import TYPE_CHECKING\nfrom p.utils import Lazy\n"
                "_import_structure = {'a': ['x'], 'b': []}\n"
                "_import_structure['b'].extend(['y'])\nif TYPE_CHECKING:\n    from .a import x\nelse:\n    import sys\n"
                "    sys.modules[__name__] = Lazy(__name__, globals()['__file__'], _import_structure)\n"
            ),
            "utils.py": "class Lazy: ...",
            "a.py": "x = 1",
            "b.py": "y = 1",
        },
        ["x", "y", "a"],
        ["z"],
    ),
    "a lazy module by its type-only imports": (
        {
            "__init__.py": (
                "from typing import TYPE_CHECKING\nfrom p.utils import Lazy, scan\nif TYPE_CHECKING:\n"
                "    from .a import *\n    from .b import y\nelse:\n    import sys\n"
                "    sys.modules[__name__] = Lazy(__name__, scan(__file__))\n"
            ),
            "utils.py": "class Lazy: ...\ndef scan(f): return [open(f)]",
            "a.py": "__all__ = ['x']\nx = 1",
            "b.py": "y = 1",
        },
        ["x", "y", "b"],
        ["z"],
    ),
    "attached names": (
        {
            "__init__.py": (
                "_NAMES = {'a': ['x']}\ndef _attach(package, submodules=None, submod_attrs=None):\n"
                "    def __getattr__(name): ...\n    return __getattr__, dir, []\n"
                "__getattr__, __dir__, __all__ = _attach(__name__, submodules=['b'], submod_attrs=_NAMES)\n"
            ),
            "a.py": "x = 1",
            "b.py": "",
        },
        ["x", "a", "b"],
        ["z"],
    ),
    "a module that imports by itself": (
        {"__init__.py": "import sys\nsys.modules[__name__ + '.moves'] = object()"},
        ["moves"],
        [],
    ),
}


@pytest.mark.parametrize("case", EXPORTS)
def test_what_a_package_gives(tmp_path, case):
    files, has, lacks = EXPORTS[case]
    package = {f"p/{path}": content for path, content in files.items()}
    for index, one in enumerate([*has, *lacks]):
        found = needs(tmp_path / str(index), f"from p import {one}", p=package)
        assert told([need for need in found if need.sure]) == ([name("p", one)] if one in lacks else []), one


def test_taking_a_lazy_name_runs_its_module_alone(tmp_path):
    lazy = {
        "p/__init__.py": (
            "_NAMES = {'a': ['x'], 'b': ['y']}\n__getattr__, __dir__, __all__ = attach(__name__, [], _NAMES)\n"
        ),
        "p/a.py": "import absent_in_a\nx = 1",
        "p/b.py": "import absent_in_b\ny = 1",
    }
    assert told(needs(tmp_path / "site", "from p import x", p=lazy)) == [module("absent_in_a")]


PREDICATES = {
    "return _available": ("_available = find_spec('NAME') is not None\ndef is_it(): return _available"),
    "a helper": "def _is(name): return find_spec(name) is not None\ndef is_it(): return _is('NAME')",
    "a helper that tells the version too": (
        "import importlib.metadata\ndef _is(name, with_version=False):\n    there = find_spec(name) is not None\n"
        "    version = 'N/A'\n    if there:\n        try:\n            version = importlib.metadata.version(name)\n"
        "        except importlib.metadata.PackageNotFoundError:\n            there = False\n"
        "    if with_version:\n        return there, version\n    return there\n"
        "_there, _version = _is('NAME', with_version=True)\ndef is_it(): return _there"
    ),
    "a try": (
        "def is_it():\n    try:\n        import NAME\n        return True\n"
        "    except ImportError:\n        return False"
    ),
    "a cached one": "import functools\n@functools.lru_cache()\ndef is_it():\n    return bool(find_spec('NAME'))",
}


@pytest.mark.parametrize("case", PREDICATES)
@pytest.mark.parametrize("there", [True, False])
def test_predicates_are_evaluated(tmp_path, case, there):
    source = "from importlib.util import find_spec\n" + PREDICATES[case].replace("NAME", "lib" if there else "absent")
    app = "from q.utils import is_it\nif is_it():\n    import absent_where_it_is\nelse:\n    import absent_where_not"
    found = needs(tmp_path / "site", app, q={"q/__init__.py": "", "q/utils.py": source})
    assert told(found) == [module("absent_where_it_is" if there else "absent_where_not")]


@pytest.mark.parametrize(
    ("check", "stops"),
    [
        ("if version.parse(lib.__version__) < version.parse('3'):\n    raise ImportError('lib>=3 is required')", True),
        ("if version.parse(lib.__version__) < version.parse('1'):\n    raise ImportError('lib>=1 is required')", False),
        ("require('lib>=3')", True),
        ("require('lib>=1')", False),
        ("if lib.__version__ == '2.0':\n    raise RuntimeError('this release is broken')", True),
        ("import time\nif time.time() < 5:\n    raise RuntimeError('too early')", False),
        ("assert lib.__version__ == '2.1'", True),
    ],
)
def test_versions_that_are_enforced(tmp_path, check, stops):
    utils = (
        "import re, operator, importlib.metadata\nfrom packaging import version\n"
        "ops = {'<': operator.lt, '>=': operator.ge}\n"
        "def compare(op, got, want, requirement):\n"
        "    if not ops[op](version.parse(got), version.parse(want)):\n"
        "        raise ImportError(f'{requirement} is required, but found {got}')\n"
        "def require(requirement):\n"
        "    match = re.findall(r'^([^!=<>\\s]+)([\\s!=<>]{1,2})(.+)', requirement)\n"
        "    package, op, want = match[0]\n"
        "    compare(op, importlib.metadata.version(package), want, requirement)\n"
    )
    app = "import lib\nfrom packaging import version\nfrom q.utils import require\n" + check
    found = needs(tmp_path / "site", app, q={"q/__init__.py": "", "q/utils.py": utils})
    assert [need.kind for need in found] == (["enforced"] if stops else [])
    if stops and "required" in found[0].message:
        assert found[0].provider == "lib"
        assert found[0].message.startswith("lib>=3 is required")


@pytest.mark.parametrize(
    "says", ["Please upgrade lib to >= 3 for torch", "torch wants lib of a version >= 3", "lib>=3 is wanted"]
)
def test_the_one_that_a_stop_is_about(tmp_path, says):
    """Its version was asked for long before."""
    app = f"import lib\nversion = lib.__version__\nold = version < '3'\nif old:\n    raise ImportError('{says}')"
    (found,) = needs(tmp_path / "site", app)
    assert (found.kind, found.provider) == ("enforced", "lib")


def test_a_module_that_this_python_can_not_parse(tmp_path):
    site = tmp_path / "site"
    new = {"p/__init__.py": "def f(x):\n    match x:\n        case 1:\n            return 2\n"}
    (need,) = needs(site, "import p", python="3.9.18", p=new)
    assert (need.kind, need.error, need.importer, need.sure) == ("enforced", "SyntaxError", "p", True)
    if sys.version_info >= (3, 10):
        assert needs(tmp_path / "newer", "import p", python="3.10.0", p=new) == []


def test_syntax_that_only_a_newer_python_may_know_is_a_gap(tmp_path):
    packages = {"torch==1.0": {"torch/__init__.py": "import p"}, "p==1.0": {"p/__init__.py": "from future? import x\n"}}
    derived, _ = walk(environment(tmp_path / "site", packages, "3.99.0"))
    assert derived.needs == ()
    assert [gap[0].rpartition("/")[2] for gap in derived.gaps] == ["__init__.py"]


@pytest.mark.parametrize(
    "content",
    [
        b"x = 1\0",
        b"# coding: no-such-codec\nx = 1\n",
        b"x = '\xff\xfe'\n",
        b"x = " + b"(" * 500 + b")" * 500,
        b"x = " + b"-" * 60_000 + b"1",
        b"x = a" + b".b" * 1_900_000,
        b"x = a" + b"+a" * 1_900_000,
        b"x = 0\n" * 700_000,
    ],
)
def test_a_source_that_can_not_be_read_is_a_gap_and_the_rest_is_judged(tmp_path, content):
    packages = {
        "torch==1.0": {
            "torch/__init__.py": "import p\nfrom p import anything\nimport absent\nimport lib\nx = lib.gone"
        },
        "p==1.0": {"p/__init__.py": content},
        "lib==2.0": LIBRARY,
    }
    derived, _ = walk(environment(tmp_path / "site", packages))
    loop = [need for need in derived.needs if need.kind != "enforced"]
    assert told(list(loop)) == [module("absent"), name("lib", "gone")]


def test_link_loops_and_unreadable_folders(tmp_path):
    site = tmp_path / "site"
    snapshot = environment(
        site, {"torch==1.0": {"torch/__init__.py": "import round\nimport lib.gone"}, "lib==2.0": LIBRARY}
    )
    (site / "round").symlink_to("round")
    (site / "lib" / "circle").symlink_to("../lib")
    derived, _ = walk(snapshot)
    assert module("lib.gone") in told(list(derived.needs))


def test_an_import_hook_may_provide_what_is_found_nowhere(tmp_path):
    site = tmp_path / "site"
    snapshot = environment(site, {"torch==1.0": {"torch/__init__.py": "import absent"}})
    (site / "hook.pth").write_text("import hook; hook.install()\n")
    (site / "hook.py").write_text("import sys\ndef install(): sys.meta_path.append(1)\n")
    assert walk(snapshot)[0].needs == ()


def test_an_editable_project_is_where_its_finder_says(tmp_path):
    site = tmp_path / "site"
    snapshot = environment(site, {"torch==1.0": {"torch/__init__.py": "from mine import x, y"}})
    (tmp_path / "src" / "mine").mkdir(parents=True)
    (tmp_path / "src" / "mine" / "__init__.py").write_text("x = 1\n")
    (site / "__editable__.mine.pth").write_text("import __editable___mine_finder; __editable___mine_finder.install()")
    (site / "__editable___mine_finder.py").write_text(
        f"import sys\nMAPPING: dict[str, str] = {{'mine': {str(tmp_path / 'src' / 'mine')!r}}}\nsys.meta_path\n"
    )
    assert told(list(walk(snapshot)[0].needs)) == [name("mine", "y")]


def test_nothing_is_imported(tmp_path):
    mark = tmp_path / "mark"
    leaves = f"open({str(mark)!r}, 'w').write('imported')\n"
    needs(tmp_path / "site", leaves + "import p\np.f()\n", p={"p/__init__.py": leaves + f"def f():\n    {leaves}"})
    assert not mark.exists()


def test_a_companion_that_is_broken_does_not_stop_training(tmp_path):
    packages = {"torch==1.0": {"torch/__init__.py": ""}, "wandb==1.0": {"wandb/__init__.py": "import absent"}}
    derived, _ = walk(environment(tmp_path / "site", packages))
    assert [(need.module, need.loop, need.entry) for need in derived.needs] == [("absent", False, "wandb")]


TRAINER = """
from acc import Accelerator
class TrainingArguments:
    def __init__(self, output_dir, report_to=None):
        self.output_dir = output_dir
class Trainer:
    def __init__(self, model=None, args=None, **rest):
        self.args = args
        self.make()
    def make(self):
        CALL
    def train(self): ...
    def evaluate(self): ...
    def save_model(self, path): ...
    def create_model_card(self, model_name): ...
class PreTrainedTokenizerFast: ...
class BertConfig: ...
class BertForSequenceClassification: ...
class AutoConfig: ...
class AutoModelForSequenceClassification: ...
class AutoTokenizer: ...
"""
ACCELERATE = """
class Base:
    def __init__(self, split=True, *, seed=None): ...
class Accelerator(Base): ...
class Open:
    def __init__(self, split=True, **kwargs): ...
def decorate(f): return f
@decorate
def decorated(a): ...
def plain(a, b=1): ...
"""


@pytest.mark.parametrize(
    ("call", "refused"),
    [
        ("Accelerator(dispatch_batches=None)", "Accelerator(dispatch_batches=…)"),
        ("Accelerator(split=1, seed=2)", None),
        ("Accelerator(**{'dispatch_batches': 1})", "Accelerator(dispatch_batches=…)"),
        ("import acc; acc.Open(anything=1)", None),
        ("import acc; acc.decorated(anything=1)", None),
        ("import acc; acc.plain(1, b=2)", None),
        ("import acc; acc.plain(1, c=2)", "plain(c=…)"),
        ("import sys\n        if sys.version_info < (3,): Accelerator(dispatch_batches=1)", None),
    ],
)
def test_keywords_on_the_way_of_the_training_loop(tmp_path, call, refused):
    packages = {
        "transformers==4.0": {
            "transformers/__init__.py": TRAINER.replace("CALL", call),
            "transformers/modelcard.py": "",
        },
        "acc==1.0": {"acc/__init__.py": ACCELERATE},
    }
    derived, _ = walk(environment(tmp_path / "site", packages))
    assert [(need.kind, need.name, need.provider, need.sure) for need in derived.needs] == (
        [("refused-keyword", refused, "acc", True)] if refused else []
    )


STANDARD = sorted(
    {module.name for module in pkgutil.iter_modules([sysconfig.get_paths()["stdlib"]])}
    - {"antigravity", "this", "idlelib", "test", "lib2to3", "distutils", "turtle", "turtledemo", "tkinter", "__main__"}
)


def test_no_name_of_the_standard_library_is_taken_for_missing(tmp_path):
    """Against what this interpreter's own modules really have: the reader and the follower agree with import."""
    program = (
        "import importlib, json, sys, warnings\nwarnings.simplefilter('ignore')\nfound = {}\n"
        "for name in sys.argv[1:]:\n    try:\n        found[name] = dir(importlib.import_module(name))\n"
        "    except Exception:\n        pass\nprint(json.dumps(found))"
    )
    here = ".".join(map(str, sys.version_info[:3]))
    names = [name for name in STANDARD if not name.startswith("_")]
    ran = subprocess.run([sys.executable, "-c", program, *names], check=True, capture_output=True, text=True)
    real = json.loads(ran.stdout.splitlines()[-1])
    takes = "\n".join(f"from {name} import {taken}" for name in real for taken in real[name] if taken.isidentifier())
    assert told(needs(tmp_path / "site", takes, here)) == []
    assert len(takes) > 100_000


def test_what_the_loop_imports_for_sure_is_reached(tmp_path):
    """Under a condition, in a `try`, or by a function that nobody calls: perhaps, so not."""
    site = tmp_path / "site"
    app = """
import a
try:
    import b
except ImportError:
    pass
import os
if os.environ.get("MODE"):
    import c
def later():
    import d
def now():
    import e
now()
"""
    packages: Dict[str, Files] = {"torch==1.9.1": {"torch/__init__.py": app}}
    packages.update({f"{name}==1.0": {f"{name}/__init__.py": f"import {name}{name}"} for name in "abcde"})
    packages.update({f"{name}{name}==1.0": {f"{name}{name}.py": ""} for name in "abcde"})
    derived, _ = walk(environment(site, packages))
    assert derived.reached == ("a", "aa", "e", "ee", "torch")


@pytest.mark.parametrize(
    ("script", "told_"),
    [
        ("from lib import gone\n", [("missing-name", "train.py", "gone")]),
        ("def f(:\n", [("enforced", "train.py", "")]),
        ("from lib import thing\n", []),
    ],
)
def test_a_training_script_is_followed_too(tmp_path, script, told_):
    path = tmp_path / "train.py"
    path.write_text(script)
    snapshot = environment(tmp_path / "site", {"torch==1.9.1": {"torch/__init__.py": ""}, "lib==2.0": LIBRARY})
    derived, _ = walk(snapshot, str(path))
    assert [(need.kind, need.importer, need.name) for need in derived.needs] == told_


CACHED = """
import time
_there = None
def is_it():
    import importlib.util
    global _there
    if _there is None:
        _there = importlib.util.find_spec("absent") is not None
    return _there
"""


def test_a_predicate_that_keeps_its_answer_is_known_under_a_condition_too(tmp_path):
    app = CACHED + "if time.time():\n    if is_it():\n        import absent\n"
    assert told(needs(tmp_path / "a", app)) == []
    there = app.replace('"absent"', '"lib"')
    assert told(needs(tmp_path / "b", there)) == [module("absent", sure=False)]


CACHE: Files = {"u/__init__.py": "class RequirementCache:\n    def __init__(self, requirement=None, module=None): ..."}


@pytest.mark.parametrize(
    ("asked", "met"),
    [
        ("'lib'", True),
        ("'lib>=2'", True),
        ("'lib>2'", False),
        ("'absent'", False),
        ("'absent>=1', 'lib'", True),
        ("module='lib.sub'", True),
        ("module='lib.absent'", False),
    ],
)
def test_a_requirement_that_is_asked_for_as_lightning_does(tmp_path, asked, met):
    app = f"from u import RequirementCache\n_MET = RequirementCache({asked})\nif _MET:\n    import absent\n"
    assert told(needs(tmp_path / "site", app, u=CACHE)) == ([module("absent")] if met else [])
