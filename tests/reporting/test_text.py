from __future__ import annotations

import re
import shlex

import msgspec
import pytest
from arbitrary import documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import (
    AT_RISK,
    BROKEN,
    DOCUMENTS,
    HUB,
    NUMPY,
    PYTHON,
    T4,
    TENSORBOARD,
    TINY_BERT,
    document,
    environment,
    outcomes,
    report,
)

from card_doctor.model import (
    Card,
    CheckResult,
    Finding,
    Gap,
    Machine,
    Place,
    Remedy,
    Report,
    Source,
    TorchAccount,
    TriedStep,
    Verdict,
    VersionRow,
)
from card_doctor.reporting.text import MORE, render

PEOPLE = [name for name in DOCUMENTS if name != "hostile"]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("name", PEOPLE)
def test_report_reads_as_agreed(name, width, golden):
    golden(f"{name}-{width}", render(DOCUMENTS[name], width=width))


@pytest.mark.parametrize("name", ["broken", "ignoring", "unknown"])
def test_verbose_report_reads_as_agreed(name, golden):
    golden(f"{name}-verbose", render(DOCUMENTS[name], verbose=True))


def test_hostile_text_reads_as_agreed(golden):
    golden("hostile-ascii", render(DOCUMENTS["hostile"], width=1000, verbose=True, encoding="ascii"))


def test_quiet_is_one_line_a_report(golden):
    text = "".join(render(DOCUMENTS[name], quiet=True) for name in PEOPLE)
    assert text.count("\n") == sum(len(DOCUMENTS[name].reports) for name in PEOPLE)
    golden("quiet", text)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    documents(), st.sampled_from([1, 40, 80, 200]), st.booleans(), st.booleans(), st.sampled_from(["ascii", "utf-8"])
)
def test_any_document_is_harmless(made, width, verbose, quiet, encoding):
    text = render(made, width=width, verbose=verbose, quiet=quiet, encoding=encoding)
    assert all(line.isprintable() and line == line.rstrip() for line in text.split("\n"))
    text.encode(encoding)
    assert text.endswith("\n") or not made.reports


