"""One run of `check`: cards and an environment in, the document out. The way through the house, in order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

import msgspec

from card_doctor import __version__
from card_doctor.checks import engine, versions
from card_doctor.checks.registry import CheckInfo, all_checks
from card_doctor.checks.requirements import readable
from card_doctor.errors import CardError, UsageError
from card_doctor.knowledge import Matrices
from card_doctor.model import (
    Accelerator,
    Binaries,
    Card,
    Case,
    Counts,
    Data,
    Derived,
    Document,
    Environment,
    Finding,
    Gap,
    Ignore,
    JoinedRemedy,
    Machine,
    Plan,
    Policy,
    Report,
    Run,
    Snapshot,
    Source,
    Tool,
    Verdict,
)
from card_doctor.planning import install_command, join

# Only what can be installed mends these; a GPU can't be.
MENDABLE = ("versions", "packages", "python")


class Tally:
    """What is counted over all reports of a document."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._counted: Counter[str] = Counter()
        self._silenced: Set[Ignore] = set()
        self._unread = False

    def add(self, report: Report) -> None:
        self._counted.update(finding.severity for finding in report.findings)
        self._counted.update(result.outcome for result in report.checks if result.outcome in {"unknown", "crashed"})
        self._counted["ignored"] += len(report.ignored)
        self._silenced.update(engine.used(self._policy.ignore, report))
        self._unread = self._unread or report.error is not None

    def counts(self) -> Counts:
        return Counts(**{name: self._counted[name] for name in Counts.__struct_fields__})

    def unused_ignores(self) -> Tuple[Ignore, ...]:
        """Those that silence nothing in any report: they can go."""
        return tuple(ignore for ignore in self._policy.ignore if ignore not in self._silenced)

    def exit_code(self) -> int:
        if self._unread:
            return 2
        counts = self.counts()
        failing = {
            "error": counts.error,
            "warning": counts.error + counts.warning,
            "unknown": counts.error + counts.warning + counts.unknown + counts.crashed,
            "never": 0,
        }
        return 1 if failing[self._policy.fail_on] else 0


Stated = Tuple[Tuple[str, str], ...]


class Kept:
    """What several cards have in common in one environment: worked out for the first, so that it is there for the
    others. A remedy that can be installed depends on the versions that a card states, and on nothing else of it.
    """

    def __init__(self) -> None:
        self.found: engine.Known = {}
        self.remedies: Dict[Tuple[Stated, Machine], Optional[JoinedRemedy]] = {}


def run(
    cards: Sequence[Optional[str]],
    *,
    python: Optional[str] = None,
    environment: Optional[str] = None,
    platform: Optional[str] = None,
    gpus: Sequence[str] = (),
    driver: Optional[str] = None,
    policy: Optional[Policy] = None,
    script: Optional[str] = None,
    matrices: Sequence[Path] = (),
    timeout: float = 20.0,
    offline: bool = False,
    started_with_m: bool = False,
    deep: bool = False,
    plan: Optional[Callable[[Case], Optional[Plan]]] = None,
    progress: Callable[[int], None] = lambda _done: None,
    training: Optional[Run] = None,
    data: Optional[Data] = None,
    hand_over: Optional[Callable[[Report], None]] = None,
) -> Document:
    """Judge every card (None: the environment alone) for every machine. `timeout` is in seconds, for a foreign
    interpreter, and once more for the torch in it, which is imported and tried if `deep`; what the training `script`
    imports is judged too; `plan` makes the plan that a card's report gets; `offline` keeps from asking the hub;
    `progress` is told how many cards are done. `hand_over` takes each report as it is known: then the document, which
    counts them, does not hold them. Raises CardDoctorError where no answer can be given; of many cards, one that can't
    be read gets a report that says so.
    """
    policy = policy or Policy()
    knowledge = Matrices(matrices)
    snapshot = look(
        python=python,
        environment=environment,
        platform=platform,
        timeout=timeout,
        started_with_m=started_with_m,
        hardware=not gpus,
        deep=deep,
    )
    snapshot, files = read_files(snapshot, script)
    alternatives = machines(snapshot, gpus, driver, knowledge)
    checks = all_checks()
    kept = Kept()
    reports: List[Report] = []
    tally = Tally(policy)

    def made(report: Report) -> None:
        tally.add(report)
        (hand_over or reports.append)(report)

    for done, reference in enumerate(cards or [None]):
        progress(done)
        card: Optional[Card] = None
        if reference is not None:
            try:
                card = _find_card(reference, knowledge, offline=offline)
            except CardError as error:
                if len(cards) == 1:
                    raise
                made(_unreadable(reference, error))
                continue
        for machine in alternatives:
            told = with_precision(machine, card, policy)
            case = Case(snapshot, told, policy, knowledge, card, *files, run=training, data=data)
            report = judge(case, checks, kept)
            made(msgspec.structs.replace(report, plan=plan(case)) if plan and card else report)
    return Document(
        tool=Tool("card-doctor", __version__, knowledge.digest),
        policy=policy,
        environment=Environment.of(snapshot),
        exit_code=tally.exit_code(),
        counts=tally.counts(),
        reports=tuple(reports),
        unused_ignores=tally.unused_ignores(),
    )


