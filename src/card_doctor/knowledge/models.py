"""Transformer models: their sizes, from a config.json or matrices/models/, and the parameters that follow."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import msgspec

from card_doctor.compiled import compiled

KIND = "models"

# What one config.json calls a size, another calls otherwise.
SPELLINGS: Mapping[str, Tuple[str, ...]] = {
    "width": ("hidden_size", "d_model", "dim", "n_embd"),
    "layers": ("num_hidden_layers", "n_layers", "n_layer", "num_layers", "encoder_layers"),
    "heads": ("num_attention_heads", "n_heads", "n_head", "num_heads", "encoder_attention_heads"),
    "between": ("intermediate_size", "hidden_dim", "n_inner", "d_ff", "encoder_ffn_dim"),
    "positions": ("max_position_embeddings", "n_positions"),
    "vocabulary": ("vocab_size",),
    "types": ("type_vocab_size",),
    "embedding": ("embedding_size",),
    "decoder_layers": ("num_decoder_layers", "decoder_layers"),
    "key_value_heads": ("num_key_value_heads",),
    "head_width": ("head_dim", "d_kv"),
}
# What is read of a config.json beside its model_type.
KEYS = frozenset({"tie_word_embeddings", "feed_forward_proj", *(key for keys in SPELLINGS.values() for key in keys)})
Value = Union[bool, int, str]


class ModelsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of ``matrices/models/``: by name, what a config.json says."""

    models: Dict[str, Dict[str, Value]] = {}


class Models:
    """The models of some directories of matrices; a later one adds to the earlier and overrides."""

    def __init__(self, dirs: Sequence[Path]) -> None:
        self._dirs = tuple(dirs)

    @cached_property
    def _known(self) -> Dict[str, Dict[str, Value]]:
        known: Dict[str, Dict[str, Value]] = {}
        for directory in self._dirs:
            for path in sorted((directory / KIND).glob("*.toml")):
                known.update({name.lower(): config for name, config in _read(path).models.items()})
        return known

    def config(self, name: str) -> Optional[Mapping[str, Value]]:
        """By the hub's name of it; whose copy it is does not matter."""
        return self._known.get(name.strip().rpartition("/")[2].lower())


def _read(path: Path) -> ModelsFile:
    ready = compiled(path, ModelsFile)
    if ready is None:
        from card_doctor.toml import read_toml  # noqa: PLC0415

        ready = read_toml(path, ModelsFile)
    return ready


class Shape(NamedTuple):
    """The sizes of a transformer. `decoder_layers` is of those that have an encoder too, else 0; `head_width` the
    width of one attention head; `embedding` of a token before it is widened.
    """

    model_type: str
    vocabulary: int
    width: int
    layers: int
    heads: int
    between: int
    positions: int
    types: int
    embedding: int
    decoder_layers: int
    key_value_heads: int
    head_width: int
    tied: bool
    gated: bool

    @property
    def is_encoder(self) -> bool:
        return FAMILIES[self.model_type] in (_bert, _distilbert)

    @property
    def all_layers(self) -> int:
        return self.layers + self.decoder_layers


