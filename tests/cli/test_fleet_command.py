from __future__ import annotations

import json
import sys

from running import here


def test_a_cluster_has_to_be_named(capfd):
    ran = here(capfd, "fleet")
    assert ran.returncode == 2
    assert "card-doctor fleet --ray" in ran.stderr


def test_an_interpreter_without_ray_is_an_error_that_names_the_extra(capfd, tmp_path, monkeypatch):
    (tmp_path / "ray.py").write_text("raise ImportError('No module named ray')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ran = here(capfd, "fleet", "--ray", "--python", sys.executable, "--format", "json")
    document = json.loads(ran.stdout)
    assert (ran.returncode, document["kind"]) == (2, "usage")
    assert "card-doctor[ray]" in document["hint"]


def test_what_ends_without_a_word_is_an_error_with_its_last_one(capfd, tmp_path, monkeypatch):
    (tmp_path / "ray.py").write_text("import os, sys\nsys.stderr.write('Check failed: gone\\n')\nos._exit(6)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ran = here(capfd, "fleet", "--ray", "192.0.2.9:6379", "--python", sys.executable)
    assert ran.returncode == 2
    assert "the Ray cluster at 192.0.2.9:6379 did not answer: Check failed: gone" in ran.stderr
