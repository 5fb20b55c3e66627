"""Cards as generators and people write them. The texts are made up; the forms are the generators'."""

from __future__ import annotations

import pytest

from card_doctor.cards.readme import read_card
from card_doctor.model import Card, Precision, Source

TRAINER = """---
license: apache-2.0
base_model: distilbert-base-uncased
tags:
- generated_from_trainer
datasets:
- imdb
model-index:
- name: made-up
  results:
  - task:
      name: Text Classification
      type: text-classification
    metrics:
    - name: Accuracy
      type: accuracy
      value: 0.9123456
---

<!-- This model card has been generated automatically. Transformers 9.9.9 -->

# made-up

This model is a fine-tuned version of [distilbert-base-uncased](https://huggingface.co/x) on the imdb dataset.
It achieves the following results on the evaluation set:
- Loss: 0.2468
- Accuracy: 0.9123
- Rewards/chosen: -0.5
- Num Input Tokens Seen: 123456

## Model description

More information needed

## Training procedure

### Training hyperparameters

The following hyperparameters were used during training:
- learning_rate: 5e-05
- train_batch_size: 8
- eval_batch_size: 16
- seed: 42
- gradient_accumulation_steps: 4
- total_train_batch_size: 32
- optimizer: {optimizer}
- lr_scheduler_type: linear
- lr_scheduler_warmup_steps: {warmup}
- num_epochs: 3.0
- mixed_precision_training: Native AMP

### Training results

| Training Loss | Epoch | Step | Validation Loss | Accuracy |
|:-------------:|:-----:|:----:|:---------------:|:--------:|
| No log        | 1.0   | 500  | 0.3000          | 0.9000   |
| 0.25          | 2.0   | 1000 | nan             | 0.9123   |


### Framework versions

- Transformers 4.26.1
- Pytorch 1.13.1+cu116
- Datasets 2.9.0
- Tokenizers 0.13.2
"""
OLD_ADAM = "Adam with betas=(0.9,0.999) and epsilon=1e-08"
NEW_ADAM = (
    "Use OptimizerNames.ADAMW_TORCH_FUSED with betas=(0.9,0.999) and epsilon=1e-08 and "
    "optimizer_args=No additional optimizer arguments"
)


def read(text: str) -> Card:
    return read_card(text, "made-up", Source("file", "README.md"))


def trainer(optimizer: str = OLD_ADAM, warmup: str = "100") -> Card:
    return read(TRAINER.replace("{optimizer}", optimizer).replace("{warmup}", warmup))


def test_a_card_of_the_trainer_is_read_whole() -> None:
    card = trainer()
    assert card.versions == {
        "transformers": "4.26.1",
        "torch": "1.13.1+cu116",
        "datasets": "2.9.0",
        "tokenizers": "0.13.2",
    }
    assert card.hyperparameters == {
        "learning_rate": 5e-05,
        "train_batch_size": 8,
        "eval_batch_size": 16,
        "seed": 42,
        "gradient_accumulation_steps": 4,
        "total_train_batch_size": 32,
        "optimizer": {"name": "adam", "betas": [0.9, 0.999], "epsilon": 1e-08},
        "lr_scheduler_type": "linear",
        "lr_scheduler_warmup_steps": 100,
        "num_epochs": 3.0,
    }
    assert card.precision == Precision("fp16", "native-amp", "Native AMP")
    assert card.metrics == {"loss": 0.2468, "accuracy": 0.9123, "rewards/chosen": -0.5}
    assert card.results == (
        {"epoch": 1.0, "step": 500, "validation_loss": 0.3, "accuracy": 0.9},
        {"training_loss": 0.25, "epoch": 2.0, "step": 1000, "validation_loss": None, "accuracy": 0.9123},
    )
    assert (card.base_model, card.dataset) == (
        "distilbert-base-uncased",
        {"name": "imdb", "task": "text-classification"},
    )
    assert card.conflicts == ()


