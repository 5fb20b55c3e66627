"""Names that stand for something else where what they need is not available."""

from __future__ import annotations

from typing import List

import pytest

from card_doctor.model.derived import Need
from card_doctor.surfaces.walk import walk
from installed import Files, environment

# What transformers has, in small: a package that goes on without a `lib` that is too old for it.
UTILS = """
import importlib.metadata
import operator
from packaging import version

try:
    _lib_available, _lib_version = True, importlib.metadata.version("lib")
except importlib.metadata.PackageNotFoundError:
    _lib_available, _lib_version = False, "N/A"
if _lib_available:
    _lib_available = version.parse(_lib_version) >= version.parse("2.1.0")

def is_lib_available():
    return _lib_available

def is_other_available():
    return helper()

class Backend: ...

BACKENDS_MAPPING = dict([
    ("lib", (is_lib_available, "{0} requires lib but it was not found. Install\\nit.")),
    ("other", (is_other_available, "{0} requires other.")),
])

def requires_backends(obj, backends):
    if not isinstance(backends, (list, tuple)):
        backends = [backends]
    name = obj.__name__ if hasattr(obj, "__name__") else obj.__class__.__name__
    failed = []
    for backend in backends:
        if isinstance(backend, Backend):
            available, msg = backend.satisfied, backend.message
        else:
            available, msg = BACKENDS_MAPPING[backend]
        if not available():
            failed.append(msg.format(name))
    if failed:
        raise ImportError("".join(failed))

def requires(*, backends=()):
    return lambda one: one

BASE_FILE_REQUIREMENTS = {
    lambda name, content: "modeling_" in name and not name.endswith("_other"): ("lib",),
    lambda name, content: name.startswith("modeling_"): ("other",),
}

class LazyModule:
    def __init__(self, name, structure): ...

def scan(file):
    return [open(file)]
"""
LAZY = """
from typing import TYPE_CHECKING
from .utils import LazyModule, scan
if TYPE_CHECKING:
    from .modeling_a import *
    from .modeling_other import *
    from .trainer import *
else:
    import sys
    sys.modules[__name__] = LazyModule(__name__, scan(__file__))
"""
PACKAGE: Files = {
    "p/__init__.py": LAZY,
    "p/utils.py": UTILS,
    "p/modeling_a.py": "__all__ = ['Model']\nimport lib.gone\nclass Model: ...",
    "p/modeling_other.py": "__all__ = ['Other']\nclass Other: ...",
    "p/trainer.py": (
        "__all__ = ['Trainer', 'Arguments']\nfrom .utils import requires\n"
        "@requires(backends=('lib',))\nclass Trainer: ...\nclass Arguments: ..."
    ),
}
DUMMIES: Files = {
    **PACKAGE,
    "p/__init__.py": """
from .utils import is_lib_available
if is_lib_available():
    from .trainer import Trainer
else:
    from .dummies import Trainer
""",
    "p/dummies.py": (
        "from .utils import requires_backends\nclass Trainer:\n    _backends = ['lib']\n"
        "    def __init__(self, *args, **kwargs):\n        requires_backends(self, ['lib'])\n"
    ),
}


def stops(tmp_path, script: str, files: Files = PACKAGE, lib: str = "2.0") -> List[Need]:
    packages = {
        "p==1.0": files,
        f"lib=={lib}": {"lib/__init__.py": "", "lib/gone.py": ""},
        "packaging==21.3": {"packaging/__init__.py": "", "packaging/version.py": "def parse(v): ..."},
    }
    path = tmp_path / "train.py"
    path.write_text(script)
    derived, _ = walk(environment(tmp_path / "site", packages), str(path))
    return list(derived.needs)


@pytest.mark.parametrize(
    ("script", "files", "which"),
    [
        ("from p import Model\nModel()", PACKAGE, "Model"),
        ("import p\np.Model()", PACKAGE, "Model"),
        ("from p import Model\nModel.from_pretrained('x')", PACKAGE, "Model"),
        ("from p import Trainer\nTrainer(model=1)", PACKAGE, "Trainer"),
        ("from p import Trainer\nTrainer(model=1)", DUMMIES, "Trainer"),
    ],
    ids=["by its file's name", "as an attribute", "by a method", "by its decorator", "a dummy that is a class"],
)
def test_using_what_stands_in_for_something_too_old_stops(tmp_path, script, files, which):
    (need,) = stops(tmp_path, script, files)
    assert (need.kind, need.importer, need.provider, need.error) == ("enforced", "p", "lib", "ImportError")
    assert need.message.startswith(f"{which} requires lib but it was not found")
    assert (need.sure, need.loop) == (True, True)
    assert need.at.file == "p/utils.py"
    assert UTILS.splitlines()[need.at.line - 1].strip().startswith("raise ImportError")
    assert need.wants == "lib>=2.1.0"
    assert need.wants_at is not None
    assert "2.1.0" in UTILS.splitlines()[need.wants_at.line - 1]


@pytest.mark.parametrize(
    ("script", "files", "lib"),
    [
        ("from p import Model, Trainer\nModel()\nTrainer()", PACKAGE, "2.1"),
        ("from p import Trainer\nTrainer()", DUMMIES, "2.1"),
        ("from p import Model, Trainer", PACKAGE, "2.0"),
        ("from p import Arguments\nArguments()", PACKAGE, "2.0"),
        ("from p import Other\nOther()", PACKAGE, "2.0"),
        ("from p import Model\ntry:\n    Model()\nexcept ImportError:\n    pass", PACKAGE, "2.0"),
    ],
    ids=["new enough", "a dummy not needed", "not used", "needs nothing", "can't be known", "caught"],
)
def test_nothing_else_stops(tmp_path, script, files, lib):
    assert stops(tmp_path, script, files, lib) == []


def test_a_comparison_within_the_function_itself_is_found_too(tmp_path):
    start, end = UTILS.index("try:"), UTILS.index("def is_other")
    inside = """
def is_lib_available():
    there = importlib.metadata.version("lib")
    if version.parse(there) < version.parse("2.5"):
        return False
    return True

"""
    files = {**PACKAGE, "p/utils.py": UTILS[:start] + inside + UTILS[end:]}
    (need,) = stops(tmp_path, "from p import Model\nModel()", files)
    assert need.wants == "lib>=2.5"
