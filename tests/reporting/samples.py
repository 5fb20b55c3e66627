"""Documents as `check` makes them, for the tests of every format: one a situation that a reader can be in."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from card_doctor.model import (
    Accelerator,
    Card,
    CheckResult,
    Counts,
    Document,
    Environment,
    Fact,
    Finding,
    Gap,
    Ignore,
    Ignored,
    JoinedRemedy,
    Machine,
    Place,
    Policy,
    Precision,
    Remedy,
    Report,
    Source,
    Tool,
    TorchBuild,
    TroubleshootingCase,
    Verdict,
    VersionRow,
)

PYTHON = "/home/ada/envs/allsides/bin/python"
T4 = Accelerator("Tesla T4", capability="7.5", memory_bytes=16106127360)
A100 = Accelerator("NVIDIA A100-SXM4-80GB", capability="8.0", memory_bytes=85899345920)
H100 = Accelerator("NVIDIA H100 80GB HBM3", capability="9.0", memory_bytes=85899345920)

TINY_BERT = Card(
    name="tiny-bert-mnli-distilled",
    source=Source(kind="catalogue", path="matrices/cards/tiny-bert-mnli-distilled.toml"),
    date="2022-05-08",
    versions={"transformers": "4.18.0", "torch": "1.9.1", "datasets": "2.1.0", "tokenizers": "0.11.6"},
    precision=Precision(mode="fp16", backend="native-amp", raw="Native AMP"),
    hyperparameters={"learning_rate": 0.0005, "train_batch_size": 64, "optimizer": {"name": "adam", "epsilon": 1e-08}},
    metrics={"loss": 1.5018, "accuracy": 0.5819},
    troubleshooting=(
        TroubleshootingCase(
            "Low Accuracy",
            "If you're getting lower accuracy than expected, experiment with the learning rate or train longer.",
            ("results", "training"),
        ),
        TroubleshootingCase(
            "Inconsistent F1 Score",
            "Check if your dataset is balanced; imbalanced data can sometimes skew results.",
            ("data", "results"),
        ),
        TroubleshootingCase(
            "Training Failures",
            "Ensure you have all the required libraries updated to the specified versions.",
            ("versions", "packages", "python"),
        ),
    ),
    facts=(Fact("versions.torch", "Pytorch 1.9.1", 58), Fact("precision", "Native AMP", 35)),
)

ROWS = (
    VersionRow("transformers", "4.18.0", "4.18.0", "exact"),
    VersionRow("torch", "1.9.1", "1.9.1+cu102", "exact"),
    VersionRow("datasets", "2.1.0", "2.1.0", "exact"),
    VersionRow("tokenizers", "0.11.6", "0.11.6", "range-met"),
)

CHECKS = (
    "versions/missing",
    "versions/older",
    "versions/newer",
    "packages/declared-requirement",
    "packages/soft-requirement",
    "packages/hazard",
    "python/no-wheel",
    "accelerator/driver",
    "accelerator/architecture",
    "amp/precision",
    "card/contradiction",
)

NUMPY = Finding(
    id="packages/numpy-2-abi",
    severity="error",
    subject="numpy",
    found="2.0.2",
    needs="<2",
    message="torch 1.9.1 can't exchange data with numpy 2.0.2",
    because="torch before 2.3 was compiled against the C interface of NumPy 1, and NumPy 2 changed it.",
    breaks="yes",
    evidence=("https://github.com/pytorch/pytorch/issues/107302",),
    remedies=(Remedy("pin", "numpy<2", command=f"{PYTHON} -m pip install 'numpy<2'"),),
    details=("fails with: RuntimeError: Numpy is not available",),
)
PYARROW = Finding(
    id="packages/pyarrow-extension-type",
    severity="error",
    subject="pyarrow",
    found="21.0.0",
    needs="<21",
    message="datasets 2.1.0 uses pyarrow.PyExtensionType, which pyarrow 21 no longer has",
    because="It was deprecated in pyarrow 14 and removed in 21; datasets before 2.14.6 defines its types with it.",
    breaks="yes",
    evidence=("https://github.com/apache/arrow/pull/46199",),
    remedies=(Remedy("pin", "pyarrow<21", command=f"{PYTHON} -m pip install 'pyarrow<21'"),),
    details=("fails with: AttributeError: module 'pyarrow' has no attribute 'PyExtensionType'",),
)
PANDAS = Finding(
    id="packages/pandas-2-csv",
    severity="error",
    subject="pandas",
    found="2.3.3",
    needs="<2",
    message="datasets 2.1.0 passes mangle_dupe_cols to pandas.read_csv, which pandas 2 rejects",
    because="pandas 2.0 removed the argument.",
    breaks="yes",
    remedies=(Remedy("pin", "pandas<2", command=f"{PYTHON} -m pip install 'pandas<2'"),),
)
SETUPTOOLS = Finding(
    id="packages/torch-needs-pkg-resources",
    severity="error",
    subject="setuptools",
    needs="setuptools<82",
    message="torch 1.10 imports pkg_resources, and declares no dependency on setuptools",
    because="torch.utils.tensorboard asks pkg_resources for its version at import; setuptools 82 dropped it.",
    breaks="yes",
    remedies=(Remedy("install", "setuptools<82", command=f"{PYTHON} -m pip install 'setuptools<82'"),),
)
HUB = Finding(
    id="packages/declared-requirement",
    severity="warning",
    subject="huggingface-hub",
    found="1.2.0",
    needs="<1.0,>=0.1.0",
    message="transformers 4.18.0 requires huggingface-hub<1.0,>=0.1.0, and huggingface-hub 1.2.0 is installed",
    because="Its authors declare it; nothing shows that training fails without it.",
    breaks="maybe",
    remedies=(Remedy("pin", "huggingface-hub<1.0,>=0.1.0"),),
    at=Place("README.md", 58),
)
TENSORBOARD = Finding(
    id="packages/tensorboard-setuptools",
    severity="note",
    subject="setuptools",
    found="65.5.0",
    message="logging to TensorBoard fails: torch 1.9.1 uses distutils.version without importing it",
    because="It relied on setuptools importing distutils; setuptools 59.6 stopped.",
)


def environment(**changes: Any) -> Environment:
    return Environment(
        **{
            "source": "interpreter",
            "path": PYTHON,
            "complete": True,
            "python": "3.9.18",
            "platform": "Linux x86_64 glibc-2.36",
            "packages": 41,
            "torch": TorchBuild("1.9.1+cu102", "cu102", "10.2", None, ("sm_37", "sm_70")),
            "gaps": (Gap("accelerators", "not-asked"),),
            **changes,
        }
    )


def outcomes(changes: Optional[Dict[str, Tuple[str, Optional[str]]]] = None) -> Tuple[CheckResult, ...]:
    """Every check passed, except for those named with their outcome and reason."""
    return tuple(CheckResult(one, *(changes or {}).get(one, ("passed", None))) for one in CHECKS)


def report(**changes: Any) -> Report:
    return Report(
        **{
            "card": TINY_BERT,
            "machine": Machine("470.57.02", (T4,), "fp16", ("gpu", "driver")),
            "verdict": Verdict("yes", "exact"),
            "versions": ROWS,
            "checks": outcomes(),
            **changes,
        }
    )


def document(*reports: Report, policy: Optional[Policy] = None, **changes: Any) -> Document:
    """Counted and coded as the engine does it (`--fail-on error`)."""
    severities = [finding.severity for one in reports for finding in one.findings]
    states = [result.outcome for one in reports for result in one.checks]
    counts = Counts(
        error=severities.count("error"),
        warning=severities.count("warning"),
        note=severities.count("note"),
        ignored=sum(len(one.ignored) for one in reports),
        unknown=states.count("unknown"),
        crashed=states.count("crashed"),
    )
    exit_code = 2 if any(one.error for one in reports) else 1 if counts.error else 0
    return Document(
        **{
            "tool": Tool("card-doctor", "0.1.0", "3f1c2a"),
            "policy": policy or Policy(),
            "environment": environment(),
            "exit_code": exit_code,
            "counts": counts,
            "reports": reports,
            **changes,
        }
    )


BROKEN = report(
    verdict=Verdict("no", "exact"),
    findings=(NUMPY, PANDAS, PYARROW, SETUPTOOLS, HUB, TENSORBOARD),
    checks=outcomes({"packages/hazard": ("found", None), "packages/declared-requirement": ("found", None)}),
    remedy=JoinedRemedy(
        ("numpy<2", "pandas<2", "pyarrow<21", "setuptools<82"),
        f"{PYTHON} -m pip install 'huggingface-hub<1.0,>=0.1.0' 'numpy<2' 'pandas<2' 'pyarrow<21' 'setuptools<82'",
        proven=True,
    ),
)
NEWER = Finding(
    id="versions/newer",
    severity="warning",
    subject="torch",
    found="2.1.2",
    needs="1.9.1",
    message="torch 2.1.2 is installed; the card was trained with 1.9.1 (newer major)",
    because="Newer releases mostly still run, but defaults and results may differ, and majors remove things.",
    remedies=(Remedy("pin", "torch==1.9.1"),),
    at=Place("cards/tiny-bert.md", 58),
)
AT_RISK = report(
    verdict=Verdict("at-risk", "newer"),
    versions=(VersionRow("torch", "1.9.1", "2.1.2", "newer-major"), *ROWS[2:]),
    findings=(HUB, NEWER),
    remedy=JoinedRemedy(
        ("huggingface-hub<1.0,>=0.1.0",), f"{PYTHON} -m pip install 'huggingface-hub<1.0,>=0.1.0'", left=("versions/x",)
    ),
)
UNKNOWN = report(
    machine=Machine(None, None, "fp16"),
    verdict=Verdict("unknown", "exact"),
    checks=outcomes(
        {
            "accelerator/driver": ("unknown", "not known: gpu"),
            "accelerator/architecture": ("unknown", "not known: gpu"),
            "amp/precision": ("unknown", "not known: gpu"),
            "packages/hazard": ("crashed", "KeyError: 'torch'"),
            "card/contradiction": ("skipped", "the card states no versions"),
        }
    ),
)
NO_CARD = report(card=None, versions=(), verdict=Verdict("yes", "unknown"), machine=Machine("535.104.05", (A100,) * 8))
UNREADABLE = Report(
    card=Card(name="missing.md", source=Source(kind="unreadable")),
    machine=Machine(),
    verdict=Verdict("unknown", "unknown"),
    error="missing.md: no such file, and no card of that name in the catalogue",
)
IGNORING = report(
    verdict=Verdict("no", "exact"),
    ignored=(Ignored(NUMPY, "we never call .numpy()", "2027-01-31"),),
    findings=(PANDAS,),
)

EVIL = "\x1b[31m[bold red]x[/]\r\n::error::\x07\u202e\udc80 \x9b2J `rm -rf /`"
HOSTILE = report(
    card=Card(
        name=EVIL,
        source=Source("file", EVIL),
        versions={EVIL: EVIL},
        troubleshooting=(TroubleshootingCase(EVIL, EVIL, ("packages", EVIL)), TroubleshootingCase(EVIL, EVIL)),
        metrics={"loss": float("nan"), "f1": float("inf")},
        hyperparameters={EVIL: [EVIL, float("nan"), 2**70]},
    ),
    machine=Machine(EVIL, (Accelerator(EVIL),), EVIL, (EVIL,)),
    verdict=Verdict("no", "unknown"),
    versions=(VersionRow(EVIL, EVIL, EVIL, "unreadable"),),
    findings=(
        Finding(
            f"packages/{EVIL}",
            "error",
            EVIL,
            EVIL,
            found=EVIL,
            needs=EVIL,
            because=EVIL,
            breaks="yes",
            evidence=(EVIL,),
            remedies=(Remedy("setting", text=EVIL, command=EVIL),),
            details=(EVIL,),
            at=Place(EVIL, 3),
        ),
    ),
    ignored=(Ignored(PANDAS, EVIL, EVIL),),
    checks=(CheckResult(f"packages/{EVIL}", "crashed", EVIL), CheckResult(f"amp/{EVIL}", "unknown", EVIL)),
    remedy=JoinedRemedy((EVIL,), EVIL, left=(EVIL,)),
)

DOCUMENTS: Dict[str, Document] = {
    "well": document(report()),
    "broken": document(BROKEN),
    "at-risk": document(AT_RISK),
    "unknown": document(
        UNKNOWN,
        environment=environment(
            source="requirements",
            path="requirements.txt",
            complete=False,
            python=None,
            platform=None,
            packages=4,
            torch=None,
        ),
    ),
    "no-card": document(NO_CARD),
    "ignoring": document(IGNORING, unused_ignores=(Ignore("amp/precision", reason="T4 only"),)),
    "machines": document(
        report(machine=Machine("535.54", (T4,), "fp16", ("gpu", "driver"))),
        report(
            machine=Machine("535.54", (H100,), "fp16", ("gpu", "driver")),
            verdict=Verdict("no", "exact"),
            findings=(
                Finding(
                    id="accelerator/architecture",
                    severity="error",
                    subject="torch",
                    found="cu102, sm_37 to sm_70",
                    needs="kernels for sm_90",
                    message="torch 1.9.1+cu102 has no kernels for NVIDIA H100 80GB HBM3",
                    because="CUDA 10.2 ends at compute capability 7.5, and it carries no PTX that the driver could "
                    "compile for 9.0.",
                    breaks="yes",
                    remedies=(Remedy("pin", "torch>=2.0", text="Hopper needs CUDA 11.8 or newer"),),
                ),
            ),
            checks=outcomes({"accelerator/architecture": ("found", None)}),
        ),
    ),
    "cards": document(report(), UNREADABLE, BROKEN),
    "hostile": document(
        HOSTILE,
        environment=environment(path=EVIL, python=EVIL, platform=EVIL, gaps=(Gap(EVIL, "failed", EVIL),)),
        policy=Policy(select=(EVIL,)),
        unused_ignores=(Ignore(EVIL, EVIL, EVIL, EVIL),),
    ),
}
