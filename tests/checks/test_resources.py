"""Memory and disk for a card's batch."""

from __future__ import annotations

import msgspec
import pytest
from hardware_case import MODELS, on

from card_doctor.checks import engine, resources
from card_doctor.checks.memory import GIB, Step, activations, estimate
from card_doctor.checks.registry import all_checks
from card_doctor.knowledge.models import shape_of
from card_doctor.model import Accelerator, Card, Fact, Host, NotApplicable, Source, Unknown

BERT = shape_of(MODELS.config("bert-base-uncased"))


def card(base="bert-large-uncased", batch=64, **more):
    architecture, facts = more.pop("architecture", {}), more.pop("facts", ())
    stated = {"train_batch_size": batch, "optimizer": {"name": "adam"}, **more}
    source = Source("file", "card.md")
    kind = architecture.pop("model_type", None)
    return Card(
        "c", source, base_model=base, model_type=kind, hyperparameters=stated, architecture=architecture, facts=facts
    )


def here(of, gpu="T4", host=None, assumed=(), **facts):
    made = on(gpu, of=of, precision=facts.pop("precision", "fp16"), host=host, **facts)
    return msgspec.structs.replace(made, machine=msgspec.structs.replace(made.machine, assumed=assumed))


def found(check, case):
    (one,) = check(case)
    assert one.breaks == "no"
    return one


class TestEstimate:
    def test_what_is_kept_is_exact(self):
        step = Step(8, 128, half=False)
        told = estimate(BERT, "adamw", step, step)
        assert told.parameters == 109_483_778
        assert (told.weights, told.gradients, told.optimizer) == tuple(n * told.parameters for n in (4, 4, 8))
        assert estimate(BERT, "adamw_bnb_8bit", step, step).optimizer == 2 * told.parameters
        assert estimate(BERT, "adafactor", step, step).optimizer == 0

    def test_activations_as_measured(self):
        """MiB of benchmarks/memory.py, of transformers 4.26.1 with torch 1.13.1 on a CPU."""
        measured = {
            ("bert-tiny", 64, 128): 208,
            ("bert-mini", 32, 128): 400,
            ("bert-medium", 16, 128): 784,
            ("distilbert-base-uncased", 16, 128): 852,
            ("distilbert-base-uncased", 4, 384): 963,
            ("electra-small-discriminator", 16, 128): 584,
            ("distilgpt2", 4, 128): 649,
        }
        for (name, batch, length), size in measured.items():
            guess = activations(shape_of(MODELS.config(name)), Step(batch, length, half=False, on_gpu=False)) / 2**20
            assert size / 1.25 < guess < size * 1.25, name

    def test_what_makes_it_smaller(self):
        step = Step(32, 512, half=False)
        whole = activations(BERT, step)
        for less in ({"half": True}, {"fused": True}, {"checkpointing": True}, {"length": 128}, {"batch": 8}):
            assert activations(BERT, step._replace(**less)) < whole
        assert activations(BERT, step._replace(batch=64)) == pytest.approx(2 * whole)


