"""From a card to the nearest set of releases that works here, resolved: candidates, the nearest first, each put to the
resolver and judged by our own checks until nothing is found, or it is known why it can't be.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Tuple, Union

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from card_doctor.checks.devices import WHEELS
from card_doctor.errors import CardError
from card_doctor.knowledge.releases import MINORS
from card_doctor.model import Difference, Finding, Plan, Proof, Wall
from card_doctor.planning.constraints import mend
from card_doctor.planning.dates import NONE, Dates, base_date, dates_for
from card_doctor.planning.draft import WEIGHTS, Choice, Draft, as_range, cost, stated
from card_doctor.planning.ground import Ground, Site
from card_doctor.planning.interpreters import Interpreter, find, in_order
from card_doctor.planning.resolver import Question, Refusal, Resolution, Resolver
from card_doctor.planning.uv import Uv

ROUNDS = 8  # each settles all that was found so far
CANDIDATES = 3  # Pythons that are put to the resolver with the card's own releases
DECLARED = frozenset({"packages/declared-requirement", "python/no-wheel"})
MOST_SHOWN = 3  # lines of the resolver's words in a reason


class Found(NamedTuple):
    """A set that resolved; `left` is what no release mends."""

    ground: Ground
    draft: Draft
    resolution: Resolution
    dates: Dates
    left: Tuple[Finding, ...]


class Planner:
    """`date` is a day, "none", or None: the card's. `python` is the only interpreter to plan for; else it is chosen
    among those installed, and with `downloads` among those that uv can fetch. `elsewhere`: the platform is not this
    machine's, so that no interpreter of this one counts. `say` is told what is being done.
    """

    def __init__(
        self,
        site: Site,
        uv: Uv,
        *,
        date: Optional[str] = None,
        python: Optional[Interpreter] = None,
        elsewhere: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._site = site
        self._uv = uv
        self._date = date
        self._python = python
        self._elsewhere = elsewhere
        self._say = say
        self._tried_sources = False
        self._from_source: FrozenSet[str] = frozenset()  # what has no wheel, as was found
        self._day: Optional[str] = None  # the card's
        self._missing: List[Tuple[int, Interpreter]] = []  # not installed, and how far their sets are from the card
        self._resolvers: Dict[Interpreter, Resolver] = {}
        self._refused: Dict[str, Refusal] = {}  # whatever the Python

    def plan(self) -> Plan:
        """Raises CardError where the card states nothing to install, ResolverError where uv can't tell."""
        draft = stated(self._site.card, self._site.knowledge)
        if not draft.choices:
            raise CardError(
                f"{self._site.card.name} states no versions: there is nothing to plan",
                "a plan needs at least one, as `Transformers 4.18.0` under the framework versions",
            )
        self._day = base_date(self._ground(Interpreter("3.9")), draft, self._date)
        walls: List[Wall] = []
        tried: List[Tuple[Ground, Draft]] = []
        for ground, fitted in self._candidates(draft, walls):
            outcome = self._settle(ground, fitted)
            if isinstance(outcome, Found):
                return self._write(outcome)
            walls.append(outcome)
            tried.append((ground, fitted))
            if len(tried) == CANDIDATES:
                break
        for ground, fitted in tried[:1]:
            first = walls[-len(tried)]
            loosened = self._loosened(ground, fitted, first)
            if loosened is not None:
                return self._write(loosened)
            way = first.way or self._way(ground, fitted, Refusal(first.words))
            walls = [msgspec.structs.replace(first, way=way), *(wall for wall in walls if wall != first)]
        return Plan(
            card=self._site.card.name,
            python=tried[0][0].interpreter.series if tried else None,
            platform=self._platform(),
            blocked_by=tuple(dict.fromkeys(walls)),
            resolver=f"uv {self._uv.version}",
            calls=self._uv.calls,
        )

    def _ground(self, interpreter: Interpreter) -> Ground:
        return Ground(self._site, interpreter, self._day, None if self._date == NONE else self._date)

    def _resolver(self, ground: Ground) -> Resolver:
        python = ground.interpreter
        if python not in self._resolvers:
            elsewhere = self._site.platform if self._elsewhere else None
            self._resolvers[python] = Resolver(self._uv, python, elsewhere, self._refused)
        return self._resolvers[python]

    # Candidates

    def _candidates(self, draft: Draft, walls: List[Wall]) -> Iterator[Tuple[Ground, Draft]]:
        """For each Python the releases that can be had and run there, the nearest to the card first: one that keeps
        the card as it is before any other is looked at.
        """
        if self._python is not None:
            ground = self._ground(self._python)
            fitted = self._fit(ground, draft)
            if isinstance(fitted, Wall):
                walls.append(fitted)
            else:
                yield ground, fitted
            return
        later: List[Tuple[int, int, int, Draft]] = []
        minors = sorted(in_order(MINORS, self._day), key=lambda minor: not self._is_the_cards(minor))
        for place, minor in enumerate(minors):
            fitted = self._fit(self._ground(Interpreter(f"3.{minor}.99")), draft)
            if isinstance(fitted, Wall):
                walls.append(fitted)
                continue
            far = cost(fitted, self._site.knowledge)
            if far:
                later.append((far, place, minor, fitted))
            else:
                yield from self._with_interpreter(minor, draft, far)
        later.sort(key=lambda one: one[:2])
        for far, _, minor, _ in later:
            yield from self._with_interpreter(minor, draft, far)
        for _, missing in self._missing:  # for want of any other
            yield self._ground(missing), self._fitted(self._ground(missing), draft)

    def _with_interpreter(self, minor: int, draft: Draft, far: int) -> Iterator[Tuple[Ground, Draft]]:
        interpreter = Interpreter(f"3.{minor}") if self._elsewhere else find(minor)
        if interpreter is None:
            interpreter = Interpreter(f"3.{minor}")
            if not self._uv.downloads:
                self._missing.append((far, interpreter))
                return
        ground = self._ground(interpreter)
        yield ground, self._fitted(ground, draft)

    def _fitted(self, ground: Ground, draft: Draft) -> Draft:
        fitted = self._fit(ground, draft)
        return draft if isinstance(fitted, Wall) else fitted

    def _fit(self, ground: Ground, draft: Draft) -> Union[Draft, Wall]:
        """What this Python, platform and GPU have no use for is moved before a resolver is asked; then what the
        releases that are left say of each other.
        """
        for choice in draft.choices.values():
            if choice.version is None:
                continue
            version = ground.nearest(choice, SpecifierSet())
            if version is None:
                return self._no_release(ground, choice)
            if version != choice.version:
                draft = draft.choose(choice._replace(version=version, because=_because(ground, choice, version)))
        for _ in range(ROUNDS):
            mended = mend(ground, draft, ground.problems(draft.versions, complete=False)).draft
            if mended == draft:
                break
            draft = mended
        return draft

    def _own_day(self, choice: Choice) -> Optional[str]:
        release = self._ground(Interpreter("3.9")).release(choice.name, str(choice.own)) if choice.own else None
        return release.date if release else None

    def _no_release(self, ground: Ground, choice: Choice) -> Wall:
        days = [release.date for release in self._site.knowledge.releases(choice.name).values()]
        if self._date not in {None, NONE} and days and str(self._date) < min(days):
            return Wall(
                choice.name,
                f"there was no release of {choice.name} by {self._date}: the first is of {min(days)}",
                way=f"a later day: --date {self._own_day(choice) or min(days)}",
            )
        without = ground.nearest_anyhow(choice)
        if choice.name == "torch" and without is not None:
            against = ground.hardware(without)
            told = against.message if against else ""
            return Wall(
                "torch",
                f"no torch of the package index for Python {ground.interpreter.series} runs on this machine: {told}",
                way=next((one.text or one.requirement or "" for one in against.remedies), "") if against else "",
            )
        return Wall(
            choice.name,
            f"no release of {choice.name} can be had for Python {ground.interpreter.series} here",
            way="another Python: --python VERSION",
        )

    # Resolving

    def _settle(self, ground: Ground, draft: Draft) -> Union[Found, Wall]:
        """Ask, judge what comes back, feed that back, until there is nothing more to mend."""
        self._say(f"resolving for Python {ground.interpreter.version}")
        resolver = self._resolver(ground)
        draft = self._foresee(ground, draft)
        refusal = Refusal("")
        for _ in range(ROUNDS):
            dates = dates_for(ground, draft, self._date, resolver)
            answer = self._resolve(ground, draft, dates, resolver)
            if isinstance(answer, Refusal):
                refusal = answer
                break
            resolution, dates = answer
            mended = mend(ground, draft, ground.problems(resolution.versions, complete=True))
            if mended.draft == draft:
                left = tuple(ground.remaining(resolution.versions))
                stuck = [one for one in mended.stuck if _is_of_releases(one) and one.breaks == "yes"]
                if stuck:
                    return _stuck(ground, stuck[0])
                return Found(ground, draft, resolution, dates, left)
            draft = mended.draft
        where = f" for Python {ground.interpreter.series}" if refusal.is_of_python else ""
        return Wall(
            ", ".join(filter(refusal.names, draft.choices)) or ", ".join(draft.choices),
            f"no set of releases{where} has all that the card states",
            words=refusal.words,
        )

    def _foresee(self, ground: Ground, draft: Draft) -> Draft:
        """What the resolver will bring along is known for the most part: constraints that follow from it are made
        before it is asked.
        """
        date = base_date(ground, draft, self._date)
        for _ in range(ROUNDS):
            versions = ground.foresee(draft, date, {})
            # That what is declared holds, and is there, is the resolver's own business: it may have releases that are
            # older than those we know. What we know no release of it may bring.
            brought = ground.declared(versions) - set(versions)
            found = [
                one
                for one in ground.problems(versions, complete=True)
                if one.id not in DECLARED and one.subject not in brought and self._site.knowledge.releases(one.subject)
            ]
            mended = mend(ground, draft, found, only_add=True).draft
            if mended == draft:
                break
            draft = mended
        return draft

    def _resolve(
        self, ground: Ground, draft: Draft, dates: Dates, resolver: Resolver
    ) -> Union[Tuple[Resolution, Dates], Refusal]:
        """By wheels as of the day; else a little later, from source, or of an index that tells no days."""
        refusal = resolver.ask(self._question(ground, draft, dates))
        if isinstance(refusal, Resolution):
            return refusal, dates
        for tried in dates.wider():
            answer = resolver.ask(self._question(ground, draft, tried), dates.preferred)
            if isinstance(answer, Resolution):
                return answer, tried
        if refusal.undated:
            undated = resolver.ask(self._question(ground, draft, dates, by_constraints=True))
            if isinstance(undated, Resolution) and not any(pin.dated for pin in undated.pins):
                return undated, dates
        if refusal.is_of_wheels and not self._tried_sources:  # once: to build them takes minutes
            self._tried_sources = True
            self._say("trying with what has to be built from source")
            built = resolver.ask_with_sources(self._question(ground, draft, dates))
            if isinstance(built, Resolution):
                self._from_source = frozenset(pin.name for pin in built.pins if pin.source)
                return built, dates
            if built.is_proof:  # and tells more than that there is no wheel
                return built
        return refusal

    def _question(self, ground: Ground, draft: Draft, dates: Dates, *, by_constraints: bool = False) -> Question:
        question = _question(ground, draft, dates, by_constraints=by_constraints)
        return question._replace(built=question.built | self._from_source)

    def _loosened(self, ground: Ground, draft: Draft, wall: Wall) -> Optional[Found]:
        """The card's releases exclude each other: give up one, the least important first, within its series if that
        is enough.
        """
        if len(draft.choices) < 2:
            return None
        named = filter(Refusal(wall.words).names, draft.choices)
        by_weight = sorted((draft.choices[name] for name in named), key=lambda choice: WEIGHTS.get(choice.name, 1))
        resolver = self._resolver(ground)
        for near in (True, False):
            for choice in by_weight:
                if choice.version is None:
                    continue
                free = choice._replace(version=None)
                loose = draft.choose(free)
                if near:
                    loose = loose.hold(choice.name, _series_of(choice.version), "")
                answer = self._resolve(ground, loose, dates_for(ground, draft, self._date, resolver), resolver)
                if isinstance(answer, Refusal) or choice.name not in answer[0].versions:
                    continue
                version = answer[0].versions[choice.name]
                because = f"with {choice.version} there is no set: {_first(wall.words)}"
                found = self._settle(ground, draft.choose(choice._replace(version=version, because=because)))
                if isinstance(found, Found):
                    return found
        return None

    def _way(self, ground: Ground, draft: Draft, refusal: Refusal) -> str:
        """The one distribution without which the others resolve; torch and transformers are what a card is about."""
        resolver = self._resolver(ground)
        for name in sorted(filter(refusal.names, draft.choices), key=lambda name: WEIGHTS.get(name, 1)):
            rest = {other: choice for other, choice in draft.choices.items() if other != name}
            if name in {"torch", "transformers"} or not rest:
                continue
            without = draft._replace(choices=rest)
            dates = dates_for(ground, without, self._date, resolver)
            if isinstance(resolver.ask(self._question(ground, without, dates)), Resolution):
                return f"leave {name} out: the others resolve for Python {ground.interpreter.series}"
        return ""

    # Writing it down

    def _platform(self) -> str:
        platform = self._site.platform
        return " ".join([platform.system, platform.machine, "-".join(platform.libc) if platform.libc else ""]).strip()

    def _write(self, found: Found) -> Plan:
        ground, resolution = found.ground, found.resolution
        python = ground.interpreter
        where = python.path or python.series
        return Plan(
            card=self._site.card.name,
            python=python.series,
            interpreter=python.path,
            platform=self._platform(),
            date=found.dates.date,
            pins=resolution.pins,
            differences=(*_differences(found), *self._other_python(python)),
            findings=found.left,
            notes=tuple(self._notes(found)),
            proof=Proof("resolved"),
            commands=(
                f"uv venv --python {python.series if self._elsewhere else where} env",
                "uv pip install --python env --no-deps " + " ".join(pin.requirement for pin in resolution.pins),
            ),
            pylock=resolution.pylock,
            resolver=f"uv {self._uv.version}",
            calls=self._uv.calls,
        )

    def _other_python(self, python: Interpreter) -> Iterator[Difference]:
        if self._is_the_cards(python.minor):
            return
        missing = [one for _, one in self._missing if self._is_the_cards(one.minor)]
        if self._python is not None:
            because = "it was asked for"
        elif missing:
            because = f"Python {missing[0].series} is not installed here: `uv python install {missing[0].series}`"
        else:
            because = "the card's releases, or nearer ones, can be had for it"
        yield Difference("python", self._site.card.versions["python"], python.series, because)

    def _is_the_cards(self, minor: int) -> bool:
        """The Python that the card states, spelled in any way (3.9.7, Python 3.9, >=3.7); any where it states none."""
        stated = self._site.card.versions.get("python", "")
        asked, named = as_range(stated), re.search(r"\b3\.(\d+)", stated)
        if asked is not None:
            return asked.contains(f"3.{minor}.99")
        return named is None or int(named[1]) == minor

    def _notes(self, found: Found) -> Iterator[str]:
        python = found.ground.interpreter
        if python.path is None and not self._elsewhere:
            yield f"Python {python.series} is not installed here: `uv python install {python.series}`"
        elif self._missing and self._missing[0][0] < cost(found.draft, self._site.knowledge):
            best = self._missing[0][1].series
            yield f"nearer to the card with Python {best}, which is not installed: `uv python install {best}`"
        if found.dates.date and not any(pin.dated for pin in found.resolution.pins):
            yield (
                "the index does not tell when a release was uploaded: those that we know are held to the date, the "
                "others are as new as possible"
            )
        built = [pin.requirement for pin in found.resolution.pins if pin.source]
        if built:
            yield f"built from source, as no wheel of them is there: {', '.join(built)}"


