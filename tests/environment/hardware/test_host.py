from __future__ import annotations

import shutil

import pytest

from card_doctor.environment.hardware.host import read_host

MEMINFO = "MemTotal:       16000000 kB\nMemFree:          100 kB\nMemAvailable:    9000000 kB\n"


def machine(root, **files):
    for name, content in {"proc/meminfo": MEMINFO, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_this_machine():
    host = read_host()
    assert host.memory_bytes > host.memory_free_bytes > 0
    assert host.disk_free_bytes > 0


def test_what_the_kernel_says(tmp_path):
    host = read_host(machine(tmp_path), tmp_path)
    assert (host.memory_bytes, host.memory_free_bytes) == (16000000 * 1024, 9000000 * 1024)
    assert host.shared_memory_bytes is None
    assert abs(host.disk_free_bytes - shutil.disk_usage(tmp_path).free) < 2**30


def test_a_container_may_use_less(tmp_path):
    limits = {"sys/fs/cgroup/memory.max": "4000000000\n", "sys/fs/cgroup/memory.current": "1000000000\n"}
    host = read_host(machine(tmp_path, **limits))
    assert (host.memory_bytes, host.memory_free_bytes) == (4000000000, 3000000000)


def test_or_says_that_it_may_use_all(tmp_path):
    limits = {"sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "1000000000\n"}
    folder = "sys/fs/cgroup/memory/memory."
    limits.update({folder + "limit_in_bytes": "9223372036854771712\n", folder + "usage_in_bytes": "5\n"})
    assert read_host(machine(tmp_path, **limits)).memory_bytes == 16000000 * 1024


def test_garbage_is_not_known(tmp_path):
    host = read_host(machine(tmp_path, **{"proc/meminfo": "\0MemTotal: many\n"}), tmp_path / "gone")
    assert (host.memory_free_bytes, host.disk_free_bytes) == (None, None)


@pytest.mark.parametrize(
    ("written", "features"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile\n\nflags\t\t: fpu\n",
         ("avx2", "avx512f", "avx512_bf16", "amx_bf16")),
        ("processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n", ("bf16",)),
        ("flags\t\t: fpu vme avx512_bf16x\n", ()),
        ("vmx flags\t: avx2\n", None),
        ("\0", None),
    ],
)  # fmt: skip
def test_what_the_cpu_can_do(tmp_path, written, features):
    assert read_host(machine(tmp_path, **{"proc/cpuinfo": written})).cpu_features == features
