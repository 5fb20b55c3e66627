"""What --deep saw, judged."""

from __future__ import annotations

import msgspec
import pytest
from hardware_case import on

from card_doctor.checks import deep
from card_doctor.knowledge import Matrices
from card_doctor.model import Accelerator, Gap, NotApplicable, Package, TorchAccount, TriedStep, Unknown

T4 = Accelerator("Tesla T4", capability="7.5", memory_bytes=15 * 2**30)
HEALTHY = TorchAccount(
    version="1.9.1+cu102",
    cuda="10.2",
    architectures=("sm_37", "sm_50", "sm_60", "sm_70"),
    cuda_available=True,
    devices=(T4,),
    steps=(
        TriedStep("cuda:0", "fp32", seconds=0.03),
        TriedStep("cuda:0", "fp16", difference=0.001, tolerance=0.008, seconds=0.01, fp32_seconds=0.03),
    ),
)
EVERY = (deep.torch_fails, deep.torch_disagrees, deep.step_fails, deep.step_differs, deep.step_slow)
NUMPY = Package("numpy", "1.22.3")


def here(account, gpu="T4", precision="fp16", **facts):
    """A machine that was looked at, not told of."""
    made = on(gpu, *facts.pop("more", (NUMPY,)), precision=precision, account=account, **facts)
    return msgspec.structs.replace(made, machine=msgspec.structs.replace(made.machine, assumed=()))


def but(account=HEALTHY, **facts):
    return msgspec.structs.replace(account, **facts)


def stepping(*steps):
    return but(steps=(HEALTHY.steps[0], *steps))


@pytest.mark.parametrize("check", EVERY)
def test_nothing_is_found_where_all_is_well(check):
    assert list(check(here(HEALTHY))) == []


@pytest.mark.parametrize("check", EVERY)
def test_nothing_is_asked_without_deep(check):
    with pytest.raises(NotApplicable, match="--deep"):
        list(check(here(None)))


@pytest.mark.parametrize("check", EVERY)
def test_a_torch_that_did_not_answer_is_unknown(check):
    with pytest.raises(Unknown, match="torch's own account"):
        list(check(here(None, gaps=(Gap(deep.FACT, "timeout", "…"),))))


@pytest.mark.parametrize("check", EVERY[1:])
def test_another_machine_is_not_judged_by_this_one(check):
    with pytest.raises(NotApplicable):
        list(check(on("T4", account=HEALTHY, precision="fp16")))


class TestFails:
    def test_an_import_that_fails_breaks(self):
        (found,) = deep.torch_fails(here(TorchAccount(failed="OSError: libcublas.so.10: cannot open")))
        assert (found.breaks, found.subject) == ("yes", "torch")
        assert "libcublas" in found.message
        assert "import torch" in found.remedies[0].text

    def test_one_cause_is_one_finding(self):
        """torch 1.10 without setuptools: packages/ tells it, with its remedy."""
        account = TorchAccount(failed="ModuleNotFoundError: No module named 'pkg_resources'")
        made = msgspec.structs.replace(here(account, torch="1.10.1", more=()), knowledge=Matrices())
        with pytest.raises(NotApplicable, match="packages/missing-pkg-resources-torch"):
            list(deep.torch_fails(made))

    def test_without_numpy_the_trainer_breaks(self):
        (found,) = deep.torch_fails(here(but(numpy="RuntimeError: Numpy is not available"), more=()))
        assert (found.breaks, found.subject, found.found) == ("yes", "numpy", None)
        assert found.remedies[0].requirement == "numpy<2"

    def test_a_torch_of_today_takes_any_numpy(self):
        made = here(but(numpy="RuntimeError: Numpy is not available"), more=(), torch="2.6.0", transformers=None)
        (found,) = deep.torch_fails(made)
        assert (found.breaks, found.remedies[0].requirement) == ("maybe", "numpy")


