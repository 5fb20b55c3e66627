# Reads the environment of the interpreter that runs it, and imports nothing of that environment.
# Standard library alone, Python 3.6 and newer. Used in two ways: `read()` in our own process, and as a
# script (`python reader.py OUTPUT`) that is copied to where another interpreter can run it.
"""exit"""  # a shell that was taken for a Python leaves here instead of running what follows

import os
import sys

if sys.version_info < (3, 6):
    sys.exit("card-doctor reads environments of Python 3.6 and newer")

SEARCH_PATH = sys.path[:]
if __name__ == "__main__":
    # PYTHONPATH may hold a json.py of its own: from here on, imports meet the standard library first.
    sys.path.sort(
        key=lambda entry: (
            not (os.path.exists(os.path.join(entry, "os.py")) or os.path.basename(entry) in ("lib-dynload", "DLLs"))
        )
    )

import re

MYPY = False
if MYPY:
    from typing import Any, Dict, List, Mapping, Optional, Tuple

    Json = Dict[str, Any]

READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
CHUNK = 1 << 16  # holds nearly every METADATA, so that one call reads it
# A header ends at the first line that the email package, and so an installer, does not take for a part of it.
HEADER_END = re.compile(rb"\n(?![!-9;-~]*:|[ \t]|From )")
FIELD = re.compile(r"\n(Name|Version|Requires-Dist|Provides-Extra|Requires-Python):(.*(?:\n[ \t].*)*)", re.IGNORECASE)
# https://packaging.python.org/en/latest/specifications/name-normalization/
SEPARATORS = re.compile(r"[-_.]+")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
# foo-1.0.dist-info, foo-1.0-py3.9.egg-info, foo-1.0-py3.9.egg, foo.egg-info
INFO = re.compile(r"(.+?)(?:-(v?\d[^-]*)(?:-.*)?)?\.(?:dist-info|egg-info|egg)\Z")
CREDENTIALS = re.compile(r"(?<=://)[^/]*@|[?#].*", re.DOTALL)
TORCH = re.compile(r"^(__version__|cuda|hip)\s*(?::[^=\n]*)?=\s*(?:None|['\"]([^'\"\n]*)['\"])", re.MULTILINE)
TORCH_BUILD = re.compile(r"cu\d+|cpu|xpu|rocm\d+(?:\.\d+)*")
# What decides how ranks find and talk to each other, which GPUs and libraries they get, and how they compute. Never a
# value that may be a secret.
VARIABLES = re.compile(
    r"(?:(?:TORCH_)?NCCL|RCCL|GLOO|UCX|FI)_\w+"
    r"|CUDA_(?:VISIBLE_DEVICES|DEVICE_ORDER|HOME|PATH|LAUNCH_BLOCKING|DEVICE_MAX_CONNECTIONS|MODULE_LOADING)"
    r"|(?:HIP|ROCR)_VISIBLE_DEVICES|CUBLAS_WORKSPACE_CONFIG|NVIDIA_TF32_OVERRIDE|TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"
    r"|PYTORCH_(?:CUDA_)?ALLOC_CONF|(?:OMP|MKL)_NUM_THREADS|LD_LIBRARY_PATH|LD_PRELOAD"
)
SECRET = re.compile("TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH")
LONGEST = 2000  # characters of a variable that are kept
MUSL_LOADER_TIMEOUT = 5  # seconds; it prints its version and ends