@pytest.mark.parametrize("name", DOCUMENTS)
def test_colour_is_never_the_only_sign(name, monkeypatch):
    """Without its colours the report is the report without colours; who asks for them has overruled $NO_COLOR."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    coloured = render(DOCUMENTS[name], color=True)
    assert ANSI.search(coloured)
    assert ANSI.sub("", coloured) == render(DOCUMENTS[name])


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_only_commands_are_wider_than_the_terminal(name, width):
    for line in render(DOCUMENTS[name], width=width, verbose=True).splitlines():
        assert len(line) <= width or line.startswith("    card-doctor check ") or " -m pip install " in line


@pytest.mark.parametrize("width", [1, 80, 200])
def test_command_can_be_copied_whole(width):
    lines = render(DOCUMENTS["broken"], width=width).splitlines()
    (command,) = [line.strip() for line in lines if " -m pip install " in line]
    assert shlex.split(command) == [
        PYTHON, "-m", "pip", "install",
        "huggingface-hub<1.0,>=0.1.0", "numpy<2", "pandas<2", "pyarrow<21", "setuptools<82",
    ]  # fmt: skip


def test_words_of_the_verdict():
    text = render(DOCUMENTS["broken"])
    assert "[x]  trains: no       4 findings break training\n[ok] matches: exact" in text
    assert "[ok] trains: yes" in render(DOCUMENTS["well"])
    assert "[!]  trains: at-risk   1 finding may break training" in render(DOCUMENTS["at-risk"])
    assert "[?]  trains: unknown   not known: gpu; packages/hazard crashed" in render(DOCUMENTS["unknown"])


def test_first_line_names_what_was_looked_at():
    for name in ("well", "unknown", "no-card"):
        made = DOCUMENTS[name]
        first = render(made, width=300).splitlines()[0]
        assert made.environment.path in first
        assert ("Tesla T4" if name == "well" else "unknown GPU" if name == "unknown" else "8 x NVIDIA A100") in first


def test_unknown_hardware_ends_in_what_to_type():
    assert "--gpu T4" in render(DOCUMENTS["unknown"])
    assert "--gpu T4" not in render(DOCUMENTS["broken"])
    driverless = report(machine=Machine(None, (T4,), "fp16"), verdict=Verdict("unknown", "exact"))
    assert "--driver 535.54" in render(document(driverless))


def test_nothing_to_judge_is_said():
    alone = report(card=None, versions=(), verdict=Verdict("unknown", "unknown"))
    assert "there is neither a card nor a torch to judge" in render(
        document(alone, environment=environment(torch=None))
    )


def test_troubleshooting_counts_what_stands_on_any_machine():
    well, broken = report(), report(findings=(NUMPY,))
    assert "Training Failures: 1 error here" in render(document(broken, well))


def test_troubleshooting_says_what_could_not_be_told():
    lost = report(checks=(CheckResult("packages/hazard", "unknown", "not known: requires"),))
    line = " ".join(render(document(lost), width=200).split())
    assert "nothing found here, 1 check could not tell" in line


def test_what_does_not_decide_is_no_reason_for_an_unknown_verdict():
    lost = (CheckResult("data/length", "unknown", "not known: the model's length"),)
    text = render(document(report(verdict=Verdict("unknown", "exact"), checks=lost)), width=200)
    assert "trains: unknown   nothing was checked that could tell" in text


def test_links_are_not_broken():
    link = "https://example.org/" + "x" * 100
    finding = Finding("packages/x", "error", "x", "m", evidence=(link, "seen in " + "words " * 30))
    assert f"         {link}\n" in render(document(report(findings=(finding,))), verbose=True)


def test_differences_that_the_policy_accepts_are_no_alarm():
    versions = (VersionRow("torch", "1.9.1", "2.1.2", "newer-major"), VersionRow("datasets", "2.1.0", None, "missing"))
    text = render(document(report(verdict=Verdict("yes", "differs"), versions=versions)), width=100)
    assert "[ok] matches: differs   torch 2.1.2 (card: 1.9.1), datasets missing (card: 2.1.0)" in text
    assert "[!]  matches: newer" in render(document(AT_RISK))


def test_notes_and_reasons_wait_for_verbose():
    made = document(report(findings=(HUB, TENSORBOARD)))
    assert TENSORBOARD.message not in render(made)
    assert "1 warning, 1 note. More: add -v" in render(made)
    assert TENSORBOARD.message in render(made, verbose=True, width=200)
    assert "https://github.com/pytorch/pytorch/issues/107302" in render(DOCUMENTS["broken"], verbose=True)


def test_many_findings_are_cut_short_but_counted():
    many = tuple(Finding(f"packages/p{number}", "error", "x", f"message {number}") for number in range(MORE + 20))
    text = render(document(report(findings=many)))
    assert "and 19 more: add -v to see them" in text
    assert "message 11" not in text
    assert all(finding.message in render(document(report(findings=many)), verbose=True) for finding in many)


def test_half_a_remedy_says_what_it_leaves():
    assert "This command fixes a part; what stays is versions/x:" in render(document(AT_RISK))
    assert "fixes it all" not in render(document(AT_RISK))


def test_without_a_joined_remedy_the_first_one_is_told():
    removal = Finding("packages/x", "error", "x", "m", remedies=(Remedy("remove", "x"),))
    assert "To fix it: remove x\n" in render(document(report(findings=(removal,))))
    helpless = Finding("packages/y", "error", "y", "m")
    text = render(document(report(findings=(helpless, NUMPY))))
    assert f"To fix the first that can be:\n    {PYTHON} -m pip install 'numpy<2'\n" in text


def test_troubleshooting_names_only_what_this_version_checks():
    made = document(BROKEN)
    text = render(made, command="python -m card_doctor check", flags="--gpu T4", families=("versions", "packages"))
    assert "    python -m card_doctor check tiny-bert-mnli-distilled --gpu T4 --select versions,packages\n" in text
    assert "Low Accuracy, Inconsistent F1 Score: not checked by this version" in text
    everything = render(made, families=("versions", "packages", "results", "training", "data"))
    assert "--select results,training" in everything
    assert "not checked by this version" not in everything


def test_troubleshooting_stands_once_for_several_machines():
    assert render(DOCUMENTS["machines"]).count("The card's own troubleshooting") == 1


def test_card_from_a_file_is_asked_for_by_its_path():
    card = Card("x", Source("file", "my cards/x.md"), troubleshooting=TINY_BERT.troubleshooting)
    assert "card-doctor check 'my cards/x.md' --select" in render(document(report(card=card)))


def test_crashed_check_is_told_without_verbose():
    made = document(report(checks=outcomes({"card/contradiction": ("crashed", "KeyError: 'x'")})))
    assert "[?]  crashed: card/contradiction: KeyError: 'x' (please report it)" in render(made)


def test_unreadable_card_leaves_the_others():
    text = render(DOCUMENTS["cards"])
    assert "[?]  not read: missing.md: no such file" in text
    assert text.index("not read") < text.index("4 findings break training")


def test_the_file_of_a_card_of_ours_is_named_only_on_request():
    place = Place("matrices/cards/ours.toml", 7)
    finding = Finding("versions/older", "error", "torch", "torch is older", at=place)
    for kind, verbose, named in (("catalogue", False, False), ("catalogue", True, True), ("file", False, True)):
        card = Card(name="ours", source=Source(kind, place.file))
        made = document(Report(card, Machine(), Verdict("yes", "differs"), findings=(finding,)))
        assert ("ours.toml:7" in render(made, verbose=verbose)) is named


class TestWhatCouldNotBeRead:
    """Why the GPU or torch is not known, and what to do about it, without -v."""

    MISMATCH = "NVML error 18: the driver's library and the loaded kernel module are of different versions: reboot"

    def shown(self, fact, reason="failed", assumed=(), detail=MISMATCH):
        sample = DOCUMENTS["unknown"]
        (report,) = sample.reports
        machine = msgspec.structs.replace(report.machine, assumed=assumed)
        return render(
            msgspec.structs.replace(
                sample,
                environment=msgspec.structs.replace(sample.environment, gaps=(Gap(fact, reason, detail),)),
                reports=(msgspec.structs.replace(report, machine=machine),),
            ),
            width=200,
        )

    @pytest.mark.parametrize(
        ("fact", "reason"),
        [("accelerators", "failed"), ("accelerators", "absent"), ("driver", "absent"), ("gpu 0 memory", "failed")],
    )
    def test_of_the_gpu(self, fact, reason):
        assert f"     not read: {self.MISMATCH}" in self.shown(fact, reason)
        assert self.MISMATCH not in self.shown(fact, reason, assumed=("gpu",))

    def test_of_torch(self):
        detail = "`import torch` did not end within 20 seconds: allow more with --timeout SECONDS"
        assert f"not read: {detail}" in self.shown("torch's own account", "timeout", ("gpu",), detail)

    @pytest.mark.parametrize(
        ("fact", "reason"), [("accelerators", "not-asked"), ("gpu 0 ECC", "absent"), ("package numpy", "failed")]
    )
    def test_what_nobody_can_do_anything_about_is_kept_for_v(self, fact, reason):
        assert "not read" not in self.shown(fact, reason)


class TestDeep:
    def test_what_was_tried(self):
        sample = DOCUMENTS["well"]
        steps = (
            TriedStep("cuda:0", "fp32", seconds=0.03),
            TriedStep("cuda:0", "fp16", difference=0.001, tolerance=0.008, seconds=0.01, fp32_seconds=0.03),
            TriedStep("cuda:0", "bf16", error="RuntimeError: no"),
        )
        account = TorchAccount("2.1.0", cudnn="8.9.2", nccl="2.18.1", seconds=2.04, warnings=("old",), steps=steps)
        (report,) = sample.reports
        here = msgspec.structs.replace(report, machine=msgspec.structs.replace(report.machine, assumed=()))
        environment = msgspec.structs.replace(sample.environment, account=account)
        shown = render(msgspec.structs.replace(sample, environment=environment, reports=(here,)), verbose=True)
        assert "tried: a step in fp16 on cuda:0 worked, 0.1% off fp32, in 33% of its time" in shown
        assert "tried: a step in bf16 on cuda:0 failed" in shown
        assert "torch 2.1.0, cuDNN 8.9.2, NCCL 2.18.1 in 2.0 s" in shown
        assert "torch warns  old" in shown
