from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from running import card_doctor, here

from card_doctor.model import Accelerator, Gap, Host, Platform, Python, TorchBuild
from card_doctor.reporting.schemas import document_schema
from made import package, snapshot

GPU = Accelerator("NVIDIA H100", "cuda", "9.0", 80 * 2**30)

MARKERS = {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux", "os_name": "posix"}


def made(*more, **facts):
    told = {
        "python": Python("3.11.7"),
        "platform": Platform("Linux", "x86_64", ("glibc", "2.36")),
        "torch": TorchBuild("2.1.0", "cu121", "12.1"),
        "driver": "535.54.03",
        "accelerators": (GPU,) * 8,
        "host": Host(memory_bytes=500 * 2**30),
        "variables": {},
    }
    versions = {"torch": "2.1.0+cu121", "nvidia-nccl-cu12": "2.18.1", "click": "8.1", **dict(more)}
    return snapshot(*(package(*item) for item in versions.items()), source="snapshot", **{**told, **facts})


@pytest.fixture
def folder(tmp_path):
    def write(**nodes):
        for name, content in nodes.items():
            text = content if isinstance(content, bytes) else msgspec.json.encode(content)
            (tmp_path / f"{name}.json").write_bytes(text)
        return str(tmp_path)

    return write


def compared(capfd, *args):
    ran = here(capfd, "compare", *args, "--format", "json")
    document = json.loads(ran.stdout)
    jsonschema.validate(document, document_schema("comparison"))
    assert ran.returncode == document["exit_code"]
    return document


def odd(document):
    """node: {fact: effect} of the groups that deviate"""
    return {
        ",".join(group["nodes"]): {one["fact"]: one["effect"] for one in group["deviations"]}
        for group in document["groups"]
        if group["deviations"]
    }


def test_equal_nodes_are_one_group_whatever_the_kernel_keeps_of_the_memory(folder, capfd):
    path = folder(a=made(), b=made(host=Host(memory_bytes=499 * 2**30)))
    assert [group["nodes"] for group in compared(capfd, path)["groups"]] == [["a", "b"]]
    ran = here(capfd, "compare", path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "[ok] 2 nodes, all equal: a, b" in ran.stdout


@pytest.mark.parametrize(
    ("other", "effects", "code"),
    [
        (made(("torch", "2.1.1+cu121")), {"torch": "breaks"}, 1),
        (made(("nvidia-nccl-cu12", "2.18.6")), {"nvidia-nccl-cu12": "breaks"}, 1),
        (made(python=Python("3.10.7")), {"Python": "breaks"}, 1),
        (made(python=Python("3.11.9")), {"Python": "harmless"}, 0),
        (made(accelerators=(GPU,) * 7), {"GPUs": "breaks"}, 1),
        (made(accelerators=(GPU,) * 9), {"GPUs": "harmless"}, 0),
        (made(accelerators=()), {"GPUs": "breaks"}, 1),
        (made(accelerators=None, gaps=(Gap("accelerators", "timeout"),)), {"GPUs": "unknown"}, 0),
        (made(driver="550.1"), {"driver": "may-break"}, 0),
        (made(driver="535.99"), {"driver": "harmless"}, 0),
        (made(host=Host(memory_bytes=250 * 2**30)), {"memory": "may-break"}, 0),
        (made(("click", "8.2")), {"click": "harmless"}, 0),
        (made(("ipython", "8.2")), {"ipython": "harmless"}, 0),
        (made(variables={"NCCL_P2P_DISABLE": "1"}), {"NCCL_P2P_DISABLE": "may-break"}, 0),
        (made(variables={"NCCL_DEBUG": "INFO"}), {"NCCL_DEBUG": "harmless"}, 0),
        (made(variables={"NCCL_SOCKET_IFNAME": "ens5"}), {"NCCL_SOCKET_IFNAME": "harmless"}, 0),
        (made(variables={"OMP_NUM_THREADS": "1"}), {"OMP_NUM_THREADS": "slows"}, 0),
        (made(variables={"LD_PRELOAD": "/x.so"}), {"LD_PRELOAD": "may-break"}, 0),
        (made(variables=None), {"environment variables": "unknown"}, 0),
        (made(gaps=(Gap("gpu 8", "failed", "fell off"),)), {"lost GPUs": "may-break"}, 0),
    ],
)
def test_the_odd_one_is_named_with_what_the_difference_does(folder, capfd, other, effects, code):
    document = compared(capfd, folder(a=made(), b=made(), c=other))
    assert odd(document) == {"c": effects}
    assert document["exit_code"] == code


def test_another_capability_breaks_where_kernels_are_compiled_for_one_and_slows_elsewhere(folder, capfd):
    older = (Accelerator("NVIDIA A100", "cuda", "8.0", 80 * 2**30),) * 8
    plain = compared(capfd, folder(a=made(), b=made(), c=made(accelerators=older)))
    assert odd(plain) == {"c": {"GPU models": "slows", "compute capability": "slows"}}
    flash = ("flash-attn", "2.3")
    compiled = compared(capfd, folder(a=made(flash), b=made(flash), c=made(flash, accelerators=older)))
    assert odd(compiled)["c"]["compute capability"] == "breaks"


def test_each_of_several_odd_ones_is_told_by_its_own_fact(folder, capfd):
    path = folder(a=made(), b=made(driver="550.1"), c=made(accelerators=(GPU,) * 7), d=made(("torch", "2.2.0")))
    assert odd(compared(capfd, path)) == {
        "b": {"driver": "may-break"},
        "c": {"GPUs": "breaks"},
        "d": {"torch": "breaks"},
    }


def test_each_rank_may_see_a_gpu_of_its_own(folder, capfd):
    one = [made(accelerators=(GPU,), variables={"CUDA_VISIBLE_DEVICES": str(rank)}) for rank in range(3)]
    assert len(compared(capfd, folder(a=one[0], b=one[1], c=one[2]))["groups"]) == 1
    hidden = made(accelerators=(GPU,), variables={"CUDA_VISIBLE_DEVICES": "0"})
    document = compared(capfd, folder(a=made(), b=made(), c=hidden))
    assert odd(document) == {"c": {"GPUs": "breaks", "CUDA_VISIBLE_DEVICES": "harmless"}}


def test_snapshots_of_before_say_nothing_of_variables_and_do_not_outvote_others(folder, capfd):
    with_one, other = made(variables={"NCCL_ALGO": "Ring"}), made(variables={"NCCL_ALGO": "Tree"})
    old = json.loads(msgspec.json.encode(made()))
    del old["variables"]
    document = compared(capfd, folder(a=with_one, b=with_one, c=other, d=old, e=old, f=old, g=old))
    assert odd(document) == {"c": {"NCCL_ALGO": "may-break"}}
    assert odd(compared(capfd, folder(d=with_one))) == {
        "c": {"NCCL_ALGO": "may-break"},
        "e,f,g": {"environment variables": "unknown"},
    }


def test_each_group_shows_the_memory_of_its_own_gpus(folder, capfd):
    half = Accelerator("NVIDIA H100", "cuda", "9.0", 40 * 2**30)
    document = compared(capfd, folder(a=made(), b=made(), c=made(accelerators=(half,) * 8)))
    assert odd(document) == {"c": {"GPU memory": "may-break"}}
    shown = {group["nodes"][0]: group["accelerators"][0]["memory_bytes"] for group in document["groups"]}
    assert shown == {"a": 80 * 2**30, "c": 40 * 2**30}


def test_of_two_neither_is_the_odd_one(folder, capfd):
    path = folder(a=made(accelerators=(GPU,) * 7), b=made())
    (deviation,) = compared(capfd, path)["groups"][1]["deviations"]
    assert (deviation["majority"], deviation["effect"]) == (False, "breaks")
    assert "most" not in here(capfd, "compare", path).stdout


def test_what_is_no_snapshot_is_named_and_the_rest_compared(folder, capfd):
    good = msgspec.json.encode(made())
    error = b'{"schema": "card-doctor/error/1", "kind": "environment", "message": "no Python there", "hint": null}'
    path = folder(
        a=made(),
        b=made(),
        cut=good[: len(good) // 2],
        died=b"",
        failed=error,
        foreign=good.replace(b"snapshot/1", b"snapshot/9"),
        binary=b"\xff\x00\x01",
        number=b"7",
        deep=b"[" * 100_000,
        wrong=good.replace(b'"3.11.7"', b"3.11"),
    )
    document = compared(capfd, path, "--expect", "a,gone")
    assert [group["nodes"] for group in document["groups"]] == [["a", "b"]]
    assert {one["node"]: one["reason"] for one in document["silent"]} == {
        **dict.fromkeys(["cut", "foreign", "binary", "number", "deep", "wrong"], "unreadable"),
        "died": "failed",
        "failed": "failed",
        "gone": "missing",
    }
    assert document["exit_code"] == 2
    assert "no Python there" in here(capfd, "compare", path).stdout


def test_a_hostile_snapshot_does_nothing_to_the_terminal(folder, capfd):
    huge = Host(memory_bytes=10**19 - 2**60)
    shown = here(capfd, "compare", folder(a=made(), b=made(("click", "\x1b[2J\n9"), host=huge))).stdout
    assert "\x1b" not in shown
    assert "\\x1b[2J" in shown


def test_json_lines_name_their_nodes(tmp_path):
    lines = [{"node": f"n{i}", **json.loads(msgspec.json.encode(made(*more)))} for i, more in enumerate([(), ()])]
    lines.append({**json.loads(msgspec.json.encode(made(("torch", "2.2.0"))))})
    ran = card_doctor(
        "compare", "-", "--format", "json", input="".join(json.dumps(line) + "\n\n" for line in lines) + "{"
    )
    document = json.loads(ran.stdout)
    assert odd(document) == {"line 5": {"torch": "breaks"}}
    assert document["groups"][0]["nodes"] == ["n0", "n1"]
    assert [one["node"] for one in document["silent"]] == ["line 7"]


def test_with_a_card_each_group_has_its_verdict(folder, capfd, tmp_path):
    card = tmp_path / "own.toml"
    python = Python("3.11.7", markers={"python_version": "3.11", "python_full_version": "3.11.7", **MARKERS})
    bare = made(("torch", "1.2.0"), python=Python("3.11.7"), driver="535.99")
    path = folder(a=made(python=python), b=made(python=python), c=made(("torch", "1.2.0"), python=python), d=bare)
    card.write_text('name = "own"\n[versions]\ntorch = "2.1.0"\n')
    document = compared(capfd, path, "--card", str(card))
    assert [group["report"]["verdict"]["matches"] for group in document["groups"]] == ["exact", "differs", "differs"]
    assert [group["report"]["error"] for group in document["groups"]] == [None] * 3, "a Python without markers too"
    assert "matches: exact" in here(capfd, "compare", path, "--card", str(card)).stdout


def test_two_files_of_one_name_are_two_nodes(tmp_path, capfd):
    paths = []
    for name in "xy":
        (tmp_path / name).mkdir()
        paths.append(str(tmp_path / name / "node.json"))
        (tmp_path / name / "node.json").write_bytes(msgspec.json.encode(made()))
    assert compared(capfd, *paths)["groups"][0]["nodes"] == ["node", "node (2)"]


def test_nothing_to_compare_is_an_error(tmp_path, capfd):
    for path in (tmp_path, tmp_path / "none.json"):
        ran = here(capfd, "compare", str(path))
        assert ran.returncode == 2
        assert ran.stderr.startswith("error: ")


def test_many_groups_stay_readable(folder, capfd):
    path = folder(**{f"n{i:03}": made(("click", f"8.{i}")) for i in range(60)})
    shown = here(capfd, "compare", path).stdout
    assert len(shown.splitlines()) < 60
    assert "more groups" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("format_", ["markdown", "github", "junit", "sarif", "gitlab", "html"])
def test_every_format_of_check_names_the_odd_one_and_the_silent(folder, capfd, format_):
    path = folder(usual=made(), also=made(), odd=made(("torch", "2.2.0")), cut=b"{")
    ran = here(capfd, "compare", path, "--format", format_)
    assert ran.returncode == 1, ran.stderr
    for word in ("2.2.0", "cut", "truncated"):
        assert word in ran.stdout, word
    if format_ == "junit":
        ET.fromstring(ran.stdout)
    if format_ in {"sarif", "gitlab"}:
        assert "fleet/odd-one-out" in json.dumps(json.loads(ran.stdout))


def test_a_report_beside_the_text_has_each_groups_own_verdict(folder, capfd, tmp_path):
    path = folder(usual=made(), also=made(), odd=made(driver="550.1"))
    file = tmp_path / "fleet.md"
    ran = here(capfd, "compare", path, "--output", f"markdown={file}")
    assert (ran.returncode, "[!] 1 node, may break" in ran.stdout) == (0, True)
    assert "also, usual" in file.read_text()
    assert "at-risk" in file.read_text()
