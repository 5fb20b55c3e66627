"""Groups equal nodes, and tells each group by what most nodes do not have."""

from __future__ import annotations

from collections import Counter
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

import msgspec

from card_doctor.fleet.effects import effect_of
from card_doctor.fleet.facts import (
    OF_GPUS,
    PACKAGE,
    SIZES,
    VARIABLE,
    VARIABLES,
    Facts,
    Sizes,
    facts_of,
    levels,
    sizes_of,
)
from card_doctor.model import (
    EFFECTS,
    Accelerator,
    Deviation,
    Environment,
    Fleet,
    Group,
    Host,
    Node,
    Report,
    Silent,
    Snapshot,
)

Judge = Callable[[Snapshot], Report]
Value = Optional[str]


class _Common(NamedTuple):
    value: Value
    majority: bool


Hardware = Tuple[Optional[Tuple[Accelerator, ...]], Optional[Host]]


class _Pile(NamedTuple):
    """Nodes whose facts are equal, each with its sizes and what has them; and the snapshot of the first."""

    facts: Facts
    nodes: List[Tuple[str, Sizes, Hardware]]
    first: Snapshot


def compare(
    answers: Iterable[Union[Node, Silent]], *, expected: Sequence[str] = (), judge: Optional[Judge] = None
) -> Fleet:
    """The fleet of `answers`, read one by one: what is kept grows with the groups, not with the nodes. `expected` are
    the names of nodes that should have answered; `judge` gives each group's report. Takes time in proportion to the
    facts in `answers`.
    """
    piles: Dict[object, _Pile] = {}
    silent: List[Silent] = []
    for answer in answers:
        if isinstance(answer, Silent):
            silent.append(answer)
            continue
        facts = facts_of(answer.snapshot)
        pile = piles.setdefault(frozenset(facts.items()), _Pile(facts, [], answer.snapshot))
        hardware = answer.snapshot.accelerators, answer.snapshot.host
        pile.nodes.append((answer.name, sizes_of(answer.snapshot), hardware))
    heard = {name for pile in piles.values() for name, _, _ in pile.nodes} | {one.node for one in silent}
    silent += [Silent(name, "missing", "no snapshot of it came") for name in expected if name not in heard]
    return Fleet(_groups(list(piles.values()), judge), tuple(silent))


def _groups(piles: Sequence[_Pile], judge: Optional[Judge]) -> Tuple[Group, ...]:
    split = _by_size(piles)
    common = _common([(facts, len(nodes)) for facts, nodes, _ in split])
    groups = [
        Group(
            nodes=tuple(nodes),
            environment=Environment.of(first),
            driver=first.driver,
            accelerators=first.accelerators,
            host=first.host,
            deviations=_deviations(facts, common),
            report=judge(first) if judge else None,
        )
        for facts, nodes, first in split
    ]
    return tuple(sorted(groups, key=lambda group: (-len(group.nodes), len(group.deviations))))


def _by_size(piles: Sequence[_Pile]) -> List[Tuple[Facts, List[str], Snapshot]]:
    """Each pile once more by the sizes of its nodes."""
    columns = zip(*(sizes for pile in piles for _, sizes, _ in pile.nodes))
    texts = [levels(column) for column in columns]
    split: List[Tuple[Facts, List[str], Snapshot]] = []
    for pile in piles:
        members: Dict[Tuple[Value, ...], Tuple[List[str], Hardware]] = {}
        for name, sizes, hardware in pile.nodes:
            key = tuple(text[size] for text, size in zip(texts, sizes))
            members.setdefault(key, ([], hardware))[0].append(name)
        for key, (names, (accelerators, host)) in members.items():
            first = msgspec.structs.replace(pile.first, accelerators=accelerators, host=host)
            split.append(({**pile.facts, **dict(zip(SIZES, key))}, names, first))
    return split


def _common(groups: Sequence[Tuple[Facts, int]]) -> Dict[str, _Common]:
    """What most nodes have of each fact; of equally frequent ones, the first."""
    counts: Dict[str, Counter[Value]] = {}
    nodes = sum(number for _, number in groups)
    with_variables = sum(number for facts, number in groups if VARIABLES not in facts)
    for facts, number in groups:
        for fact, value in facts.items():
            counts.setdefault(fact, Counter())[value] += number
    common: Dict[str, _Common] = {}
    for fact, values in counts.items():
        # where a package is not installed, or a variable not set; a node whose variables were not read says neither
        without = (with_variables if fact.startswith(VARIABLE) else nodes) - sum(values.values())
        if without:
            values[None] += without
        (value, most), *others = values.most_common(2)
        common[fact] = _Common(value, not others or most > others[0][1])
    return common


def _deviations(facts: Facts, common: Dict[str, _Common]) -> Tuple[Deviation, ...]:
    found = [
        _deviation(fact, facts.get(fact), usual, facts)
        for fact, usual in common.items()
        if facts.get(fact) != usual.value and not _untold(fact, facts, usual.value)
    ]
    return tuple(sorted(found, key=lambda one: (EFFECTS.index(one.effect), one.kind, one.fact)))


def _untold(fact: str, facts: Facts, usual: Value) -> bool:
    """Whether another fact already says it."""
    if fact in OF_GPUS:
        return None in {facts.get(fact), usual}
    if fact == VARIABLES:  # that they were read is no deviation from others whose were not
        return fact not in facts
    return fact.startswith(VARIABLE) and VARIABLES in facts


def _deviation(fact: str, found: Value, usual: _Common, facts: Facts) -> Deviation:
    effect, why = effect_of(fact, found, usual.value, facts)
    if not usual.majority:  # neither is the odd one: the worse of both ways to see it
        other, other_why = effect_of(fact, usual.value, found, facts)
        if EFFECTS.index(other) < EFFECTS.index(effect):
            effect, why = other, other_why
    if fact.startswith(PACKAGE):
        return Deviation(fact[len(PACKAGE) :], "package", found, usual.value, usual.majority, effect, why)
    if fact.startswith(VARIABLE):
        return Deviation(fact[len(VARIABLE) :], "variable", found, usual.value, usual.majority, effect, why)
    return Deviation(fact, "fact", found, usual.value, usual.majority, effect, why)
