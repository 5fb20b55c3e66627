from __future__ import annotations

import msgspec
import pytest
from hardware_case import Shipped, asked, on

from card_doctor.checks import accelerator
from card_doctor.checks.accelerator import (
    build_mismatch,
    driver_too_old,
    gpu_too_old,
    mixed_gpus,
    no_gpu,
    no_kernels,
)
from card_doctor.model import Accelerator, Fact, Machine, NotApplicable, Place, Platform, Python, TorchBuild, Unknown
from made import PYTHON, card, case, package

CHECKS = (no_gpu, build_mismatch, driver_too_old, gpu_too_old, no_kernels, mixed_gpus)
CPU = TorchBuild("2.1.2", "cpu")
ROCM = TorchBuild("2.1.2", "rocm5.6", hip="5.6")


def every(made):
    """The findings of the whole family; what is not applicable or not known finds nothing."""
    return [finding for check in CHECKS for finding in asked(check, made, NotApplicable, Unknown)]


def the(made):
    (finding,) = every(made)
    return finding


def test_the_first_seed_on_a_t4_of_its_time_is_fine():
    made = on("T4", driver="470.57.02", precision="fp16")
    assert [list(check(made)) for check in CHECKS] == [[]] * len(CHECKS)


def test_without_a_gpu_it_trains_on_the_cpu_and_a_note_says_so():
    finding = the(on("none"))
    assert (finding.id, finding.severity, finding.breaks) == ("accelerator/no-gpu", "note", "no")
    assert finding.message == "no GPU: training uses the CPU, and is many times slower"


def test_of_a_precision_that_the_cpu_refuses_amp_speaks_alone():
    with pytest.raises(NotApplicable, match="amp/ says so"):
        list(no_gpu(on("none", precision="fp16")))


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_asked_without_torch(check):
    with pytest.raises(NotApplicable, match="torch is not installed"):
        list(check(case(known=Shipped(), machine=Machine(accelerators=(), precision="fp32"))))


@pytest.mark.parametrize("check", CHECKS)
def test_an_unknown_gpu_is_unknown(check):
    with pytest.raises(Unknown, match="gpu"):
        list(check(on("unknown")))


# -- the build ---------------------------------------------------------------------------------------------------------


def test_a_cpu_build_beside_a_gpu_is_slow_in_fp32():
    finding = the(on("T4", torch="2.1.2", build=CPU))
    assert (finding.id, finding.severity, finding.breaks) == ("accelerator/build-mismatch", "warning", "no")
    assert finding.message == "torch 2.1.2 (CPU) does not use Tesla T4"
    assert finding.remedies[0].command == "pip uninstall -y torch && pip install torch==2.1.2"


def test_a_cpu_build_beside_a_gpu_breaks_what_needs_one():
    stated = card(precision="fp16", facts=(Fact("precision", "Native AMP", 7),))
    finding = the(on("T4", torch="2.1.2", build=CPU, precision="fp16", of=stated))
    assert (finding.severity, finding.breaks, finding.at) == ("error", "yes", Place("made.toml", 7))
    assert "the CPU, which fp16 is refused on" in finding.because


def test_a_cpu_build_beside_an_old_gpu_is_remedied_by_a_build_that_it_can_use():
    finding = the(on("K80", torch="2.1.2", build=CPU, driver="470.256.02"))
    assert finding.remedies[0].requirement == "torch==2.1.2+cu118"
    assert finding.remedies[0].command.endswith("--index-url https://download.pytorch.org/whl/cu118")


def test_a_remedy_is_one_that_this_python_can_install():
    """The first torch for Hopper has no wheel for Python 3.7; none of those that have one runs there."""
    old = Python("3.7.16", markers={**PYTHON.markers, "python_version": "3.7"})
    (finding,) = no_kernels(on("H100", python=old))
    assert [remedy.kind for remedy in finding.remedies] == ["hardware"]
    (finding,) = no_kernels(on("A100", torch="1.12.0", python=old))
    assert finding.remedies[0].requirement == "torch==1.12.0+cu113"


