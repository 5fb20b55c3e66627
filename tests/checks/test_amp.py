from __future__ import annotations

import msgspec
import pytest
from hardware_case import Shipped, asked, on

from card_doctor.checks.amp import (
    apex_gone,
    bf16_refused,
    bf16_slow,
    fp16_ignored,
    fp16_refused,
    fp16_slow,
    tf32_default,
)
from card_doctor.model import (
    Accelerator,
    Fact,
    Host,
    Machine,
    NotApplicable,
    Place,
    Platform,
    Precision,
    TorchBuild,
    Unknown,
)
from made import card, case, package

CHECKS = (fp16_refused, bf16_refused, fp16_ignored, fp16_slow, bf16_slow)


def every(made):
    """The findings of the whole family; what is not applicable finds nothing."""
    return [finding for check in CHECKS for finding in asked(check, made, NotApplicable)]


def verdict(made):
    """``fp16-refused yes``, empty where all is well."""
    return ", ".join(f"{finding.id.partition('/')[2]} {finding.breaks}" for finding in every(made))


def test_the_first_seed_trains_in_fp16_on_a_t4():
    assert every(on("T4", driver="470.57.02", precision="fp16")) == []


@pytest.mark.parametrize("gpu", ["none", "unknown", "K80", "T4"])
@pytest.mark.parametrize("precision", ["fp32", "tf32"])
@pytest.mark.parametrize("check", CHECKS)
def test_there_is_nothing_to_ask_of_full_precision(check, precision, gpu):
    with pytest.raises(NotApplicable, match=f"training is in {precision}"):
        list(check(on(gpu, precision=precision)))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("precision", ["fp8", "int8", "int4"])
def test_a_precision_without_rules_is_unknown(check, precision):
    with pytest.raises(Unknown, match=f"what {precision} needs"):
        list(check(on("H100", precision=precision)))


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_on_an_unknown_gpu_is_unknown(precision):
    with pytest.raises(Unknown, match="gpu"):
        every(on("unknown", precision=precision))


def test_fp16_without_a_gpu_breaks_and_says_what_the_card_asked():
    stated = card(precision="fp16", facts=(Fact("precision", "Native AMP", 23),))
    (finding,) = every(on("none", precision="fp16", of=stated))
    assert (finding.id, finding.severity, finding.breaks) == ("amp/fp16-refused", "error", "yes")
    assert finding.message == (
        "fp16 is refused on the CPU (there is no GPU): ValueError: … can only be used on CUDA devices."
    )
    assert (finding.subject, finding.found, finding.needs) == ("fp16", "no GPU", "a GPU")
    assert finding.because.endswith("The card says: fp16.")
    assert finding.at == Place("made.toml", 23)
    assert "reproduced: transformers==4.18.0 torch==1.9.1" in finding.evidence
    assert finding.remedies[0].text == "train in fp32: TrainingArguments(fp16=False), --precision fp32"


def test_a_precision_that_was_told_is_not_the_cards():
    (finding,) = every(on("none", precision="fp16", of=card(precision="bf16")))
    assert "card" not in finding.because
    assert finding.at is None


@pytest.mark.parametrize(
    ("transformers", "torch", "found"),
    [
        # run for real: 4.11.3 with 1.10.1 and 4.18.0 with 1.9.1 refuse; 4.41.2, 4.46.1 and 5.23.0 with 2.13.0 ignore
        ("4.11.3", "1.10.1", "fp16-refused yes"),
        ("4.18.0", "1.9.1", "fp16-refused yes"),
        ("4.40.2", "2.3.1", "fp16-refused yes"),
        ("4.41.0", "2.2.2", "fp16-refused yes"),
        ("4.41.2", "2.13.0", "fp16-ignored no"),
        ("4.46.1", "2.13.0", "fp16-ignored no"),
        ("5.23.0", "2.13.0", "fp16-ignored no"),
        ("4.41.0.dev0", "2.3.0a0+git1234", "fp16-ignored no"),
    ],
)
def test_fp16_on_a_cpu_by_release(transformers, torch, found):
    build = TorchBuild(torch, "cpu")
    assert verdict(on("none", torch=torch, build=build, transformers=transformers, precision="fp16")) == found


def test_what_nobody_has_tried_is_unknown():
    with pytest.raises(Unknown, match="fp16 on the CPU"):
        every(on("none", transformers="3.0.2", precision="fp16"))


