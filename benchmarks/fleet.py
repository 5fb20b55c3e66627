"""`card-doctor compare` on made snapshots of many nodes: time, memory, and lines of text.

usage: fleet.py [NODES...]

A node has 150 packages and eight GPUs; its memory differs by what a kernel keeps for itself. Of a hundred, one has
another driver, one a GPU fewer, one another torch, and one a click of its own that no other has, so that groups grow
with the nodes. Each size is compared in a process of its own, from a file of JSON lines.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict

NODES = (200, 500, 1000, 2000)
GPU = {"name": "NVIDIA H100 80GB HBM3", "capability": "9.0", "memory_bytes": 85_520_809_984}


def made(number: int) -> Dict[str, Any]:
    versions = {f"package-{index}": f"1.{index}" for index in range(147)}
    versions.update({"torch": "2.1.0+cu121", "nvidia-nccl-cu12": "2.18.1", "click": "8.1.7"})
    node = {
        "schema": "card-doctor/snapshot/1",
        "node": f"node{number:05}",
        "source": "interpreter",
        "python": {"version": "3.11.7"},
        "platform": {"system": "Linux", "machine": "x86_64", "libc": ["glibc", "2.36"]},
        "torch": {"version": "2.1.0", "build": "cu121", "cuda": "12.1"},
        "driver": "535.104.05",
        "accelerators": [{**GPU, "uuid": f"GPU-{number}-{index}"} for index in range(8)],
        "host": {"memory_bytes": 2**40 - number * 4096, "shared_memory_bytes": 2**39},
        "variables": {"NCCL_DEBUG": "WARN"},
    }
    odd = number % 100
    if odd == 10:
        node["driver"] = "550.54.15"
    elif odd == 20:
        node["accelerators"].pop()
    elif odd == 30:
        versions["torch"] = "2.1.1+cu121"
    elif odd == 40:
        versions["click"] = f"8.{number}"
    node["packages"] = {name: {"name": name, "version": version} for name, version in versions.items()}
    return node


def main(sizes: Any) -> None:
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "nodes.jsonl")
            with path.open("w") as file:
                file.writelines(json.dumps(made(number)) + "\n" for number in range(size))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            began = time.monotonic()
            ran = subprocess.run(
                [sys.executable, "-m", "card_doctor", "compare", str(path)], check=False, capture_output=True, text=True
            )
            seconds = time.monotonic() - began
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            # ru_maxrss is the largest child's so far: the sizes grow
            print(
                f"{size:6} nodes, {path.stat().st_size / 2**20:5.1f} MiB: {processor:5.2f} s of processor time "
                f"({seconds:.2f} s), {after.ru_maxrss / 1024:.0f} MiB, {len(ran.stdout.splitlines())} lines of text, "
                f"exit code {ran.returncode}: {ran.stdout.splitlines()[0]}"
            )


if __name__ == "__main__":
    main(list(map(int, sys.argv[1:])) or NODES)
