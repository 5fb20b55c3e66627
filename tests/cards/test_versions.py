from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_doctor.cards.blocks import clean
from card_doctor.cards.versions import versions_in


def found(text: str) -> dict[str, str]:
    return {one.name: one.version for one in versions_in(clean(text))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Transformers 4.18.0, Pytorch 1.9.1, and Tokenizers 0.11.6.",
            {"transformers": "4.18.0", "torch": "1.9.1", "tokenizers": "0.11.6"},
        ),
        ("Transformers (4.11.3), PyTorch (1.10.1)", {"transformers": "4.11.3", "torch": "1.10.1"}),
        ("torch==1.9.1+cu111", {"torch": "1.9.1+cu111"}),
        ("PyTorch == 1.7.1", {"torch": "1.7.1"}),
        ("scikit_learn=1.0.2", {"scikit-learn": "1.0.2"}),
        ("Python3.8", {"python": "3.8"}),
        ("Python 3 (3.8.3)", {"python": "3.8.3"}),
        ("Python: 3.11（必須）", {"python": "3.11"}),
        ("PyTorch version: v1.9.1.", {"torch": "1.9.1"}),
        # Builds and pre-releases, as printed.
        ("Pytorch 1.11.0a0+17540c5", {"torch": "1.11.0a0+17540c5"}),
        ("Pytorch 2.0.0.dev20230117+cu117", {"torch": "2.0.0.dev20230117+cu117"}),
        ("Transformers 4.19.0.dev0", {"transformers": "4.19.0.dev0"}),
        ("pytorch 1.12.1.post200", {"torch": "1.12.1.post200"}),
        ("torch 2.8.0-rc2", {"torch": "2.8.0-rc2"}),
        ("torch 1.13.1 + cu117", {"torch": "1.13.1+cu117"}),
        # Bounds.
        ("PyTorch 2.0+", {"torch": ">=2.0"}),
        ("Python 3.7 or higher", {"python": ">=3.7"}),
        ("transformers 4.32 and above, 4.40 and above are recommended", {"transformers": ">=4.32"}),
        ("spaCy >=3.1.1,<3.2.0", {"spacy": ">=3.1.1,<3.2.0"}),
        ("numpy<2", {"numpy": "<2"}),
        ("torch ≥ 1.9", {"torch": ">=1.9"}),
        # Two packages, two names.
        ("PyTorch 2.1.0 + torchvision 0.16.0", {"torch": "2.1.0", "torchvision": "0.16.0"}),
        ("PyTorch 1.9.1 + CUDA 11.1", {"torch": "1.9.1", "cuda": "11.1"}),
        ("TensorFlow 2.8.0 / Keras 2.8.0", {"tensorflow": "2.8.0", "keras": "2.8.0"}),
        ("ONNX: 1.16.0, ONNX Runtime: 1.17.1", {"onnx": "1.16.0", "onnxruntime": "1.17.1"}),
        # Longest name first, and only whole names.
        ("PyTorch Lightning 1.8.6", {"pytorch-lightning": "1.8.6"}),
        ("PyTorch Geometric 2.1.0", {"torch-geometric": "2.1.0"}),
        ("Adapter Transformers 4.24.0", {"adapter-transformers": "4.24.0"}),
        ("Sentence Transformers: 3.0.1", {"sentence-transformers": "3.0.1"}),
        ("open-clip-torch 2.20.0", {"open-clip-torch": "2.20.0"}),
        ("pytorch-fid 0.3.0", {"pytorch-fid": "0.3.0"}),
        ("adan-pytorch 1.0.1", {}),
        ("Keras Transformers 1.2.3", {}),
        ("SpaCy pt_core_news_lg model 3.4.0", {}),
        ("torch (PyTorch), sklearn (scikit-learn), numpy", {}),
        ("sklean (0.24.2)", {}),
        ("Dolphin 2.9.1 Yi 1.5 v15", {}),
        ("SacreBLEU 27.3, fasttext 0.709", {}),
        ("PyTorch 2", {}),
    ],
)
def test_versions_as_cards_write_them(text: str, expected: dict[str, str]) -> None:
    assert found(text) == expected


def test_an_arrow_leaves_two_candidates() -> None:
    assert [one.version for one in versions_in("transformers 4.18.0 → 4.20.1")] == ["4.18.0", "4.20.1"]


@given(st.text(alphabet="torchPyn 1.0+>=<(),v→-_\n", max_size=200))
def test_whatever_stands_there_nothing_breaks_and_raw_is_of_the_text(text: str) -> None:
    for one in versions_in(text):
        assert text[one.start :].startswith(one.raw.split(" ")[0])
        assert any(character.isdigit() for character in one.version)
