"""What training a transformer takes of memory, from its sizes: exactly what is kept, and a range for what a step adds.

Counted from what the layers' backward passes keep, as in "Reducing Activation Recomputation in Large Transformer
Models" (https://arxiv.org/abs/2205.05198, section 4.1); benchmarks/memory.py holds it against what training takes.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, Tuple

from card_doctor.knowledge.models import Shape, parameters

GIB = 2**30
FULL = 4  # bytes of a number in fp32: what AMP keeps weights, gradients and the optimizer's state in as well
# Bytes of state a parameter, by the optimizer's name as cards and TrainingArguments spell it.
# https://huggingface.co/docs/transformers/perf_train_gpu_one#optimizer-choice
OPTIMIZERS: Mapping[str, int] = {
    "adam": 8, "adamw": 8, "adamw_hf": 8, "adamw_torch": 8, "adamw_torch_fused": 8, "adamw_apex_fused": 8,
    "adamw_anyprecision": 8, "adamax": 8, "nadam": 8, "radam": 8, "adamw_8bit": 2, "adamw_bnb_8bit": 2,
    "paged_adamw_8bit": 2, "sgd": 0, "adagrad": 4, "rmsprop": 4, "lion": 4, "lion_32bit": 4, "adafactor": 0,
}  # fmt: skip
LONG = 512  # tokens: what the tokenizers of encoders cut texts off at
SHORT = 128  # what a card's run was hardly below, where it does not tell
MARGIN = 1.25  # what was measured is that near to the guess: benchmarks/memory.py
DRIVER = (0.3 * GIB, 1.2 * GIB)  # CUDA's own, its libraries' kernels and workspaces; what the allocator can't use


class Step(NamedTuple):
    """What is computed at once."""

    batch: int
    length: int  # tokens of a text
    half: bool  # AMP in fp16 or bf16
    checkpointing: bool = False
    fused: bool = False  # attention that keeps no scores (sdpa, flash)
    on_gpu: bool = True


class Estimate(NamedTuple):
    """Bytes. What is kept is exact; `activations` are the least and the most that a step adds."""

    parameters: int
    weights: int
    gradients: int
    optimizer: int
    activations: Tuple[float, float]
    around: Tuple[float, float]

    @property
    def total(self) -> Tuple[float, float]:
        """At the peak: the gradients are made while the activations go."""
        kept = self.weights + self.optimizer
        low, high = self.activations
        least, most = self.around
        return kept + max(self.gradients, low) + least, kept + self.gradients + high + most


def estimate(shape: Shape, optimizer: str, shortest: Step, longest: Step, labels: int = 2) -> Estimate:
    """From a step of the shortest texts to one of the longest."""
    number = parameters(shape, labels)
    # autocast keeps a copy in half precision of each matrix that it has used
    copies = 2 * number if longest.half else 0
    low = activations(shape, shortest)
    return Estimate(
        parameters=number,
        weights=FULL * number,
        gradients=FULL * number,
        optimizer=OPTIMIZERS[optimizer] * number,
        activations=(low / MARGIN + copies, MARGIN * activations(shape, longest) + copies),
        around=DRIVER if longest.on_gpu else (0, 0),
    )


def activations(shape: Shape, step: Step) -> float:
    """The best single guess of what a step keeps for its backward pass, and needs on the way, in bytes."""
    tokens = step.batch * step.length
    layer = tokens * _of_token(shape, step) + _of_scores(shape, step)
    layers = shape.layers + 1.5 * shape.decoder_layers  # a decoder's has a second attention
    kept = layers * layer
    if step.checkpointing:
        kept = shape.all_layers * tokens * shape.width * FULL + layer
    return kept + max(_of_vocabulary(shape, step), 2 * tokens * shape.between * FULL)


def _of_token(shape: Shape, step: Step) -> float:
    """Of one layer: what its matrices were multiplied with (in half precision under AMP), what its two
    normalisations took in, and the masks of two dropouts.
    """
    number = 2 if step.half else FULL
    attended = shape.heads * shape.head_width
    keys = shape.key_value_heads * shape.head_width
    gates = 4 if shape.gated or shape.model_type in {"llama", "mistral", "qwen2"} else 2
    if shape.model_type == "gpt2":
        gates = 6  # its GELU is computed in steps, each of which is kept
    taken = 2 * shape.width + 2 * attended + 2 * keys + gates * shape.between
    mask = 1 if step.on_gpu else FULL
    return number * taken + FULL * 2 * shape.width + mask * 2 * shape.width


def _of_scores(shape: Shape, step: Step) -> float:
    """Of one layer's attention: the softmax, the mask of its dropout, and what that leaves."""
    if step.fused:
        return 0
    number = 2 if step.half else FULL
    mask = 1 if step.on_gpu else FULL
    return step.batch * shape.heads * step.length**2 * (FULL + mask + number)


def _of_vocabulary(shape: Shape, step: Step) -> float:
    """Scores of each word for each token, their logarithm and its gradient, of a model that predicts words."""
    return 0 if shape.is_encoder else 3 * FULL * step.batch * step.length * shape.vocabulary