def test_every_fact_has_its_line_and_words() -> None:
    card = trainer()
    lines = TRAINER.replace("{optimizer}", OLD_ADAM).replace("{warmup}", "100").split("\n")
    for fact in card.facts:
        if fact.confidence != "metadata":
            assert fact.line is not None
            assert fact.raw.split(" ")[0].strip("*`") in lines[fact.line - 1], fact
    assert card.line_of("versions.torch") == lines.index("- Pytorch 1.13.1+cu116") + 1


def test_the_optimizer_of_later_releases_and_its_enum() -> None:
    optimizer = trainer(NEW_ADAM).hyperparameters["optimizer"]
    assert optimizer == {"name": "adamw_torch_fused", "betas": [0.9, 0.999], "epsilon": 1e-08, "args": None}


def test_arguments_on_the_next_line_belong_to_the_optimizer() -> None:
    card = trainer("Use lion_8bit and the args are:\nweight_decay=0.1")
    assert card.hyperparameters["optimizer"] == {"name": "lion_8bit", "args": "weight_decay=0.1", "weight_decay": 0.1}
    assert card.hyperparameters["lr_scheduler_type"] == "linear"


def test_warmup_below_one_is_a_ratio() -> None:
    card = trainer(warmup="0.1")
    assert card.hyperparameters["lr_scheduler_warmup_ratio"] == 0.1
    assert "lr_scheduler_warmup_steps" not in card.hyperparameters


def test_no_precision_line_is_no_precision() -> None:
    assert read(TRAINER.replace("- mixed_precision_training: Native AMP\n", "")).precision is None


def test_raw_log_keys_are_metrics_without_their_prefix_and_bookkeeping() -> None:
    card = read(
        "It achieves the following results on the evaluation set:\n"
        "- eval_loss: 0.5\n- eval_f1: 0.0\n- eval_runtime: 25.9\n- eval_samples_per_second: 30.8\n- epoch: 1.0\n"
        "- step: 200\n"
    )
    assert card.metrics == {"loss": 0.5, "f1": 0.0}


def test_a_loss_that_is_no_number_is_stated_as_none() -> None:
    assert read("It achieves the following results on the evaluation set:\n- Loss: nan\n").metrics == {"loss": None}


def test_separators_of_peft_and_trl_in_one_list() -> None:
    card = read(
        "### Framework versions\n\n- PEFT 0.18.0\n- TRL: 0.26.0\n- Transformers: 4.57.1\n- Pytorch: 2.9.0+cu128\n"
        "```bibtex\n@misc{x,\n title = {{TRL: 9.9.9}},\n year = 2020\n}\n```\n"
    )
    assert card.versions == {"peft": "0.18.0", "trl": "0.26.0", "transformers": "4.57.1", "torch": "2.9.0+cu128"}


def test_quantization_is_no_training_precision() -> None:
    card = read(
        "The following `bitsandbytes` quantization config was used during training:\n"
        "- load_in_4bit: True\n- bnb_4bit_compute_dtype: bfloat16\n- llm_int8_skip_modules: None\n"
        "### Framework versions\n\n- PEFT 0.4.0\n"
    )
    assert (card.precision, card.hyperparameters, card.versions) == (None, {}, {"peft": "0.4.0"})
    assert [fact.key for fact in card.facts][:2] == ["quantization.load_in_4bit", "quantization.bnb_4bit_compute_dtype"]


def test_two_versions_of_one_package_are_a_conflict_and_none_is_chosen() -> None:
    card = read("### Framework versions\n\n- PEFT 0.4.0\n- PEFT 0.5.0\n")
    assert card.versions == {}
    assert [(one.key, one.values, one.lines) for one in card.conflicts] == [
        ("versions.peft", ("0.4.0", "0.5.0"), (3, 4))
    ]


