from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from card_doctor.errors import MatrixError
from card_doctor.knowledge.hardware import Hardware, check_directory, kernels, key_of, load_hardware, lowest, size_of
from card_doctor.model import Accelerator

MATRICES = Path(__file__).parents[2] / "matrices"
HARDWARE = load_hardware([MATRICES])


@pytest.fixture
def users(tmp_path):
    """A user's own directory of matrices."""

    def write(name, text):
        (tmp_path / "hardware").mkdir(exist_ok=True)
        (tmp_path / "hardware" / name).write_text(text)
        return load_hardware([MATRICES, tmp_path])

    return write


def test_what_is_shipped_is_valid():
    check_directory(MATRICES)


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    hardware = Hardware([tmp_path / "gone"])
    (tmp_path / "gone" / "hardware").mkdir(parents=True)
    (tmp_path / "gone" / "hardware" / "gpus.toml").write_text("not TOML")
    assert hardware.toolkits == {}
    with pytest.raises(MatrixError, match="not TOML"):
        hardware.product("T4")


def test_there_are_enough_products():
    assert len({product.name for product in HARDWARE.products.values()}) > 200


def test_every_product_is_of_a_generation_and_found_by_its_own_name():
    capabilities = {one for generation in HARDWARE.generations.values() for one in generation.capabilities}
    for product in HARDWARE.products.values():
        assert product.capability in capabilities
        assert HARDWARE.product(product.name) == product


# Names as drivers print them: nvidia-smi and torch.cuda.get_device_name in issue reports, and the README of
# https://github.com/NVIDIA/open-gpu-kernel-modules at 595.45.04.
PRINTED = {
    "Tesla K80": ("3.7", "Kepler"),
    "Tesla K40m": ("3.5", "Kepler"),
    "GRID K520": ("3.0", "Kepler"),
    "GeForce GTX TITAN X": ("5.2", "Maxwell"),
    "Tesla M40 24GB": ("5.2", "Maxwell"),
    "Tesla P100-SXM2-16GB": ("6.0", "Pascal"),
    "Tesla P100-PCIE-16GB": ("6.0", "Pascal"),
    "NVIDIA GeForce GTX 1080 Ti": ("6.1", "Pascal"),
    "TITAN X (Pascal)": ("6.1", "Pascal"),
    "Quadro P5000": ("6.1", "Pascal"),
    "Tesla V100-SXM2-32GB": ("7.0", "Volta"),
    "Tesla V100S-PCIE-32GB": ("7.0", "Volta"),
    "Tesla V100-DGXS-32GB": ("7.0", "Volta"),
    "NVIDIA TITAN V": ("7.0", "Volta"),
    "Tesla T4": ("7.5", "Turing"),
    "GRID T4-16Q": ("7.5", "Turing"),
    "NVIDIA GeForce RTX 2070 Super with Max-Q Design": ("7.5", "Turing"),
    "NVIDIA GeForce GTX 1650 Ti with Max-Q Design": ("7.5", "Turing"),
    "Quadro RTX 6000": ("7.5", "Turing"),
    "NVIDIA TITAN RTX": ("7.5", "Turing"),
    "A100-SXM4-40GB": ("8.0", "Ampere"),
    "NVIDIA A100-SXM4-80GB": ("8.0", "Ampere"),
    "NVIDIA A100 80GB PCIe": ("8.0", "Ampere"),
    "NVIDIA A100-PG509-200": ("8.0", "Ampere"),
    "NVIDIA A100-SXM4-40GB MIG 1g.5gb": ("8.0", "Ampere"),
    "NVIDIA A800 80GB PCIe LC": ("8.0", "Ampere"),
    "NVIDIA A10-24Q": ("8.6", "Ampere"),
    "NVIDIA A10G": ("8.6", "Ampere"),
    "NVIDIA RTX A6000": ("8.6", "Ampere"),
    "NVIDIA GeForce RTX 3050Ti Laptop GPU": ("8.6", "Ampere"),
    "NVIDIA GeForce RTX 3090": ("8.6", "Ampere"),
    "Orin (nvgpu)": ("8.7", "Ampere"),
    "NVIDIA L4": ("8.9", "Ada"),
    "NVIDIA L40S": ("8.9", "Ada"),
    "NVIDIA GeForce RTX 4090 Laptop GPU": ("8.9", "Ada"),
    "NVIDIA RTX 6000 Ada Generation": ("8.9", "Ada"),
    "NVIDIA RTX 4000 SFF Ada Generation": ("8.9", "Ada"),
    "NVIDIA H100 80GB HBM3": ("9.0", "Hopper"),
    "NVIDIA H100 PCIe": ("9.0", "Hopper"),
    "NVIDIA H100 NVL": ("9.0", "Hopper"),
    "NVIDIA H20-3e": ("9.0", "Hopper"),
    "NVIDIA H200": ("9.0", "Hopper"),
    "NVIDIA GH200 480GB": ("9.0", "Hopper"),
    "NVIDIA B200": ("10.0", "Blackwell"),
    "NVIDIA B300 SXM6 AC": ("10.3", "Blackwell"),
    "NVIDIA GeForce RTX 5090": ("12.0", "Blackwell"),
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": ("12.0", "Blackwell"),
    "NVIDIA RTX PRO 5000 72GB Blackwell": ("12.0", "Blackwell"),
    "NVIDIA GB10": ("12.1", "Blackwell"),
}


