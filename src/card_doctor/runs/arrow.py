"""Arrow files, alone or as `datasets` saves them to disk (a folder with state.json), through pyarrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, Tuple

from card_doctor.errors import DataError


def is_saved_dataset(path: Path) -> bool:
    return (path / "state.json").is_file()


class Arrow:
    """The record batches of several files, mapped, not loaded. DataError where they can't be read."""

    def __init__(self, files: Sequence[Path]) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415
        except ImportError:
            raise DataError("Arrow files need pyarrow", 'pip install "card-doctor[data]"') from None
        self._arrow = pa
        self._files = files

    @staticmethod
    def files_of(folder: Path) -> Tuple[Path, ...]:
        """The files that state.json names, inside of the folder."""
        state = _object(folder / "state.json")
        named = state.get("_data_files")
        names = [one.get("filename") for one in named if isinstance(one, dict)] if isinstance(named, list) else []
        files = tuple(folder / Path(name).name for name in names if isinstance(name, str))
        if not files:
            raise DataError(f"{folder}: state.json names no data files", "saved with datasets' save_to_disk?")
        return files

    def labels(self, column: str) -> Tuple[str, ...]:
        """The names of a ClassLabel, by its numbers; none where the column is of another kind."""
        path = self._files[0].parent / "dataset_info.json"
        if not path.is_file():
            return ()
        features = _object(path).get("features")
        feature = features.get(column) if isinstance(features, dict) else None
        names = feature.get("names") if isinstance(feature, dict) else None
        return tuple(map(str, names)) if isinstance(names, list) else ()

    def reader(self) -> Any:
        """A new stream of all batches."""
        first = self._open(self._files[0])
        return self._arrow.RecordBatchReader.from_batches(first.schema, self._batches())

    def _batches(self) -> Iterator[Any]:
        for file in self._files:
            opened = self._open(file)
            if hasattr(opened, "num_record_batches"):
                for at in range(opened.num_record_batches):
                    yield opened.get_batch(at)
            else:
                yield from opened

    def _open(self, file: Path) -> Any:
        """As a stream, which is what `datasets` writes, or as a file (Feather)."""
        ipc = self._arrow.ipc
        try:
            mapped = self._arrow.memory_map(str(file))
            try:
                return ipc.open_stream(mapped)
            except self._arrow.ArrowInvalid:
                mapped.seek(0)
                return ipc.open_file(mapped)
        except (OSError, self._arrow.ArrowInvalid) as error:
            problem = str(error).splitlines()[0] if str(error) else "no Arrow file"
            raise DataError(f"{file}: can't be read: {problem[:200]}") from None


def _object(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: can't be read: {error}") from None
    return value if isinstance(value, dict) else {}
