"""One card on several machines: which one can run it?"""

from __future__ import annotations

import msgspec
from samples import DOCUMENTS

from card_doctor.model import Accelerator, Finding, JoinedRemedy, Remedy
from card_doctor.reporting.machines import by_card, in_common
from card_doctor.reporting.text import render

SAMPLE = DOCUMENTS["machines"]
T4, H100 = SAMPLE.reports
SHARED = Finding(
    "packages/numpy-2-abi-torch", "error", "numpy", "torch can't use numpy 2", found="2.0.2", needs="<2", breaks="yes"
)
TIGHT = Finding("resources/gpu-memory", "note", "gpu memory", "it may not fit", found="16.0 GiB", needs="9 to 30 GiB")


def document(*reports):
    return msgspec.structs.replace(SAMPLE, reports=reports)


def with_findings(report, *findings, **facts):
    return msgspec.structs.replace(report, findings=(*report.findings, *findings), **facts)


def test_each_machine_has_a_row_and_its_own_remedy():
    shown = render(SAMPLE)
    assert shown.count("tiny-bert-mnli-distilled\n") == 1
    row = next(line for line in shown.splitlines() if line.startswith("[ok]  yes"))
    assert row.rstrip().endswith("Tesla T4")
    assert "[x]   no      NVIDIA H100 80GB HBM3" in shown
    assert "NVIDIA H100 80GB HBM3. To fix it: Hopper needs CUDA 11.8 or newer" in shown


def test_what_all_have_in_common_stands_once():
    remedy = JoinedRemedy(("numpy<2",), "pip install 'numpy<2'", proven=True)
    both = [with_findings(one, SHARED, remedy=remedy) for one in (T4, H100)]
    assert in_common(both).findings == (SHARED,)
    shown = render(document(*both), width=200)
    assert shown.count("numpy: found 2.0.2, needs <2") == 1
    assert shown.count("pip install 'numpy<2'") == 1


def test_machines_with_the_same_remedy_share_it():
    other = msgspec.structs.replace(H100.machine, accelerators=(Accelerator("NVIDIA H200"),))
    shown = render(document(T4, H100, msgspec.structs.replace(H100, machine=other)), width=200)
    assert "NVIDIA H100 80GB HBM3, NVIDIA H200. To fix it" in shown


def test_memory_is_told_even_where_it_is_a_note():
    assert "found 16.0 GiB, needs 9 to 30 GiB" in render(document(with_findings(T4, TIGHT), H100), width=200)


def test_without_a_card():
    bare = [msgspec.structs.replace(one, card=None) for one in (T4, H100)]
    assert "On each machine" in render(document(*bare))


def test_with_v_each_is_told_in_full():
    shown = render(SAMPLE, verbose=True, width=200)
    assert "tiny-bert-mnli-distilled on Tesla T4 (assumed), driver 535.54, fp16" in shown
    assert shown.count("Check  ") == 2


def test_groups_are_of_one_card():
    other = msgspec.structs.replace(T4, card=msgspec.structs.replace(T4.card, name="another"))
    assert [len(group) for group in by_card((T4, H100, other))] == [2, 1]


def test_nothing_of_a_machine_steers_a_terminal():
    hostile = Finding(
        "a/b", "error", "\x1b[31m", "\x9b\u202e", breaks="yes", remedies=(Remedy("setting", text="\x07"),)
    )
    machine = msgspec.structs.replace(H100.machine, accelerators=(Accelerator("\x1b[2J"),))
    shown = render(document(T4, with_findings(H100, hostile, machine=machine)))
    assert all(line.isprintable() for line in shown.splitlines())