def test_a_cuda_build_does_not_use_amds_gpus_and_a_rocm_build_does():
    amd = Machine(None, (Accelerator("AMD gfx90a", kind="rocm"),), "fp32")
    beside_cuda = case(package("torch", "2.1.2"), package("transformers", "4.36.0"), known=Shipped(), machine=amd)
    assert the(beside_cuda).message == "torch 2.1.2 (CUDA 12.1) does not use AMD gfx90a"
    assert every(case(package("torch", "2.1.2"), known=Shipped(), machine=amd, torch=ROCM)) == []


def test_apples_wheels_use_apples_gpus():
    apple = Machine(None, (Accelerator("Apple GPU", kind="mps"),), "fp32")
    mac = Platform("Darwin", "arm64")
    assert every(case(package("torch", "2.1.2"), known=Shipped(), machine=apple, platform=mac, torch=CPU)) == []


@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        ({"platform": None}, "platform"),
        ({"platform": Platform("Windows", "AMD64")}, "build of torch 1.9.1"),
        ({"torch": "1.9.1+corp7"}, r"build of torch 1.9.1\+corp7"),
        ({"torch": "99.0"}, "build of torch 99.0"),
        ({"torch": "nightly"}, "version of torch"),
    ],
)
def test_a_build_that_is_not_known_is_not_guessed(facts, missing):
    with pytest.raises(Unknown, match=missing):
        list(build_mismatch(on("T4", **facts)))


# -- the driver --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("torch", "driver", "needed"),
    [
        ("1.9.1", "440.33", None),  # CUDA 10.2: its own driver
        ("1.9.1", "435.21", "440.33"),
        ("1.13.1", "450.80.02", None),  # CUDA 11.7, under a driver of 11.0
        ("1.13.1", "450.51.05", "450.80.02"),
        ("2.1.2", "525.60.13", None),
        ("2.1.2", "470.57.02", "525.60.13"),
        ("2.8.0", "550.54.14", None),  # CUDA 12.8, under a driver of 12.4
        ("2.11.0", "575.57.08", "580"),
    ],
)
def test_each_major_of_cuda_needs_a_driver_of_its_time(torch, driver, needed):
    found = list(driver_too_old(on("T4", torch=torch, driver=driver)))
    assert [finding.needs for finding in found] == ([f">={needed}"] if needed else [])


def test_a_driver_that_is_too_old_is_slow_in_fp32_and_breaks_fp16():
    slow = the(on("T4", torch="2.1.2", driver="470.57.02"))
    assert (slow.severity, slow.breaks) == ("warning", "no")
    assert slow.message == "driver 470.57.02 is too old for torch 2.1.2 (CUDA 12.1), which needs 525.60.13"
    update, older = slow.remedies
    assert (update.kind, update.text) == ("driver", "update the NVIDIA driver to 525.60.13 or newer")
    assert older.requirement == "torch==2.1.2+cu118"
    broken = the(on("T4", torch="2.1.2", driver="470.57.02", precision="fp16"))
    assert (broken.severity, broken.breaks) == ("error", "yes")


def test_the_cuda_that_the_driver_itself_tells_counts():
    """NVIDIA's forward compatibility package: an old kernel module under the user-space driver of a newer CUDA."""
    t4 = (Accelerator("Tesla T4", capability="7.5"),)
    made = case(
        package("torch", "2.1.2"),
        known=Shipped(),
        driver="470.57.02",
        driver_cuda="12.2",
        accelerators=t4,
    )
    assert list(driver_too_old(made)) == []


@pytest.mark.parametrize("driver", [None, "unreadable"])
def test_a_driver_that_is_not_known_is_unknown(driver):
    with pytest.raises(Unknown, match="driver"):
        list(driver_too_old(on("T4", driver=driver)))


def test_windows_drivers_have_numbers_of_their_own():
    windows = {"platform": Platform("Windows", "AMD64"), "build": TorchBuild("2.1.2", "cu121", "12.1")}
    assert list(driver_too_old(on("T4", torch="2.1.2", driver="527.41", **windows))) == []
    (finding,) = driver_too_old(on("T4", torch="2.1.2", driver="526.98", **windows))
    assert finding.needs == ">=527.41"


# -- the GPU -----------------------------------------------------------------------------------------------------------