def test_setfit_keeps_the_values_of_both_phases() -> None:
    card = read(
        "### Training Hyperparameters\n- batch_size: (16, 2)\n- num_epochs: (1, 3)\n- max_steps: -1\n"
        "- body_learning_rate: (2e-05, 1e-05)\n- loss: CosineSimilarityLoss\n- use_amp: True\n- seed: 42\n"
        "\n### Framework Versions\n- Python: 3.10.12\n- SetFit: 1.1.0\n- Sentence Transformers: 3.2.1\n"
        "- spaCy: 3.7.5\n"
        "\n## Evaluation\n### Metrics\n| Label   | Accuracy |\n|:--------|:---------|\n| **all** | 0.857    |\n"
        "| good | 0.9 |\n"
    )
    assert card.hyperparameters == {
        "batch_size": [16, 2],
        "num_epochs": [1, 3],
        "max_steps": -1,
        "body_learning_rate": [2e-05, 1e-05],
        "loss": "CosineSimilarityLoss",
        "use_amp": True,
        "seed": 42,
    }
    assert card.versions == {"python": "3.10.12", "setfit": "1.1.0", "sentence-transformers": "3.2.1", "spacy": "3.7.5"}
    assert card.metrics == {"accuracy": 0.857}
    assert card.precision is not None
    assert (card.precision.mode, card.precision.backend) == (None, "use_amp")


def test_sentence_transformers_lists_every_argument() -> None:
    card = read(
        "#### Non-Default Hyperparameters\n\n- `per_device_train_batch_size`: 32\n- `num_train_epochs`: 4\n"
        "- `fp16`: True\n"
        "\n#### All Hyperparameters\n<details><summary>Click to expand</summary>\n\n- `overwrite_output_dir`: False\n"
        "- `per_device_train_batch_size`: 32\n- `per_device_eval_batch_size`: 8\n- `learning_rate`: 5e-05\n"
        "- `max_steps`: -1\n"
        "- `bf16`: False\n- `fp16`: True\n- `fp16_opt_level`: O1\n- `half_precision_backend`: auto\n"
        "- `optim`: adamw_torch\n"
        "- `fsdp_config`: {'min_num_params': 0}\n- `mp_parameters`: \n\n</details>\n"
    )
    assert card.hyperparameters == {
        "train_batch_size": 32,
        "num_epochs": 4,
        "eval_batch_size": 8,
        "learning_rate": 5e-05,
        "optim": "adamw_torch",
    }
    assert card.precision == Precision("fp16", "auto", "fp16: True")


def test_axolotl_says_its_precision_in_its_recipe_alone() -> None:
    card = read(
        "<details><summary>See axolotl config</summary>\n\naxolotl version: `0.4.1`\n```yaml\nbase_model: x/y\n"
        "micro_batch_size: 2\nlearning_rate: 0.1\noptimizer: adamw_bnb_8bit\nbf16: auto\nfp16:\ntf32: false\n"
        "deepspeed: configs/zero3_bf16.json\n```\n</details>\n\n### Training hyperparameters\n\n"
        "The following hyperparameters were used during training:\n- learning_rate: 0.0002\n- train_batch_size: 4\n"
        f"- optimizer: {OLD_ADAM}\n"
    )
    assert card.precision == Precision("bf16", "axolotl", "bf16: auto")
    assert card.versions == {"axolotl": "0.4.1"}
    assert card.hyperparameters["learning_rate"] == 0.0002
    assert card.hyperparameters["train_batch_size"] == 4
    assert card.hyperparameters["optimizer"]["name"] == "adam"
    assert card.conflicts == ()


def test_the_keras_callback() -> None:
    card = read(
        "It achieves the following results on the evaluation set:\n- Train Loss: 0.35\n- Validation Loss: 0.55\n"
        "- Epoch: 2\n"
        "\n### Training hyperparameters\n\nThe following hyperparameters were used during training:\n"
        "- optimizer: {'inner_optimizer': {'class_name': 'AdamWeightDecay', 'config': {'name': 'AdamWeightDecay', "
        "'learning_rate': {'class_name': 'PolynomialDecay', 'config': {'initial_learning_rate': 2e-05, "
        "'name': None}}, "
        "'decay': 0.0, 'beta_1': 0.9, 'beta_2': 0.999, 'epsilon': 1e-08, 'amsgrad': False, "
        "'weight_decay_rate': 0.01}}}\n"
        "- training_precision: mixed_float16\n\n### Framework versions\n\n- Transformers 4.26.0\n- TensorFlow 2.9.2\n"
    )
    assert card.hyperparameters["optimizer"] == {
        "name": "adamweightdecay",
        "betas": [0.9, 0.999],
        "epsilon": 1e-08,
        "weight_decay_rate": 0.01,
        "learning_rate": {"class_name": "PolynomialDecay", "initial_learning_rate": 2e-05},
    }
    assert card.metrics == {"train_loss": 0.35, "validation_loss": 0.55}
    assert card.precision == Precision("fp16", "keras", "mixed_float16")


