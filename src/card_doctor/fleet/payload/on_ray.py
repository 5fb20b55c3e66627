# Has every node of a running Ray cluster ask itself (environment/payload/machine.py), and says each answer as a line of
# JSON. Runs in an interpreter that has the cluster's Ray (`python on_ray.py ORDER`; fleet/ray.py starts it): Ray ends
# the process that loses its cluster. The standard library and Ray alone, Python 3.6 and newer.

import json
import os
import sys
import threading
import time
import zlib

MYPY = False
if MYPY:
    from typing import Any, Dict, List

    Json = Dict[str, Any]

# What Ray raises where the node, or its worker, is no more.
DIED = (
    "LocalRayletDiedError",
    "NodeDiedError",
    "ObjectLostError",
    "OwnerDiedError",
    "TaskUnschedulableError",
    "WorkerCrashedError",
)


def on_node(program: str, arguments: str, timeout: float) -> str:
    """Runs in a worker of the node, and is sent there as it is: it belongs to no module."""
    space = {"__name__": "card_doctor_machine"}  # type: Dict[str, Any]
    exec(program, space)  # noqa: S102  ours
    # What Ray sets for this task alone (which GPUs it may see, how many threads) is not the node's: the raylet, which
    # started this worker, has what `ray start` was given.
    try:
        with open("/proc/%d/environ" % os.getppid(), "rb") as file:
            pairs = [pair.partition("=") for pair in os.fsdecode(file.read()).split("\0")]
        environment = {name: value for name, _, value in pairs if name}
    except OSError:
        environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    told = json.loads(zlib.decompress(arguments.encode("latin-1")).decode())
    return str(space["ask"](told["programs"], told["files"], timeout, environment))


def main(order: "Json") -> None:
    out = os.fdopen(os.dup(1), "w")  # Ray may print what it likes
    os.dup2(2, 1)

    def say(kind: str, **facts: "Any") -> None:
        out.write(json.dumps(dict(facts, type=kind)) + "\n")
        out.flush()

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
    except ImportError as error:
        say("refused", why="no-ray", text=str(error))
        return
    version = {"ray": ray.__version__, "python": sys.version.split()[0]}
    patience = order["timeout"] + order["start"]

    def give_up() -> None:  # Ray itself waits for minutes
        say("refused", why="timeout", text="it did not answer within %g seconds" % patience)
        os._exit(0)

    limit = threading.Timer(patience, give_up)
    limit.daemon = True
    limit.start()
    try:
        ray.init(address=order["address"], log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        mismatch = "ersion mismatch" in str(error)
        say("refused", why="mismatch" if mismatch else type(error).__name__, text=str(error), **version)
        return
    limit.cancel()
    nodes = gathered(ray, order)
    say("nodes", nodes=nodes)
    task = ray.remote(num_cpus=0, max_retries=0)(on_node)
    alive = [node["id"] for node in nodes if node["alive"]]
    asked = {}
    for node in alive:
        strategy = NodeAffinitySchedulingStrategy(node, soft=False)
        try:
            answer = task.options(scheduling_strategy=strategy).remote(
                order["program"], order["arguments"], order["timeout"]
            )
        except ValueError as error:  # the node has gone since
            say("silent", id=node, reason="dead", text=str(error))
        else:
            asked[answer] = node
    deadline = time.time() + patience
    while asked and time.time() < deadline:
        ready, _ = ray.wait(list(asked), timeout=max(0.0, min(1.0, deadline - time.time())))
        for answer in ready:
            node = asked.pop(answer)
            try:
                say("answer", id=node, text=ray.get(answer))
            except Exception as error:
                kinds = {kind.__name__ for kind in type(error).__mro__}
                say("silent", id=node, reason="dead" if kinds & set(DIED) else "failed", text=str(error))
    for answer, node in asked.items():
        say("silent", id=node, reason="timeout", text="")
        ray.cancel(answer, force=True)
    say("end")
    ray.shutdown()


def gathered(ray: "Any", order: "Json") -> "List[Json]":
    """The nodes of the cluster, as soon as all that are expected are there, at the latest after the time limit."""
    deadline = time.time() + order["timeout"]
    while True:
        nodes = [described(node) for node in ray.nodes()]
        alive = [node for node in nodes if node["alive"]]
        names = {name for node in alive for name in (node["name"], node["host"], node["address"])}
        complete = len(alive) >= order["count"] and names.issuperset(order["names"])
        if complete or time.time() > deadline:
            return nodes
        time.sleep(0.2)


def described(node: "Json") -> "Json":
    """https://docs.ray.io/en/latest/ray-core/api/doc/ray.nodes.html"""
    return {
        "id": node["NodeID"],
        "name": node.get("NodeName") or "",
        "host": node.get("NodeManagerHostname") or "",
        "address": node.get("NodeManagerAddress") or "",
        "alive": bool(node["Alive"]),
        "death": int(node.get("DeathReason") or 0),
        "message": node.get("DeathReasonMessage") or "",
    }


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        main(json.load(file))
    sys.stderr.flush()
    os._exit(0)