@pytest.mark.parametrize(("name", "facts"), PRINTED.items())
def test_products_are_known_by_the_names_that_drivers_print(name, facts):
    capability = HARDWARE.capability(Accelerator(name))
    generation = HARDWARE.generation(capability)
    assert ("{}.{}".format(*capability), generation.name) == facts


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        ("NVIDIA GeForce RTX 4090", (24,)),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", (16,)),
        ("NVIDIA GH200 480GB", (96,)),
        ("NVIDIA H100 NVL", (94,)),
        ("Tesla V100-SXM2-32GB", (16, 32)),
        ("GeForce GTX 1060 6GB", (3, 5, 6)),
    ],
)
def test_the_memory_of_a_product(name, memory):
    assert HARDWARE.product(name).memory_gib == memory


@pytest.mark.parametrize("name", ["", "NVIDIA", "GPU", "Some GPU", "AMD Instinct MI300X", "NVIDIA H1000", "T40"])
def test_another_name_is_no_product(name):
    assert HARDWARE.product(name) is None


@given(st.sampled_from(sorted(PRINTED)), st.sampled_from([str.upper, str.lower, str.title, lambda name: f"  {name}  "]))
def test_case_and_spaces_do_not_matter(name, change):
    assert HARDWARE.product(change(name)) == HARDWARE.product(name)


@given(st.text())
def test_any_text_may_be_a_name(name):
    key_of(name)
    size_of(name)
    HARDWARE.product(name)


@pytest.mark.parametrize(
    ("cuda", "oldest", "newest", "driver", "toolkit_driver"),
    [
        ("9.2", "3.0", "7.0", "396.26", "396.26"),
        ("10.2", "3.0", "7.5", "440.33", "440.33"),
        ("11.1", "3.5", "8.6", "450.80.02", "455.23"),
        ("11.8", "3.5", "9.0", "450.80.02", "520.61.05"),
        ("12.1", "5.0", "9.0", "525.60.13", "530.30.02"),
        ("12.8", "5.0", "12.0", "525.60.13", "570.26"),
        ("13.0", "7.5", "12.1", "580", "580.65.06"),
        ("10.1.243", "3.0", "7.5", "418.39", "418.39"),
    ],
)
def test_toolkits(cuda, oldest, newest, driver, toolkit_driver):
    toolkit = HARDWARE.toolkit(cuda)
    assert (toolkit.oldest, toolkit.newest) == (oldest, newest)
    assert (HARDWARE.oldest_driver(cuda), HARDWARE.toolkit_driver(cuda)) == (driver, toolkit_driver)


def test_a_toolkit_that_is_not_known():
    assert HARDWARE.toolkit("8.0") is None
    assert HARDWARE.oldest_driver("8.0") is None
    assert HARDWARE.oldest_driver("14.0") is None
    assert HARDWARE.oldest_driver("13.9") == "580"  # what holds for a major holds for its next minor


