"""What is read of this machine. The driver's library is a stand-in of C; everything else is what users run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from card_doctor.environment.hardware import may_have_driver, read_hardware, surroundings, without_driver
from card_doctor.environment.hardware.nvidia import Failed, error_of
from card_doctor.model import Accelerator, Gap

LIMIT = 30.0  # seconds; a busy machine may take long to start a process
T4 = Accelerator("Tesla T4", capability="7.5", memory_bytes=15843721216, memory_free_bytes=15843721216, ecc=True)


def gpu(index, **facts):
    facts = {
        "name": "NVIDIA H100 80GB HBM3",
        "uuid": f"GPU-{index}{index}{index}",
        "cc": 90,
        "total": 85520809984,
        **facts,
    }
    return ";".join(f"{key}={value}" for key, value in facts.items())


def names(accelerators):
    return [one.name for one in accelerators]


def facts(gaps):
    return [(gap.fact, gap.reason) for gap in gaps]


def test_one_t4(driver):
    driver("name=Tesla T4;uuid=GPU-1;ecc=1")
    version, cuda, accelerators, gaps = read_hardware(LIMIT)
    assert (version, cuda, gaps) == ("470.57.02", "11.4", ())
    (read,) = accelerators
    assert read == Accelerator("Tesla T4", "cuda", "7.5", 15843721216, 15843721216, "GPU-1", ecc=True)


def test_eight_h100s_in_their_order(driver):
    driver(*(gpu(index) for index in range(8)), driver="535.104.05", cuda="12020")
    version, cuda, accelerators, gaps = read_hardware(LIMIT)
    assert (version, cuda, gaps) == ("535.104.05", "12.2", ())
    assert names(accelerators) == ["NVIDIA H100 80GB HBM3"] * 8
    assert [one.uuid for one in accelerators] == [f"GPU-{index}{index}{index}" for index in range(8)]
    assert {one.capability for one in accelerators} == {"9.0"}


def test_a_gpu_without_ecc_has_none_and_that_is_no_gap(driver):
    driver("name=NVIDIA GeForce RTX 3090;cc=86")
    _, _, (read,), gaps = read_hardware(LIMIT)
    assert read.ecc is None
    assert gaps == ()


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("9", "the driver is not loaded"),
        ("12", "libnvidia-ml.so.1 is not found"),
        ("18", "reboot after an update"),
        ("4", "no permission"),
        ("999", "NVML error 999: "),
    ],
)
def test_a_driver_that_does_not_start_is_a_gap_with_its_remedy(driver, error, advice):
    driver("name=Tesla T4", init=error)
    version, cuda, accelerators, gaps = read_hardware(LIMIT)
    assert (version, cuda, accelerators) == (None, None, None)
    (gap,) = gaps
    assert (gap.fact, gap.reason) == ("accelerators", "failed")
    assert advice in gap.detail


def test_no_library_where_a_driver_should_be(driver, tmp_path, monkeypatch):
    """As in a container that was started without NVIDIA's runtime: the loader does not find what is promised."""
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    _, _, accelerators, gaps = read_hardware(LIMIT)
    assert accelerators is None
    assert "NVML error 12: libnvidia-ml.so.1 is not found" in gaps[-1].detail


def test_a_driver_without_gpus_says_that_there_is_none(driver):
    driver()
    version, _, accelerators, gaps = read_hardware(LIMIT)
    assert (version, accelerators) == ("470.57.02", ())
    assert facts(gaps) == [("accelerators", "absent")]
    assert "has no GPU" in gaps[0].detail


def test_a_lost_gpu_costs_itself_alone(driver):
    driver(gpu(0), gpu(1, lost=15), gpu(2))
    _, _, accelerators, gaps = read_hardware(LIMIT)
    assert [one.uuid for one in accelerators] == ["GPU-000", "GPU-222"]
    assert gaps == (Gap("gpu 1", "failed", "NVML error 15: the GPU fell off the bus: reboot"),)


def test_where_all_are_lost_nobody_knows(driver):
    driver(gpu(0, lost=15))
    _, _, accelerators, gaps = read_hardware(LIMIT)
    assert accelerators is None
    assert facts(gaps) == [("gpu 0", "failed")]