def _question(ground: Ground, draft: Draft, dates: Dates, *, by_constraints: bool = False) -> Question:
    """`by_constraints`: an index that tells no upload times is held to the day by the releases that we know."""
    versions = draft.versions
    ranges = draft.ranges
    loose = [name for name in (*draft.choices, *sorted(draft.added)) if name not in versions]
    held = {name: str(ranges[name]) for name in ranges if name not in versions and name not in loose}
    if by_constraints and dates.date:
        foreseen = ground.foresee(draft, dates.date, dates.own)
        held = {**{name: f"<={version}" for name, version in foreseen.items() if name not in versions}, **held}
    released = {name: ground.release(name, version) for name, version in versions.items()}
    return Question(
        requirements=(
            *(f"{name}=={version}" for name, version in versions.items()),
            *(f"{name}{ranges.get(name, '')}" for name in loose),
        ),
        constraints=tuple(f"{name}{text}" for name, text in sorted(held.items())),
        date=None if by_constraints else dates.date,
        dates={} if by_constraints else dates.own,
        built=frozenset(name for name, release in released.items() if release and release.sdist and not release.wheels),
    )


def _is_of_releases(finding: Finding) -> bool:
    """Could other releases have mended it? What the machine lacks (a GPU, a driver, a setting) they can't."""
    return finding.family in {"packages", "python"}