def test_the_keras_table_with_its_float32_noise() -> None:
    card = read(
        "| Hyperparameters | Value |\n| :-- | :-- |\n| name | Adam |\n| learning_rate | 0.0010000000474974513 |\n"
        "| decay | 0.0 |\n| beta_1 | 0.8999999761581421 |\n| beta_2 | 0.9990000128746033 |\n| epsilon | 1e-07 |\n"
        "| exclude_from_weight_decay | None |\n| training_precision | float32 |\n"
    )
    assert card.hyperparameters == {
        "learning_rate": 0.0010000000474974513,
        "decay": 0.0,
        "optimizer": {"name": "adam", "betas": [0.8999999761581421, 0.9990000128746033], "epsilon": 1e-07},
    }
    assert card.precision == Precision("fp32", "keras", "float32")


def test_spacy_states_a_range_and_its_own_version_is_none_of_a_package() -> None:
    card = read(
        "---\nmodel-index:\n- name: en_x\n  results:\n  - task: {name: NER}\n    metrics:\n"
        "    - {name: NER F Score, type: f_score, value: 0.8}\n---\n"
        "| Feature | Description |\n| --- | --- |\n| **Name** | `en_x` |\n| **Version** | `1.2.3` |\n"
        "| **spaCy** | `>=3.1.1,<3.2.0` |\n\n### Accuracy\n\n| Type | Score |\n| --- | --- |\n| `ENTS_F` | 80.00 |\n"
    )
    assert card.versions == {"spacy": ">=3.1.1,<3.2.0"}
    assert card.metrics == {"ner_f_score": 0.8}


def test_autotrain_has_no_bullets() -> None:
    assert read("## Validation Metrics\n\nloss: 0.1\n\nf1_macro: 0.9\n").metrics == {"loss": 0.1, "f1_macro": 0.9}


def test_diffusers_and_its_stars() -> None:
    card = read(
        "These are the key hyperparameters used during training:\n\n* Epochs: 50\n* Learning rate: 1e-05\n"
        "* Mixed-precision: fp16\n"
    )
    assert card.hyperparameters == {"num_epochs": 50, "learning_rate": 1e-05}
    assert card.precision == Precision("fp16", None, "fp16")


def test_the_hub_template_names_six_precisions_in_a_comment() -> None:
    comment = "<!--fp32, fp16 mixed precision, bf16 mixed precision, fp8 mixed precision -->"
    assert read(f"- **Training regime:** [More Information Needed] {comment}\n").precision is None
    card = read(f"- **Training regime:** bf16 mixed precision over a 4-bit NF4 base {comment}\n")
    assert card.precision == Precision("bf16", "mixed", "bf16 mixed precision")


def test_an_article_paraphrases_a_card() -> None:
    card = read(
        "How to use it\n\nMay 8, 2022 | Educational\n\nHere is how it does:\n\n  • Loss: 1.25\n"
        "  • Accuracy (Acc): 0.58\n"
        "  • Precision Score: 0.6036\n  • Word Error Rate (WER): 100.0\n\nTraining Insights\n\n"
        "  • Learning Rate: 0.0005\n"
        "  • Learning Rate Scheduler: Linear\n  • Training Batch Size: 64\n  • Number of Epochs: 4\n"
        "  • Warmup Steps: 16\n"
        "  • Optimizer: Adam (betas=(0.9, 0.999), epsilon=1e-08)\n  • Mixed Precision Training: Native AMP\n\n"
        "What it means\n\n  • Loss: Think of 3 students who share this\n  • Learning Rate: 2 is what you may try\n\n"
        "Troubleshooting\n\n  • Training Failures: If training fails, update to the versions: Transformers (4.18.0), "
        "Pytorch 1.9.1, Datasets 2.1.0, and Tokenizers 0.11.6.\n"
    )
    assert card.date == "2022-05-08"
    assert card.metrics == {"loss": 1.25, "accuracy": 0.58, "precision": 0.6036, "wer": 100.0}
    assert card.hyperparameters["learning_rate"] == 0.0005
    assert card.hyperparameters["lr_scheduler_type"] == "linear"
    assert card.hyperparameters["lr_scheduler_warmup_steps"] == 16
    assert card.hyperparameters["optimizer"] == {"name": "adam", "betas": [0.9, 0.999], "epsilon": 1e-08}
    assert card.versions == {
        "transformers": "4.18.0",
        "torch": "1.9.1",
        "datasets": "2.1.0",
        "tokenizers": "0.11.6",
    }
    assert [case.answers for case in card.troubleshooting] == [("versions", "packages", "python")]


