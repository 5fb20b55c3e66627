# Trains a few real steps in the interpreter that runs it, stage by stage. Standard library beside what it tries;
# Python 3.6 and newer, transformers 4.1 and newer. As a script: `python training.py RECIPE.json FOLDER`. Every event is
# a line of JSON on what was standard output; what the libraries print goes to standard error.
import faulthandler
import inspect
import json
import math
import os
import sys
import time
import traceback
import warnings

MARK = "card-doctor-trial "  # start-up code may have printed to the same pipe before
LONGEST_ERROR, LONGEST_TRACEBACK = 600, 6000  # characters
ROWS, LENGTH, LABELS = 32, 8, 2
VOCABULARY = 120
WORDS = "the a cat dog bird fish sat ran slept sang on under by near mat tree river house today again".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

# Whatever a family calls its sizes: those that its configuration has are made small.
SIZES = {
    16: "hidden_size d_model dim n_embd embed_dim embedding_size classifier_proj_size num_conv_pos_embeddings "
    "max_source_positions",
    32: "intermediate_size d_inner hidden_dim d_ff ffn_dim encoder_ffn_dim decoder_ffn_dim n_inner image_size",
    64: "max_position_embeddings n_positions n_ctx max_target_positions",
    1: "num_hidden_layers n_layer n_layers num_layers num_decoder_layers encoder_layers decoder_layers",
    2: "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads "
    "num_key_value_heads num_conv_pos_embedding_groups",
    8: "head_dim d_kv",
}
# Where sizes are lists, or depend on each other.
OWN_SIZES = {
    "swin": {
        "image_size": 32,
        "patch_size": 4,
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [1, 2],
        "window_size": 2,
    },
    "convnext": {"image_size": 32, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]},
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "layer_type": "basic"},
    "gpt_neo": {
        "hidden_size": 16,
        "num_layers": 2,
        "num_heads": 2,
        "attention_types": [[["global", "local"], 1]],
        "max_position_embeddings": 64,
        "intermediate_size": 32,
    },
    "wav2vec2": {"conv_dim": [16] * 7, "mask_time_prob": 0.0, "mask_feature_prob": 0.0},
    "hubert": {"conv_dim": [16] * 7, "mask_time_prob": 0.0, "mask_feature_prob": 0.0},
    "modernbert": {"global_attn_every_n_layers": 1, "reference_compile": False},
}
MODELS = {
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
    "text-generation": "AutoModelForCausalLM",
    "text2text-generation": "AutoModelForSeq2SeqLM",
    "image-classification": "AutoModelForImageClassification",
    "audio-classification": "AutoModelForAudioClassification",
    "automatic-speech-recognition": "AutoModelForCTC",
    "whisper": "AutoModelForSpeechSeq2Seq",
}
COLLATORS = {
    "text-classification": ("DataCollatorWithPadding", {}),
    "token-classification": ("DataCollatorForTokenClassification", {}),
    "text-generation": ("DataCollatorForLanguageModeling", {"mlm": False}),
    "fill-mask": ("DataCollatorForLanguageModeling", {"mlm_probability": 0.3}),
    "text2text-generation": ("DataCollatorForSeq2Seq", {}),
}
WITH_ACCURACY = ("text-classification", "image-classification", "audio-classification")

STAGES = []


def stage(name, *needs):
    """A stage, and the stages that must have passed before it is run."""

    def register(function):
        STAGES.append((name, needs, function))
        return function

    return register


class NotTried(Exception):  # noqa: N818  an outcome, not an error
    """The release has nothing that the stage could try."""


class Trial:
    """What the stages leave for those that follow."""

    def __init__(self, recipe, folder, tell):
        self.recipe = recipe
        self.folder = folder
        self.tell = tell
        self.task = recipe["task"]
        self.family = recipe["family"]

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def note(self, text):
        self.tell({"note": text})

    def run(self):
        passed = set()
        for name, needs, function in STAGES:
            missing = [one for one in needs if one not in passed]
            if missing:
                self.tell({"stage": name, "ok": None, "seconds": 0.0, "error": "not run: needs " + missing[0]})
                continue
            self.tell({"begins": name})
            begun = time.time()
            ended = {"stage": name, "ok": True}
            try:
                function(self)
                passed.add(name)
            except NotTried as reason:
                ended.update(ok=None, error=str(reason))
            except BaseException as error:  # a broken extension raises anything
                ended.update(ok=False, error=self.told(error), traceback=self.without_folder(traceback.format_exc()))
            ended["seconds"] = round(time.time() - begun, 3)
            self.tell(ended)

    def told(self, error):
        """The exception on one line, and the one that it was raised from where that says more."""
        first = error
        seen = 0
        while first.__cause__ is not None and seen < 20:
            first, seen = first.__cause__, seen + 1
        said = [said_by(error)] + ([said_by(first)] if first is not error and str(first) not in str(error) else [])
        return self.without_folder(" (from ".join(said))[:LONGEST_ERROR] + (")" if len(said) > 1 else "")

    def without_folder(self, text):
        return text.replace(self.folder + os.sep, "").replace(self.folder, ".")[-LONGEST_TRACEBACK:]