def _stuck(ground: Ground, finding: Finding) -> Wall:
    return Wall(
        finding.subject,
        f"for Python {ground.interpreter.series}: {finding.message}",
        way=next((one.text or one.requirement or "" for one in finding.remedies), ""),
    )


def _because(ground: Ground, choice: Choice, version: str) -> str:
    """Why the card's own release gave way to this one."""
    why = ground.why_not(choice)
    if choice.name != "torch" or choice.own is None or not why.startswith("torch") or " wheels for " in why:
        return why or choice.because
    against = ground.hardware(str(choice.own))
    machine = ground.site.machine
    gpus = " and ".join(dict.fromkeys(gpu.name for gpu in machine.accelerators or ()))
    if against is not None and against.id == "accelerator/driver-too-old":
        return f"the nearest default build that driver {machine.driver} runs; {why}"
    which = "first" if Version(version) > choice.own else "last"
    return f"the {which} default build with kernels for the {gpus}; {why}"


def _differences(found: Found) -> Iterator[Difference]:
    planned = found.resolution.versions
    for choice in (*found.draft.choices.values(), *found.draft.left_out):
        version = planned.get(choice.name)
        asked = as_range(choice.stated)
        if version != choice.stated and (version is None or asked is None or not asked.contains(version)):
            yield Difference(choice.name, choice.stated, version, _with_index(choice))
    for name in sorted({*found.draft.added, *found.draft.ranges} - set(found.draft.choices)):
        if name in planned:
            yield Difference(name, None, planned[name], found.draft.reasons.get(name, ""))


def _with_index(choice: Choice) -> str:
    """With the index that has the card's own build, where it is one of torch's."""
    _, _, local = choice.stated.partition("+")
    if not local or choice.own is None or not local.startswith(("cu", "rocm", "cpu")):
        return choice.because or f"the release that {choice.stated} is a spelling of"
    old = choice.own.release < (1, 13)
    index = f"--find-links {WHEELS}/torch_stable.html" if old else f"--index {WHEELS}/{local}"
    kept = "" if choice.moved else ": this is its default build"
    return f"{choice.because}{kept}; +{local} is at {index}" if choice.because else f"+{local} is at {index}"


def _series_of(version: str) -> SpecifierSet:
    parsed = Version(version)
    return SpecifierSet(f">={parsed.major}.{parsed.minor},<{parsed.major}.{parsed.minor + 1}")


def _first(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if "cause:" in line or line.startswith("      ")]
    return " ".join(lines[:MOST_SHOWN]).replace("cause: ", "") or "the resolver gives no reason"