def test_no_toolkit_builds_for_what_no_driver_of_its_major_knows():
    """Two tables of NVIDIA's that must agree: the end of a generation in toolkits, and in drivers."""
    for toolkit in HARDWARE.toolkits.values():
        driver = HARDWARE.oldest_driver(toolkit.version)
        for generation in HARDWARE.generations.values():
            if generation.last_driver and int(driver.partition(".")[0]) > generation.last_driver:
                newest = max(tuple(map(int, one.split("."))) for one in generation.capabilities)
                assert newest < tuple(map(int, toolkit.oldest.split(".")))


def test_wheels_are_compiled_for_what_their_toolkit_builds():
    all_series = [f"1.{minor}" for minor in range(6, 14)] + [f"2.{minor}" for minor in range(16)]
    for series in all_series:
        assert HARDWARE.builds(series)
        for build, architectures in HARDWARE.builds(series).items():
            toolkit = HARDWARE.toolkit(f"{build[2:-1]}.{build[-1]}")
            oldest, newest = (tuple(map(int, one.split("."))) for one in (toolkit.oldest, toolkit.newest))
            for architecture in architectures:
                assert oldest <= lowest([architecture]) <= newest


@pytest.mark.parametrize(
    ("architectures", "device", "way"),
    [
        (["sm_80"], (8, 0), "binary"),
        (["sm_80"], (8, 9), "binary"),
        (["sm_86"], (8, 0), None),
        (["sm_80"], (9, 0), None),
        (["sm_80", "compute_80"], (9, 0), "ptx"),
        (["compute_80"], (7, 5), None),
        (["sm_90a"], (9, 0), "binary"),
        (["sm_100a"], (10, 3), None),
        (["sm_100f"], (10, 3), "binary"),
        (["sm_100f"], (12, 0), None),
        (["compute_90a"], (10, 0), None),
        (["sm_100"], (12, 0), None),
        (["sm_120"], (12, 1), "binary"),
        (["sm_70"], (7, 2), None),  # a Jetson
        (["sm_72"], (7, 2), "binary"),
        (["sm_80", "sm_86"], (8, 7), None),
        (["sm_101"], (11, 0), "binary"),  # Thor by its former name
        ([], (7, 5), None),
        (["gfx90a", "sm_", "nonsense"], (7, 5), None),
    ],
)
def test_what_runs_on_what(architectures, device, way):
    assert kernels(architectures, device) == way


DEVICES = st.tuples(st.integers(3, 15), st.integers(0, 9))


@given(DEVICES, DEVICES)
def test_a_binary_never_leaves_its_major_and_ptx_never_runs_backward(target, device):
    spelled = "{}{}".format(*target)
    if kernels([f"sm_{spelled}"], device):
        assert target == device or target[0] == device[0] or {target, device} == {(10, 1), (11, 0)}
    if kernels([f"compute_{spelled}"], device):
        assert target <= device or {target, device} == {(10, 1), (11, 0)}


@pytest.mark.parametrize(
    ("name", "fp16", "bf16", "fp8"),
    [
        ("Tesla K80", False, False, False),
        ("Tesla P100-PCIE-16GB", False, False, False),
        ("Tesla V100-SXM2-16GB", True, False, False),
        ("Tesla T4", True, False, False),
        ("NVIDIA GeForce GTX 1660 Ti", False, False, False),
        ("NVIDIA A100-SXM4-80GB", True, True, False),
        ("NVIDIA L4", True, True, True),
        ("NVIDIA H100 PCIe", True, True, True),
        ("Some GPU", None, None, None),
    ],
)
def test_what_a_gpu_multiplies(name, fp16, bf16, fp8):
    gpu = Accelerator(name)
    assert tuple(HARDWARE.multiplies(one, gpu) for one in ("fp16", "bf16", "fp8")) == (fp16, bf16, fp8)
    assert HARDWARE.multiplies("int3", gpu) is None


def test_the_capability_that_the_driver_told_counts_more_than_the_name():
    assert HARDWARE.capability(Accelerator("Tesla T4", capability="9.9")) == (9, 9)
    assert HARDWARE.capability(Accelerator("T4", kind="rocm", capability="7.5")) is None


