"""What a difference between two nodes does to a run over both."""

from __future__ import annotations

import re
from typing import Mapping, Optional, Sequence, Tuple

from card_doctor.fleet.facts import NOT_KNOWN, PACKAGE, VARIABLE
from card_doctor.model import Effect

Judged = Tuple[Effect, str]

NCCL = re.compile(r"nvidia-nccl-")
# Their kernels are compiled for the GPUs that were there, or asked for, when they were built.
COMPILED = ("apex", "causal-conv1d", "deepspeed", "flash-attn", "mamba-ssm", "transformer-engine", "xformers")
# What decides what a rank computes, and in which order it talks to the others.
TRAINING = (
    "accelerate", "bitsandbytes", "datasets", "deepspeed", "flash-attn", "lightning", "numpy", "peft",
    "pytorch-lightning", "safetensors", "sentencepiece", "tokenizers", "torchaudio", "torchvision", "transformers",
    "triton", "trl", "xformers",
)  # fmt: skip
_SLOWER: Judged = ("slows", "every step waits for the slowest GPU")
_SMALLER: Judged = ("may-break", "what fits on the other nodes may not fit here")
# Variables, and what another value of them does; the first that fits. NCCL's are explained in
# https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html, torch's in https://docs.pytorch.org/docs/
OF_VARIABLES: Sequence[Tuple[str, Judged]] = (
    (r"\w+_VISIBLE_DEVICES", ("harmless", "the GPUs that it leaves are compared")),
    # Each machine has its own network interfaces, and what is only said does no harm.
    (r"\w+_(?:IFNAME|IB_HCA|NET_DEVICES|TOPO_FILE|GRAPH_FILE)|NCCL_(?:DEBUG|TOPO_DUMP|GRAPH_DUMP)\w*",
     ("harmless", "each machine's own")),
    (r"CUDA_DEVICE_ORDER|CUDA_MODULE_LOADING|CUBLAS_WORKSPACE_CONFIG", ("harmless", "no other rank depends on it")),
    (r"(?:OMP|MKL)_NUM_THREADS|CUDA_LAUNCH_BLOCKING|CUDA_DEVICE_MAX_CONNECTIONS",
     ("slows", "every step waits for the slowest rank")),
    (r"\w+TF32\w+", ("may-break", "ranks compute in different precision")),
    (r"\w+ALLOC_CONF", _SMALLER),
    (r"LD_\w+|CUDA_HOME|CUDA_PATH", ("may-break", "another CUDA or NCCL may be loaded, or compiled for")),
    (r"\w+", ("may-break", "ranks that are set up in different ways may not connect, or wait for each other for ever")),
)  # fmt: skip


def effect_of(fact: str, found: Optional[str], usual: Optional[str], of: Mapping[str, Optional[str]]) -> Judged:
    """The effect of `found` where the others have `usual`, and why; `of` are all facts of the node that has it."""
    if fact.startswith(PACKAGE):
        return _package(fact[len(PACKAGE) :], found)
    if fact.startswith(VARIABLE):
        return next(judged for names, judged in OF_VARIABLES if re.fullmatch(names, fact[len(VARIABLE) :]))
    if any(value is not None and value.startswith(NOT_KNOWN) for value in (found, usual)):
        return "unknown", "it could not be read, so it can't be compared"
    if fact == "GPUs":
        return _gpus(found or "0", usual or "0")
    if fact == "lost GPUs":
        return "may-break", "a rank that gets it can't start"
    if fact == "GPU models":
        return _SLOWER
    if fact == "Python":
        return _python(found or "", usual or "")
    if fact == "torch build":
        return "breaks", "torch brings CUDA and NCCL of its build, and ranks with different ones can't form a group"
    if fact == "platform":
        return "breaks", "one environment can't be installed on both"
    if fact == "compute capability":
        compiled = [name for name in COMPILED if of.get(PACKAGE + name) is not None]
        if compiled and found and usual:
            return "breaks", f"kernels of {', '.join(compiled)} are compiled for a GPU's capability"
        return _SLOWER
    if fact == "driver":
        if found is None or usual is None:
            return "breaks", "without a driver no rank of the node has a GPU"
        if found.partition(".")[0] != usual.partition(".")[0]:
            return "may-break", "drivers of different branches support different CUDA versions"
        return "harmless", "of the same branch"
    if fact in {"memory", "shared memory", "GPU memory"}:
        return _smaller(fact, found, usual)
    return "may-break", "what was compiled on one node may not load on another"  # libc


def _package(name: str, found: Optional[str]) -> Judged:
    if NCCL.match(name):
        # "Mismatched NCCL version detected": ncclInvalidUsage in NVIDIA/nccl, src/init.cc
        return "breaks", "NCCL refuses a group of ranks with different versions"
    if name == "torch":
        if found is None:
            return "breaks", "the node can't import torch"
        return "breaks", "torch's collectives are promised between equal versions alone"
    if name in TRAINING:
        if found is None:
            return "may-break", "a script that imports it fails on this node alone"
        return "may-break", "ranks may compute different things, and wait for each other"
    return "harmless", "not known to matter to a distributed run"


def _gpus(found: str, usual: str) -> Judged:
    here, there = int(found), int(usual)
    if here < there:
        return "breaks", f"a launcher that starts {there} ranks on each node fails on this one"
    return "harmless", f"{here - there} stay idle where each node runs {there} ranks"


def _python(found: str, usual: str) -> Judged:
    if _minor(found) != _minor(usual):
        return "breaks", "objects that ranks send each other, and compiled packages, are of one Python minor"
    return "harmless", "the same minor"


def _minor(version: str) -> Tuple[str, ...]:
    return (*version.split(".")[:2], "t" if version.endswith("t") else "")


def _smaller(fact: str, found: Optional[str], usual: Optional[str]) -> Judged:
    if found is None or usual is None:
        return "unknown", "it could not be read, so it can't be compared"
    if float(found.split()[0]) > float(usual.split()[0]):
        return "harmless", "more than the others"
    if fact == "shared memory":
        return "may-break", "NCCL and data loaders keep their buffers in /dev/shm"
    return _SMALLER
