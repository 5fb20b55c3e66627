from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_doctor.environment.whatif import GIB, parse_gpu
from card_doctor.errors import UsageError
from card_doctor.knowledge.hardware import load_hardware
from card_doctor.model import Accelerator

HARDWARE = load_hardware([Path(__file__).parents[2] / "matrices"])
T4 = Accelerator("Tesla T4", capability="7.5", memory_bytes=16 * GIB)
A100 = Accelerator("NVIDIA A100 40GB", capability="8.0", memory_bytes=40 * GIB)
H100 = Accelerator("NVIDIA H100", capability="9.0", memory_bytes=80 * GIB)


@pytest.mark.parametrize(
    ("spec", "accelerators"),
    [
        ("T4", (T4,)),
        ("tesla t4", (T4,)),
        ("A100", (A100,)),  # the smallest that was sold
        ("A100 80GB", (Accelerator("NVIDIA A100 80GB", capability="8.0", memory_bytes=80 * GIB),)),
        ("NVIDIA A100-SXM4-80GB", (Accelerator("NVIDIA A100 80GB", capability="8.0", memory_bytes=80 * GIB),)),
        ("NVIDIA H100 80GB HBM3", (H100,)),
        ("NVIDIA GH200 480GB", (Accelerator("NVIDIA GH200 480GB", capability="9.0", memory_bytes=96 * GIB),)),
        ("sm_90:80GiB", (Accelerator("sm_90", capability="9.0", memory_bytes=80 * GIB),)),
        ("sm_75", (Accelerator("sm_75", capability="7.5"),)),
        ("SM120 : 31.5 GB", (Accelerator("sm_120", capability="12.0", memory_bytes=int(31.5 * GIB)),)),
        ("8xH100", (H100,) * 8),
        ("8 x H100", (H100,) * 8),
        ("A100+T4", (A100, T4)),
        ("2xA100 40GB + T4", (A100, A100, T4)),
        ("none", ()),
        (" None ", ()),
        ("unknown", None),
    ],
)
def test_a_machine_is_described(spec, accelerators):
    assert parse_gpu(spec, HARDWARE) == accelerators


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("3090", "no such GPU is known", "Did you mean GeForce RTX 3090?"),
        ("RTX 4090 Tie", "no such GPU is known", "GeForce RTX 4090"),
        ("foo", "no such GPU is known", "Describe it by its compute capability and memory, like --gpu sm_90:80GiB."),
        ("H100 48GB", "NVIDIA H100 was sold with 80 GiB, not with 48", "--gpu sm_90:48GiB"),
        ("V100 80GB", "Tesla V100 was sold with 16 or 32 GiB, not with 80", "--gpu sm_70:80GiB"),
        ("", "a GPU is missing", "A100+T4"),
        ("T4+", "a GPU is missing", "A100+T4"),
        ("0xT4", "a GPU is missing", "8xH100"),
        ("99999xT4", "more than 1024 GPUs", "8xH100"),
        ("T4+none", "none stands alone", "unknown"),
        ("sm_9", "no such GPU is known", "sm_90:80GiB"),
    ],
)
def test_what_is_no_machine_gets_an_error_that_names_what_is_near(spec, message, hint):
    with pytest.raises(UsageError) as error:
        parse_gpu(spec, HARDWARE)
    assert message in error.value.message
    assert hint in error.value.hint


@given(st.text(alphabet=st.sampled_from("0123456789x*+:_ smSMGiBT4ahHrtxA.")))
def test_any_text_is_a_machine_or_a_usage_error(spec):
    try:
        found = parse_gpu(spec, HARDWARE)
    except UsageError as error:
        assert error.hint  # noqa: PT017  an error is one of two right answers
    else:
        assert found is None or all(one.capability for one in found)