@pytest.mark.parametrize(
    ("transformers", "torch", "found"),
    [
        # run for real: 4.11.3, 4.18.0 refuse; 4.41.2, 4.46.1 train; 4.57.6, 5.23.0 want use_cpu
        ("4.11.3", "1.10.1", "bf16-refused yes"),
        ("4.18.0", "1.9.1", "bf16-refused yes"),
        ("4.18.0", "1.10.1", "bf16-refused yes"),
        ("4.20.1", "1.10.1", ""),
        ("4.24.0", "1.13.1", "bf16-refused maybe"),
        ("4.25.1", "1.13.1", ""),
        ("4.36.0", "1.11.0", "bf16-refused maybe"),
        ("4.41.2", "2.13.0", ""),
        ("4.51.3", "2.6.0", ""),
        ("4.57.6", "2.13.0", "bf16-refused maybe"),
        ("5.23.0", "2.13.0", "bf16-refused maybe"),
    ],
)
def test_bf16_on_a_cpu_by_release(transformers, torch, found):
    assert verdict(on("none", torch=torch, transformers=transformers, precision="bf16")) == found


def test_a_setting_that_lets_it_run_is_the_first_remedy():
    (finding,) = every(on("none", torch="2.13.0", transformers="5.23.0", precision="bf16"))
    assert finding.severity == "warning"
    assert finding.message.startswith("bf16 is refused on the CPU (there is no GPU) without use_cpu=True: ")
    assert finding.remedies[0].text == "TrainingArguments(bf16=True, use_cpu=True)"


@pytest.mark.parametrize(
    ("gpu", "transformers", "torch", "found"),
    [
        ("A100", "4.11.3", "1.13.1", "bf16-refused yes"),  # no such argument yet
        ("A100", "4.18.0", "1.13.1", ""),
        ("A100", "4.36.0", "1.13.1", ""),
        ("L4", "4.46.1", "2.5.1", ""),
        ("H100", "5.23.0", "2.13.0", ""),
        ("T4", "4.18.0", "1.13.1", "bf16-refused yes"),
        ("T4", "4.34.0", "2.5.1", "bf16-refused yes"),  # transformers asks the GPU itself
        ("T4", "4.20.1", "2.5.1", "bf16-slow no"),  # 4.20 is content with a CPU that can
        ("T4", "4.36.0", "2.3.1", "bf16-refused yes"),  # transformers asks torch
        ("T4", "4.36.0", "2.4.1", "bf16-slow no"),
        ("V100", "4.57.6", "2.9.1", "bf16-slow no"),
    ],
)
def test_bf16_is_judged_by_compute_capability(gpu, transformers, torch, found):
    assert verdict(on(gpu, torch=torch, transformers=transformers, precision="bf16")) == found


def test_bf16_before_torch_112_with_a_transformers_that_takes_every_machine_for_intels():
    build = TorchBuild("1.11.0", "cu113", "11.3")
    made = on("A100", torch="1.11.0", build=build, transformers="4.36.0", precision="bf16")
    (finding,) = every(made)
    assert "asks for torch 1.12" in finding.because


@pytest.mark.parametrize(
    ("gpu", "remedy"),
    [("T4", "fp16=True, bf16=False"), ("V100", "fp16=True, bf16=False"), ("P100", "bf16=False"), ("K80", "bf16=False")],
)
def test_instead_of_bf16_fp16_where_it_is_fast(gpu, remedy):
    (finding,) = every(on(gpu, torch="1.13.1", transformers="4.30.0", driver="470.57.02", precision="bf16"))
    assert finding.needs == "compute capability 8.0 or newer"
    assert f"TrainingArguments({remedy})" in finding.remedies[0].text


@pytest.mark.parametrize(
    ("gpu", "slow"),
    [
        ("K80", True),
        ("P100", True),
        ("GTX 1080", True),
        ("V100", False),
        ("T4", False),
        ("GTX 1660 Ti", True),
        ("NVIDIA GeForce GTX 1660 Ti with Max-Q Design", True),
        ("Quadro T1000", True),
        ("RTX 2060", False),
        ("A100", False),
        ("sm_75", False),  # told by its capability alone, it has what the capability promises
    ],
)
def test_fp16_is_slow_without_tensor_cores(gpu, slow):
    found = every(on(gpu, torch="1.13.1", driver="470.57.02", precision="fp16"))
    assert [finding.id for finding in found] == (["amp/fp16-slow"] if slow else [])
    assert all(finding.breaks == "no" and finding.severity == "warning" for finding in found)


def test_each_kind_of_gpu_is_judged():
    slow, _ = every(on("2xP100+T4+2xGTX 1080", torch="1.13.1", precision="fp16"))
    assert slow.found == "Tesla P100 12GB"


def test_fp16_before_torch_had_it_needs_apex():
    build = TorchBuild("1.5.1", "cu102", "10.2")
    old = {"torch": "1.5.1", "build": build, "transformers": "4.0.0", "precision": "fp16"}
    assert verdict(on("V100", **old)) == "fp16-refused yes"
    assert verdict(on("V100", package("apex", "0.1"), **old)) == ""