def look(
    *,
    python: Optional[str] = None,
    environment: Optional[str] = None,
    platform: Optional[str] = None,
    timeout: float = 20.0,
    started_with_m: bool = False,
    hardware: bool = True,
    deep: bool = False,
) -> Snapshot:
    """The environment that was asked for, with this machine's GPUs where it is an interpreter of this machine."""
    if environment is not None:
        if deep:
            raise UsageError("--deep imports torch, and a file has none", "name an interpreter: --python PATH|ENV_DIR")
        from card_doctor.environment.files import read_file  # noqa: PLC0415

        return read_file(environment, python=python, platform=platform)
    from card_doctor.environment import choose, read_interpreter  # noqa: PLC0415

    executable = choose(python, started_with_m=started_with_m)
    snapshot = read_interpreter(executable, timeout=timeout)
    if deep and "torch" in snapshot.packages:
        from card_doctor.environment.deep import read_account  # noqa: PLC0415

        account, untold = read_account(executable, timeout)
        snapshot = msgspec.structs.replace(snapshot, account=account, gaps=(*snapshot.gaps, *untold))
    if not hardware:
        return snapshot
    from card_doctor.environment.hardware import read_hardware  # noqa: PLC0415
    from card_doctor.environment.hardware.host import read_host  # noqa: PLC0415

    driver, driver_cuda, accelerators, gaps = read_hardware(timeout)
    read = tuple(gap for gap in snapshot.gaps if gap.fact != "accelerators")
    return msgspec.structs.replace(
        snapshot,
        driver=driver,
        driver_cuda=driver_cuda,
        accelerators=accelerators,
        host=read_host(),
        gaps=(*read, *gaps),
    )


def read_files(
    snapshot: Snapshot, script: Optional[str] = None
) -> Tuple[Snapshot, Tuple[Optional[Binaries], Optional[Derived]]]:
    """What the installed files say, and the snapshot with what could not be read of them."""
    from card_doctor.surfaces.derive import read_installed_files  # noqa: PLC0415

    try:
        files = read_installed_files(snapshot, script)
    except Exception as error:  # noqa: BLE001  the rest of the report must not be lost with it
        if isinstance(error, OSError) and script is not None and error.filename == script:
            raise UsageError(f"{script}: can't be read: {error.strerror}") from None
        gap = Gap("installed files", "failed", f"{type(error).__name__}: {error}")
        return msgspec.structs.replace(snapshot, gaps=(*snapshot.gaps, gap)), (None, None)
    if files is None:
        return snapshot, (None, None)
    return msgspec.structs.replace(snapshot, gaps=(*snapshot.gaps, *files.gaps())), (files.binaries, files.derived)