def shape_of(config: Mapping[str, Any]) -> Optional[Shape]:
    """None for an architecture that is not known, or one whose sizes are not all there."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        return None
    sizes: Dict[str, int] = {}
    for name, spellings in SPELLINGS.items():
        value = next((config[one] for one in spellings if isinstance(config.get(one), int)), None)
        if value is not None and not isinstance(value, bool) and 0 <= value < 2**31:
            sizes[name] = value
    if not all(sizes.get(name) for name in ("vocabulary", "width", "layers", "heads")):
        return None
    family = FAMILIES[model_type]
    width, heads = sizes["width"], sizes["heads"]
    return Shape(
        model_type=model_type,
        vocabulary=sizes["vocabulary"],
        width=width,
        layers=sizes["layers"],
        heads=heads,
        between=sizes.get("between") or 4 * width,
        positions=sizes.get("positions") or (512 if family in (_bert, _distilbert) else 1024),
        types=sizes.get("types", 2),
        embedding=sizes.get("embedding") or width,
        decoder_layers=sizes.get("decoder_layers", sizes["layers"]) if family in (_t5, _bart) else 0,
        key_value_heads=sizes.get("key_value_heads") or heads,
        head_width=sizes.get("head_width") or width // heads,
        tied=config.get("tie_word_embeddings", True) is not False,
        gated=str(config.get("feed_forward_proj", "")).startswith("gated"),
    )


def parameters(shape: Shape, labels: int = 2) -> int:
    """How many there are to train, with the head that such a model is fine-tuned with: for an encoder one that
    classifies texts into `labels` classes, for the others the one for language modelling.
    """
    return FAMILIES[shape.model_type](shape, labels)


def _matrix(inputs: int, outputs: int, *, bias: bool = True) -> int:
    return inputs * outputs + (outputs if bias else 0)


def _norm(width: int) -> int:
    return 2 * width


def _layer(shape: Shape, attentions: int = 1) -> int:
    """Of BERT, and all that keep its biases and normalisations."""
    width, between = shape.width, shape.between
    attention = 4 * _matrix(width, width) + _norm(width)
    return attentions * attention + _matrix(width, between) + _matrix(between, width) + _norm(width)


def _classifier(width: int, labels: int) -> int:
    return _matrix(width, width) + _matrix(width, labels)


def _bert(shape: Shape, labels: int, *, types: bool = True) -> int:
    rows = shape.vocabulary + shape.positions + (shape.types if types else 0)
    widened = _matrix(shape.embedding, shape.width) if shape.embedding != shape.width else 0
    embeddings = rows * shape.embedding + _norm(shape.embedding) + widened
    return embeddings + shape.layers * _layer(shape) + _classifier(shape.width, labels)


def _distilbert(shape: Shape, labels: int) -> int:
    return _bert(shape, labels, types=False)


def _gpt2(shape: Shape, labels: int) -> int:  # noqa: ARG001
    embeddings = (shape.vocabulary + shape.positions) * shape.width
    return embeddings + shape.layers * _layer(shape) + _norm(shape.width)


def _llama(shape: Shape, labels: int) -> int:  # noqa: ARG001
    width, queries = shape.width, shape.heads * shape.head_width
    keys = shape.key_value_heads * shape.head_width
    biased = shape.model_type == "qwen2"
    attention = _matrix(width, queries, bias=biased) + 2 * _matrix(width, keys, bias=biased)
    attention += _matrix(queries, width, bias=False)
    layer = attention + 3 * width * shape.between + 2 * width
    ends = (1 if shape.tied else 2) * shape.vocabulary * width
    return ends + shape.layers * layer + width


T5_BUCKETS = 32  # of relative positions: https://huggingface.co/docs/transformers/model_doc/t5#transformers.T5Config


def _t5(shape: Shape, labels: int) -> int:  # noqa: ARG001
    width = shape.width
    attention = 4 * width * shape.heads * shape.head_width + width
    feed_forward = (3 if shape.gated else 2) * width * shape.between + width
    ends = (1 if shape.tied else 2) * shape.vocabulary * width
    stack = T5_BUCKETS * shape.heads + width
    encoder = shape.layers * (attention + feed_forward) + stack
    return ends + encoder + shape.decoder_layers * (2 * attention + feed_forward) + stack


def _bart(shape: Shape, labels: int) -> int:  # noqa: ARG001
    rows = shape.vocabulary + 2 * (shape.positions + 2)  # its positions begin at 2
    ends = rows * shape.width + 2 * _norm(shape.width)
    return ends + shape.layers * _layer(shape) + shape.decoder_layers * _layer(shape, attentions=2)


FAMILIES: Mapping[str, Callable[[Shape, int], int]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), _bert),
    "distilbert": _distilbert,
    "gpt2": _gpt2,
    **dict.fromkeys(("llama", "mistral", "qwen2"), _llama),
    "t5": _t5,
    "bart": _bart,
}
