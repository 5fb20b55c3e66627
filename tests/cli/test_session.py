from __future__ import annotations

import os
import stat
import sys
import threading

import pytest

from card_doctor.cli.session import Look, Output, write
from card_doctor.errors import CardDoctorError, UsageError
from card_doctor.settings import Settings


def delivered(settings: Settings):
    looks = []

    def text(look: Look) -> str:
        looks.append(look)
        return "text é\n"

    Output(settings).deliver({"text": text, "json": lambda _: '{"é": 1}'})
    return looks


def test_prints_what_was_asked_for_and_writes_the_rest(tmp_path, capfdbinary):
    settings = Settings(format="json", output=(f"text={tmp_path / 'a.txt'}", f"json={tmp_path / 'a=b.json'}"))
    delivered(settings)
    assert capfdbinary.readouterr().out == '{"é": 1}\n'.encode()
    assert (tmp_path / "a.txt").read_bytes() == "text é\n".encode()
    assert (tmp_path / "a=b.json").read_bytes() == '{"é": 1}\n'.encode()


def test_a_file_gets_plain_text_whatever_the_terminal_is(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    looks = delivered(Settings(color="always", output=(f"text={tmp_path / 'a.txt'}",)))
    assert looks == [Look(80, color=False, encoding="utf-8"), Look(200, color=True, encoding=sys.stdout.encoding)]


@pytest.mark.parametrize(
    ("choice", "env", "coloured"),
    [
        ("auto", {}, False),  # standard output is no terminal here
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": ""}, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_follows_flag_then_environment(monkeypatch, choice, env, coloured):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert delivered(Settings(color=choice))[-1].color is coloured


@pytest.mark.parametrize("output", ["json", "json=", "=x", "html=x.html", ""])
def test_what_is_no_output_is_told_before_the_work(output):
    with pytest.raises(UsageError, match="expected FORMAT=PATH"):
        Output(Settings(output=(output,)))


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path):
    target, link = tmp_path / "real.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_a_new_file_has_the_mode_that_any_program_gives_it(tmp_path):
    (tmp_path / "other").write_text("")
    write(tmp_path / "new.json", "{}")
    assert (tmp_path / "new.json").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_nothing_is_left_of_a_write_that_failed(tmp_path):
    folder = tmp_path / "folder.json"
    folder.mkdir()
    with pytest.raises(CardDoctorError, match=r"folder\.json: can't be written"):
        write(folder, "x")
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write(pipe, "{}")
    reader.join(10)
    assert read == ["{}\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="an open file can't be replaced elsewhere")
def test_whoever_reads_the_old_file_reads_all_of_it(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    with path.open() as reader:
        write(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new\n"
