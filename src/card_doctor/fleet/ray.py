"""The nodes of a running Ray cluster, each asked in place: nothing of ours is installed there, no GPU is taken."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from typing import Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple, Union

import msgspec

from card_doctor.environment.remote import question, snapshot_of
from card_doctor.errors import CardDoctorError, EnvironmentReadError, UsageError
from card_doctor.model import Node, Silent

START = 30.0  # seconds that Ray gets, beside the time limit: to connect, and to start a worker on a busy node
# DeathReason of ray.nodes(): a node that was stopped, or that the autoscaler took away, is not missed.
STOPPED = (1, 3, 4)

Answer = Union[Node, Silent]
Progress = Callable[[int, int], None]


class Expected(NamedTuple):
    """How many nodes there should be, and which."""

    number: int = 0
    names: Tuple[str, ...] = ()


class Member(msgspec.Struct):
    """A node as Ray lists it; `death` is the number of why it is dead, 0 where Ray does not say."""

    id: str
    name: str
    host: str
    address: str
    alive: bool
    death: int = 0
    message: str = ""


class Members(msgspec.Struct, tag="nodes"):
    nodes: List[Member]


class Told(msgspec.Struct, tag="answer"):
    id: str
    text: str


class Untold(msgspec.Struct, tag="silent"):
    id: str
    reason: str
    text: str


class Refused(msgspec.Struct, tag="refused"):
    why: str
    text: str
    ray: str = ""
    python: str = ""


class End(msgspec.Struct, tag="end"):
    pass


Line = Union[Members, Told, Untold, Refused, End]


class MismatchError(CardDoctorError):
    """A cluster that this interpreter's Ray does not fit."""

    kind = "mismatch"


def expected_of(words: Sequence[str]) -> Expected:
    """``5`` is how many, anything else a node's name."""
    counts = [int(word) for word in words if word.isdigit()]
    return Expected(max(counts, default=0), tuple(word for word in words if not word.isdigit()))


def ask_cluster(
    address: str, executable: str, *, timeout: float, expected: Expected, progress: Progress
) -> Iterator[Answer]:
    """An answer for each node of the cluster at `address` ("auto": the one that runs here), as it comes. `executable`
    is an interpreter that has the cluster's Ray; `timeout`, in seconds, is for the probe on a node, and for nodes that
    are expected to come. `progress` is told how many of how many have answered.
    """
    members: List[Member] = []
    names: Dict[str, str] = {}
    heard = 0
    for line in _said(address, executable, timeout, expected):
        if isinstance(line, Refused):
            raise refusal(line, address, executable)
        if isinstance(line, Members):
            members = line.nodes
            names = names_of(members)
            yield from absent(members, names, expected, timeout)
        elif isinstance(line, (Told, Untold)):
            heard += 1
            yield answer_of(names.pop(line.id, line.id), line, timeout)
        progress(heard, sum(member.alive for member in members))
    for member in members:
        if member.alive and member.id in names:
            yield Silent(names[member.id], "failed", "the cluster was lost before it answered")


def _said(address: str, executable: str, timeout: float, expected: Expected) -> Iterator[Line]:
    """Line by line, what payload/on_ray.py says in `executable`; it is gone when this ends."""
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415
    from subprocess import PIPE  # noqa: PLC0415
    from threading import Thread, Timer  # noqa: PLC0415

    from card_doctor.environment.interpreter import cannot_start  # noqa: PLC0415
    from card_doctor.environment.process import keep_tail, kill, lines, start  # noqa: PLC0415

    asked = question()
    arguments = zlib.compress(msgspec.json.encode({"programs": asked.programs, "files": asked.files}), 9)
    order = {
        "address": address,
        "program": asked.program,
        "arguments": arguments.decode("latin-1"),
        "timeout": timeout,
        "start": START,
        "count": expected.number,
        "names": expected.names,
    }
    with tempfile.TemporaryDirectory(prefix="card-doctor-") as folder:
        script = shutil.copyfile(Path(__file__).parent / "payload" / "on_ray.py", Path(folder, "on_ray.py"))
        told = Path(folder, "order.json")
        told.write_bytes(msgspec.json.encode(order))
        try:
            process = start([executable, "-B", str(script), str(told)], stdout=PIPE, stderr=PIPE)
        except OSError as error:
            raise cannot_start(executable, error) from error
        tail = bytearray()
        Thread(target=keep_tail, args=(process.stderr, tail), daemon=True).start()
        limit = Timer(4 * (timeout + START), kill, [process])  # to connect, to wait for nodes, to ask them, to end
        limit.daemon = True
        limit.start()
        any_said = False
        try:
            assert process.stdout is not None  # noqa: S101  for the type checker
            with process.stdout as stdout:
                for said in stdout:
                    any_said = True
                    line: Line = msgspec.json.decode(said, type=Line)
                    if isinstance(line, End):
                        return
                    yield line
        finally:
            limit.cancel()
            kill(process)
        if not any_said:
            because = "".join(f": {said}" for said in lines(bytes(tail))[-1:])
            raise EnvironmentReadError(f"the Ray cluster at {address} did not answer{because}", "see `ray status`")


