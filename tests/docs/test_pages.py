"""Every command of the README and of the documentation runs; those that need an index or gigabytes are heavy.

A block of ```console is run as it stands, in a project that has what the pages talk about. A comment above it says
``heavy`` or ``skip`` and why. (matrices.md shows output too, and has a test of its own.)
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import List, NamedTuple

import pytest
from uv import find_uv_bin

from card_doctor.checks.registry import all_checks
from card_doctor.cli.ids import known
from card_doctor.environment import choose
from card_doctor.errors import EnvironmentReadError

CHECKOUT = Path(__file__).parents[2]
BLOCK = re.compile(r"(?:<!-- (\w+)[^\n]*-->\n)?```console\n(.*?)```", re.DOTALL)
TUTORIAL = (CHECKOUT / "docs/tutorial.md").read_text(encoding="utf-8")
REQUIREMENTS = re.search(r"```text\n(torch.*?)```", TUTORIAL, re.DOTALL)[1]
MODEL_CARD = (
    "---\nlicense: mit\n---\n\n### Framework versions\n\n- Transformers 4.18.0\n- Pytorch 1.9.1\n- Datasets 2.1.0\n"
)
LOCK = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "torch"\nversion = "1.9.1"\n'


class Block(NamedTuple):
    page: Path
    mark: str
    commands: List[str]


def blocks() -> List[Block]:
    pages = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
    return [
        Block(page, mark, text.strip().splitlines())
        for page in pages
        for mark, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if not text.startswith("$ ") and mark != "tests"  # that one is what .ci/run does
    ]


def named(block: Block) -> str:
    return f"{block.page.relative_to(CHECKOUT).as_posix()}: {block.commands[0][:60]}"


LIGHT = [block for block in blocks() if block.mark not in {"heavy", "skip"}]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """What the pages talk about: a card, a model's README, lists of packages, an environment at envs/nlp."""
    if os.name == "nt":
        pytest.skip("the pages are written for a POSIX shell")
    if not Path(sys.executable).with_name("card-doctor").exists():
        pytest.skip("card-doctor is not installed beside this Python")
    folder = tmp_path_factory.mktemp("project")
    (folder / "requirements.txt").write_text(REQUIREMENTS)
    (folder / "README.md").write_text(MODEL_CARD)
    (folder / "pylock.toml").write_text(LOCK)
    (folder / "my-card.toml").write_bytes((CHECKOUT / "matrices/cards/tiny-bert-mnli-distilled.toml").read_bytes())
    (folder / "train.csv").write_text("label,text\n" + "".join(f"{n % 2},text {n}\n" for n in range(40)))
    state = {"global_step": 2, "epoch": 1.0, "log_history": [{"epoch": 1.0, "loss": 0.5, "step": 2}]}
    (folder / "out/checkpoint-2").mkdir(parents=True)
    (folder / "out/checkpoint-2/trainer_state.json").write_text(json.dumps(state))
    components = [{"type": "library", "name": "torch", "version": "1.9.1", "purl": "pkg:pypi/torch@1.9.1"}]
    (folder / "image.cdx.json").write_text(json.dumps({"bomFormat": "CycloneDX", "components": components}))
    venv.create(folder / "envs/nlp", symlinks=True)
    (site,) = folder.glob("envs/nlp/lib/python*/site-packages")
    for line in REQUIREMENTS.split():
        name, _, version = line.partition("==")
        (site / f"{name}-{version}.dist-info").mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (site / f"{name}-{version}.dist-info/METADATA").write_text(metadata)
    return folder


def run(command: str, folder: Path, **more: str):
    scripts = str(Path(sys.executable).parent)
    clean = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "FORCE_COLOR"}}
    env = {**clean, "HOME": str(folder), "PATH": os.pathsep.join([scripts, os.environ["PATH"]]), **more}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], check=False, capture_output=True, text=True, cwd=folder, env=env
    )


def test_there_are_commands():
    assert {block.page.name for block in LIGHT} >= {"README.md", "tutorial.md", "ci.md", "slurm.md", "json.md"}


@pytest.mark.parametrize("block", LIGHT, ids=named)
def test_a_command_runs_as_it_is_written(block, project):
    for command in block.commands:
        ran = run(command, project)
        assert ran.returncode in {0, 1}, f"{command}\n{ran.stderr}"
        assert "Traceback" not in ran.stderr
        assert ran.stdout or "--output" in command or ">" in command
        assert "crashed: " not in ran.stdout