def test_ten_pairs_on_one_line() -> None:
    card = read(
        f"learning_rate: 5e-05 train_batch_size: 42 optimizer: {OLD_ADAM} lr_scheduler_type: linear num_epochs: 300"
    )
    assert card.hyperparameters == {
        "learning_rate": 5e-05,
        "train_batch_size": 42,
        "optimizer": {"name": "adam", "betas": [0.9, 0.999], "epsilon": 1e-08},
        "lr_scheduler_type": "linear",
        "num_epochs": 300,
    }


def test_precision_is_decided_by_its_value() -> None:
    assert read("- Precision: 0.68\n").metrics == {"precision": 0.68}
    assert read("- Precision: bfloat16\n").precision == Precision("bf16", None, "bfloat16")


def test_two_runs_are_a_conflict_and_neither_is_chosen() -> None:
    card = read("### Metrics on Run 1\n- Accuracy: 0.91\n\n### Metrics on Run 2\n- Accuracy: 0.95\n")
    assert card.metrics == {}
    assert [one.key for one in card.conflicts] == ["metrics.accuracy"]


def test_a_sentence_never_overrules_a_list() -> None:
    card = read("- Epochs: 3\n\nThe final model was trained for 5 epochs with a batch size of 16.\n")
    assert card.hyperparameters == {"num_epochs": 3, "train_batch_size": 16}
    assert card.conflicts == ()


def test_a_sentence_goes_on_in_the_next_line() -> None:
    card = read("The model was fine-tuned for 5\nepochs with a batch size of 32, a learning\nrate of 5e-05 and more.\n")
    assert card.hyperparameters == {"num_epochs": 5, "train_batch_size": 32, "learning_rate": 5e-05}
    assert card.line_of("hyperparameters.learning_rate") == 2


@pytest.mark.parametrize(
    "text",
    [
        "```python\nargs = TrainingArguments(learning_rate=2e-5, num_train_epochs=3, fp16=True)\n```",
        "model = AutoModel.from_pretrained(x, torch_dtype=torch.bfloat16)",
        "If you get low accuracy, try a learning rate of 1e-5 and 10 epochs.",
        "Learning rate: [More Information Needed]",
        "- Seed: fixed for reproducibility",
        "- learning_rate: 1e-5 - 5e-5",
        "- epochs: 3, 5, 8",
        "It uses learning rate warmup for no reason, as the baseline with an accuracy of 0.9 does.",
        "Our F1 improves by 3 points over the baseline of 0.80 F1.",
        "<!-- - learning_rate: 5e-05 -->",
        "### 2.0.0 released",
        "- [PyTorch 2.0 tutorial](https://pytorch.org) is a link",
        "PyTorch 2 is fast.",
        "![PyTorch](https://img.shields.io/badge/PyTorch-2.0.1-red)",
        "| Model | Accuracy | F1 |\n|---|---|---|\n| baseline | 0.5 | 0.4 |\n| ours | 0.9 | 0.8 |",
    ],
)
def test_what_states_nothing_about_the_training(text: str) -> None:
    card = read(text + "\n")
    assert (card.hyperparameters, card.precision, card.metrics) == ({}, None, {})
    assert card.versions == {}


