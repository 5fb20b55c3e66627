"""Puts beside every TOML matrix in the wheel the same as JSON, which loads without parsing TOML.

The readers of the package itself make it, so a matrix that they refuse fails the build.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, Optional

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileMatrices(BuildHookInterface):  # type: ignore[type-arg]
    _folder: Optional[TemporaryDirectory[str]] = None

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        import msgspec  # noqa: PLC0415

        from card_doctor.cards.matrix import read_matrix  # noqa: PLC0415
        from card_doctor.knowledge.hardware import SHAPES  # noqa: PLC0415
        from card_doctor.knowledge.hazards import HazardFile  # noqa: PLC0415
        from card_doctor.knowledge.models import ModelsFile  # noqa: PLC0415
        from card_doctor.knowledge.signatures import FILE, read_checked  # noqa: PLC0415
        from card_doctor.toml import read_toml  # noqa: PLC0415

        self._folder = TemporaryDirectory(prefix="card-doctor-matrices-")  # goes when a build that failed ends
        folder = Path(self._folder.name)
        matrices = root / "matrices"
        values: Dict[Path, Any] = {path: read_matrix(path) for path in matrices.glob("cards/*.toml")}
        values.update((path, read_toml(path, HazardFile)) for path in matrices.glob("hazards/*.toml"))
        values.update((path, read_toml(path, SHAPES[path.name])) for path in matrices.glob("hardware/*.toml"))
        values[matrices / FILE] = read_checked(matrices / FILE)
        values.update((path, read_toml(path, ModelsFile)) for path in matrices.glob("models/*.toml"))
        for path, value in values.items():
            name = path.relative_to(matrices).with_suffix(".json")
            (folder / name.parent).mkdir(exist_ok=True)
            (folder / name).write_bytes(msgspec.json.encode(value))
            build_data["force_include"][str(folder / name)] = f"card_doctor/matrices/{name.as_posix()}"

    def finalize(self, version: str, build_data: Dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        if self._folder is not None:
            self._folder.cleanup()