def judge(case: Case, checks: Sequence[CheckInfo], kept: Optional[Kept] = None) -> Report:
    """Run the checks, weigh what they found, and join the remedies. `kept` is of other cards, judged by these checks
    in this environment under this policy.
    """
    from card_doctor.checks import answers  # noqa: PLC0415  a plan judges without it

    kept = kept or Kept()
    found, results = engine.run(checks, case, kept.found)
    rows = versions.rows(case)
    standing, ignored = engine.split_ignored(found, case.policy.ignore)
    to_mend = any(map(_to_mend, standing))
    return Report(
        card=case.card,
        machine=case.machine,
        verdict=engine.verdict(case, found, results, rows),
        versions=rows,
        findings=tuple(_with_commands(finding, case.snapshot) for finding in standing),
        ignored=ignored,
        checks=tuple(results),
        run=answers.comparison(case),
        data=case.data,
        remedy=_remedy(case, checks, kept, standing) if to_mend else None,
    )


def _to_mend(finding: Finding) -> bool:
    return finding.breaks != "no" or finding.severity == "error"


def _remedy(case: Case, checks: Sequence[CheckInfo], kept: Kept, standing: Sequence[Finding]) -> Optional[JoinedRemedy]:
    """What mends together all that installing can; the rest of what is `standing` is left."""
    mending = [check for check in checks if check.family in MENDABLE]

    def again(changed: Case) -> Sequence[Finding]:
        return engine.split_ignored(engine.run(mending, changed)[0], case.policy.ignore)[0]

    key = (tuple(case.card.versions.items()) if case.card else (), case.machine)
    if key not in kept.remedies:
        kept.remedies[key] = join(case, again)
    remedy = kept.remedies[key]
    beyond = {finding.id for finding in standing if _to_mend(finding) and finding.family not in MENDABLE}
    if remedy is None or not beyond:
        return remedy
    return msgspec.structs.replace(remedy, proven=False, left=tuple(sorted(beyond.union(remedy.left))))


def _with_commands(finding: Finding, snapshot: Snapshot) -> Finding:
    remedies = tuple(
        msgspec.structs.replace(
            remedy,
            command=install_command(snapshot, (), (remedy.requirement,))
            if remedy.kind == "remove"
            else install_command(snapshot, (remedy.requirement,)),
        )
        if remedy.requirement is not None and remedy.command is None
        else remedy
        for remedy in finding.remedies
    )
    return msgspec.structs.replace(finding, remedies=remedies)


def _find_card(reference: str, knowledge: Matrices, *, offline: bool) -> Card:
    from card_doctor.cards import find_card  # noqa: PLC0415

    return find_card(reference, knowledge.directories, offline=offline)


def machines(
    snapshot: Snapshot, gpus: Sequence[str], driver: Optional[str], knowledge: Matrices
) -> Tuple[Machine, ...]:
    """The machine at hand, or each of those that were described instead."""
    if driver is not None and readable(driver) is None:
        raise UsageError(f"--driver {driver}: no version", "Like --driver 535.54.03, as nvidia-smi prints it.")
    told_driver = ("driver",) if driver else ()
    if not gpus:
        return (Machine(driver or snapshot.driver, snapshot.accelerators, assumed=told_driver),)
    from card_doctor.environment.whatif import parse_gpu  # noqa: PLC0415

    described: List[Optional[Tuple[Accelerator, ...]]] = [parse_gpu(spec, knowledge.hardware()) for spec in gpus]
    return tuple(Machine(driver, accelerators, assumed=("gpu", *told_driver)) for accelerators in described)


def with_precision(machine: Machine, card: Optional[Card], policy: Policy) -> Machine:
    """What it will be run in: as told, else as the card says, else fp32."""
    if policy.precision:
        return msgspec.structs.replace(machine, precision=policy.precision, assumed=(*machine.assumed, "precision"))
    stated = card.precision.mode if card and card.precision else None
    return msgspec.structs.replace(machine, precision=stated or "fp32")


def _unreadable(reference: str, error: CardError) -> Report:
    return Report(
        card=Card(name=reference, source=Source(kind="unreadable")),
        machine=Machine(),
        verdict=Verdict("unknown", "unknown"),
        error=error.message,
    )