def refusal(line: Refused, address: str, executable: str) -> CardDoctorError:
    """Why there is no talking to the cluster."""
    if line.why == "no-ray":
        return UsageError(
            f"{executable} has no Ray: {line.text}",
            "pip install 'card-doctor[ray]', or name an interpreter of the cluster: --python PATH",
        )
    if line.why == "mismatch":
        found = dict(re.findall(r"(Ray|Python): *([0-9][^\s,]*)", line.text.partition("This process")[0]))
        cluster = " on ".join(f"{name} {found[name]}" for name in ("Ray", "Python") if name in found)
        return MismatchError(
            f"Ray connects equal versions alone: the cluster runs {cluster or 'others'}, "
            f"{executable} has Ray {line.ray} on Python {line.python}",
            "name an interpreter of the cluster: --python PATH",
        )
    first = next((one.strip() for one in line.text.splitlines() if one.strip()), line.why)
    where = "no Ray cluster that runs here" if address == "auto" else f"no Ray cluster at {address}"
    return EnvironmentReadError(
        f"{where} could be asked: {first}", "start it with `ray start --head`, or name it: --ray HOST:PORT"
    )


def names_of(members: Sequence[Member]) -> Dict[str, str]:
    """By its id, what people call each node: the name that it was given, else its host's; where several are of one
    name, with the beginning of the id.
    """
    plain = {
        one.id: one.name if one.name and one.name != one.address else one.host or one.address or one.id
        for one in members
    }
    times = Counter(plain[one.id] for one in members if one.alive)
    return {id_: f"{name} ({id_[:6]})" if times[name] > 1 else name for id_, name in plain.items()}


def absent(members: Sequence[Member], names: Dict[str, str], expected: Expected, timeout: float) -> Iterator[Silent]:
    """Nodes that died, and those that never came. One that came back, or that was stopped, is not missed."""
    alive = [member for member in members if member.alive]
    known = {name for one in alive for name in (one.name, one.host, one.address, names[one.id])}
    dead: Dict[str, Silent] = {}
    for one in members:
        if not one.alive and one.death not in STOPPED and names[one.id] not in known:
            why = one.message.strip().splitlines()[:1]
            dead[names[one.id]] = Silent(names[one.id], "dead", ": ".join(["Ray lists it as dead", *why]))
            known.update({one.name, one.host, one.address})
    yield from dead.values()
    never = f"it did not join the cluster within {timeout:g} seconds; `ray start` says why where Ray refuses a node"
    missing = [name for name in expected.names if name not in known]
    yield from (Silent(name, "missing", never) for name in missing)
    for number in range(len(alive) + len(dead) + len(missing) + 1, expected.number + 1):
        yield Silent(f"node {number} of {expected.number}", "missing", never)


def answer_of(name: str, line: Union[Told, Untold], timeout: float) -> Answer:
    """What came of a node."""
    if isinstance(line, Told):
        try:
            return Node(name, snapshot_of(line.text, timeout))
        except EnvironmentReadError as error:
            return Silent(name, "failed", error.message)
    if line.reason == "timeout":
        return Silent(name, "timeout", f"it did not answer within {timeout + START:g} seconds")
    first = next((one.strip() for one in line.text.splitlines() if one.strip()), "Ray gave no reason")
    if line.reason == "dead":
        return Silent(name, "dead", f"it died while it was asked: {first}")
    return Silent(name, "failed", first)
