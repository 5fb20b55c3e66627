"""pip's settings become uv's; what is secret is shown nowhere."""

from __future__ import annotations

import pytest

from card_doctor.planning.index import pip_settings, redacted, stray_settings, uv_environment, without_index


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def environ(home, **more):
    return {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg"), "XDG_CONFIG_HOME": str(home / "config"), **more}


def configure(home, text):
    (home / "config" / "pip").mkdir(parents=True)
    (home / "config" / "pip" / "pip.conf").write_text(text)


def test_pips_index_becomes_uvs(home):
    configure(
        home,
        "[global]\nindex-url = https://here.example/simple\nextra-index-url =\n  https://a.example\n  https://b.example\n",
    )
    made = uv_environment(environ(home), downloads=False)
    assert made["UV_DEFAULT_INDEX"] == "https://here.example/simple"
    assert made["UV_INDEX"] == "https://a.example https://b.example"
    assert made["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_a_variable_of_pips_wins_over_its_file(home):
    configure(home, "[global]\nindex-url = https://file.example\n")
    told = environ(home, PIP_INDEX_URL="https://variable.example", PIP_FIND_LINKS="/a /b")
    made = uv_environment(told, downloads=False)
    assert (made["UV_DEFAULT_INDEX"], made["UV_FIND_LINKS"]) == ("https://variable.example", "/a,/b")


def test_what_is_set_for_uv_wins_over_pip(home):
    told = environ(home, PIP_INDEX_URL="https://pip.example", UV_DEFAULT_INDEX="https://uv.example", PIP_NO_INDEX="1")
    made = uv_environment(told, downloads=False)
    assert made["UV_DEFAULT_INDEX"] == "https://uv.example"
    assert not without_index(told)
    assert without_index(environ(home, PIP_NO_INDEX="1"))


def test_no_interpreter_is_fetched_unless_asked(home):
    told = environ(home, UV_PYTHON_DOWNLOADS="automatic")
    assert uv_environment(told, downloads=False)["UV_PYTHON_DOWNLOADS"] == "never"
    assert uv_environment(told, downloads=True)["UV_PYTHON_DOWNLOADS"] == "automatic"


def test_what_would_make_another_plan_is_not_passed_on(home):
    told = environ(
        home,
        UV_EXCLUDE_NEWER="2020-01-01",
        UV_RESOLUTION="lowest",
        UV_PYTHON="3.6",
        VIRTUAL_ENV="/x",
        UV_CACHE_DIR="/c",
    )
    made = uv_environment(told, downloads=False)
    assert not {"UV_EXCLUDE_NEWER", "UV_RESOLUTION", "UV_PYTHON", "VIRTUAL_ENV"} & set(made)
    assert made["UV_CACHE_DIR"] == "/c"


@pytest.mark.parametrize("text", ["[global\nindex-url", "\x00\xff", "index-url = x"])
def test_a_file_of_pips_that_cannot_be_read_says_nothing(home, text):
    configure(home, text)
    assert "index-url" not in pip_settings(environ(home))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@host/simple", "https://***@host/simple"),
        ("at `https://token@host/x` and http://a:b@c/d", "at `https://***@host/x` and http://***@c/d"),
        ("https://host/a?token=secret&x=1", "https://host/a?token=***&x=1"),
        ("https://host/simple/a@b", "https://host/simple/a@b"),
    ],
)
def test_secrets_are_not_shown(text, shown):
    assert redacted(text) == shown


def test_a_stray_uv_toml_is_seen_and_other_projects_are_not(tmp_path, monkeypatch):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert stray_settings() is None
    (inner / "uv.toml").write_text("")
    assert stray_settings() == inner / "uv.toml"
    (inner / "uv.toml").unlink()
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.uv]\n")
    assert stray_settings() == tmp_path / "a" / "pyproject.toml"
