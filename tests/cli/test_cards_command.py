from __future__ import annotations

import json
import re

import jsonschema
import pytest
from running import card_doctor, here

from card_doctor.cli.schema import MATRICES, schema
from card_doctor.reporting.schemas import document_schema

SEEDS = ("distilbert-allsides", "tiny-bert-mnli-distilled")


def document(*args, name, **kwargs):
    ran = card_doctor(*args, "--format", "json", **kwargs)
    assert (ran.returncode, ran.stderr) == (0, "")
    made = json.loads(ran.stdout)
    jsonschema.Draft202012Validator(document_schema(name)).validate(made)
    return made


@pytest.mark.parametrize("args", [["cards"], ["cards", "list"], ["cards", "-q"]])
def test_lists_the_catalogue(args):
    ran = card_doctor(*args)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert all(f"\n{name}" in "\n" + ran.stdout for name in SEEDS)


def test_list_as_json():
    made = document("cards", name="cards")
    versions = {card["name"]: card["versions"] for card in made["cards"]}
    assert versions["tiny-bert-mnli-distilled"]["torch"] == "1.9.1"
    assert document("cards", "list", name="cards") == made


@pytest.mark.parametrize("card", SEEDS)
def test_shows_a_card_as_json(card):
    made = document("cards", "show", card, name="card")
    assert (made["schema"], made["name"], made["source"]["kind"]) == ("card-doctor/card/1", card, "catalogue")
    assert made["precision"] == {"mode": "fp16", "backend": "native-amp", "raw": "Native AMP"}
    assert any(fact["key"] == "versions.torch" and fact["line"] for fact in made["facts"])


def test_shows_a_card_as_text():
    shown = card_doctor("cards", "show", "distilbert-allsides").stdout
    assert "  torch         1.10.1\n" in shown
    assert "optimizer                  name=adam, betas=(0.9, 0.999), epsilon=1e-08" in shown
    assert "  8      6576  0.9138" in shown
    assert "Troubleshooting" in shown
    assert "versions.torch" not in shown
    assert re.search(r"versions\.torch +line \d+ +1\.10\.1\n", card_doctor("cards", "show", SEEDS[0], "-v").stdout)


def test_own_matrices_stand_beside_ours(tmp_path):
    (tmp_path / "own" / "cards").mkdir(parents=True)
    (tmp_path / "own" / "cards" / "mine.toml").write_text('[versions]\ntorch = "2.1.0"\n')
    names = [card["name"] for card in document("cards", "--matrices", "own", name="cards", cwd=tmp_path)["cards"]]
    assert names[2:] == sorted(names[2:]), "behind the seeds"
    assert {"mine", *SEEDS} <= set(names)
    assert document("cards", "show", "mine", "--matrices", "own", name="card", cwd=tmp_path)["versions"] == {
        "torch": "2.1.0"
    }


def test_a_folder_of_a_cards_name_does_not_hide_the_catalogue(tmp_path):
    """A training run often writes to a folder of that name."""
    (tmp_path / SEEDS[0]).mkdir()
    assert card_doctor("cards", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("format_", ["text", "json"])
def test_an_unknown_card_is_code_2_with_the_nearest(format_):
    ran = card_doctor("cards", "show", "distilbert-allside", "--format", format_)
    assert ran.returncode == 2
    assert "distilbert-allsides" in ran.stderr
    assert (json.loads(ran.stdout)["kind"] == "card") if format_ == "json" else ran.stdout == ""


def test_a_wrong_card_of_ones_own_is_told_with_file_and_key(tmp_path):
    (tmp_path / "mine.toml").write_text("[versions]\ntorch = 2.1\n")
    ran = card_doctor("cards", "show", "mine.toml", cwd=tmp_path)
    assert ran.returncode == 2
    assert "mine.toml:2: versions.torch: expected a string" in ran.stderr


@pytest.mark.parametrize("name", ["report", "card", "snapshot", "error", *MATRICES])
def test_schema_prints_one_for_each(name, capfd):
    ran = here(capfd, "schema", name)
    assert (ran.returncode, ran.stderr) == (0, "")
    made = json.loads(ran.stdout)
    jsonschema.Draft202012Validator.check_schema(made)
    assert name in made["$id"]


@pytest.mark.parametrize("name", MATRICES)
def test_schema_of_a_matrix_takes_ours(name):
    """As an editor would hold it against the file."""
    from card_doctor.knowledge.files import shipped  # noqa: PLC0415
    from card_doctor.toml import parse, read_text  # noqa: PLC0415

    validator = jsonschema.Draft202012Validator(schema(name))
    kind = name[: -len("-matrix")]
    folder = {
        "card": "cards/*.toml",
        "hazards": "hazards/*.toml",
        "releases": "releases/t*.jsonl",
        "signatures": "signatures.toml",
    }
    paths = list(shipped().glob(folder.get(kind, f"hardware/{kind}.toml")))
    assert paths
    for path in paths:
        text = read_text(path)
        documents = [parse(text, path)] if path.suffix == ".toml" else map(json.loads, text.splitlines()[:20])
        for document in documents:
            validator.validate(json.loads(json.dumps(document, default=str)))
            assert not validator.is_valid({**document, "no such key": 1})


def test_import_writes_a_matrix_that_is_a_card(tmp_path):
    readme, matrix = tmp_path / "README.md", tmp_path / "mine.toml"
    readme.write_text("### Framework versions\n\n- Transformers 4.18.0\n- Pytorch 1.9.1+cu111\n")
    ran = card_doctor("cards", "import", str(readme), "--output", f"toml={matrix}", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == matrix.read_text()
    shown = card_doctor("cards", "show", str(matrix), "--format", "json", cwd=tmp_path)
    assert json.loads(shown.stdout)["versions"] == {"transformers": "4.18.0", "torch": "1.9.1+cu111"}


def test_the_cards_with_advice_stand_first(tmp_path):
    listed = json.loads(card_doctor("cards", "list", "--format", "json", cwd=tmp_path).stdout)["cards"]
    assert [one["name"] for one in listed[:2]] == ["distilbert-allsides", "tiny-bert-mnli-distilled"]


def test_the_list_says_of_a_card_that_it_states_no_versions(tmp_path, capfd):
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "bare.toml").write_text('base_model = "bert-base-uncased"\n')
    listed = here(capfd, "cards", "list", "--matrices", str(tmp_path)).stdout.splitlines()
    assert listed[listed.index("bare") + 1] == "    no versions stated"
    assert "" not in [line.strip() for line in listed]
