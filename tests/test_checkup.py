"""One run of `check` as a whole: the real checks and knowledge, on environments that files describe."""

from __future__ import annotations

import msgspec
import pytest

from card_doctor import checkup
from card_doctor.errors import CardError, UsageError
from card_doctor.model import Ignore, Policy
from made import package, snapshot

FIRST, SECOND = "tiny-bert-mnli-distilled", "distilbert-allsides"
# The first card's pins with what was current then: they train on a T4.
DATED = {
    "torch": "1.9.1",
    "transformers": "4.18.0",
    "datasets": "2.1.0",
    "tokenizers": "0.11.6",
    "numpy": "1.22.3",
    "pyarrow": "8.0.0",
    "pandas": "1.4.2",
}
TODAY = {**DATED, "numpy": "2.0.2", "pyarrow": "21.0.0", "pandas": "2.3.3"}
T4 = {"gpus": ["T4"], "driver": "470.57.02"}


@pytest.fixture
def environment(tmp_path):
    """Writes the snapshot of an environment with these distributions; gives its path."""

    def make(packages, **facts):
        path = tmp_path / "environment.json"
        path.write_bytes(msgspec.json.encode(snapshot(*(package(*one) for one in packages.items()), **facts)))
        return str(path)

    return make


@pytest.fixture
def requirements(tmp_path):
    """Writes a requirements file, which may not name everything that is installed."""

    def make(packages):
        path = tmp_path / "requirements.txt"
        path.write_text("".join(f"{name}=={version}\n" for name, version in packages.items()))
        return {"environment": str(path), "python": "3.9", "platform": "manylinux_2_28_x86_64"}

    return make


@pytest.fixture
def requests_card(tmp_path):
    path = tmp_path / "requests-2-27.toml"
    path.write_text('[versions]\nrequests = "2.27.1"\n')
    return str(path)


def only(document):
    (report,) = document.reports
    return report


def subjects(findings):
    return {finding.subject for finding in findings if finding.breaks == "yes"}


def test_the_first_card_today_fails_and_one_remedy_mends_it_all(environment):
    document = checkup.run([FIRST], environment=environment(TODAY), **T4)
    report = only(document)
    assert document.exit_code == 1
    assert (report.verdict.trains, report.verdict.matches) == ("no", "exact")
    assert subjects(report.findings) == {"numpy", "pandas", "pyarrow"}
    assert [one.partition("<")[0] for one in report.remedy.requirements] == ["numpy", "pandas", "pyarrow"]
    assert report.remedy.proven
    assert all(requirement in report.remedy.command for requirement in report.remedy.requirements)


@pytest.mark.parametrize("gpus", [(), ("T4",)])
def test_a_driver_that_is_no_version_is_refused(environment, gpus):
    with pytest.raises(UsageError, match="--driver newest: no version"):
        checkup.run([FIRST], environment=environment(TODAY), gpus=gpus, driver="newest")


def test_what_installing_cannot_mend_is_left(environment):
    """fp16 without a GPU stays refused, whatever is installed."""
    report = only(checkup.run([FIRST], environment=environment(TODAY), gpus=["none"]))
    assert [one.partition("<")[0] for one in report.remedy.requirements] == ["numpy", "pandas", "pyarrow"]
    assert (report.remedy.proven, report.remedy.left) == (False, ("amp/fp16-refused",))


def test_the_first_card_dated_trains(environment):
    document = checkup.run([FIRST], environment=environment(DATED), **T4)
    report = only(document)
    assert (document.exit_code, report.findings, report.remedy) == (0, (), None)
    assert (report.verdict.trains, report.verdict.matches) == ("yes", "exact")


def test_remedies_are_commands_to_copy(environment):
    report = only(checkup.run([FIRST], environment=environment(TODAY), **T4))
    remedies = [remedy for finding in report.findings for remedy in finding.remedies if remedy.requirement]
    assert {"numpy<2", "pandas<2"} <= {remedy.requirement for remedy in remedies}
    assert all(remedy.command.startswith("pip install ") for remedy in remedies)


def test_the_same_input_gives_the_same_document(environment):
    path = environment(TODAY)
    first, second = (checkup.run([FIRST, SECOND], environment=path, **T4) for _ in range(2))
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


def test_of_many_cards_one_that_cannot_be_read_costs_its_own_report_only(environment):
    document = checkup.run([FIRST, "no-such-card", SECOND], environment=environment(DATED), **T4)
    first, unreadable, second = document.reports
    assert document.exit_code == 2
    assert "no-such-card" in unreadable.error
    assert (unreadable.card.name, unreadable.checks) == ("no-such-card", ())
    assert (unreadable.verdict.trains, unreadable.verdict.matches) == ("unknown", "unknown")
    assert (first.error, first.verdict.matches) == (None, "exact")
    assert (second.error, second.verdict.matches) == (None, "differs")


def test_one_card_that_cannot_be_read_is_no_answer(environment):
    with pytest.raises(CardError, match="no-such-card"):
        checkup.run(["no-such-card"], environment=environment(DATED))


def test_each_gpu_that_is_told_is_a_machine_with_a_report_of_its_own(environment):
    document = checkup.run([FIRST, SECOND], environment=environment(DATED), gpus=["T4", "none", "2xH100"])
    assert [(report.card.name, len(report.machine.accelerators)) for report in document.reports] == [
        (FIRST, 1),
        (FIRST, 0),
        (FIRST, 2),
        (SECOND, 1),
        (SECOND, 0),
        (SECOND, 2),
    ]
    assert all(report.machine.assumed == ("gpu",) for report in document.reports)