class TestGpuMemory:
    def test_a_batch_that_does_not_fit_keeps_its_effective_size(self):
        one = found(resources.gpu_memory, here(card(max_seq_length=512)))
        assert (one.severity, one.found) == ("warning", "16.0 GiB")
        assert "does not fit into Tesla T4" in one.message
        settings = dict(part.split("=") for part in one.remedies[0].text.partition(" keep")[0].split(", "))
        batch = int(settings["per_device_train_batch_size"])
        steps = int(settings["gradient_accumulation_steps"])
        assert batch * steps == 64
        shape = shape_of(MODELS.config("bert-large-uncased"))
        step = Step(batch, 512, half=True)
        assert estimate(shape, "adam", step, step).total[1] < 16 * GIB
        step = Step(2 * batch, 512, half=True)
        assert estimate(shape, "adam", step, step).total[1] > 16 * GIB

    def test_one_that_fits(self):
        assert list(resources.gpu_memory(here(card(max_seq_length=128), gpu="H100"))) == []
        assert list(resources.gpu_memory(here(card("distilbert-base-uncased", 16)))) == []

    def test_one_that_may_not_fit_is_a_note(self):
        one = found(resources.gpu_memory, here(card("bert-base-uncased", 64)))
        assert one.severity == "note"
        assert "may not fit" in one.message
        assert any("128 to 512 tokens" in detail for detail in one.details)

    def test_several_gpus_share_what_is_accumulated(self):
        one = found(resources.gpu_memory, here(card(max_seq_length=512), gpu="4xT4"))
        assert "gradient_accumulation_steps=4 " in one.remedies[0].text or "=2 " in one.remedies[0].text

    def test_what_others_use_of_the_gpu(self):
        busy = Accelerator("Tesla T4", capability="7.5", memory_bytes=16 * GIB, memory_free_bytes=GIB)
        case = here(card("distilbert-base-uncased", 16))
        case = msgspec.structs.replace(case, machine=msgspec.structs.replace(case.machine, accelerators=(busy,)))
        assert found(resources.gpu_memory, case).found == "1.0 GiB free"

    def test_too_large_for_any_batch(self):
        one = found(resources.gpu_memory, here(card("Llama-2-7b-hf", 1)))
        assert one.remedies[0].kind == "hardware"

    def test_a_config_beside_the_card_wins(self):
        tiny = dict(MODELS.config("bert-tiny"))
        assert list(resources.gpu_memory(here(card(architecture=tiny, max_seq_length=128)))) == []

    @pytest.mark.parametrize(
        "of",
        [
            card("no-such-model"),
            card(None),
            card(optimizer="shampoo"),
            card(lora_r=8),
            card(facts=(Fact("quantization.load_in_4bit", "true"),)),
            card(architecture={"model_type": "mamba", "hidden_size": 8}),
        ],
    )
    def test_what_is_not_known_is_unknown(self, of):
        with pytest.raises(Unknown):
            list(resources.gpu_memory(here(of)))

    @pytest.mark.parametrize("batch", [None, "64", 0, True])
    def test_a_card_without_a_batch_asks_nothing(self, batch):
        with pytest.raises(NotApplicable, match="no batch size"):
            list(resources.gpu_memory(here(card(batch=batch))))

    def test_without_a_gpu(self):
        with pytest.raises(NotApplicable):
            list(resources.gpu_memory(here(card(), gpu="none")))


class TestHost:
    def test_memory_where_training_is_on_the_cpu(self):
        of = card("bert-base-uncased", 64, max_seq_length=512)
        one = found(resources.host_memory, here(of, gpu="none", host=Host(memory_free_bytes=8 * GIB)))
        assert one.severity == "warning"
        assert "gradient_accumulation_steps" in one.remedies[0].text
        assert list(resources.host_memory(here(of, gpu="none", host=Host(memory_free_bytes=2**40)))) == []
        assert list(resources.host_memory(here(of, host=Host(memory_free_bytes=8 * GIB)))) == []
        with pytest.raises(Unknown):
            list(resources.host_memory(here(of)))

    def test_disk(self):
        assert found(resources.disk, here(card(), host=Host(disk_free_bytes=5 * GIB))).needs == "7.5 GiB"
        assert list(resources.disk(here(card(), host=Host(disk_free_bytes=8 * GIB)))) == []

    @pytest.mark.parametrize(
        ("gpu", "more", "severity"),
        [("T4", {}, "note"), ("2xT4", {}, "warning"), ("T4", {"dataloader_num_workers": 4}, "warning")],
    )
    def test_shared_memory(self, gpu, more, severity):
        of, small = card(**more), Host(shared_memory_bytes=64 * 2**20)
        assert found(resources.shared_memory, here(of, gpu=gpu, host=small)).severity == severity
        assert list(resources.shared_memory(here(of, gpu=gpu, host=Host(shared_memory_bytes=8 * GIB)))) == []

    @pytest.mark.parametrize("check", [resources.host_memory, resources.disk, resources.shared_memory])
    def test_a_machine_that_was_told_of_is_another(self, check):
        with pytest.raises(NotApplicable, match="another machine"):
            list(check(here(card(), host=Host(1, 1, 1, 1), assumed=("gpu",))))


def test_none_of_it_decides_whether_training_runs():
    case = here(card(), host=Host(GIB, GIB, 1, 1))
    ours = [check for check in all_checks() if check.family == "resources"]
    findings, results = engine.run(ours, case)
    assert len(findings) == 4
    assert engine.verdict(case, findings, results, ()).trains == "unknown"  # nothing decisive was asked