def test_an_h100_has_nothing_to_run_in_torch_1_9():
    finding = the(on("H100"))
    assert (finding.id, finding.severity, finding.breaks) == ("accelerator/no-kernels", "error", "yes")
    assert finding.message == "torch 1.9.1 (CUDA 10.2) has no code for NVIDIA H100 (compute capability 9.0)"
    assert "sm_37, sm_50, sm_60, sm_70" in finding.because
    assert finding.remedies[0].requirement == "torch==2.0.1+cu118"  # the first that was built for Hopper


def test_an_a100_is_served_by_another_build_of_the_same_release():
    remedy = the(on("A100")).remedies[0]
    assert remedy.requirement == "torch==1.9.1+cu111"
    assert remedy.command == "pip install torch==1.9.1+cu111 -f https://download.pytorch.org/whl/torch_stable.html"


@pytest.mark.parametrize(
    ("gpu", "torch", "driver", "check_id"),
    [
        # hand-checked against pytorch's get_arch_list of these wheels and NVIDIA's compatibility guide
        ("K80", "1.9.1", "470.57.02", None),
        ("K80", "2.0.1", "470.57.02", None),  # CUDA 11.7 with sm_37
        ("K80", "2.1.2", "470.57.02", "gpu-too-old"),
        ("K40", "1.9.1", "470.57.02", "gpu-too-old"),  # 3.5, below sm_37
        ("P100", "2.7.1", "580.95.05", None),
        ("P100", "2.8.0", "580.95.05", "gpu-too-old"),
        ("GTX 1080 Ti", "2.7.1", "580.95.05", None),  # 6.1 on sm_60
        ("V100", "2.10.0", "580.95.05", None),
        ("V100", "2.11.0", "580.95.05", "gpu-too-old"),
        ("T4", "1.9.1", "470.57.02", None),  # 7.5 on sm_70
        ("T4", "2.15.0", "595.45.04", None),
        ("A100", "1.12.1", "580.95.05", "no-kernels"),
        ("A100", "1.13.1", "580.95.05", None),
        ("RTX 4090", "1.13.1", "580.95.05", None),  # 8.9 on sm_86
        ("L4", "2.0.1", "580.95.05", None),
        ("H100", "2.0.1", "580.95.05", "no-kernels"),
        ("H100", "2.1.2", "580.95.05", None),
        ("B200", "2.7.1", "580.95.05", "no-kernels"),
        ("B200", "2.8.0", "580.95.05", None),
        ("B300", "2.8.0", "580.95.05", None),  # 10.3 on sm_100
        ("RTX 5090", "2.7.1", "580.95.05", "no-kernels"),  # 12.0 is another major than 9 and 10
        ("RTX 5090", "2.8.0", "580.95.05", None),
        ("GB10", "2.8.0", "580.95.05", None),  # 12.1 on sm_120
        ("AGX Orin", "2.1.2", "580.95.05", "no-kernels"),  # 8.7 is a Jetson
    ],
)
def test_which_gpu_runs_which_default_wheel(gpu, torch, driver, check_id):
    found = every(on(gpu, torch=torch, driver=driver))
    assert [finding.id for finding in found] == ([f"accelerator/{check_id}"] if check_id else [])


def test_a_gpu_that_is_too_old_is_not_told_to_update_its_driver():
    made = on("K80", torch="2.1.2", driver="470.57.02")
    finding = the(made)
    assert "No driver after 470 knows it." in finding.because
    assert finding.remedies[0].requirement == "torch==2.1.2+cu118"
    with pytest.raises(NotApplicable, match="no newer driver would help"):
        list(driver_too_old(made))


def test_a_gpu_is_too_old_for_a_toolkit_even_where_the_architectures_are_not_known():
    made = on("K80", torch="2.1.2", build=TorchBuild("2.1.2", "cu129", "12.9"), driver="470.57.02")
    assert the(made).because.startswith("It is built for 5.0 and newer.")


