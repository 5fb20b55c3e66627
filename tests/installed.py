"""Distributions made on disk for a test, as an installer leaves them: files, METADATA and a RECORD."""

from __future__ import annotations

import sysconfig
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Dict, Mapping, Tuple, Union

from card_doctor.model import Package, Python, Snapshot
from made import LINUX, PYTHON

Files = Mapping[str, Union[str, bytes]]


def install(site: Path, name: str, version: str, files: Files, requires: Tuple[str, ...] = ()) -> Package:
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    lines = []
    for path, content in files.items():
        file = site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        digest = urlsafe_b64encode(sha256(file.read_bytes()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{file.stat().st_size}")
    (site / info).mkdir(parents=True)
    (site / info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (site / info / "RECORD").write_text("\n".join([*lines, f"{info}/METADATA,,", f"{info}/RECORD,,"]))
    return Package(name, version, requires=requires, location=str(site), info=info)


def environment(site: Path, packages: Dict[str, Files], python: str = "3.9.18") -> Snapshot:
    """The packages ("name==version") in a live environment of this machine's Python, said to be that version."""
    site.mkdir(exist_ok=True)
    installed = {}
    for spec, files in packages.items():
        name, _, version = spec.partition("==")
        installed[name] = install(site, name, version or "1.0", files)
    markers = {**PYTHON.markers, "python_full_version": python, "python_version": ".".join(python.split(".")[:2])}
    paths = sysconfig.get_paths()
    interpreter = Python(
        version=python,
        executable="/env/bin/python",
        markers=markers,
        search_path=(paths["stdlib"], paths["stdlib"] + "/lib-dynload", str(site)),
    )
    return Snapshot(source="interpreter", python=interpreter, platform=LINUX, packages=installed)