def read(search_path: "Optional[List[str]]" = None) -> "Json":
    """The JSON form of a Snapshot; `search_path` is this interpreter's own where none is given."""
    reader = Reader(without_script_folder(sys.path) if search_path is None else search_path)
    reader.read_packages()
    torch = reader.read_torch()
    system, _, _, _, machine = uname()
    c_library = libc(sys.executable)
    if c_library is None and system == "Linux":
        reader.gap("libc", "failed", "neither glibc nor musl tells its version")
    reader.gap("accelerators", "not-asked", "an interpreter is read without looking at the hardware")
    executable = text(sys.executable) if sys.executable else None
    return {
        "schema": "card-doctor/snapshot/1",
        "source": "interpreter",
        "path": executable,
        "complete": reader.complete,
        "python": {
            "version": python_version(),
            "implementation": sys.implementation.name,
            "executable": executable,
            "markers": markers(),
            "search_path": [text(entry) for entry in reader.path],
            # https://docs.python.org/3/howto/free-threading-python.html
            "free_threaded": "free-threading build" in sys.version,
        },
        "platform": {"system": system, "machine": machine, "libc": c_library},
        "packages": reader.packages,
        "torch": torch,
        "variables": variables(os.environ),
        "gaps": reader.gaps,
    }


class Reader:
    """One walk over a search path: the packages on it, and what of them could not be read."""

    def __init__(self, path: "List[str]") -> None:
        self.path = [entry for entry in path if isinstance(entry, str)]  # import passes over anything else
        self.complete = True
        self.packages = {}  # type: Dict[str, Json]
        self.gaps = []  # type: List[Json]
        self.copies = {}  # type: Dict[str, List[Tuple[bool, Json]]]
        self.links = []  # type: List[Tuple[Folder, str]]

    def gap(self, fact: str, reason: str, detail: str) -> None:
        self.gaps.append({"fact": fact, "reason": reason, "detail": detail})

    def read_packages(self) -> None:
        entries = {}  # type: Dict[str, str]
        for entry in self.path:
            try:
                real = os.path.realpath(entry)
                if real in entries:  # lib64 is often a link to lib
                    continue
                entries[real] = entry or real
                folder = open_folder(entries[real])
            except (OSError, ValueError) as error:
                self.complete = False
                self.gap("search path", "failed", "%s: %s" % (text(entry), why(error)))
            else:
                self.read_folder(folder)
        self.read_links(entries)
        for name, copies in self.copies.items():
            copies.sort(key=lambda copy: not copy[0])  # stable: what could be read, then the first on the path
            package = self.packages[name] = copies[0][1]
            for _, other in copies[1:]:
                if not described_twice(package, other):
                    told = package["version"], place(package), other["version"], place(other)
                    self.gap("package " + name, "failed", "found twice: %s in %s is taken, %s in %s is not" % told)

    def read_folder(self, folder: "Folder") -> None:
        leftovers = []
        for name in folder.names:
            if name.endswith((".dist-info", ".egg-info")):
                if NAME.match(name.partition("-")[0]):
                    self.read_package(folder, name)
                else:
                    leftovers.append(text(name))
            elif name == "EGG-INFO" and folder.path.endswith(".egg"):
                self.read_package(folder, name)
            elif name.endswith(".egg-link"):
                self.links.append((folder, name))
            elif name.startswith("~") and folder.holds_folder(name):
                leftovers.append(text(name))
        if leftovers:
            told = ", ".join(sorted(leftovers)), text(folder.path)
            self.gap("leftovers", "failed", "%s in %s: left behind by an installation that broke off" % told)

    def read_package(self, folder: "Folder", info: str) -> None:
        troubles = []  # type: List[str]
        is_wheel = info.endswith(".dist-info")
        metadata = "METADATA" if is_wheel else "PKG-INFO"
        # distutils wrote a single file where setuptools makes a folder
        is_folder = is_wheel or folder.holds_folder(info)
        fields = read_fields(folder, (info, metadata) if is_folder else (info,), troubles)
        named = INFO.match(os.path.basename(folder.path) if info == "EGG-INFO" else info)
        name, version = named.groups() if named else (info, None)
        name = normalised(fields.get("name", [name])[0])
        package = {
            "name": name,
            "version": fields.get("version", [version or ""])[0],
            "requires": fields.get("requires-dist", []),
            "extras": fields.get("provides-extra", []),
            "requires_python": fields.get("requires-python", [None])[0],
            "location": text(folder.path),
            "info": text(info),
            "editable": False,
            "url": None,
        }
        try:
            if is_wheel:
                package.update(direct_url(folder.read(info, "direct_url.json").decode("utf-8")))
            elif is_folder and not package["requires"]:
                requires, extras = egg_requirements(folder.read(info, "requires.txt").decode("utf-8"))
                package.update(requires=requires, extras=package["extras"] or extras)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            troubles.append("%s: %s" % ("direct_url.json" if is_wheel else "requires.txt", why(error)))
        for trouble in troubles:
            self.gap("package " + name, "failed", "%s: %s" % (text(info), trouble))
        self.copies.setdefault(name, []).append(("name" in fields and "version" in fields, package))

    def read_links(self, entries: "Dict[str, str]") -> None:
        """`setup.py develop` leaves NAME.egg-link, whose first line is the folder that holds the package."""
        for folder, link in self.links:
            name = normalised(link[: -len(".egg-link")])
            try:
                first = folder.read(link).decode("utf-8").partition("\n")[0].strip()
                if not first:
                    raise ValueError("it names no folder")  # noqa: TRY301
                target = os.path.realpath(os.path.join(folder.path, first))
                entry = entries[target]
            except KeyError:
                told = text(link), text(target)
                self.gap("package " + name, "failed", "%s points to %s, which is not on the search path" % told)
            except (OSError, ValueError) as error:
                self.gap("package " + name, "failed", "%s: %s" % (text(link), why(error)))
            else:
                for _, package in self.copies.get(name, ()):
                    package["editable"] = package["editable"] or package["location"] == text(entry)

    def read_torch(self) -> "Optional[Json]":
        """What torch's version.py states: a torch that can't be imported still tells how it was built."""
        package = self.packages.get("torch")
        stated = next(filter(None, map(torch_facts, self.path)), None)
        if stated is None and package and package["editable"] and package["url"]:
            from urllib.request import url2pathname

            stated = torch_facts(url2pathname(package["url"].partition("://")[2]))
        if stated is None:
            if package:
                self.gap("torch", "absent", "torch %s has no version.py that tells its build" % package["version"])
            return None
        release, _, local = stated["__version__"].partition("+")
        if package and package["version"].partition("+")[0] != release:
            told = place(package), package["version"], release
            self.gap("torch", "failed", "%s says %s, torch/version.py %s" % told)
        cuda, hip = stated.get("cuda"), stated.get("hip")
        build = None  # type: Optional[str]
        if TORCH_BUILD.match(local):
            build = local
        elif cuda:
            build = "cu" + cuda.replace(".", "")
        elif hip:
            build = "rocm" + ".".join(hip.split(".")[:2])
        elif cuda == "":
            build = "cpu"
        return {
            "version": release if build == local else stated["__version__"],
            "build": build,
            "cuda": cuda or None,
            "hip": hip or None,
            "architectures": None,
        }