@pytest.mark.parametrize(
    ("field", "left", "fact"),
    [
        ("name_error", {"name": "NVIDIA GPU"}, "gpu 0 name"),
        ("uuid_error", {"uuid": None}, "gpu 0 UUID"),
        ("memory_error", {"memory_bytes": None, "memory_free_bytes": None}, "gpu 0 memory"),
        ("cc_error", {"capability": None}, "gpu 0 compute capability"),
    ],
)
@pytest.mark.parametrize(("error", "reason"), [("3", "absent"), ("15", "failed")])
def test_a_field_costs_itself_alone(driver, field, left, fact, error, reason):
    whole = {"name": "Tesla T4", "uuid": "GPU-1", "capability": "7.5", "memory_bytes": 15843721216}
    whole["memory_free_bytes"] = whole["memory_bytes"]
    driver(f"name=Tesla T4;uuid=GPU-1;{field}={error}")
    _, _, (read,), gaps = read_hardware(LIMIT)
    assert read == Accelerator(**{**whole, **left})
    assert facts(gaps) == [(fact, reason)]


@pytest.mark.parametrize(
    ("garbage", "read", "fact"),
    [
        ("name=\udcff\udcfe", {"name": "NVIDIA GPU"}, "gpu 0 name"),
        ("name=\x01\x02", {"name": "NVIDIA GPU"}, "gpu 0 name"),
        ("name=", {"name": "NVIDIA GPU"}, "gpu 0 name"),
        ("total=18446744073709551615", {"memory_bytes": None, "memory_free_bytes": None}, "gpu 0 memory"),
        ("total=0", {"memory_bytes": None, "memory_free_bytes": None}, "gpu 0 memory"),
        ("free=15843721217", {"memory_bytes": 15843721216, "memory_free_bytes": None}, "gpu 0 free memory"),
        ("cc=0", {"capability": None}, "gpu 0 compute capability"),
        ("cc=123456", {"capability": None}, "gpu 0 compute capability"),
    ],
)
def test_garbage_in_a_field_is_a_gap(driver, garbage, read, fact):
    driver(garbage)
    _, _, (found,), gaps = read_hardware(LIMIT)
    assert {key: getattr(found, key) for key in read} == read
    assert facts(gaps) == [(fact, "failed")]


def test_garbage_in_the_drivers_own_facts(driver):
    driver("name=Tesla T4", driver="\x7f%s", cuda="-7")
    version, cuda, accelerators, gaps = read_hardware(LIMIT)
    assert (version, cuda, names(accelerators)) == (None, None, ["Tesla T4"])
    assert facts(gaps) == [("driver", "failed"), ("CUDA of the driver", "failed")]


def test_a_driver_that_does_not_tell_its_count(driver):
    driver("name=Tesla T4", count_error="999")
    version, _, accelerators, gaps = read_hardware(LIMIT)
    assert (version, accelerators) == ("470.57.02", None)
    assert "does not tell how many GPUs" in gaps[0].detail


def test_a_library_that_prints_disturbs_nothing(driver):
    driver("name=Tesla T4", print='{"type": what?\n\n{}\n[1]\nno end of line')
    assert names(read_hardware(LIMIT)[2]) == ["Tesla T4"]


def test_a_driver_that_hangs_costs_the_time_limit_and_its_own_facts(driver):
    """It ignores SIGTERM, and is gone when we are."""
    driver("name=Tesla T4", "hang=600")
    started = time.monotonic()
    version, _, accelerators, gaps = read_hardware(5.0)
    assert time.monotonic() - started < 15
    assert (version, accelerators) == ("470.57.02", None)
    assert gaps[0].reason == "timeout"
    assert gaps[0].detail == "the NVIDIA driver did not answer within 5 seconds after it told of GPU 0"
    assert not running_children()


