"""What compiled files say of themselves, and what the machine that they stand on has for them."""

from __future__ import annotations

from typing import Dict, FrozenSet, Optional, Tuple

import msgspec


class NumpyApi(msgspec.Struct, frozen=True, array_like=True):
    """`count` files, `file` one of them, were compiled with the headers of NumPy `major` and run on NumPy
    `since` or newer; None where they do not tell.
    """

    major: int
    since: Optional[str]
    file: str
    count: int = 1


class Linked(msgspec.Struct, frozen=True, array_like=True):
    """What `count` extension modules, `file` one of them, need from outside of their distribution: libraries by
    name, and the highest symbol versions ("GLIBC_2.27", "GLIBCXX_3.4.21").
    """

    file: str
    libraries: Tuple[str, ...] = ()
    versions: Tuple[str, ...] = ()
    count: int = 1


class TorchUse(msgspec.Struct, frozen=True, array_like=True):
    """The C++ symbols that a file expects torch to define."""

    file: str
    symbols: Tuple[str, ...]


class BinarySurface(msgspec.Struct, frozen=True, array_like=True):
    """One distribution's compiled files, whatever environment they stand in. `abis` are the tags that the same
    extension module is there for, each combination once ("" is no tag); `libraries` the names of its shared
    libraries; `search` the folders outside of it that its files name, relative to where it is installed.
    """

    distribution: str
    version: str
    numpy: Tuple[NumpyApi, ...] = ()
    abis: Tuple[Tuple[str, ...], ...] = ()
    links: Tuple[Linked, ...] = ()
    torch: Tuple[TorchUse, ...] = ()
    libraries: Tuple[str, ...] = ()
    search: Tuple[str, ...] = ()
    gaps: Tuple[Tuple[str, str], ...] = ()


class Loader(msgspec.Struct, frozen=True):
    """What the dynamic loader of this machine finds beside the distributions' own libraries; `versions` are those
    that its libstdc++ offers, None where that is not known. `unresolved` are the symbols, by the distribution that
    expects them, that the installed torch does not define.
    """

    libraries: FrozenSet[str] = frozenset()
    versions: Optional[FrozenSet[str]] = None
    unresolved: Tuple[Tuple[str, TorchUse], ...] = ()


class Binaries(msgspec.Struct, frozen=True):
    """An environment's compiled files, by distribution. `reached` are the distributions that the standard loop
    imports for sure, None where that was not looked at; `loader` is None where what it finds is not known.
    """

    surfaces: Dict[str, BinarySurface] = {}
    loader: Optional[Loader] = None
    reached: Optional[FrozenSet[str]] = None
