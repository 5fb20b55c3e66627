"""One run of `plan`: a card, a machine and a platform in, the plan out. What `checkup` is to `check`."""

from __future__ import annotations

from functools import cache
from typing import Callable, NamedTuple, Optional, Sequence, Tuple

import msgspec

from card_doctor import checkup
from card_doctor.checks import engine
from card_doctor.checks.registry import all_checks, decisive_checks
from card_doctor.checkup import machines, with_precision
from card_doctor.environment.choose import VERSION
from card_doctor.errors import EnvironmentReadError, UsageError
from card_doctor.knowledge import Matrices
from card_doctor.model import Card, Case, Finding, Machine, Plan, Platform, Policy, Proof, Snapshot, Unknown, Wall
from card_doctor.planning.ground import Ground, Site
from card_doctor.planning.interpreters import Interpreter, asked_for
from card_doctor.planning.planner import Planner
from card_doctor.planning.resolver import Refusal, Resolver
from card_doctor.planning.uv import Uv


class Wish(NamedTuple):
    """What a plan is to be. `python` names the one interpreter that it may be for; `environment` is a file that
    describes the machine it is for, `platform` a wheel tag of it; `date` is a day, "none", or None for the card's;
    `downloads`: uv may fetch an interpreter.
    """

    python: Optional[str] = None
    environment: Optional[str] = None
    platform: Optional[str] = None
    gpus: Sequence[str] = ()
    driver: Optional[str] = None
    policy: Policy = Policy(match="any")
    date: Optional[str] = None
    offline: bool = False
    downloads: bool = False
    timeout: float = 20.0


class Planned(NamedTuple):
    """A plan, and what it was made for and with."""

    plan: Plan
    card: Card
    machine: Machine
    uv: Uv


Say = Callable[[str], None]


def plan_card(card: Card, wish: Wish, knowledge: Matrices, say: Say = lambda _: None) -> Planned:
    """The nearest environment for `card` there. CardDoctorError where no answer can be given."""
    if len(wish.gpus) > 1:
        raise UsageError(
            "a plan is for one machine: give --gpu once", "several GPUs in it are --gpu A100+T4, or 8xH100"
        )
    snapshot = described(wish)
    (machine,) = machines(snapshot, wish.gpus, wish.driver, knowledge)
    uv = Uv(offline=wish.offline, downloads=wish.downloads)
    case = Case(snapshot, with_precision(machine, card, wish.policy), wish.policy, knowledge, card)
    return Planned(plan_for(case, wish, uv, say), card, case.machine, uv)


def plan_for(case: Case, wish: Wish, uv: Uv, say: Say = lambda _: None) -> Plan:
    """The same for a case that is there already: its card and its machine; of its snapshot the platform counts."""
    policy = msgspec.structs.replace(case.policy, match="any", select=())
    try:
        card, platform = case.needs_card(), case.needs_platform()
    except Unknown:
        raise UsageError("a plan needs the platform", "add --platform TAG, like manylinux_2_28_x86_64") from None
    site = Site(card, case.machine, platform, case.knowledge, _judge(policy), policy)
    elsewhere = _elsewhere(platform)
    python = _interpreter(wish, elsewhere=elsewhere)
    return Planner(site, uv, date=wish.date, python=python, elsewhere=elsewhere, say=say).plan()