def test_the_tutorials_report_says_what_its_text_says(project):
    (block,) = (one for one in LIGHT if one.page.name == "tutorial.md" and "manylinux" in one.commands[0])
    said = run(block.commands[0], project).stdout
    assert "trains: no" in said
    assert "matches: exact" in said
    assert all(name in said for name in ("numpy", "pyarrow", "pandas"))
    assert "'numpy<2' 'pandas<2' 'pyarrow<21'" in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell, project):
    made = run("card-doctor", project, _CARD_DOCTOR_COMPLETE=f"{shell}_source")
    assert made.returncode == 0
    assert "_CARD_DOCTOR_COMPLETE" in made.stdout
    asked = {
        "COMP_WORDS": "card-doctor check tiny-bert-mnli-d",
        "COMP_CWORD": "2" if shell != "fish" else "tiny-bert-mnli-d",
    }
    done = run("card-doctor", project, _CARD_DOCTOR_COMPLETE=f"{shell}_complete", **asked)
    assert "tiny-bert-mnli-distilled" in done.stdout


# The site


@pytest.fixture(scope="module")
def generated():
    spec = importlib.util.spec_from_file_location("docs_pages", CHECKOUT / "tools/docs_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


def test_each_check_and_hazard_has_a_page_of_its_own(generated):
    assert {f"checks/{name}.md" for name in known()} | {"commands.md", "checks/index.md"} == set(generated)
    for check in all_checks():
        assert f"[{check.id}]({check.id}.md)" in generated["checks/index.md"]
        assert generated[f"checks/{check.id}.md"].startswith(f"# {check.id}\n")
    assert "## card-doctor check" in generated["commands.md"]


@pytest.mark.heavy
def test_the_site_builds_with_no_broken_link(tmp_path):
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "-q", "--strict", "-d", str(tmp_path / "site")]
    built = subprocess.run(command, check=False, capture_output=True, text=True, cwd=CHECKOUT)
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "site/checks/packages/numpy-2-abi-torch/index.html").is_file()


# With an index


@pytest.fixture
def clone(tmp_path):
    """The checkout as a clone has it."""
    ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "dist")
    return Path(shutil.copytree(CHECKOUT, tmp_path / "checkout", ignore=ignored))


def heavy(page: str, start: str) -> Block:
    (found,) = (one for one in blocks() if one.page.name == page and one.commands[0].startswith(start))
    assert found.mark == "heavy"
    return found


@pytest.mark.heavy
def test_the_readmes_first_command_on_a_clean_clone(clone):
    (command,) = heavy("README.md", "python3 -m venv").commands
    ran = run(command, clone)
    assert ran.returncode in {0, 1}, ran.stderr
    assert "trains:" in ran.stdout


@pytest.mark.heavy
@pytest.mark.parametrize("start", ["uv run", "uvx --from ./checkout"])
def test_what_needs_no_installation_and_the_manual_pages(clone, project, start):
    if not (project / "checkout").exists():
        (project / "checkout").symlink_to(clone)
    for command in heavy("shell.md", start).commands:
        if shutil.which(command.split()[0]):
            ran = run(command, project, MANPAGER="cat")
            assert ran.returncode in {0, 1}, f"{command}\n{ran.stderr}"
            assert "Traceback" not in ran.stderr
    if start == "uv run":
        assert "card-doctor" in (project / "man/card-doctor-check.1").read_text()


@pytest.mark.heavy
def test_the_tutorial_ends_in_a_trained_model(tmp_path):
    """The environment is built as its text says; the command is the one that the report itself gives."""
    try:
        python = choose("3.9", started_with_m=False)
    except EnvironmentReadError as error:
        pytest.skip(str(error))
    folders = [str(Path(one).parent) for one in (sys.executable, python, find_uv_bin())]
    uv = {"PATH": os.pathsep.join([*folders, os.environ["PATH"]]), "UV_PYTHON_DOWNLOADS": "never"}
    install, ask, mend, train = (one.commands for one in blocks() if one.page.name == "tutorial.md" and one.mark)
    for command in install:
        ran = run(command, tmp_path, **uv)
        assert ran.returncode == 0, ran.stderr
    broken = run(ask[0], tmp_path)
    assert (broken.returncode, "trains: no" in broken.stdout) == (1, True), broken.stdout
    assert mend[0].partition("nlp ")[2] in broken.stdout, "the page's command is the report's"
    assert run(mend[0], tmp_path, **uv).returncode == 0
    assert "trains: yes" in run(mend[1], tmp_path).stdout
    trained = run(train[0], tmp_path)
    assert (trained.returncode, "works: yes" in trained.stdout) == (0, True), trained.stdout
