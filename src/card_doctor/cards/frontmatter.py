"""Front matter: the YAML above a card, its scalars as text (1.10 is not 1.1, `no` is no False), and its model-index."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, ClassVar, Dict, Iterator, List, NamedTuple, Optional, Sequence

from card_doctor.cards.markup import Numbered

MAX_SIZE = 100_000  # the largest of 29,000 has 17 kB
MAX_ALIASES = 50  # each alias may stand for a whole tree: a few lines of them make billions of values
MAX_DEPTH = 40

_ALIAS = re.compile(r"(?:^|[\s,\[{:-])\*[\w-]")


class FrontMatter(NamedTuple):
    """The mapping, the lines of its keys, the index of the first line behind it; `problem` where it is unreadable."""

    values: Dict[str, Any]
    lines: Dict[str, int]
    end: int
    problem: Optional[str] = None


class Score(NamedTuple):
    name: str
    value: str
    dataset: Optional[str]


def split(lines: Sequence[Numbered]) -> FrontMatter:
    """The block between two lines of ``---`` at the top; none is an empty one."""
    start = next((index for index, (_, raw) in enumerate(lines[:50]) if raw.strip()), None)
    if start is None or lines[start][1].rstrip() != "---":
        return FrontMatter({}, {}, 0)
    end = next((index for index in range(start + 1, len(lines)) if lines[index][1].rstrip() == "---"), None)
    if end is None:
        return FrontMatter({}, {}, 0, "the front matter has no end")
    return _parsed(lines[start + 1 : end], end + 1)


def parse(text: str) -> Any:
    """YAML without its types: every scalar is text. ValueError where it can't be read or is built to be too large."""
    import yaml  # noqa: PLC0415  only for a card with front matter

    if len(_ALIAS.findall(text)) > MAX_ALIASES:
        raise ValueError("too many aliases")
    if _depth(text) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506  a SafeLoader without its resolvers
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, MemoryError, AttributeError) as error:
        raise ValueError(str(error).split("\n")[0]) from None


def scores(values: Dict[str, Any]) -> Iterator[Score]:
    """The metrics of a model-index, old (`model_index`, one `metric` a result) and new."""
    for model in _list(values.get("model-index", values.get("model_index"))):
        for result in _list(_mapping(model).get("results")):
            result = _mapping(result)  # noqa: PLW2901
            dataset = _text(_mapping(result.get("dataset")).get("name"))
            for metric in _list(result.get("metrics", result.get("metric"))):
                metric = _mapping(metric)  # noqa: PLW2901
                name, value = _text(metric.get("name")) or _text(metric.get("type")), _text(metric.get("value"))
                if name and value:
                    yield Score(name, value, dataset)


def tasks(values: Dict[str, Any]) -> List[str]:
    """The hub's names of the tasks that a model-index scores, each once."""
    results = (
        _mapping(result)
        for model in _list(values.get("model-index", values.get("model_index")))
        for result in _list(_mapping(model).get("results"))
    )
    found = (_text(_mapping(result.get("task")).get("type")) for result in results)
    return list(dict.fromkeys(task for task in found if task))


def names(value: Any) -> List[str]:
    """A field that holds one name or several."""
    return [text for text in (_text(one) for one in _list(value)) if text and text.lower() not in {"null", "none", "~"}]


def _parsed(lines: Sequence[Numbered], end: int) -> FrontMatter:
    text = "\n".join(raw for _, raw in lines).expandtabs(2)
    if len(text) > MAX_SIZE:
        return FrontMatter({}, {}, end, "the front matter is too large")
    try:
        values = parse(text)
    except ValueError as error:
        return FrontMatter({}, {}, end, f"the front matter is not YAML: {error}")
    if not isinstance(values, dict):
        return FrontMatter({}, {}, end, None if values in (None, "") else "the front matter is no mapping")
    places = {raw.partition(":")[0].strip("'\" "): number for number, raw in reversed(lines) if raw[:1].strip()}
    return FrontMatter({str(key): value for key, value in values.items()}, places, end)


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Reads `no`, `1.10` and `2022-05-08` as they are written. Not libyaml's: its C stack overflows where Python's
    raises RecursionError.
    """
    import yaml  # noqa: PLC0415

    class TextLoader(yaml.SafeLoader):
        yaml_implicit_resolvers: ClassVar[Dict[str, Any]] = {}  # type: ignore[misc]
        yaml_constructors: ClassVar[Dict[Optional[str], Any]] = {}

    # What is tagged is text too, whatever it claims to be.
    TextLoader.add_multi_constructor("", lambda loader, _, node: _constructed(loader, node))
    return TextLoader


def _constructed(loader: Any, node: Any) -> Any:
    import yaml  # noqa: PLC0415

    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def _depth(text: str) -> int:
    """Of brackets, and of what is indented: either nests the parser's calls."""
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth = max(0, depth - 1)
    runs = re.findall(r"(?m)^ *((?:[-?] ){8,})", text)
    dashes = max((len(run) // 2 for run in runs), default=0)
    indents = 0
    stack: List[int] = []
    for line in text.split("\n"):
        if line.strip():
            indent = len(line) - len(line.lstrip(" "))
            while stack and stack[-1] >= indent:
                stack.pop()
            stack.append(indent)
            indents = max(indents, len(stack))
    return max(deepest, dashes, indents)


def _list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def _mapping(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> Optional[str]:
    return value.strip() if isinstance(value, str) and value.strip() else None