def running_children():
    told = subprocess.run(
        ["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
    )
    return [line for line in told.stdout.splitlines() if "nvml.py" in line and "<defunct>" not in line]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_driver_that_crashes_costs_its_own_facts(driver, number):
    driver("name=Tesla T4", f"crash={int(number)}")
    version, _, accelerators, gaps = read_hardware(LIMIT)
    assert (version, accelerators) == ("470.57.02", None)
    assert gaps == (Gap("accelerators", "failed", f"asking the NVIDIA driver crashed with {number.name}"),)


def test_without_nvidia_ml_py_the_gap_says_how_to_get_it(driver, monkeypatch):
    driver("name=Tesla T4")
    monkeypatch.setattr(sys, "path", [])
    _, _, accelerators, gaps = read_hardware(LIMIT)
    assert accelerators is None
    assert "pip install nvidia-ml-py" in gaps[0].detail


# -- CUDA_VISIBLE_DEVICES and MIG --------------------------------------------------------------------------------------


FOUR = [gpu(index) for index in range(4)]
NUMBERS = {f"GPU-{index}{index}{index}": index for index in range(4)}


@pytest.mark.parametrize(
    ("visible", "numbers"),
    [
        (None, [0, 1, 2, 3]),
        ("", []),
        (" ", []),
        ("2", [2]),
        ("3,1", [3, 1]),
        (" 3 , 1 ", [3, 1]),
        ("0,-1,2", [0]),
        ("0,7,2", [0]),
        ("0,,2", [0]),
        ("0,GPU-222", [0]),
        ("1gpu,2", [1, 2]),  # as strtoul reads it
        ("+1", [1]),
        ("1,1", []),
        ("NoDevFiles", []),
        ("99999999999", []),
        ("GPU-222", [2]),
        ("GPU-2", [2]),
        ("GPU-3,GPU-0", [3, 0]),
        ("GPU-3,GPU-9,GPU-0", [3]),
        ("GPU-", []),  # all of them begin so
        ("GPU-2,GPU-22", []),
        ("GPU-2,0", [2]),
        ("gpu-222", []),
    ],
)
def test_cuda_visible_devices(driver, monkeypatch, visible, numbers):
    driver(*FOUR)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    _, _, accelerators, gaps = read_hardware(LIMIT)
    assert [NUMBERS[one.uuid] for one in accelerators] == numbers
    assert gaps == ()


def test_which_of_several_kinds_is_the_first_only_cuda_knows(driver, monkeypatch):
    driver(gpu(0, name="Tesla T4"), gpu(1))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    _, _, accelerators, (gap,) = read_hardware(LIMIT)
    assert accelerators is None
    assert gap.detail.endswith("set CUDA_DEVICE_ORDER=PCI_BUS_ID")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert names(read_hardware(LIMIT)[2]) == ["Tesla T4"]
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")  # both are seen, whichever comes first
    assert len(read_hardware(LIMIT)[2]) == 2


A100 = gpu(0, name="NVIDIA A100-SXM4-40GB", cc=80, total=42949672960, mig=3)


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        (None, ["MIG-GPU-000/1/0"]),  # the first instance is all that CUDA sees
        ("1", ["GPU-111"]),
        ("0,1", ["MIG-GPU-000/1/0"]),
        ("GPU-0", ["MIG-GPU-000/1/0"]),
        ("MIG-GPU-000/3/0", ["MIG-GPU-000/3/0"]),
        ("MIG-GPU-000/5/0,MIG-GPU-000/1/0", ["MIG-GPU-000/5/0"]),
        ("MIG-GPU-000/7/0", []),
    ],
)
def test_of_mig_instances_cuda_sees_one(driver, monkeypatch, visible, uuids):
    driver(A100, gpu(1, name="NVIDIA A100-SXM4-40GB"))
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    _, _, accelerators, gaps = read_hardware(LIMIT)
    assert [one.uuid for one in accelerators] == uuids
    assert gaps == ()