@pytest.mark.parametrize(
    ("transformers", "accelerate", "torch", "precision", "found"),
    [
        ("4.40.2", "0.30.0", "2.3.1", "fp16", "fp16-refused yes"),
        ("4.46.1", "1.1.0", "2.5.1", "fp16", "fp16-refused yes"),
        ("4.57.6", "1.11.0", "2.4.1", "fp16", "fp16-refused yes"),
        ("4.57.6", "1.11.0", "2.5.1", "fp16", ""),
        ("4.40.2", "0.30.0", "2.6.0", "bf16", "bf16-refused yes"),
        ("4.53.0", "1.11.0", "2.6.0", "bf16", "bf16-refused yes"),
        ("4.57.6", "1.10.0", "2.6.0", "bf16", "bf16-refused yes"),
        ("4.57.6", "1.11.0", "2.5.1", "bf16", "bf16-refused yes"),
        ("4.57.6", "1.11.0", "2.6.0", "bf16", ""),
    ],
)
def test_apples_gpus_by_release(transformers, accelerate, torch, precision, found):
    made = case(
        package("torch", torch),
        package("transformers", transformers),
        package("accelerate", accelerate),
        known=Shipped(),
        machine=Machine(None, (Accelerator("Apple GPU", kind="mps"),), precision),
        platform=Platform("Darwin", "arm64"),
        torch=TorchBuild(torch, "cpu"),
    )
    assert verdict(made) == found


def test_half_precision_on_amds_gpus_is_not_judged_by_nvidias_capabilities():
    amd = Machine(None, (Accelerator("AMD gfx90a", kind="rocm"),), "bf16")
    rocm = TorchBuild("2.1.2", "rocm5.6", hip="5.6")
    made = case(package("torch", "2.1.2"), package("transformers", "4.36.0"), known=Shipped(), machine=amd, torch=rocm)
    assert every(made) == []


def test_half_precision_on_intels_gpus_is_unknown():
    intel = Machine(None, (Accelerator("Arc A770", kind="xpu"),), "bf16")
    build = TorchBuild("2.6.0", "xpu")
    made = case(
        package("torch", "2.6.0"), package("transformers", "4.46.1"), known=Shipped(), machine=intel, torch=build
    )
    with pytest.raises(Unknown, match="Intel's GPUs"):
        every(made)


def test_a_rule_about_a_package_that_is_not_there_does_not_fit():
    made = case(
        package("torch", "2.5.1"),
        package("transformers", "4.46.1"),
        known=Shipped(),
        machine=Machine(None, (Accelerator("Apple GPU", kind="mps"),), "fp16"),
        torch=TorchBuild("2.5.1", "cpu"),
    )
    assert every(made) == []


def test_a_gpu_that_torch_does_not_get_to_is_the_other_familys_business():
    for made in (
        on("T4", build=TorchBuild("1.9.1", "cpu"), precision="fp16"),
        on("T4", torch="2.1.2", driver="470.57.02", precision="bf16"),
    ):
        assert every(made) == []


def test_what_a_gpu_can_not_do_is_known_under_any_build():
    made = on("T4", torch="2.3.1", transformers="4.36.0", precision="bf16", platform=None)
    assert verdict(made) == "bf16-refused yes"


def test_a_gpu_of_unknown_capability_is_unknown():
    machine = Machine("580.95.05", (Accelerator("Some GPU"),), "bf16")
    made = case(package("torch", "2.3.1"), package("transformers", "4.36.0"), known=Shipped(), machine=machine)
    with pytest.raises(Unknown, match="compute capability of Some GPU"):
        every(made)


def test_without_transformers_there_is_no_trainer_to_refuse():
    assert every(on("none", transformers=None, precision="fp16")) == []


def test_a_package_that_a_list_does_not_name_is_unknown():
    with pytest.raises(Unknown, match="package transformers"):
        every(on("none", transformers=None, precision="fp16", complete=False))


APEX = msgspec.structs.replace(card(), precision=Precision("fp16", "apex", "Apex, opt level O1"))


