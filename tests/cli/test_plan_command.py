"""`card-doctor plan` and `build` as a user runs them, against an index of a few small packages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from running import card_doctor
from uv import find_uv_bin

from local_index import serve, wheel

CARD = '[versions]\nalpha = "1.0"\n'
FILES = (
    wheel("alpha", "1.0", ["beta>=1"], script=True),
    wheel("alpha", "1.1", ["beta>=2"], uploaded="2023-01-01"),
    wheel("beta", "1.0"),
    wheel("beta", "2.0", uploaded="2024-01-01"),
)


@pytest.fixture(scope="module")
def index():
    with serve(*FILES) as served:
        yield served


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def run(index, cache, tmp_path):
    """Runs a command of ours with that index alone, from an empty folder that holds a card."""
    (tmp_path / "card.toml").write_text(CARD)

    def command(*args, **env):
        own = {
            "UV_DEFAULT_INDEX": index.url,
            "UV_CACHE_DIR": cache,
            "UV_INDEX": "",
            "HOME": str(tmp_path),
        }
        return card_doctor(*args, env={**own, **env}, cwd=tmp_path)

    return command


def plan(run, *args, **env):
    return run("plan", "card.toml", "--python", sys.executable, "--gpu", "none", *args, **env)


def test_a_plan_names_every_release_and_what_it_was_made_for(run):
    ran = plan(run, "--format", "json")
    assert (ran.returncode, ran.stderr) == (0, "")
    made = json.loads(ran.stdout)
    assert made["schema"] == "card-doctor/plan/1"
    assert made["requirements"] == ["alpha==1.0", "beta==2.0"]
    assert made["differences"] == made["blocked_by"] == []
    assert made["proof"] == {"level": "resolved", "device": None}


def test_the_text_says_what_was_found_and_how_to_build_it(run):
    ran = plan(run)
    assert "[ok] plan: resolved   2 packages for Python" in ran.stdout
    assert "Every release that the card states is in it." in ran.stdout
    assert "    card-doctor build card.toml DIR" in ran.stdout
    assert "was asked 1 time" in plan(run, "-v").stdout


def test_nothing_newer_than_the_date_is_taken(run):
    made = json.loads(plan(run, "--date", "2022-06-01", "--format", "json").stdout)
    assert (made["date"], made["requirements"]) == ("2022-06-01", ["alpha==1.0", "beta==1.0"])


def test_what_no_index_has_is_a_wall_in_the_resolvers_own_words(run, tmp_path):
    (tmp_path / "card.toml").write_text('[versions]\nalpha = "7.0"\n')
    ran = plan(run, "--format", "json")
    (wall,) = json.loads(ran.stdout)["blocked_by"]
    assert ran.returncode == 1
    assert "alpha==7.0" in wall["words"]


@pytest.mark.parametrize("kind", ["requirements", "hashes", "pylock", "script"])
def test_each_form_is_really_installable(run, index, cache, tmp_path, kind):
    form = "requirements" if kind == "hashes" else kind
    written = plan(run, "--date", "2022-06-01", "--format", form, *(["--hashes"] if kind == "hashes" else [])).stdout
    assert ("--hash=sha256:" in written) is (kind == "hashes")
    uv, folder = find_uv_bin(), tmp_path / "env"
    env = {
        "UV_DEFAULT_INDEX": index.url,
        "UV_CACHE_DIR": cache,
        "PATH": f"{Path(uv).parent}:/usr/bin:/bin",
    }
    if kind == "script":
        (tmp_path / "make.sh").write_text(written)
        subprocess.run(["sh", "make.sh", str(folder)], cwd=tmp_path, env=env, check=True, capture_output=True)
    else:
        name = tmp_path / ("pylock.toml" if kind == "pylock" else "requirements.txt")
        name.write_text(written)
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], env=env, check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(folder), "-r", str(name)], env=env, check=True)
    asked = "import alpha, beta; print(alpha.__version__, beta.__version__)"
    seen = subprocess.run([str(folder / "bin" / "python"), "-c", asked], capture_output=True, text=True, check=True)
    assert seen.stdout == "1.0 1.0\n"


def test_offline_a_build_takes_what_the_cache_has_and_leaves_nothing_where_it_lacks_something(run, tmp_path):
    def build(name, *args, **env):
        return run("build", "card.toml", name, "--python", sys.executable, "--gpu", "none", *args, **env)

    build("first")
    assert build("again", "--offline").stderr.count("planned 2 packages") == 1
    assert (tmp_path / "again" / "bin" / "alpha").is_file()
    cold = build("cold", "--offline", "--format", "json", UV_CACHE_DIR=str(tmp_path / "empty"))
    assert cold.returncode == 2
    assert json.loads(cold.stdout)["hint"] == "run it once without --offline"
    assert not list(tmp_path.glob("*cold*"))


def test_credentials_of_the_index_are_printed_nowhere(run):
    with serve(*FILES, password="s3cret") as private:
        for form in ("text", "json", "requirements", "pylock", "script", "dockerfile"):
            ran = plan(run, "--format", form, "-v", UV_DEFAULT_INDEX=private.url)
            assert ran.returncode == 0, ran.stderr
            assert "s3cret" not in ran.stdout + ran.stderr
        refused = plan(run, UV_DEFAULT_INDEX=private.url.replace("s3cret", "wr0ng"))
        assert refused.returncode in {1, 2}
        assert "wr0ng" not in refused.stdout + refused.stderr