def plan_near(card: Card, wish: Wish, knowledge: Matrices, snapshot: Snapshot, say: Say = lambda _: None) -> Planned:
    """The smallest change to the environment of `snapshot` after which the card trains in it, under the policy that
    `check` judges by.
    """
    from card_doctor.planning.commands import install_command  # noqa: PLC0415
    from card_doctor.planning.near import keep  # noqa: PLC0415

    if len(wish.gpus) > 1:
        raise UsageError("a plan is for one machine: give --gpu once", "several GPUs in it: --gpu A100+T4, or 8xH100")
    if snapshot.source != "interpreter" or snapshot.python is None or snapshot.platform is None:
        raise UsageError("--near is for an environment of this machine", "name it with --python PATH|ENV_DIR")
    (machine,) = machines(snapshot, wish.gpus, wish.driver, knowledge)
    machine = with_precision(machine, card, wish.policy)
    uv = Uv(offline=wish.offline)
    report = checkup.judge(Case(snapshot, machine, wish.policy, knowledge, card), all_checks())
    interpreter = Interpreter(snapshot.python.version, snapshot.python.executable)
    plan = Plan(
        card.name, python=interpreter.series, interpreter=interpreter.path, changes=(), resolver=f"uv {uv.version}"
    )
    anew = f"a new environment: card-doctor plan {card.name}"
    breaking = [finding for finding in report.findings if finding.breaks != "no" or finding.severity == "error"]
    if report.remedy is None:
        walls = [Wall(one.subject, one.message, way=anew) for one in breaking]
        return Planned(msgspec.structs.replace(plan, blocked_by=tuple(walls)), card, machine, uv)
    say("resolving what is to change")
    site = Site(card, machine, snapshot.platform, knowledge, _judge(wish.policy), wish.policy)
    ground, resolver = Ground(site, interpreter), Resolver(uv, interpreter)
    kept = keep(ground, snapshot, report.remedy.requirements, breaking, resolver)
    if isinstance(kept, Refusal):
        told = f"no set keeps this environment and has {', '.join(report.remedy.requirements)}"
        wall = Wall(", ".join(report.remedy.requirements), told, kept.words, anew)
        return Planned(msgspec.structs.replace(plan, blocked_by=(wall,), calls=uv.calls), card, machine, uv)
    changed = [f"{one.subject}=={one.planned}" for one in kept.changes]
    plan = msgspec.structs.replace(
        plan,
        pins=kept.resolution.pins,
        changes=kept.changes,
        findings=kept.left,
        proof=Proof("resolved"),
        commands=(install_command(snapshot, changed),) if changed else (),
        pylock=kept.resolution.pylock,
        calls=uv.calls,
    )
    return Planned(plan, card, machine, uv)


def _judge(policy: Policy) -> Callable[[Case], Tuple[Finding, ...]]:
    checks = decisive_checks()

    def judge(case: Case) -> Tuple[Finding, ...]:
        return engine.split_ignored(engine.run(checks, case)[0], policy.ignore)[0]

    return judge


def described(wish: Wish) -> Snapshot:
    """The machine that the plan is for: of a file, else this one, with the platform that was named."""
    if wish.environment is not None:
        from card_doctor.environment.files import read_file  # noqa: PLC0415

        return read_file(wish.environment, platform=wish.platform)
    snapshot = this_machine()
    if wish.platform is not None:
        from card_doctor.environment.files.target import target  # noqa: PLC0415

        return msgspec.structs.replace(snapshot, platform=target(None, wish.platform).platform)
    if wish.gpus:
        return snapshot
    from card_doctor.environment.hardware import read_hardware  # noqa: PLC0415

    driver, driver_cuda, accelerators, gaps = read_hardware(wish.timeout)
    return msgspec.structs.replace(
        snapshot, driver=driver, driver_cuda=driver_cuda, accelerators=accelerators, gaps=gaps
    )


@cache
def this_machine() -> Snapshot:
    """Its platform alone: no package is looked at."""
    from card_doctor.environment.payload import reader  # noqa: PLC0415

    return msgspec.convert(reader.read([]), Snapshot)


def _elsewhere(platform: Platform) -> bool:
    return this_machine().platform != platform


def _interpreter(wish: Wish, *, elsewhere: bool) -> Optional[Interpreter]:
    if wish.python is None:
        return None
    is_version = VERSION.fullmatch(wish.python) is not None and wish.python.startswith("3.")
    if elsewhere and is_version:
        return Interpreter(wish.python)
    try:
        return asked_for(wish.python)
    except EnvironmentReadError:
        if wish.downloads and is_version:
            return Interpreter(wish.python)
        raise