class Folder:
    """An entry of the search path."""

    def __init__(self, path: str, names: "List[str]") -> None:
        self.path = path
        self.names = names

    def holds_folder(self, name: str) -> bool:
        return os.path.isdir(os.path.join(self.path, name))

    def read(self, *names: str) -> bytes:
        return read_file(os.path.join(self.path, *names))


class Archive(Folder):
    """A zip on the search path: an egg, or what Spark adds."""

    def __init__(self, path: str) -> None:
        import zipfile

        self.archive = zipfile.ZipFile(path)
        self.members = frozenset(self.archive.namelist())
        super().__init__(path, sorted({name.partition("/")[0] for name in self.members}))

    def holds_folder(self, name: str) -> bool:
        return name not in self.members

    def read(self, *names: str) -> bytes:
        try:
            return self.archive.read("/".join(names))
        except KeyError as error:
            raise FileNotFoundError(2, "No such file or directory") from error
        except Exception as error:  # noqa: BLE001  damaged, encrypted, compressed in a way unknown here
            raise OSError(str(error)) from error


def open_folder(entry: str) -> "Folder":
    try:
        return Folder(entry, os.listdir(entry))
    except FileNotFoundError:
        return Folder(entry, [])
    except NotADirectoryError:
        import zipfile

        try:
            return Archive(entry)
        except zipfile.BadZipFile:  # import passes over it as well
            return Folder(entry, [])


