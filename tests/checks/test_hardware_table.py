"""Cells of benchmarks/hardware_table.py, each checked by hand against a document of NVIDIA's or of torch's.

W  the wheel's own list of architectures: `torch._C._cuda_getArchFlags()` of 1.9.1, 1.13.1, 2.0.1 and 2.1.2, else the
   macro in its libtorch_python.so
M  https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html (table 1: 11.x from 450.80.02,
   12.x from 525, 13.x from 580)
R  https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/index.html (tables 2 and 3: CUDA 10.2 from 440.33; 11.0
   came with 450.51.05, 11.1 with 455.23, 11.8 with 520.61.05, 12.8 with 570.26)
A  https://docs.nvidia.com/datacenter/tesla/drivers/cuda-toolkit-driver-and-architecture-matrix.html (Kepler ends with
   R470; first and last toolkit of each architecture)
B  https://docs.nvidia.com/cuda/blackwell-compatibility-guide (binary compatibility within a major alone)
P  https://github.com/pytorch/pytorch/releases/tag/v2.8.0 and issue 157517 (Maxwell and Pascal left out of CUDA 12.8)
I  an issue that shows the failure
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from card_doctor.knowledge import Matrices

CHECKED = [
    ("1.7.1", "K80", "418.40.04", "driver"),  # R: 10.2 needs 440.33
    ("1.7.1", "K80", "440.33.01", "runs"),  # W: sm_37; R
    ("1.7.1", "K80", "515.43.04", "driver"),  # A: Kepler ends with R470
    ("1.7.1", "T4", "450.80.02", "runs"),  # W: sm_75
    ("1.7.1", "A100", "450.80.02", "code"),  # W: ends at sm_75; B
    ("1.7.1", "RTX 3090", "460.32.03", "code"),  # I: pytorch/pytorch 45028 (sm_86 is not compatible)
    ("1.9.1", "P100", "470.57.02", "runs"),  # W: sm_60
    ("1.9.1", "V100", "440.33.01", "runs"),  # W: sm_70; R
    ("1.9.1", "T4", "470.57.02", "runs"),  # W: sm_70 runs on 7.5; B
    ("1.9.1", "RTX 3090", "470.57.02", "code"),  # I: CompVis/latent-diffusion 102, the same list of architectures
    ("1.9.1", "H100", "535.54.03", "code"),  # W: ends at sm_70
    ("1.10.2", "A100", "470.57.02", "code"),  # W: 10.2
    ("1.12.1", "L4", "535.54.03", "code"),  # W: 10.2
    ("1.13.1", "K80", "450.80.02", "runs"),  # W: sm_37; M
    ("1.13.1", "K80", "525.60.13", "driver"),  # A
    ("1.13.1", "V100", "440.33.01", "driver"),  # M: 11.x from 450.80.02
    ("1.13.1", "A100", "450.80.02", "runs"),  # W: sm_80; M; R: 11.0 came with 450
    ("1.13.1", "RTX 3090", "450.80.02", "driver"),  # R: 8.6 came with 11.1 and 455.23
    ("1.13.1", "RTX 3090", "460.32.03", "runs"),  # W: sm_86; M
    ("1.13.1", "RTX 4090", "515.43.04", "driver"),  # R: 8.9 came with 11.8 and 520.61.05
    ("1.13.1", "RTX 4090", "525.60.13", "runs"),  # W: sm_80 and sm_86 run on 8.9; B
    ("1.13.1", "H100", "525.60.13", "code"),  # W: ends at sm_86; B: another major
    ("2.0.1", "L4", "525.60.13", "runs"),  # W: sm_80 runs on 8.9; B
    ("2.0.1", "H100", "525.60.13", "code"),  # W: the index's 2.0 is 11.7 and ends at sm_86
    ("2.1.2", "K80", "470.57.02", "gpu"),  # W: starts at sm_50; A: CUDA 12 has no Kepler
    ("2.1.2", "P100", "525.60.13", "runs"),  # W: sm_60; M
    ("2.1.2", "H100", "525.60.13", "runs"),  # W: sm_90; M: 12.x from 525
    ("2.1.2", "H100", "515.43.04", "driver"),  # M
    ("2.1.2", "B200", "570.124.06", "code"),  # W: ends at sm_90; B
    ("2.4.1", "A100", "470.57.02", "driver"),  # M
    ("2.6.0", "T4", "535.54.03", "runs"),  # W: sm_75; M: a 12.4 build under 535
    ("2.7.1", "B200", "580.65.06", "code"),  # W: the index's 2.7 is 12.6 and ends at sm_90
    ("2.8.0", "P100", "570.124.06", "gpu"),  # P
    ("2.8.0", "V100", "570.124.06", "runs"),  # P: Volta was brought back; W: sm_70
    ("2.8.0", "B200", "570.124.06", "runs"),  # W: sm_100; R: 12.8 came with 570.26
    ("2.8.0", "B200", "550.54.14", "driver"),  # R: 10.0 came with 12.8 and 570.26
    ("2.8.0", "H100", "535.54.03", "runs"),  # M: a 12.8 build under 535
    ("2.11.0", "V100", "580.65.06", "gpu"),  # W: starts at sm_75; A: CUDA 13 has no Volta
    ("2.11.0", "T4", "570.124.06", "driver"),  # M: 13.x from 580
    ("2.11.0", "T4", "580.65.06", "runs"),  # W: sm_75; M
    ("2.14.1", "RTX 4090", "580.65.06", "runs"),  # W: sm_86 runs on 8.9; B
]


@pytest.fixture(scope="module")
def table():
    path = Path(__file__).parents[2] / "benchmarks" / "hardware_table.py"
    spec = importlib.util.spec_from_file_location("hardware_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def knowledge():
    return Matrices()


def test_enough_of_it_was_checked(table):
    assert len(set(CHECKED)) >= 30
    assert {gpu for _, gpu, _, _ in CHECKED} == set(table.GPUS)
    assert {driver for _, _, driver, _ in CHECKED} <= set(table.DRIVERS)


@pytest.mark.parametrize(("torch", "gpu", "driver", "outcome"), CHECKED)
def test_cell(table, knowledge, torch, gpu, driver, outcome):
    found, why = table.cell(knowledge, torch, gpu, driver)
    assert found == outcome, why


def test_every_release_has_its_part(table, knowledge):
    releases = table.releases(knowledge)
    assert releases[0].startswith("1.7")
    assert len(releases) >= 23
    cells = {table.cell(knowledge, releases[-1], gpu, driver)[0] for gpu in table.GPUS for driver in table.DRIVERS[-2:]}
    assert "?" not in cells