def test_every_range_of_the_rules_can_be_read_and_is_not_empty():
    for rule in HARDWARE.rules:
        for text in (rule.transformers, rule.torch, rule.accelerate):
            if text:
                candidates = [f"{major}.{minor}.0" for major in range(6) for minor in range(60)]
                assert any(SpecifierSet(text).filter(candidates))
        assert rule.outcome == "untried" or (rule.because and rule.evidence)
        assert rule.symptom or rule.outcome not in {"refused", "setting"}


# -- a user's own ------------------------------------------------------------------------------------------------------


def test_a_user_adds_and_overrides(users):
    hardware = users(
        "gpus.toml",
        '[names]\n"mine" = "Our X1"\n[[gpus]]\ncapability = "12.1"\n[gpus.memory]\n"Our X1" = 7\n"Tesla T4" = 15\n',
    )
    assert (hardware.product("mine").name, hardware.product("our x1").memory_gib) == ("Our X1", (7,))
    assert hardware.product("T4").capability == "12.1"
    assert hardware.product("A100").capability == "8.0"


def test_a_users_rule_comes_first(users):
    rule = (
        '[[rule]]\nprecision = "fp16"\ndevice = "cpu"\noutcome = "ignored"\nbecause = "so"\nevidence = ["source: me"]\n'
    )
    hardware = users("precision.toml", rule)
    assert hardware.rules[0].because == "so"
    assert hardware.multiplies("fp16", Accelerator("Tesla T4"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("gpu.toml", "", "no file of this name is known"),
        ("gpus.toml", "x", "not TOML"),
        ("gpus.toml", "[[gpu]]\n", "unknown key"),
        (
            "gpus.toml",
            '[[gpus]]\ncapability = 7.5\n[gpus.memory]\n"X" = 1\n',
            r"gpus\[0\].capability: expected a string",
        ),
        ("gpus.toml", '[[gpus]]\ncapability = "75"\n[gpus.memory]\n"X" = 1\n', "like \"7.5\", found '75'"),
        ("gpus.toml", '[[gpus]]\ncapability = "7.5"\n[gpus.memory]\n"X" = [2, 1]\n', "memory.X: .*the smallest first"),
        ("gpus.toml", '[names]\n"Y" = "X"\n', "names.Y: no GPU of this file is called 'X'"),
        ("cuda.toml", '[[toolkit]]\nversion = "11"\noldest = "3.5"\nnewest = "9.0"\n', "version: expected major.minor"),
        (
            "cuda.toml",
            '[[toolkit]]\nversion = "11.9"\noldest = "3.5"\nnewest = "9.0"\nlinux = "R9"\n',
            "no version of a driver",
        ),
        ("cuda.toml", '[[generation]]\nname = "X"\ncapabilities = ["sm_99"]\n', "found 'sm_99'"),
        ("torch-builds.toml", '[[build]]\nof = ["1.9.1"]\narchitectures = ["sm_70"]\n', "series\\+build"),
        ("torch-builds.toml", '[[build]]\nof = ["1.9+cu9"]\narchitectures = ["70"]\n', "found '70'"),
        ("precision.toml", '[native]\nfp16 = "7"\n', "native.fp16"),
        ("precision.toml", '[tf32]\ntorch = "1.7"\n', "tf32.torch: expected"),
        ("precision.toml", '[[rule]]\nprecision = "fp32"\noutcome = "refused"\n', "'fp32' is none of the known values"),
        ("precision.toml", '[[rule]]\nprecision = "fp16"\noutcome = "ignored"\ntorch = "2.0"\n', "like `>=4.20,<4.41`"),
        (
            "precision.toml",
            '[[rule]]\nprecision = "fp16"\noutcome = "setting"\n',
            "stands beside the outcome `setting`",
        ),
    ],
)
def test_what_is_wrong_names_the_file_the_key_and_what_was_expected(users, name, text, message):
    with pytest.raises(MatrixError, match=message) as error:
        users(name, text)
    assert name in error.value.message