def test_a_mig_instance_has_its_own_memory_and_the_capability_of_its_gpu(driver):
    driver(A100)
    _, _, (instance,), _ = read_hardware(LIMIT)
    assert (instance.name, instance.mig) == ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", True)
    assert (instance.capability, instance.memory_bytes) == ("8.0", 42949672960 // 8)


def test_a_gpu_with_mig_on_and_no_instance_is_no_device(driver):
    driver(gpu(0, mig=0))
    assert read_hardware(LIMIT)[2] == ()


# -- machines without a driver of NVIDIA's -----------------------------------------------------------------------------


def put(root: Path, name: str, content: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.mark.parametrize(
    ("name", "content", "may"),
    [
        ("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02", True),
        ("dev/nvidiactl", "", True),
        ("dev/dxg", "", True),
        ("etc/nv_tegra_release", "# R35", True),
        ("etc/ld.so.cache", "…libnvidia-ml.so.1\0/usr/lib/libnvidia-ml.so.1\0…", True),
        ("etc/ld.so.cache", "…libc.so.6\0/usr/lib/libc.so.6\0…", False),
        ("etc/passwd", "", False),
    ],
)
def test_signs_of_a_driver(tmp_path, monkeypatch, name, content, may):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    put(tmp_path, name, content)
    assert may_have_driver(tmp_path) is may


def test_a_machine_without_gpus_has_none(monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    if sys.platform != "linux" or may_have_driver() or Path("/dev/kfd").exists():
        pytest.skip("this machine has a GPU")
    assert read_hardware(LIMIT)[:3] == (None, None, ())


def test_without_a_sign_no_driver_is_asked(tmp_path, monkeypatch):
    """What it would cost: a process, and nvidia-ml-py in it."""
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    if sys.platform != "linux" or may_have_driver() or Path("/dev/kfd").exists():
        pytest.skip("this machine has a GPU")
    code = (
        "import sys; from card_doctor.environment.hardware import read_hardware; print(read_hardware(5)[:3]);"
        "print([one for one in ('pynvml', 'ctypes', 'card_doctor.environment.hardware.nvidia') if one in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["(None, None, ())", "[]"]


@pytest.mark.parametrize(("device", "gaps"), [("0100\t10de1eb8\t18", 1), ("0100\t80861eb8\t10de", 0)])
def test_an_nvidia_gpu_without_a_driver_is_worth_a_word(tmp_path, device, gaps):
    put(tmp_path, "proc/bus/pci/devices", f"0000\t80860c00\t0\n{device}\n")
    assert len(without_driver(tmp_path)) == gaps


UBUNTU = {"proc/sys/kernel/osrelease": "6.8.0-45-generic\n", "proc/1/cgroup": "0::/init.scope\n"}
WSL = {"proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n", "proc/1/cgroup": "0::/\n"}
CONTAINERS = [
    {".dockerenv": ""},
    {"run/.containerenv": ""},
    {"run/systemd/container": "systemd-nspawn\n"},
    {"var/run/secrets/kubernetes.io/serviceaccount/token": "x"},
    {"proc/1/cgroup": "12:memory:/kubepods/besteffort/pod1/abc\n"},
    {"proc/1/cgroup": "1:name=systemd:/docker/0123abc\n"},
]


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({}, "machine"),
        (UBUNTU, "machine"),
        ({**UBUNTU, "proc/1/cgroup": "1:name=systemd:/system.slice/dockerish\n"}, "machine"),
        (WSL, "WSL"),
        ({"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft\n"}, "WSL"),
        *(({**UBUNTU, **sign}, "container") for sign in CONTAINERS),
        ({**WSL, ".dockerenv": ""}, "container"),
    ],
)
def test_what_this_system_runs_in(tmp_path, files, where):
    for name, content in files.items():
        put(tmp_path, name, content)
    assert surroundings(tmp_path) == where


@pytest.mark.parametrize("code", [9, 12])
@pytest.mark.parametrize(
    ("files", "told", "never"),
    [
        (UBUNTU, "driver", "docker|Windows"),
        (WSL, "on Windows, never one in WSL", "modprobe|docker"),
        ({**UBUNTU, ".dockerenv": ""}, "docker run --gpus all", "modprobe|Windows"),
    ],
)
def test_each_has_its_own_way_to_a_driver(tmp_path, code, files, told, never):
    for name, content in files.items():
        put(tmp_path, name, content)
    said = error_of(Failed(code, "Driver Not Loaded"), tmp_path)
    assert said.startswith(f"NVML error {code}: ")
    assert told in said
    assert not re.search(never, said)


def test_other_errors_are_the_same_everywhere(tmp_path):
    put(tmp_path, ".dockerenv")
    assert error_of(Failed(999, "Unknown Error"), tmp_path) == "NVML error 999: Unknown Error"


def test_a_gpu_that_was_not_given_to_a_container(tmp_path):
    put(tmp_path, "proc/bus/pci/devices", "0100\t10de1eb8\t18\n")
    put(tmp_path, ".dockerenv")
    (gap,) = without_driver(tmp_path)
    assert "in this container: " in gap.detail
    assert "docker run --gpus all" in gap.detail
