"""The estimate of memory beside what training takes: parameters, gradients and the optimizer's state byte for byte,
activations by the peak of the process. Trains on the CPU.

python benchmarks/memory.py PYTHON   an interpreter that has torch and transformers
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from card_doctor.checks.memory import Step, activations, estimate
from card_doctor.knowledge.models import Models, parameters, shape_of

MATRICES = Path(__file__).parents[1] / "matrices"
RUNS = [  # model, batch, tokens
    ("bert-tiny", 64, 128),
    ("bert-mini", 32, 128),
    ("bert-medium", 16, 128),
    ("distilbert-base-uncased", 16, 128),
    ("distilbert-base-uncased", 4, 384),
    ("electra-small-discriminator", 16, 128),
    ("distilgpt2", 4, 128),
    ("t5-small", 8, 128),
]
# Runs in PYTHON. What is freed goes back to the system at once (MALLOC_...), so that the peak is what is needed.
TRAINING = """
import json, resource, sys
config, batch, length = json.loads(sys.argv[1])
import torch, transformers
torch.manual_seed(0)
torch.set_num_threads(1)
kind = config.pop("model_type")
of = transformers.CONFIG_MAPPING[kind](**config, decoder_start_token_id=0)
family = {"gpt2": "AutoModelForCausalLM", "t5": "AutoModelForSeq2SeqLM"}.get(kind, "AutoModelForSequenceClassification")
model = getattr(transformers, family).from_config(of)
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
words = torch.randint(5, of.vocab_size, (batch, length))
texts = {"input_ids": words, "labels": torch.randint(2, (batch,)) if family.endswith("Classification") else words}
if not family.endswith("LM"):
    texts["attention_mask"] = torch.ones_like(words)

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

def forget():
    open("/proc/self/clear_refs", "w").write("5")

def size(tensors):
    return sum(one.numel() * one.element_size() for one in tensors)

model(**texts).loss.backward()  # buffers of the libraries are made in the first steps
optimizer.step()
optimizer.zero_grad(set_to_none=True)
before = resident()
forget()
loss = model(**texts).loss
forward = peak() - before
loss.backward()
whole = peak() - before
gradients = size(one.grad for one in model.parameters())
state = size(one for group in optimizer.state.values() for one in group.values()
             if torch.is_tensor(one) and one.dim())  # each parameter's counter of steps is apart
print(json.dumps({"parameters": sum(one.numel() for one in model.parameters()), "gradients": gradients,
                  "weights": size(model.parameters()), "optimizer": state, "forward": forward, "whole": whole,
                  "torch": torch.__version__, "transformers": transformers.__version__}))
"""


def main(python: str) -> int:
    wrong = 0
    print(f"{'model':<29} {'batch':>5} {'tokens':>6}  {'parameters':>11}  {'kept, exact':>11}  activations, MiB")
    for name, batch, tokens in RUNS:
        config = Models([MATRICES]).config(name)
        shape = shape_of(config or {})
        assert config, name
        assert shape, name
        environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
        environment.update(TRANSFORMERS_VERBOSITY="error", PYTHONWARNINGS="ignore", OMP_NUM_THREADS="1")
        command = [python, "-c", TRAINING, json.dumps([config, batch, tokens])]
        found = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
        step = Step(batch, tokens, half=False, on_gpu=False)
        ours = estimate(shape, "adamw", step, step)
        exact = all(getattr(ours, fact) == found[fact] for fact in ("parameters", "weights", "gradients", "optimizer"))
        guess = activations(shape, step)
        # At the peak some gradients are there already, and some activations no longer.
        measured = max(found["forward"], found["whole"] - found["gradients"])
        within = measured / 2 <= guess <= measured * 2
        inside = ours.activations[0] <= measured <= ours.activations[1]
        wrong += not (exact and within and inside)
        print(
            f"{name:<29} {batch:>5} {tokens:>6}  {parameters(shape):>11,}  {'yes' if exact else found}"
            f"{'':>9}  {measured / 2**20:6.0f} measured, {guess / 2**20:6.0f} estimated ({guess / measured:.2f})"
            f"{'' if within and inside else '  WRONG'}"
        )
    print(
        f"{len(RUNS) - wrong} of {len(RUNS)} as estimated; torch {found['torch']}, transformers {found['transformers']}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
