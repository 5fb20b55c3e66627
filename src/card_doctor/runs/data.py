"""Data files → Data, by DuckDB: what is counted is counted in the files, within a stated memory.

Texts are compared by a 64-bit hash of their trimmed content: of ten million rows, two different ones are taken for the
same once in 400,000 files.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from card_doctor.errors import DataError
from card_doctor.model import Data, DataFile, Overlap, TextColumn
from card_doctor.model.data import Part
from card_doctor.runs.arrow import Arrow, is_saved_dataset

MEMORY = "768MB"  # what DuckDB may take; what is more goes to a temporary folder
CLASSES = 1000  # more are no classes
LIMITS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)  # words; what models take, in tokens, is mostly one of these
_LABELS = ("label", "labels")
_EVALUATION = re.compile(r"(?:^|[^a-z])(?:test|dev|valid|val|validation|eval|evaluation|heldout|holdout)(?:$|[^a-z])")
_SHARD = re.compile(r"[-_.]\d{5}-of-\d{5}")
_READERS = {
    ".csv": "read_csv({}, all_varchar=true, header=true, skip=0, quote='\"', escape='\"', delim='{delimiter}')",
    ".tsv": "read_csv({}, all_varchar=true, header=true, skip=0, quote='', escape='', delim='\t')",
    ".json": "read_json({}, maximum_object_size=67108864)",
    ".jsonl": "read_json({}, format='newline_delimited', maximum_object_size=67108864)",
    ".ndjson": "read_json({}, format='newline_delimited', maximum_object_size=67108864)",
    ".parquet": "read_parquet({})",
}
_ARROW = {".arrow", ".feather"}
_PACKED = {".gz", ".zst"}
_PROBLEMS = {  # parts of DuckDB's messages
    r"unterminated quote": "a quote is opened and not closed",
    r"automatically detect": "its quotes and columns do not fit together: is a quote opened and not closed?",
    r"expected number of columns|too many columns|columns found|missing columns": "it has another number of columns",
    r"not utf-8|invalid unicode|byte sequence": "it is not UTF-8",
}


class _Source(NamedTuple):
    """What one DataFile is read from: the files of one split."""

    path: Path  # how it is named
    files: Tuple[Path, ...]
    kind: str  # a suffix


def read_data(paths: Sequence[Path], label: Optional[str], *, longest: Optional[int] = None) -> Data:
    """What the files hold. `label` is the column of the classes (None: `label` or `labels`, where there is one);
    `longest` is how many tokens the model takes, where that is known. Of several files, those that are called test, dev
    or validation are for evaluation; where none is, all but the first.

    Raises DataError where a file can't be read, or has no such column.
    """
    sources = [source for path in paths for source in _sources(path)]
    parts = _parts(sources)
    with tempfile.TemporaryDirectory(prefix="card-doctor-") as folder:
        database = _Database(folder)
        tables = [_Table(database, f"data{at}", source, label) for at, source in enumerate(sources)]
        files = tuple(table.read(part, longest) for table, part in zip(tables, parts))
        overlaps, compared = _overlaps(tables, files)
    return Data(files, compared, overlaps)


def _sources(path: Path) -> Iterator[_Source]:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if not path.is_dir():
        yield _Source(path, (path,), _suffix(path))
        return
    if (path / "dataset_dict.json").exists():
        for folder in sorted(one for one in path.iterdir() if is_saved_dataset(one)):
            yield _Source(folder, Arrow.files_of(folder), ".arrow")
    elif is_saved_dataset(path):
        yield _Source(path, Arrow.files_of(path), ".arrow")
    else:
        yield from _loose(path)


def _loose(path: Path) -> Iterator[_Source]:
    """A folder of files, the shards of one split together."""
    groups: Dict[Tuple[Path, str], List[Path]] = {}
    for file in sorted(_shown(path)):
        suffix = _suffix(file, strict=False)
        if suffix and file.is_file():
            groups.setdefault((file.parent / _SHARD.split(file.name)[0], suffix), []).append(file)
    metadata = {"dataset_info.json", "state.json", "dataset_dict.json"}
    found = [(name, files, suffix) for (name, suffix), files in groups.items() if files[0].name not in metadata]
    if not found:
        raise DataError(f"{path}: holds no data files", f"known are {', '.join([*_READERS, *sorted(_ARROW)])}")
    for name, files, suffix in found:
        yield _Source(files[0] if len(files) == 1 else name, tuple(files), suffix)


def _shown(path: Path) -> Iterator[Path]:
    """Every file below `path` that is not hidden. A folder that goes away, or may not be read, has none."""
    for folder, inner, files in os.walk(path):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(folder, name) for name in files if not name.startswith("."))


def _suffix(path: Path, *, strict: bool = True) -> str:
    name = path.with_suffix("") if path.suffix.lower() in _PACKED else path
    suffix = name.suffix.lower()
    if suffix in _READERS or suffix in _ARROW:
        return suffix
    if not strict:
        return ""
    raise DataError(
        f"{path}: not a data file that is known", f"expected one of {', '.join([*_READERS, *sorted(_ARROW)])}"
    )


def _parts(sources: Sequence[_Source]) -> Tuple[Part, ...]:
    named = [bool(_EVALUATION.search(source.path.name.lower())) for source in sources]
    if not any(named):
        named = [at > 0 for at in range(len(sources))]
    return tuple("evaluation" if one else "train" for one in named)


class _Database:
    """DuckDB in memory, without network and extensions."""

    def __init__(self, folder: str) -> None:
        try:
            import duckdb  # noqa: PLC0415
        except ImportError:
            raise DataError("--data needs DuckDB", 'pip install "card-doctor[data]"') from None
        self.errors = duckdb.Error
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": MEMORY,
                "temp_directory": folder,
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
            },
        )
        self._connection.execute("SET enable_progress_bar = false")  # it would stand in the report

    def rows(self, query: str) -> List[Tuple[Any, ...]]:
        found: List[Tuple[Any, ...]] = self._connection.execute(query).fetchall()
        return found

    def register(self, name: str, reader: Any) -> None:
        self._connection.register(name, reader)


class _Table:
    """One source as a view, or as an Arrow stream that is opened anew for every query."""

    def __init__(self, database: _Database, name: str, source: _Source, label: Optional[str]) -> None:
        self._database, self._name, self._source = database, name, source
        self._arrow = Arrow(source.files) if source.kind in _ARROW else None
        if self._arrow is None:
            files = ", ".join(_literal(_no_glob(str(file))) for file in source.files)
            delimiter = _delimiter(source.files[0]) if source.kind == ".csv" else ""
            reader = _READERS[source.kind].format(f"[{files}]", delimiter=delimiter)
            self.query(f"CREATE VIEW {name} AS SELECT * FROM {reader}")
        self.columns: Dict[str, str] = {row[0]: str(row[1]) for row in self.query(f"DESCRIBE SELECT * FROM {name}")}
        self.label = self._labelled(label)
        self.texts: Tuple[str, ...] = ()

    def query(self, text: str) -> List[Tuple[Any, ...]]:
        """The rows of a query on this table; DataError says what is wrong with the file."""
        try:
            if self._arrow is not None:
                self._database.register(self._name, self._arrow.reader())
            return self._database.rows(text)
        except self._database.errors as error:
            raise _said(self._source.path, error) from None

    def _labelled(self, label: Optional[str]) -> Optional[str]:
        if label is None:
            return next((name for name in _LABELS if name in self.columns), None)
        if label in self.columns:
            return label
        import difflib  # noqa: PLC0415

        near = difflib.get_close_matches(label, self.columns, n=1)
        names = ", ".join(list(self.columns)[:20])
        raise DataError(
            f"{self._source.path}: has no column {label!r}",
            (f"did you mean {near[0]!r}? " if near else "") + f"its columns are {names}",
        )

    def read(self, part: Part, longest: Optional[int]) -> DataFile:
        limits = tuple(sorted({*LIMITS, *([longest] if longest else [])}))
        texts = self._texts(limits)
        self.texts = tuple(text.name for text in texts)
        rows = self.query(f"SELECT count(*) FROM {self._name}")[0][0]
        duplicates = contradictions = 0
        if self.texts:
            label = f"hash({_text(self.label)})" if self.label else "0"
            duplicates, contradictions = self.query(
                f"SELECT coalesce(sum(n - 1), 0), count(*) FILTER (low <> high) "
                f"FROM (SELECT count(*) n, min({label}) low, max({label}) high FROM {self._name} "
                f"GROUP BY {self.hashed(self.texts)})"
            )[0]
        classes, class_count, unlabelled = self._classes(rows)
        return DataFile(
            path=str(self._source.path),
            kind=self._source.kind[1:],
            part=part,
            rows=rows,
            columns=self.columns,
            label=self.label,
            classes=classes,
            class_count=class_count,
            unlabelled=unlabelled,
            duplicates=int(duplicates),
            contradictions=contradictions,
            texts=texts,
        )

    def _texts(self, limits: Sequence[int]) -> Tuple[TextColumn, ...]:
        """The columns of words. One that never has two of them (an id, a language) is no text, unless none has."""
        names = [name for name, kind in self.columns.items() if kind == "VARCHAR" and name != self.label]
        if not names:
            return ()
        words, parts = [], []
        for at, name in enumerate(names):
            text = f"trim({_identifier(name)})"
            # blanks are counted fast, and are too many only where several stand together: looked at where it matters
            blanks = f"length({text}) - length(translate({text}, chr(9) || chr(10) || chr(13) || ' ', '')) + 1"
            exact = f"len(string_split_regex({text}, '\\s+'))"
            words.append(
                f"{_identifier(name)} AS t{at}, CASE WHEN {blanks} <= {limits[0]} "
                f"THEN {blanks} ELSE {exact} END AS w{at}"
            )
            parts.append(f"count(*) FILTER (trim(coalesce(t{at}, '')) = '')")
            parts.append(f"coalesce(max(w{at}), 0)")
            parts += [f"count(*) FILTER (w{at} > {limit})" for limit in limits]
        counted = self.query(f"SELECT {', '.join(parts)} FROM (SELECT {', '.join(words)} FROM {self._name})")[0]
        width = 2 + len(limits)
        found = []
        for at, name in enumerate(names):
            empty, most, *over = counted[at * width : (at + 1) * width]
            found.append(TextColumn(name, empty, most, dict(zip(limits, over))))
        return tuple([text for text in found if text.longest_words > 1] or found)

    def _classes(self, rows: int) -> Tuple[Dict[str, int], int, int]:
        if self.label is None:
            return {}, 0, 0
        column = _text(self.label)
        names = self._arrow.labels(self.label) if self._arrow else ()
        counted = self.query(
            f"SELECT {column}, count(*) FROM {self._name} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 "
            f"LIMIT {CLASSES}"
        )
        known = sum(number for _, number in counted)
        different = len(counted)
        if different == CLASSES:
            different, known = self.query(f"SELECT count(DISTINCT {column}), count({column}) FROM {self._name}")[0]
        named = {_class_name(value, names): number for value, number in counted}
        return named, different, rows - known

    def hashed(self, columns: Sequence[str]) -> str:
        return "hash(" + ", ".join(f"trim({_text(name)})" for name in columns) + ")"

    def hashes(self, columns: Sequence[str]) -> str:
        return f"SELECT {self.hashed(columns)} h, count(*) n FROM {self._name} GROUP BY 1"


def _overlaps(tables: Sequence[_Table], files: Sequence[DataFile]) -> Tuple[Tuple[Overlap, ...], Tuple[str, ...]]:
    """Rows of each evaluation file whose texts are also trained on, by the text columns that all files have."""
    shared = tuple(name for name in (tables[0].texts if tables else ()) if all(name in one.texts for one in tables))
    training = [at for at, file in enumerate(files) if file.part == "train"]
    evaluated = [at for at, file in enumerate(files) if file.part == "evaluation"]
    if not shared or not training or not evaluated:
        return (), ()
    for at in (*training, *evaluated):
        tables[at].query(f"CREATE TEMP TABLE seen{at} AS " + tables[at].hashes(shared))
    overlaps = []
    for one in training:
        for other in evaluated:
            rows = tables[other].query(
                f"SELECT coalesce(sum(n), 0) FROM seen{other} WHERE h IN (SELECT h FROM seen{one})"
            )[0][0]
            if rows:
                overlaps.append(Overlap(files[one].path, files[other].path, int(rows)))
    return tuple(overlaps), shared


def _said(path: Path, error: Exception) -> DataError:
    """What DuckDB says of a file, in a line; its advice is for who writes the query."""
    text = re.split(r"\nPossible|\n\s*file =|\nLINE ", str(error))[0]
    if "Out of Memory" in text:
        return DataError(f"{path}: does not fit in {MEMORY} and the temporary folder", "give a part of it")
    numbered = re.search(r"\bline:? (\d+)", text, re.IGNORECASE)
    where = f" in line {numbered.group(1)}" if numbered else ""
    for told, words in _PROBLEMS.items():
        if re.search(told, text, re.IGNORECASE):
            return DataError(f"{path}: can't be read{where}: {words}")
    reason = re.sub(r"^[\w ]*Error: ", "", text.strip().partition("\n")[0])
    return DataError(f"{path}: can't be read{where}: {reason[:200] or 'no reason given'}")


def _delimiter(path: Path) -> str:
    """The one that the first line has most of: DuckDB's own guess takes the file apart until one fits."""
    import gzip  # noqa: PLC0415

    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            line = file.readline(1 << 16).decode("utf-8", "replace")
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    unquoted = re.sub(r'"[^"]*"', "", line)
    return max((",", "\t", ";", "|"), key=unquoted.count)


def _class_name(value: Any, names: Sequence[str]) -> str:
    text = str(value)
    if names and text.isdigit() and int(text) < len(names):
        return names[int(text)]
    return text


def _text(name: str) -> str:
    return f"CAST({_identifier(name)} AS VARCHAR)"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _no_glob(path: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", path)