class TestDisagrees:
    def test_a_gpu_that_torch_does_not_see(self):
        blind = but(cuda_available=False, devices=(), warnings=("CUDA unknown error",))
        (found,) = deep.torch_disagrees(here(blind))
        assert found.breaks == "yes"  # fp16 is refused on the CPU it falls back to
        assert "CUDA unknown error" in found.because
        (found,) = deep.torch_disagrees(here(blind, precision="fp32"))
        assert (found.severity, found.breaks) == ("warning", "no")

    def test_not_where_that_is_as_it_should_be(self):
        """accelerator/driver-too-old and accelerator/build-mismatch tell the cause."""
        blind = but(cuda_available=False, devices=())
        assert list(deep.torch_disagrees(here(blind, driver="390.48"))) == []
        assert list(deep.torch_disagrees(here(but(cuda_available=False, devices=()), gpu="none"))) == []

    def test_another_torch_than_the_installed_one(self):
        (found,) = deep.torch_disagrees(here(but(version="2.1.0", architectures=None)))
        assert (found.subject, found.breaks, found.found, found.needs) == ("torch", "maybe", "2.1.0", "1.9.1")

    def test_other_architectures_than_known(self):
        (found,) = deep.torch_disagrees(here(but(architectures=("sm_75",))))
        assert (found.severity, found.breaks) == ("note", "no")

    def test_fewer_or_other_gpus(self):
        assert len(list(deep.torch_disagrees(here(HEALTHY, gpu="2xT4")))) == 1
        (found,) = deep.torch_disagrees(here(HEALTHY, gpu="V100"))
        assert "7.0" in found.message
        assert "7.5" in found.message

    def test_a_torch_that_crashed_on_the_way_is_unknown(self):
        with pytest.raises(Unknown):
            list(deep.torch_disagrees(here(but(cuda_available=None))))


class TestSteps:
    def test_one_that_fails_in_the_precision_of_the_run(self):
        account = stepping(TriedStep("cuda:0", "fp16", error="RuntimeError: CUDA error: misaligned address"))
        (found,) = deep.step_fails(here(account))
        assert (found.breaks, found.subject) == ("yes", "fp16")
        assert "misaligned" in found.message
        assert "--precision fp32" in found.remedies[0].text
        assert list(deep.step_fails(here(account, precision="fp32"))) == []

    def test_what_accelerator_foresaw_is_one_finding(self):
        no_image = TriedStep("cuda:0", "fp32", error="RuntimeError: CUDA error: no kernel image is available")
        with pytest.raises(NotApplicable, match="accelerator/"):
            list(deep.step_fails(here(but(steps=(no_image,)), gpu="H100", precision="fp32")))
        assert len(list(deep.step_fails(here(but(steps=(no_image,)), precision="fp32")))) == 1

    def test_one_that_computes_something_else(self):
        account = stepping(TriedStep("cuda:0", "fp16", difference=0.4, tolerance=0.008, seconds=1, fp32_seconds=2))
        (found,) = deep.step_differs(here(account))
        assert (found.breaks, found.found) == ("maybe", "40.0%")

    @pytest.mark.parametrize(("seconds", "number"), [(0.02, 0), (0.035, 0), (0.038, 1), (0.09, 1)])
    def test_one_that_is_slower_than_fp32(self, seconds, number):
        account = stepping(
            TriedStep("cuda:0", "fp16", difference=0.001, tolerance=0.008, seconds=seconds, fp32_seconds=0.03)
        )
        assert len(list(deep.step_slow(here(account)))) == number

    def test_a_precision_that_was_not_tried(self):
        with pytest.raises(NotApplicable, match="bf16 can't be tried on cuda:0"):
            list(deep.step_fails(here(HEALTHY, precision="bf16")))


def test_nothing_is_asked_where_no_torch_is():
    made = here(None)
    bare = msgspec.structs.replace(made, snapshot=msgspec.structs.replace(made.snapshot, packages={}))
    with pytest.raises(NotApplicable, match="torch is not installed"):
        list(deep.torch_fails(bare))