def said_by(error):
    return " ".join("{}: {}".format(type(error).__name__, error).rstrip(": ").split())


# The stages


@stage("import torch")
def import_torch(trial):
    import torch

    torch.zeros(2).add(1).sum().item()


@stage("torch to numpy", "import torch")
def torch_to_numpy(trial):
    import torch

    assert torch.zeros(2).numpy().tolist() == [0.0, 0.0]
    import numpy

    assert torch.from_numpy(numpy.ones(2, dtype="float32")).sum().item() == 2


@stage("train a tokenizer")
def train_a_tokenizer(trial):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    path = trial.path("text.txt")
    with open(path, "w") as out:
        out.write("\n".join(texts()))
    # By name: tokenizers 0.10 turned their order around.
    tokenizer.train(files=[path], trainer=trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL))
    # An end in every row: BART classifies by it.
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(one, SPECIAL.index(one)) for one in ("[CLS]", "[SEP]")]
    )
    assert tokenizer.encode("the cat").ids
    tokenizer.save(trial.path("tokenizer.json"))


@stage("import transformers")
def import_transformers(trial):
    import transformers

    trial.tell({"trained": {"transformers": transformers.__version__}})
    from transformers import AutoConfig, AutoModelForSequenceClassification, Trainer, TrainingArguments  # noqa: F401


@stage("fast tokenizer", "train a tokenizer", "import transformers")
def fast_tokenizer(trial):
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(
        tokenizer_file=trial.path("tokenizer.json"),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        bos_token="[CLS]",
        eos_token="[SEP]",
    )
    try:
        made.save_pretrained(trial.path("tokenizer"))
        trial.saved_by_trainer = made
    except NotImplementedError:  # early releases save a tokenizer of no family in one form only, when told to
        made.save_pretrained(trial.path("tokenizer"), legacy_format=False)
        trial.saved_by_trainer = None
    trial.tokenizer = PreTrainedTokenizerFast.from_pretrained(trial.path("tokenizer"))
    assert trial.tokenizer("the cat")["input_ids"] == made("the cat")["input_ids"]


@stage("import datasets")
def import_datasets(trial):
    import datasets

    trial.rows = datasets.Dataset.from_dict({"text": texts(), "label": [row % LABELS for row in range(ROWS)]})


@stage("datasets map", "fast tokenizer", "import datasets")
def datasets_map(trial):
    """What the task's model takes, made of the text: padded to one length where its collator does not pad."""
    # The function is pickled to be fingerprinted: it holds no trial, whose pipe can't be.
    task, family, tokenizer = trial.task, trial.family, trial.tokenizer
    trial.encoded = trial.rows.map(
        lambda rows: encode(task, family, tokenizer, rows["text"], rows["label"]),
        batched=True,
        remove_columns=["text", "label"],
    )
    assert trial.encoded.num_rows == ROWS


@stage("datasets load csv", "import datasets")
def datasets_load_csv(trial):
    must_have_loader("csv")
    path = trial.path("rows.csv")
    with open(path, "w") as out:
        out.write("text,label\n" + "".join("{},{}\n".format(text, row % LABELS) for row, text in enumerate(texts())))
    load(trial, "csv", path)


@stage("datasets load parquet", "import datasets")
def datasets_load_parquet(trial):
    must_have_loader("parquet")
    import pyarrow
    from pyarrow import parquet

    path = trial.path("rows.parquet")
    parquet.write_table(pyarrow.table({"text": texts(), "label": [row % LABELS for row in range(ROWS)]}), path)
    load(trial, "parquet", path)


@stage("make the model", "import torch", "import transformers")
def make_the_model(trial):
    import transformers
    from transformers import AutoConfig

    ends = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 2}
    default = AutoConfig.for_model(trial.family)
    wanted = {name: size for size, names in SIZES.items() for name in names.split() if name in default.to_dict()}
    wanted.update(OWN_SIZES.get(trial.family, {}), vocab_size=VOCABULARY, **ends)
    if trial.task.endswith("classification"):
        wanted["num_labels"] = LABELS
    # A released model's settings name tokens of its own vocabulary.
    wanted.update(
        {
            name: None
            for name in ("suppress_tokens", "begin_suppress_tokens", "forced_eos_token_id")
            if name in default.to_dict()
        }
    )
    called = MODELS["whisper" if trial.family == "whisper" else trial.task]
    trial.auto_model = getattr(transformers, called)
    config = AutoConfig.for_model(trial.family, **wanted)
    config.architectures = []  # transformers 5 looks through them where a family has several classes
    trial.model = trial.auto_model.from_config(config)
    trial.tell({"trained": {"model": type(trial.model).__name__, "task": trial.task}})


