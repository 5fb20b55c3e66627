"""What others run us by: the GitHub Action, the GitLab template, the pre-commit hooks, the Dockerfile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
ACTION = yaml.safe_load((CHECKOUT / "action.yml").read_text(encoding="utf-8"))
INSTALL, CHECK = ACTION["runs"]["steps"]
CARD = "tiny-bert-mnli-distilled"
# numpy 2 and pyarrow 21 beside these: what an index gives today
REQUIREMENTS = "torch==1.9.1\ntransformers==4.18.0\ndatasets==2.1.0\ntokenizers==0.11.6\nnumpy==2.0.2\n"


def tool(name):
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    return found or pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize(
    "command",
    [
        ("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"),
        ("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "templates/card-doctor.gitlab-ci.yml"),
        ("pre-commit", "validate-manifest", ".pre-commit-hooks.yaml"),
    ],
    ids=lambda command: command[-1],
)
def test_its_own_tool_takes_it(command, tmp_path):
    ran = subprocess.run(
        [tool(command[0]), *command[1:]],
        check=False,
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "PRE_COMMIT_HOME": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture
def job(tmp_path, console_script):
    """Runs a step of the action as the runner would, in a project of its own, with card-doctor where it installs it."""
    if os.name == "nt":
        pytest.skip("the action is for Linux and macOS")
    project, scripts = tmp_path / "project", tmp_path / "temp/card-doctor/bin"
    project.mkdir()
    scripts.mkdir(parents=True)
    (scripts / "card-doctor").symlink_to(console_script)
    (project / "requirements.txt").write_text(REQUIREMENTS)

    def run(step, **inputs):
        given = {name: one.get("default", "") for name, one in ACTION["inputs"].items()} | inputs
        env = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "GITHUB_STEP_SUMMARY"}}
        for name, value in step["env"].items():
            key = value.split("inputs.")[-1].split()[0]
            env[name] = given.get(key.replace("_", "-"), str(CHECKOUT))
        output = tmp_path / "output"
        output.touch()
        env |= {"RUNNER_TEMP": str(tmp_path / "temp"), "GITHUB_OUTPUT": str(output)}
        env |= {"GITHUB_WORKSPACE": str(project), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax: shell: bash
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, cwd=project, env=env)
        ran.output, ran.project = output.read_text(), project
        return ran

    run.summary = tmp_path / "summary.md"
    return run


def test_the_action_annotates_the_line_of_the_file_that_breaks_the_card(job):
    ran = job(CHECK, cards=f"{CARD}\n", environment="requirements.txt", python="3.9", gpu="T4\n", driver="470.57.02")
    assert ran.returncode == 1, ran.stderr
    assert "::error file=requirements.txt,line=5,title=card-doctor%3A packages/numpy-2-abi-torch::" in ran.stdout
    assert ran.output == "exit-code=1\n"
    reports = ran.project / "card-doctor-report"
    assert json.loads((reports / "report.json").read_text())["exit_code"] == 1
    assert json.loads((reports / "report.sarif").read_text())["version"] == "2.1.0"
    assert (reports / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert "numpy: found 2.0.2" in job.summary.read_text()


def test_an_input_of_the_action_is_never_run(job):
    evil = "$(touch evil); `touch evil` '; touch evil; '"
    ran = job(CHECK, cards=evil, environment="requirements.txt", **{"fail-on": "never"})
    assert ran.returncode == 2
    assert "touch evil" in ran.stderr
    assert not (ran.project / "evil").exists()


def test_without_a_file_the_action_looks_at_the_python_of_the_job(job, broken, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join([f"{broken}/bin", os.environ["PATH"]]))
    ran = job(CHECK, **{"fail-on": "never"})
    assert ran.returncode == 0, ran.stderr
    told = json.loads((ran.project / "card-doctor-report/report.json").read_text())["environment"]["path"]
    assert Path(told).parent == Path(broken, "bin")


@pytest.mark.heavy
def test_the_action_installs_itself(job, tmp_path):
    shutil.rmtree(tmp_path / "temp/card-doctor")
    ran = job(INSTALL)
    assert ran.returncode == 0, ran.stderr
    assert job(CHECK, cards=CARD, environment="requirements.txt", python="3.9").returncode == 1


@pytest.mark.heavy
def test_the_hooks_run_in_a_repository(tmp_path):
    """The real pre-commit, from a commit of this checkout."""
    ours, scratch = tmp_path / "ours", tmp_path / "scratch"
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    shutil.copytree(CHECKOUT, ours, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache"))
    scratch.mkdir()
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True, cwd=ours)
    rev = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, cwd=ours, capture_output=True, text=True
    ).stdout.strip()
    subprocess.run([*git, "init", "-q"], check=True, cwd=scratch)
    args = [CARD, "--environment", "requirements.txt", "--python", "3.9", "--gpu", "T4", "--driver", "470.57.02"]
    hooks = [{"id": "card-doctor-check", "args": args}, {"id": "card-doctor-matrices", "args": ["matrices"]}]
    config = {"repos": [{"repo": str(ours), "rev": rev, "hooks": hooks}]}
    (scratch / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (scratch / "matrices/cards").mkdir(parents=True)
    (scratch / "matrices/cards/mine.toml").write_text('[versions]\ntorch = "1.9.1"\n')
    (scratch / "requirements.txt").write_text(REQUIREMENTS)

    def run():
        subprocess.run([*git, "add", "-A"], check=True, cwd=scratch)
        env = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home")}
        command = [tool("pre-commit"), "run", "--all-files"]
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=scratch, env=env)

    broken = run()
    assert broken.returncode == 1, broken.stderr
    assert "numpy: found 2.0.2, needs <2" in broken.stdout
    assert "are our cards and hazards valid?" in broken.stdout
    (scratch / "requirements.txt").write_text(REQUIREMENTS.replace("2.0.2", "1.22.3"))
    mended = run()
    assert mended.returncode == 0, mended.stdout
    (scratch / "matrices/cards/mine.toml").write_text("[versions]\ntorch = 1.9\n")
    wrong = run()
    assert wrong.returncode == 1
    assert "mine.toml:2" in wrong.stdout