class TestApex:
    @pytest.mark.parametrize(
        ("transformers", "torch", "gpu", "symptom"),
        [
            ("4.1.1", "1.7.1", "T4", "APEX is not installed"),
            ("4.18.0", "1.9.1", "T4", "APEX is not installed"),
            ("4.57.6", "2.8.0", "A100", "APEX is not installed"),
            ("5.0.0", "2.8.0", "A100", "unexpected keyword argument 'half_precision_backend'"),
        ],
    )
    def test_one_that_is_not_there(self, transformers, torch, gpu, symptom):
        (found,) = apex_gone(on(gpu, torch=torch, transformers=transformers, precision="fp16", of=APEX))
        assert (found.severity, found.breaks, found.subject, found.needs) == ("warning", "maybe", "apex", "Apex")
        assert symptom in found.message
        assert "Apex, opt level O1" in found.because
        assert found.remedies[0].text == "torch's own AMP: TrainingArguments(fp16=True), without a backend"

    def test_one_that_is_there(self):
        assert list(apex_gone(on("T4", package("apex", "0.1"), precision="fp16", of=APEX))) == []

    def test_one_that_is_there_and_not_taken_any_more(self):
        made = on("A100", package("apex", "0.1"), torch="2.8.0", transformers="5.0.0", precision="fp16", of=APEX)
        (found,) = apex_gone(made)
        assert found.found == "transformers 5.0.0"

    def test_what_is_refused_anyway_is_one_finding(self):
        made = on("none", precision="fp16", of=APEX)
        assert [finding.id for finding in (*every(made), *apex_gone(made))] == ["amp/fp16-refused"]

    @pytest.mark.parametrize(
        "made",
        [
            on("T4", precision="fp16", of=card(precision="fp16")),
            on("T4", precision="fp32", of=APEX),
            on("T4", precision="fp16"),
        ],
    )
    def test_nobody_asks_for_it(self, made):
        with pytest.raises(NotApplicable):
            list(apex_gone(made))

    def test_other_checks_do_not_see_its_rules(self):
        assert every(on("A100", torch="2.8.0", transformers="5.0.0", precision="fp16")) == []


class TestTf32:
    @pytest.mark.parametrize(
        ("trained", "installed", "gpu", "told"),
        [
            ("1.9.1+cu111", "2.1.0", "A100", "in fp32 on NVIDIA A100"),
            ("1.11.0", "1.12.0", "RTX 4090", "in fp32 on"),
            ("2.1.0", "1.9.1", "A100", "in TF32 on NVIDIA A100"),
            ("1.6.0", "1.10.0", "A100", "in TF32 on NVIDIA A100"),
            ("1.9.1", "1.11.0", "A100", None),
            ("1.12.1", "2.1.0", "H100", None),
            ("1.6.0", "1.13.1", "A100", None),
            ("1.9.1", "2.1.0", "T4", None),
            ("1.9.1", "2.1.0", "none", None),
        ],
    )
    def test_by_release_and_gpu(self, trained, installed, gpu, told):
        build = TorchBuild(installed, "cu118", "11.8", None, ("sm_75", "sm_80", "sm_86", "sm_90"))
        of = card({"torch": trained})
        found = list(tf32_default(on(gpu, torch=installed, build=build, of=of)))
        assert [finding.severity for finding in found] == (["note"] if told else [])
        if told:
            assert told in found[0].message.replace("NVIDIA NVIDIA", "NVIDIA")
            assert found[0].breaks == "no"
            assert f"allow_tf32 = {trained[:4] not in {'1.6.', '2.1.'}}" in found[0].remedies[0].text

    @pytest.mark.parametrize(
        "of",
        [
            None,
            card(),
            card({"torch": "1.9.1"}, hyperparameters={"tf32": True}),
            card({"torch": "1.9.1"}, hardware={"gpu": "Tesla V100"}),
        ],
    )
    def test_a_card_that_does_not_leave_it_to_torch(self, of):
        with pytest.raises(NotApplicable):
            list(tf32_default(on("A100", torch="2.1.0", of=of)))

    @pytest.mark.parametrize("precision", ["fp16", "bf16", "tf32"])
    def test_it_is_asked_of_fp32_alone(self, precision):
        with pytest.raises(NotApplicable):
            list(tf32_default(on("A100", torch="2.1.0", precision=precision, of=card({"torch": "1.9.1"}))))


class TestBf16OnThisCpu:
    def here(self, features, **more):
        host = Host(cpu_features=features)
        made = on("none", torch="2.6.0", transformers="4.51.3", precision="bf16", host=host, **more)
        return msgspec.structs.replace(made, machine=msgspec.structs.replace(made.machine, assumed=()))

    def test_one_without_it_is_slow(self):
        (found,) = bf16_slow(self.here(("avx2", "avx512f")))
        assert (found.id, found.severity, found.breaks) == ("amp/bf16-slow", "note", "no")
        assert found.needs == "AVX512-BF16 or AMX"
        assert "--precision fp32" in found.remedies[0].text

    @pytest.mark.parametrize("feature", ["avx512_bf16", "amx_bf16", "bf16"])
    def test_one_with_it_is_not(self, feature):
        assert list(bf16_slow(self.here(("avx2", feature)))) == []

    def test_one_that_was_not_read(self):
        with pytest.raises(NotApplicable, match="not read"):
            list(bf16_slow(self.here(None)))

    def test_that_of_another_machine(self):
        made = self.here(("avx2",))
        told = msgspec.structs.replace(made, machine=msgspec.structs.replace(made.machine, assumed=("gpu",)))
        with pytest.raises(NotApplicable, match="another machine"):
            list(bf16_slow(told))
