"""uv, asked for real: a small index on localhost, with and without days, passwords and sources."""

from __future__ import annotations

import sys

import pytest

from card_doctor.planning import uv as uv_module
from card_doctor.planning.interpreters import Interpreter
from card_doctor.planning.resolver import Question, Refusal, Resolver
from card_doctor.planning.uv import WORDS, ResolverError, Uv, python_platform
from local_index import sdist, serve, wheel

HERE = Interpreter(".".join(map(str, sys.version_info[:3])), sys.executable)
FILES = (
    wheel("alpha", "1.0", ["beta"]),
    wheel("beta", "1.0"),
    wheel("beta", "2.0", uploaded="2024-01-01"),
    wheel("gamma", "1.0", ["beta<2"]),
    wheel("delta", "1.0", ["built"]),
    sdist("built", "3.0"),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def index():
    with serve(*FILES) as served:
        yield served


@pytest.fixture
def resolver(index, cache, monkeypatch):
    monkeypatch.setenv("UV_CACHE_DIR", cache)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    return Resolver(Uv(), HERE)


def test_the_newest_set_that_fits_with_its_files(resolver):
    answer = resolver.ask(Question(("alpha",)))
    assert answer.versions == {"alpha": "1.0", "beta": "2.0"}
    assert all(len(pin.hashes) == 1 and pin.hashes[0].startswith("sha256:") and pin.dated for pin in answer.pins)
    assert not any(pin.source for pin in answer.pins)


def test_a_day_a_day_of_its_own_and_a_constraint(resolver):
    assert resolver.ask(Question(("alpha",), date="2022-06-01")).versions["beta"] == "1.0"
    own = Question(("alpha",), date="2022-06-01", dates={"beta": "2024-06-01"})
    assert resolver.ask(own).versions["beta"] == "2.0"
    assert resolver.ask(Question(("alpha",), constraints=("beta<2",))).versions["beta"] == "1.0"


def test_what_is_kept_is_kept_where_nothing_speaks_against_it(resolver):
    before = resolver.ask(Question(("alpha",), date="2022-06-01")).pylock
    assert resolver.ask(Question(("alpha",)), preferred=before).versions["beta"] == "1.0"
    assert resolver.ask(Question(("alpha", "beta>=2")), preferred=before).versions["beta"] == "2.0"


def test_what_excludes_each_other_is_refused_in_uvs_words(resolver):
    answer = resolver.ask(Question(("gamma", "beta==2.0")))
    assert isinstance(answer, Refusal)
    assert "gamma" in answer.words
    assert "beta" in answer.words


def test_what_has_no_wheel_is_built_only_where_it_is_asked_for(resolver):
    question = Question(("delta",))
    assert isinstance(resolver.ask(question), Refusal)
    answer = resolver.ask_with_sources(question)
    assert {pin.name: pin.source for pin in answer.pins} == {"delta": False, "built": True}
    assert resolver.ask(question._replace(built=frozenset({"built"}))).versions == {"delta": "1.0", "built": "3.0"}


def test_the_same_question_is_asked_once(index, cache, monkeypatch):
    monkeypatch.setenv("UV_CACHE_DIR", cache)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    uv = Uv()
    resolver = Resolver(uv, HERE)
    assert resolver.ask(Question(("beta",))) == resolver.ask(Question(("beta",)))
    assert uv.calls == 1


def test_an_index_out_of_reach_is_no_refusal(resolver, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://somebody:s3cret@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    with pytest.raises(ResolverError) as error:
        Resolver(Uv(), HERE).ask(Question(("alpha",)))
    assert "127.0.0.1:9" in error.value.message
    assert "s3cret" not in error.value.message
    assert "UV_DEFAULT_INDEX" in error.value.hint


def test_offline_what_is_not_in_the_cache_is_unknown(resolver, tmp_path, monkeypatch):
    resolver.ask(Question(("alpha",)))
    assert Resolver(Uv(offline=True), HERE).ask(Question(("alpha",))).versions == {"alpha": "1.0", "beta": "2.0"}
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    with pytest.raises(ResolverError, match="is not known"):
        Resolver(Uv(offline=True), HERE).ask(Question(("alpha",)))


def test_an_index_without_days_tells_so(cache, monkeypatch):
    with serve(*FILES, dated=False) as served:
        monkeypatch.setenv("UV_CACHE_DIR", cache)
        monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)
        resolver = Resolver(Uv(), HERE)
        assert isinstance(resolver.ask(Question(("alpha",), date="2022-06-01")), Refusal)
        assert not any(pin.dated for pin in resolver.ask(Question(("alpha",))).pins)


def test_a_stray_uv_toml_of_the_working_directory_is_not_obeyed(resolver, tmp_path, monkeypatch):
    (tmp_path / "uv.toml").write_text('exclude-newer = "2022-06-01T00:00:00Z"\n[pip]\nresolution = "lowest"\n')
    monkeypatch.chdir(tmp_path)
    assert resolver.ask(Question(("alpha",))).versions["beta"] == "2.0"


def test_without_uv_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ResolverError) as error:
        Uv()
    assert error.value.hint == "pip install 'card-doctor[plan]'"


