from __future__ import annotations

import pytest

from card_doctor.environment.hardware.amd import read_amd
from card_doctor.model import Accelerator

# https://docs.kernel.org/gpu/amdgpu/: node 0 is the CPU.
CPU = "cpu_cores_count 64\nsimd_count 0\ngfx_target_version 0\n"
MI250 = "cpu_cores_count 0\nsimd_count 440\ngfx_target_version 90010\n"
RX7900 = "cpu_cores_count 0\nsimd_count 192\ngfx_target_version 110000\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    for name in ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)

    def nodes(*properties):
        (tmp_path / "dev").mkdir()
        (tmp_path / "dev/kfd").touch()
        for index, text in enumerate(properties):
            bank = tmp_path / f"sys/class/kfd/kfd/topology/nodes/{index}/mem_banks/0"
            bank.mkdir(parents=True)
            (bank / "properties").write_text("heap_type 1\nsize_in_bytes 68702699520\nflags 0\n")
            (bank.parents[1] / "properties").write_text(text)
        return tmp_path

    return nodes


def test_no_driver_no_gpu(tmp_path):
    assert read_amd(tmp_path) == ((), ())


def test_gpus_by_their_architecture(machine):
    accelerators, gaps = read_amd(machine(CPU, MI250, RX7900))
    assert accelerators == (
        Accelerator("AMD gfx90a", kind="rocm", memory_bytes=68702699520),
        Accelerator("AMD gfx1100", kind="rocm", memory_bytes=68702699520),
    )
    assert gaps == ()


def test_what_can_not_be_read_is_left_out(machine):
    accelerators, _ = read_amd(
        machine("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "simd_count many\n")
    )
    assert accelerators == ()


def test_that_gpus_may_be_hidden_is_said(machine, monkeypatch):
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "0")
    _, (gap,) = read_amd(machine(CPU, MI250))
    assert (gap.fact, gap.reason) == ("accelerators", "not-asked")
