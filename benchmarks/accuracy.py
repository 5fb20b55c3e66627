"""How often is `trains` right? Verdicts against environments that were really built and trained in.

usage: accuracy.py ROWS.jsonl [ROWS.jsonl…]

A row has `installed` (a `pip inspect` report or a snapshot) and `truth` (`ok`, `first_failure`), as
tools/truth_rows.py writes it. Each is judged as a user would judge such a report: from the file alone, for a CPU in
fp32, which is how the truth was found. Rows whose pins exclude each other were never built, and those whose trial ran
out of time (`ok` is null) show nothing: both are left out, and counted.
"""

from __future__ import annotations

import collections
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple

from card_doctor import checkup
from card_doctor.model import Policy, Report


class Judged(NamedTuple):
    row: Dict[str, Any]
    report: Report

    @property
    def trained(self) -> bool:
        trained: bool = self.row["truth"]["ok"]
        return trained

    @property
    def name(self) -> str:
        versions = self.row["card"]
        return f"transformers {versions['transformers']}, torch {versions['torch']}, {self.row['variant']}"


def rows(paths: List[str]) -> Iterator[Dict[str, Any]]:
    for path in paths:
        yield from map(json.loads, Path(path).read_text(encoding="utf-8").splitlines())


def shows(row: Dict[str, Any]) -> bool:
    return bool(row.get("installed")) and row.get("truth", {}).get("ok") is not None


def judge(row: Dict[str, Any], folder: Path) -> Judged:
    report = folder / "inspect.json"
    report.write_text(json.dumps(row["installed"]), encoding="utf-8")
    policy = Policy(match="any", precision="fp32")
    return Judged(row, checkup.run([None], environment=str(report), gpus=["none"], policy=policy).reports[0])


def main() -> None:
    given = list(rows(sys.argv[1:]))
    with tempfile.TemporaryDirectory() as folder:
        judged = [judge(row, Path(folder)) for row in given if shows(row)]
    broken = [one for one in judged if not one.trained]
    trained = [one for one in judged if one.trained]
    if len(judged) < len(given):
        print(f"{len(given) - len(judged):4} left out: never built, or out of time")
    for title, group in (("broken", broken), ("trained", trained)):
        verdicts = collections.Counter(one.report.verdict.trains for one in group)
        said = ", ".join(f"{verdict} {verdicts[verdict]}" for verdict in ("no", "at-risk", "unknown", "yes"))
        print(f"{len(group):4} {title}: {said}")
    no = sum(one.report.verdict.trains == "no" for one in broken)
    warned = sum(one.report.verdict.trains in {"no", "at-risk"} for one in broken)
    alarms = sum(one.report.verdict.trains == "no" for one in trained)
    risks = sum(one.report.verdict.trains == "at-risk" for one in trained)
    print(f"recall: `no` {no / len(broken):.2f}, `no` or `at-risk` {warned / len(broken):.2f}")
    print(f"false alarms: `no` {alarms} ({alarms / len(trained):.2f}), `at-risk` {risks} ({risks / len(trained):.2f})")
    print("\nMissed (broken, not said `no`):")
    for one in broken:
        if one.report.verdict.trains != "no":
            failure = one.row["truth"]["first_failure"]
            print(f"  {one.report.verdict.trains:8} {one.name}: {failure['stage']}: {failure['message'][-150:]!r}")
    print("\nAccused (trained, not said `yes`):")
    for one in trained:
        if one.report.verdict.trains != "yes":
            reasons = [finding.message for finding in one.report.findings if finding.breaks != "no"]
            print(f"  {one.report.verdict.trains:8} {one.name}: {'; '.join(reasons)}")


if __name__ == "__main__":
    main()