def test_without_a_gpu_told_the_environments_own_counts(environment):
    report = only(checkup.run([FIRST], environment=environment(DATED), policy=Policy(precision="fp32")))
    assert (report.machine.accelerators, report.machine.assumed) == ((), ("precision",))
    assert report.verdict.trains == "yes"


def test_without_a_card_the_environment_is_judged_for_itself(environment):
    report = only(checkup.run([], environment=environment(TODAY), **T4))
    assert (report.card, report.versions) == (None, ())
    assert "numpy" in subjects(report.findings)


# requests of the card is 2.27.1: an older one is an error, a newer one a warning; without a platform, what a
# check of python/ asks for is unknown
@pytest.mark.parametrize(
    ("installed", "facts", "fails_on"),
    [
        ("2.26.0", {}, {"error", "warning", "unknown"}),
        ("2.28.0", {}, {"warning", "unknown"}),
        ("2.27.1", {"python": None, "platform": None}, {"unknown"}),
        ("2.27.1", {}, set()),
    ],
)
def test_exit_code_is_1_at_or_above_fail_on(environment, requests_card, installed, facts, fails_on):
    path = environment({"requests": installed}, **facts)
    codes = {
        fail_on: checkup.run([requests_card], environment=path, policy=Policy(fail_on=fail_on)).exit_code
        for fail_on in ("error", "warning", "unknown", "never")
    }
    assert codes == {fail_on: int(fail_on in fails_on) for fail_on in codes}


def test_what_is_ignored_stands_apart_and_still_counts_for_trains(environment):
    ignore = Ignore("packages", reason="mended by our image", until="2999-12-31")
    document = checkup.run([FIRST], environment=environment(TODAY), policy=Policy(ignore=(ignore,)), **T4)
    report = only(document)
    assert report.verdict.trains == "no"
    assert (document.exit_code, report.findings, report.remedy) == (0, (), None)
    assert subjects(one.finding for one in report.ignored) == {"numpy", "pandas", "pyarrow"}
    assert {(one.reason, one.until) for one in report.ignored} == {("mended by our image", "2999-12-31")}
    assert (document.counts.error, document.counts.ignored) == (0, len(report.ignored))


def test_an_ignore_of_one_subject_leaves_the_others(environment):
    policy = Policy(ignore=(Ignore("packages", subject="pandas"),))
    report = only(checkup.run([FIRST], environment=environment(TODAY), policy=policy, **T4))
    assert subjects(one.finding for one in report.ignored) == {"pandas"}
    assert subjects(report.findings) == {"numpy", "pyarrow"}
    assert "pandas" not in report.remedy.command


def test_an_ignore_that_matches_nothing_in_any_report_is_named(environment):
    used, unused = Ignore("versions", subject="torch"), Ignore("packages/pandas-2-csv")
    # it is the second card that states another torch: an ignore is used if one report uses it
    document = checkup.run([FIRST, SECOND], environment=environment(DATED), policy=Policy(ignore=(used, unused)), **T4)
    assert document.unused_ignores == (unused,)


def test_a_list_that_may_not_be_all_never_trains_for_sure(requirements):
    report = only(checkup.run([FIRST], **requirements(DATED), **T4))
    assert report.verdict.trains == "unknown"
    assert report.findings == ()


def test_a_list_that_may_not_be_all_fails_where_what_it_names_does(requirements):
    report = only(checkup.run([FIRST], **requirements(TODAY), **T4))
    assert report.verdict.trains == "no"
    assert subjects(report.findings) == {"numpy", "pandas", "pyarrow"}


def test_a_pin_that_such_a_list_does_not_name_is_not_called_missing(requirements):
    some = {name: version for name, version in DATED.items() if name != "transformers"}
    report = only(checkup.run([FIRST], **requirements(some), **T4))
    assert report.verdict.trains == "unknown"
    assert report.findings == ()


def test_a_pin_that_a_whole_environment_lacks_is_missing(environment):
    some = {name: version for name, version in DATED.items() if name != "transformers"}
    report = only(checkup.run([FIRST], environment=environment(some), **T4))
    assert report.verdict.trains == "no"
    assert subjects(report.findings) == {"transformers"}


def test_matrices_of_ones_own_are_read_like_the_shipped(environment, tmp_path):
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "mine.toml").write_text('[versions]\ntorch = "1.9.1"\n')
    shipped = checkup.run([FIRST], environment=environment(DATED), **T4)
    mine = checkup.run(["mine"], environment=environment(DATED), matrices=[tmp_path], **T4)
    assert only(mine).versions[0].level == "exact"
    assert mine.tool.matrices != shipped.tool.matrices, "the knowledge is another, and the digest says so"


def test_many_cards_are_judged_as_each_alone(environment, tmp_path):
    """What is kept from one card for the next changes no report."""
    stated = ['torch = "1.9.1"', 'torch = "2.1.0"', 'transformers = "4.18.0"\ntorch = "1.9.1"', 'torch = "1.9.1"']
    for number, versions in enumerate(stated):
        (tmp_path / f"{number}.toml").write_text(f"[versions]\n{versions}\n")
    cards = [FIRST, *(str(tmp_path / f"{number}.toml") for number in range(len(stated))), SECOND, None]
    together = checkup.run(cards, environment=environment(TODAY), gpus=["T4", "A100"], driver="535.54")
    alone = [
        report
        for card in cards
        for report in checkup.run([card], environment=environment(TODAY), gpus=["T4", "A100"], driver="535.54").reports
    ]
    assert list(together.reports) == alone


def test_progress_is_told_of_every_card(environment):
    done = []
    checkup.run([FIRST, SECOND], environment=environment(DATED), progress=done.append, **T4)
    assert done == [0, 1]