def test_a_uv_that_is_too_old_is_told(tmp_path, monkeypatch):
    old = tmp_path / "uv"
    old.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "uv 0.5.0" && exit\necho "error: unexpected argument" >&2\nexit 2\n'
    )
    old.chmod(0o755)
    monkeypatch.setattr(uv_module, "find_uv", lambda: str(old))
    with pytest.raises(ResolverError, match=r"is uv 0\.5\.0; planning needs 0\.8\.4 or newer"):
        Resolver(Uv(), HERE).ask(Question(("alpha",)))


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        (("Linux", "x86_64", ("glibc", "2.36")), "x86_64-manylinux_2_36"),
        (("Linux", "aarch64", ("glibc", "2.30")), "aarch64-manylinux_2_28"),
        (("Linux", "x86_64", ("musl", "1.2")), "x86_64-unknown-linux-musl"),
        (("Darwin", "arm64", None), "aarch64-apple-darwin"),
        (("Windows", "AMD64", None), "x86_64-pc-windows-msvc"),
        (("SunOS", "sparc", None), None),
    ],
)
def test_platforms_have_uvs_names(platform, name):
    assert python_platform(*platform) == name


PROOF = "No solution found when resolving dependencies"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("Because there is no version of alpha==7.0 and you require alpha==7.0", ["alpha"]),
        ("Because gamma==1.0 depends on alpha{sys_platform == 'linux'}<2", ["alpha", "gamma"]),
        ("Because beta-alpha==1.0 depends on alpha-gamma and alpha_beta", []),
        ("╰─▶ Because alpha-\n      beta==1.0 depends on gamma,", ["alpha-beta", "gamma"]),
        ("", ["alpha", "alpha-beta", "beta", "gamma"]),
        ("alpha " + "x" * WORDS, ["alpha", "alpha-beta", "beta", "gamma"]),
    ],
)
def test_a_refusal_hangs_on_what_it_names_and_one_that_was_cut_short_on_anything(words, names):
    refusal = Refusal(words and f"error: {PROOF}\n  cause: {words}")
    assert [name for name in ("alpha", "alpha-beta", "beta", "gamma") if refusal.names(name)] == names


@pytest.mark.parametrize(
    ("words", "python", "wheels"),
    [
        ("Because there is no version of alpha==7.0", False, False),
        ("Because alpha==1.0 has no wheels with a matching Python ABI tag", True, True),
        ("Because the current Python version (3.9.18) does not satisfy Python>=3.10", True, False),
        ("Because alpha==1.0 depends on beta{python_full_version < '3.8'}<2", True, False),
        ("Because alpha==1.0 has no usable wheels", True, True),
        ("", True, True),
    ],
)
def test_a_refusal_tells_whether_a_python_or_a_build_from_source_may_change_it(words, python, wheels):
    refusal = Refusal(words and f"error: {PROOF}\n  cause: {words}")
    assert (refusal.is_of_python, refusal.is_of_wheels) == (python, wheels)


def test_a_build_that_failed_proves_nothing():
    failed = Refusal("error: Failed to build `alpha==1.0`")
    assert (failed.is_proof, failed.names("beta"), failed.is_of_python) == (False, True, True)