@stage("train", "torch to numpy", "datasets map", "make the model")
def train(trial):
    import torch
    import transformers
    from transformers import Trainer, TrainingArguments, set_seed

    wanted = dict(trial.recipe["arguments"])
    set_seed(wanted.get("seed", 42))
    cuda = torch.cuda.is_available()
    wanted.update(precision(trial, torch, cuda), **optimizer(trial, transformers, cuda))
    if wanted.get("lr_scheduler_type") not in [None] + [one.value for one in transformers.SchedulerType]:
        trial.note(
            "scheduler: this transformers does not know {}, linear is used".format(wanted.pop("lr_scheduler_type"))
        )
    wanted.update(
        output_dir=trial.path("out"),
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        save_strategy="steps",
        save_steps=wanted["max_steps"],
        eval_steps=wanted["max_steps"],
    )
    known = inspect.signature(TrainingArguments).parameters
    # Renamed in transformers 4.41; both were there until 4.46.
    wanted["eval_strategy" if "eval_strategy" in known else "evaluation_strategy"] = "steps"
    if "warmup_ratio" not in known and "warmup_ratio" in wanted:
        wanted["warmup_steps"] = wanted.pop("warmup_ratio")  # transformers 5 takes a share there
    for name in sorted(set(wanted) - set(known)):
        trial.note("this transformers has no {}: left out".format(name))
        del wanted[name]
    arguments = TrainingArguments(**wanted)
    trial.tell(
        {
            "device": device(torch, arguments.device),
            "trained": {
                "precision": next((mode for mode in ("fp16", "bf16") if wanted.get(mode)), "fp32"),
                "arguments": {name: value for name, value in wanted.items() if name in trial.recipe["arguments"]},
            },
        }
    )
    # `tokenizer` until transformers 4.46, where `processing_class` took its place.
    known = inspect.signature(Trainer).parameters
    trial.trainer = Trainer(
        model=trial.model,
        args=arguments,
        train_dataset=trial.encoded,
        eval_dataset=trial.encoded,
        data_collator=collator(trial, transformers),
        compute_metrics=accuracy if trial.task in WITH_ACCURACY else None,
        **{"processing_class" if "processing_class" in known else "tokenizer": trial.saved_by_trainer},
    )
    loss = trial.trainer.train().training_loss
    if not math.isfinite(loss):
        raise ArithmeticError("the training loss is {}".format(loss))


@stage("evaluate", "train")
def evaluate(trial):
    scores = trial.trainer.evaluate()
    if not math.isfinite(scores["eval_loss"]):
        raise ArithmeticError("the evaluation loss is {}".format(scores["eval_loss"]))
    assert (trial.task in WITH_ACCURACY) == ("eval_accuracy" in scores)


@stage("save and load", "train")
def save_and_load(trial):
    import torch

    where = trial.path("saved")
    trial.trainer.save_model(where)
    loaded = trial.auto_model.from_pretrained(where).state_dict()
    for name, trained in trial.model.state_dict().items():
        if name in loaded and not torch.equal(trained.cpu().float(), loaded[name].cpu().float()):
            raise AssertionError("{} is not what was saved".format(name))


@stage("model card", "train")
def model_card(trial):
    if not hasattr(trial.trainer, "create_model_card"):  # since transformers 4.6
        raise NotTried("this transformers writes no model card")
    trial.trainer.create_model_card(model_name="trial")
    with open(trial.path("out", "README.md"), encoding="utf-8") as card:
        assert "ramework versions" in card.read(), "the card names no versions"


# Their parts


def texts():
    return [" ".join(WORDS[(row * 7 + place * 3) % len(WORDS)] for place in range(5)) for row in range(ROWS)]


def must_have_loader(kind):
    """Early releases of datasets fetch theirs from the network."""
    import datasets

    try:
        from datasets import packaged_modules
    except ImportError:
        known = ()
    else:
        known = getattr(packaged_modules, "_PACKAGED_DATASETS_MODULES", (kind,))
    if kind not in known:
        raise NotTried("datasets {} has no loader for {}".format(datasets.__version__, kind))