def read_file(path: str) -> bytes:
    file = os.open(path, READ)
    try:
        data = part = os.read(file, CHUNK)
        while len(part) == CHUNK:
            part = os.read(file, CHUNK)
            data += part
    finally:
        os.close(file)
    return data


def read_fields(folder: "Folder", names: "Tuple[str, ...]", troubles: "List[str]") -> "Dict[str, List[str]]":
    """What a METADATA or PKG-INFO states, by the field's lower-case name."""
    try:
        data = folder.read(*names)
    except OSError as error:
        troubles.append("its metadata can't be read: " + why(error))
        return {}
    found = HEADER_END.search(data)
    end = found.end() if found else len(data)
    if data and not data.endswith(b"\n") and data.find(b"\n", end) < 0:
        troubles.append("its metadata ends in the middle of a line")
    try:
        header = data[:end].decode("utf-8")
    except UnicodeDecodeError:
        troubles.append("its metadata is not UTF-8")
        header = data[:end].decode("latin-1")
    if "\r" in header:
        header = header.replace("\r\n", "\n")
    fields = {}  # type: Dict[str, List[str]]
    for field, value in FIELD.findall("\n" + header):
        # one line, unless it was folded
        whole = value.strip() if "\n" not in value else " ".join(map(str.strip, value.strip().splitlines()))
        if whole:
            fields.setdefault(field.lower(), []).append(whole)
    if "name" not in fields or "version" not in fields:
        troubles.append("its metadata %s" % ("states no name or no version" if data.strip() else "is empty"))
    return fields


def egg_requirements(source: str) -> "Tuple[List[str], List[str]]":
    """Requirements as PEP 508 strings, and extras, of a requires.txt: `[extra:marker]` heads a section."""
    requires, extras = [], []
    condition = ""
    for line in map(str.strip, source.splitlines()):
        if line.startswith("["):
            extra, _, marker = line.strip("[]").partition(":")
            if extra and extra not in extras:
                extras.append(extra)
            if extra and marker:
                marker = "(%s)" % marker
            condition = " and ".join(filter(None, [marker, extra and 'extra == "%s"' % extra]))
        elif line and not line.startswith("#"):
            # a URL ends at a space, or the marker would belong to it
            separator = " ; " if "@" in line else "; "
            requires.append(line + (condition and separator + condition))
    return requires, extras


def direct_url(source: str) -> "Json":
    """Where a package came from, as PEP 610 records it, without user, password, query and fragment."""
    import json

    stated = json.loads(source)
    if not isinstance(stated, dict) or not isinstance(stated.get("url"), str):
        raise ValueError("it states no url")  # noqa: TRY004  as a JSON error is
    directory = stated.get("dir_info")
    return {
        "url": text(CREDENTIALS.sub("", stated["url"])),
        "editable": isinstance(directory, dict) and directory.get("editable") is True,
    }


def described_twice(package: "Json", other: "Json") -> bool:
    """An editable project's folder often holds the .egg-info of its build: one copy, not two."""
    a, b = package, other
    one_is_editable = a["editable"] or b["editable"]
    one_is_built = a["info"].endswith(".egg-info") or b["info"].endswith(".egg-info")
    return bool(a["version"] == b["version"] and one_is_editable and one_is_built)


def torch_facts(folder: str) -> "Optional[Dict[str, str]]":
    """version.py's `__version__`, `cuda` and `hip` ("" for None), where that folder holds a torch."""
    try:
        source = read_file(os.path.join(folder, "torch", "version.py")).decode("utf-8")
    except (OSError, ValueError):
        return None
    stated = dict(TORCH.findall(source))
    return stated if stated.get("__version__") else None


def without_script_folder(path: "List[str]") -> "List[str]":
    """Python puts the folder of the script it runs, or the current one, in front: no part of the environment."""
    if not path or sys.flags.isolated or getattr(sys.flags, "safe_path", False):
        return path
    added = {"", os.path.dirname(os.path.abspath(getattr(sys.modules["__main__"], "__file__", None) or ""))}
    try:
        added.add(os.getcwd())
    except OSError:  # it was removed
        pass
    return path[1:] if path[0] in added else path