def test_a_fence_that_is_never_closed_does_not_swallow_the_card() -> None:
    card = read("```python\nimport torch\n\n- Epochs: 3\n")
    assert card.hyperparameters == {"num_epochs": 3}


def test_a_card_in_portuguese_with_decimal_commas() -> None:
    card = read(
        "**Precision:** 0,6876\n\n### Versões dos frameworks\n\n- SpaCy 3.4.1\n- SpaCy pt_core_news_lg model 3.4.0\n"
    )
    assert card.metrics == {"precision": 0.6876}
    assert card.versions == {"spacy": "3.4.1"}


def test_a_list_in_chinese_and_one_in_a_table() -> None:
    card = read(
        "## 训练参数\n\n- 学习率：2e-5\n- 训练轮数：3\n\n| 依赖 | 版本 | 备注 |\n|---|---|---|\n"
        "| PyTorch | 2.1.0 | 与 transformers 4.30 兼容 |\n"
    )
    assert card.hyperparameters == {"learning_rate": 2e-05, "num_epochs": 3}
    assert card.versions == {"torch": "2.1.0"}


def test_a_rendered_page() -> None:
    card = read(
        "<!doctype html><html><body><h3>Training hyperparameters</h3>\n"
        "<p>The following hyperparameters were used during training:</p>\n<ul><li>learning_rate: 2e-05</li>\n"
        "<li>optimizer: Adam with betas=(0.9,0.999) and epsilon=1e-08</li></ul>\n"
        "<table><tr><th>Training Loss</th><th>Epoch</th><th>Validation Loss</th></tr>\n"
        "<tr><td>0.5</td>\n<td>1.0</td><td>0.4</td></tr></table>\n"
        "<h3>Framework versions</h3><ul><li>Transformers 4.26.0</li></ul><script>torch 1.2.3</script></body></html>"
    )
    assert card.hyperparameters["learning_rate"] == 2e-05
    assert card.hyperparameters["optimizer"]["betas"] == [0.9, 0.999]
    assert card.results == ({"training_loss": 0.5, "epoch": 1.0, "validation_loss": 0.4},)
    assert card.versions == {"transformers": "4.26.0"}
    assert card.line_of("versions.transformers") == 8


def test_a_scraped_page_has_escapes_and_anchors() -> None:
    card = read(
        "metadata\nlicense: mit\nbase_model: x/y\n\n"
        "### [](#training-hyperparameters)Training hyperparameters\n\n*   learning\\_rate: 2e-05\n"
    )
    assert card.hyperparameters == {"learning_rate": 2e-05}
    assert card.base_model == "x/y"


def test_hardware_and_its_number() -> None:
    assert read("Trained on 8x A100 80GB GPUs for two days.\n").hardware == {"gpu": "8 A100 80GB", "gpu_count": 8}
    assert read("- **Hardware:** 1 RTX 4080 (16GB VRAM)\n").hardware == {
        "gpu": "1 RTX 4080 (16GB VRAM)",
        "gpu_count": 1,
    }
    assert read("- PyTorch 2.1.2 + CUDA 12.1\n").hardware == {"cuda": "12.1"}


def test_the_model_index_fills_in_where_the_text_gives_no_score() -> None:
    front = "---\nmodel-index:\n- results:\n  - metrics:\n    - {name: Test WER, type: wer, value: 12.5}\n---\n"
    assert read(front).metrics == {"wer": 12.5}
    card = read(front + "It achieves the following results on the evaluation set:\n- Wer: 0.3\n")
    assert card.metrics == {"wer": 0.3}
    assert card.conflicts == ()  # on other data


def test_a_score_that_the_model_index_contradicts() -> None:
    front = "---\nmodel-index:\n- results:\n  - metrics:\n    - {name: F1, type: f1, value: 0.81234}\n---\n"
    said = front + "It achieves the following results on the evaluation set:\n- F1: "
    assert read(said + "0.8123\n").conflicts == ()
    assert read(said + "81.2\n").conflicts == ()
    (conflict,) = read(said + "0.9\n").conflicts
    assert (conflict.key, conflict.values) == ("metrics.f1", ("0.9", "0.81234"))