def load(trial, kind, path):
    import datasets

    rows = datasets.load_dataset(kind, data_files=path, cache_dir=trial.path("cache"))["train"]
    assert rows.num_rows == ROWS and rows[1] == {"text": texts()[1], "label": 1}


def encode(task, family, tokenizer, rows, labels):
    """One batch of what models of the task take."""
    if task == "image-classification":
        return {"pixel_values": [signal_of(row, 3, 32, 32) for row in range(len(rows))], "labels": labels}
    if family == "whisper":
        return {
            "input_features": [signal_of(row, 80, 32) for row in range(len(rows))],
            "labels": tokenizer(rows, padding="max_length", max_length=LENGTH, truncation=True)["input_ids"],
        }
    if task in ("audio-classification", "automatic-speech-recognition"):
        spoken = {"input_values": [signal_of(row, 6400) for row in range(len(rows))]}
        spoken["labels"] = (
            labels if task == "audio-classification" else [tokenizer(text)["input_ids"][1:5] for text in rows]
        )
        return spoken
    made = dict(
        tokenizer(
            rows, padding="max_length" if task == "question-answering" else False, max_length=LENGTH, truncation=True
        )
    )
    if task == "text-classification":
        made["labels"] = labels
    elif task == "token-classification":
        made["labels"] = [[-100] + [one % LABELS for one in ids[1:-1]] + [-100] for ids in made["input_ids"]]
    elif task == "question-answering":
        made["start_positions"], made["end_positions"] = [1] * len(rows), [2] * len(rows)
    elif task == "text2text-generation":
        made["labels"] = made["input_ids"]
    return made


def signal_of(row, *shape):
    """Numbers between -1 and 1 in lists of that shape: an image, a spectrogram or a sound."""
    if len(shape) == 1:
        return [math.sin(place * (row + 1) / 7.0) for place in range(shape[0])]
    return [signal_of(row + one, *shape[1:]) for one in range(shape[0])]


def collator(trial, transformers):
    if trial.task not in COLLATORS:
        return transformers.default_data_collator
    called, settings = COLLATORS[trial.task]
    return getattr(transformers, called)(trial.tokenizer, **settings)


def accuracy(predicted):
    import numpy

    scores = predicted.predictions
    scores = scores[0] if isinstance(scores, tuple) else scores
    return {"accuracy": float(numpy.mean(numpy.argmax(scores, axis=-1) == predicted.label_ids))}


def precision(trial, torch, cuda):
    """The card's, where this device has it in hardware; else fp32, which is said."""
    mode = trial.recipe["precision"]
    if mode == "fp32":
        return {}
    if mode not in ("fp16", "bf16"):
        trial.note("precision: {} is not tried, fp32 is".format(mode))
        return {}
    if not cuda:
        trial.note("precision: {} is not tried, there is no GPU here: trained in fp32".format(mode))
        return {}
    if mode == "bf16" and torch.cuda.get_device_capability()[0] < 8:  # Ampere, as the Trainer demands
        trial.note("precision: {} has no bf16: trained in fp32".format(torch.cuda.get_device_name(0)))
        return {}
    return {mode: True}


def optimizer(trial, transformers, cuda):
    """The card's optimizer where this release names it and this device can run it; else the Trainer's own."""
    name = trial.recipe["optimizer"]
    if name in (None, "adam", "adamw"):  # what the Trainer's cards call its own
        return {}
    from transformers import training_args

    names = getattr(training_args, "OptimizerNames", None)  # since transformers 4.15
    if name not in ([one.value for one in names] if names else []):
        trial.note("optimizer: this transformers does not know {}, its own AdamW is used".format(name))
        return {}
    if not cuda and ("8bit" in name or "paged" in name or "4bit" in name or "fused" in name or "apex" in name):
        trial.note("optimizer: {} is for GPUs, adamw_torch is used".format(name))
        return {"optim": "adamw_torch"}
    return {"optim": name}


def device(torch, used):
    """As PyTorch calls its kind, with the GPU's name."""
    return "cuda: " + torch.cuda.get_device_name(used) if used.type == "cuda" else used.type


def main():
    events = os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)
    faulthandler.enable()  # says where Python was when it crashed
    warnings.simplefilter("ignore")

    def tell(event):
        events.write((MARK + json.dumps(event) + "\n").encode())

    with open(sys.argv[1], encoding="utf-8") as file:
        recipe = json.load(file)
    folder = os.path.realpath(sys.argv[2])
    os.chdir(folder)
    Trial(recipe, folder, tell).run()
    tell({"ended": True})
    sys.stderr.flush()
    os._exit(0)  # what happens while Python takes itself down is no part of training


if __name__ == "__main__":
    main()