def uname() -> "Tuple[str, ...]":
    """System, node, release, version, machine. Before Python 3.9 platform.uname() starts a process for more."""
    if hasattr(os, "uname"):
        return tuple(os.uname())
    import platform

    return tuple(platform.uname())[:5]


def python_version() -> str:
    return sys.version.split()[0]


def python_implementation() -> str:
    if sys.implementation.name == "cpython":
        return "CPython"
    import platform  # half of what reading a small environment costs, on some versions

    return platform.python_implementation()


def markers() -> "Dict[str, str]":
    """https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers"""
    system, _, release, version, machine = uname()
    implementation = sys.implementation.version
    level = (
        "" if implementation.releaselevel == "final" else implementation.releaselevel[0] + str(implementation.serial)
    )
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": "%d.%d.%d" % implementation[:3] + level,
        "os_name": os.name,
        "platform_machine": machine,
        "platform_python_implementation": python_implementation(),
        "platform_release": release,
        "platform_system": system,
        "platform_version": version,
        "python_full_version": python_version(),
        "python_version": "%d.%d" % sys.version_info[:2],
        "sys_platform": sys.platform,
    }


def variables(environment: "Mapping[str, str]") -> "Dict[str, str]":
    names = sorted(name for name in environment if VARIABLES.fullmatch(name) and not SECRET.search(name))
    return {name: text(CREDENTIALS.sub("", environment[name]))[:LONGEST] for name in names}


def libc(executable: "Optional[str]") -> "Optional[List[str]]":
    """Like ["glibc", "2.36"]."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, OSError, ValueError):  # Windows; musl and macOS don't know the name
        version = ""
    if version:
        return [name, version]
    loader = elf_loader(executable) if executable else ""
    if "musl" in os.path.basename(loader):
        import subprocess

        # musl tells its version in one way only: its loader prints it, and fails for want of a program
        try:
            run = subprocess.Popen(
                [loader], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            _, message = run.communicate(timeout=MUSL_LOADER_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = re.search(rb"^Version (\d+(?:\.\d+)*)", message, re.MULTILINE)
        if found:
            return ["musl", found.group(1).decode()]
    return None


def elf_loader(executable: str) -> str:
    """The dynamic loader that an ELF program names (its PT_INTERP), "" where there is none."""
    import struct

    try:
        with open(executable, "rb") as file:
            head = file.read(64)
            if head[:4] != b"\x7fELF":
                return ""
            order = "<" if head[5] == 1 else ">"
            wide = head[4] == 2
            # man 5 elf: e_phoff, then e_phentsize and e_phnum
            (start,) = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)
            size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
            for index in range(count):
                file.seek(start + index * size)
                entry = file.read(size)
                (kind,) = struct.unpack_from(order + "I", entry)
                if kind == 3:  # PT_INTERP: p_offset and p_filesz
                    if wide:
                        offset, length = struct.unpack_from(order + "Q16xQ", entry, 8)
                    else:
                        offset, length = struct.unpack_from(order + "I8xI", entry, 4)
                    file.seek(offset)
                    return os.fsdecode(file.read(min(length, CHUNK)).rstrip(b"\0"))
    except (OSError, struct.error, IndexError, OverflowError):  # damaged
        pass
    return ""


def normalised(name: str) -> str:
    return SEPARATORS.sub("-", name).lower()


def place(package: "Json") -> str:
    return os.path.join(package["location"], package["info"])


def why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def text(path: str) -> str:
    """A path as UTF-8 can hold it: Python keeps bytes that it could not decode as lone surrogates."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def main(output: str) -> None:
    import json

    snapshot = json.dumps(read(without_script_folder(SEARCH_PATH)))
    with open(output, "w", encoding="ascii") as file:
        file.write(snapshot)


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)  # what start-up registered for the end (threads, atexit) is not ours to wait for