@pytest.mark.parametrize(
    ("architectures", "gpu", "driver", "runs"),
    [
        (("sm_70", "compute_70"), "H100", "580.95.05", True),  # PTX runs forward
        (("sm_70", "compute_70"), "H100", "525.60.13", False),  # but not PTX of a newer CUDA than the driver's
        (("sm_90a",), "H100", "580.95.05", True),
        (("sm_90a", "compute_90a"), "B200", "580.95.05", False),
        (("sm_100f",), "B300", "580.95.05", True),
        (("sm_100a",), "B300", "580.95.05", False),
        (("sm_86",), "A100", "580.95.05", False),  # a higher minor does not run on a lower
        (("sm_87",), "AGX Orin", "580.95.05", True),
    ],
)
def test_binary_and_ptx_compatibility(architectures, gpu, driver, runs):
    build = TorchBuild("2.5.1", "cu124", "12.4", architectures=architectures)
    found = every(on(gpu, torch="2.5.1", build=build, driver=driver))
    assert (found == []) is runs


def test_a_build_of_unknown_architectures_is_unknown():
    with pytest.raises(Unknown, match=r"what torch 2.1.2 \(CUDA 12.9\) is compiled for"):
        list(no_kernels(on("T4", torch="2.1.2", build=TorchBuild("2.1.2", "cu129", "12.9"))))


def test_the_capability_is_known_by_the_name_where_the_driver_did_not_tell_it():
    def named(name):
        machine = Machine("580.95.05", (Accelerator(name),), "fp32")
        return case(package("torch", "1.9.1"), known=Shipped(), machine=machine)

    assert the(named("NVIDIA H100 PCIe")).id == "accelerator/no-kernels"
    for check in (gpu_too_old, no_kernels):
        with pytest.raises(Unknown, match="compute capability of Some GPU"):
            list(check(named("Some GPU")))


# -- several -----------------------------------------------------------------------------------------------------------


def test_gpus_of_several_kinds_are_a_note():
    finding = the(on("2xA100+T4", torch="2.1.2"))
    assert (finding.id, finding.severity) == ("accelerator/mixed-gpus", "note")
    assert finding.message == "GPUs of 2 kinds: 2 x NVIDIA A100 40GB, Tesla T4"
    assert every(on("8xA100", torch="2.1.2")) == []


def test_one_gpu_without_code_among_others_can_be_left_out():
    kernels, mixed = every(on("T4+H100"))
    assert kernels.message.endswith("NVIDIA H100 (compute capability 9.0)")
    assert kernels.remedies[1].text == "leave NVIDIA H100 out of CUDA_VISIBLE_DEVICES"
    assert mixed.id == "accelerator/mixed-gpus"


def test_a_described_machine_is_not_judged_by_the_driver_of_this_one():
    made = on("T4", torch="2.1.2", driver="470.57.02", driver_cuda="12.2")
    (finding,) = driver_too_old(made)
    assert finding.found == "470.57.02"


class TestDriverWithoutGpu:
    """A driver and a GPU that do not know each other, where one of them was told."""

    def found(self, case):
        return asked(accelerator.driver_without_gpu, case, NotApplicable)

    def test_one_that_has_dropped_the_gpu(self):
        (one,) = self.found(on("K80", torch="1.9.1", driver="535.54.03"))
        assert (one.found, one.needs, one.breaks) == ("535.54.03", "<471", "no")
        (one,) = self.found(on("K80", torch="1.9.1", driver="535.54.03", precision="fp16"))
        assert one.breaks == "yes"  # the CPU, which it falls back to, does not take it
        assert self.found(on("K80", torch="1.9.1", driver="470.256.02")) == []

    def test_one_that_is_older_than_the_gpu(self):
        (one,) = self.found(on("RTX 4090", torch="1.13.1", driver="515.65.01"))
        assert one.needs == ">=520.61.05"
        assert self.found(on("RTX 4090", torch="1.13.1", driver="520.56.06")) == []  # of the same branch

    def test_what_was_read_together_is_not_doubted(self):
        made = on("K80", torch="1.9.1", driver="535.54.03")
        read = msgspec.structs.replace(made, machine=msgspec.structs.replace(made.machine, assumed=()))
        assert self.found(read) == []

    def test_one_cause_is_one_finding(self):
        assert self.found(on("K80", torch="2.1.2", driver="535.54.03")) == []  # accelerator/gpu-too-old
        assert self.found(on("A100", torch="1.9.1", driver="440.33.01")) == []  # accelerator/no-kernels
        assert self.found(on("T4", torch="2.1.2", driver="470.57.02")) == []  # accelerator/driver-too-old
