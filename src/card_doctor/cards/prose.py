"""What running words say of the training: ``for 3 epochs with a learning rate of 2e-5, reaching an F1 of 0.91``."""

from __future__ import annotations

import re
from typing import Any, Iterator, List, NamedTuple, Tuple

from card_doctor.cards.hyperparameters import IN_LORA, RANGE, WHOLE
from card_doctor.cards.metrics import label_of, metric_key
from card_doctor.cards.optimizer import optimizer_of
from card_doctor.cards.values import NUMBER, number_at_start, to_number

Pattern = Tuple[str, "re.Pattern[str]"]


class Said(NamedTuple):
    """A fact in running words, and where they begin."""

    key: str
    value: Any
    raw: str
    start: int


_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[A-Z\d(])")
# What only advises, compares or supposes states no fact about this training.
_ADVICE = re.compile(
    r"^\s*use\b|\b(?:reproduc\w+|try|consider|e\.g\.|for example|for instance|recommend\w*|suggest\w*|should"
    r"|could|would|might|typical\w*|usually|if you|you can|you may|suppose|imagine|adjust\w*|experiment with|increase"
    r"|decrease"
    r"|instead of|compared|recom\w+|conseill\w+|consigli\w+|empfehl\w+|empfohlen\w*|puede\w*|peut|könn\w+"
    r"|рекоменд\w+|推荐|建议|おすすめ|권장)\b",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\b(?:than|versus|vs\.?|baselines?|state[- ]of[- ]the[- ]art|sota|previous|improv\w+|increas\w+|decreas\w+|from"
    r"|human|threshold|target|expected|random|chance|if|when|until|reported|paper|original|gpt\S*)\b",
    re.IGNORECASE,
)

_VALUE = rf"(?P<value>{NUMBER}%?)"
_IS = (
    r"\s{0,2}(?:\([^()]{0,30}\)\s?)?(?:[:=≈~]|of|is|was|set (?:to|at)|equal to|at|to|with)?\s{0,2}"
    r"(?:de|di|von|da|da\s|为|は|로|в)?\s{0,2}(?:about|approximately|around|a|an)?\s{0,2}[≈~]?\s{0,2}"
)
# Of other languages, as running words have them; lists have more of them (vocabulary).
_FOREIGN = {
    "learning_rate": (
        r"tasa de aprendizaje|taxa de aprendizado|taux d['’]apprentissage|tasso di apprendimento|lernrate"
        r"|скорост\w+ обучения|学习率|学習率|학습률"
    ),
    "train_batch_size": (
        r"tamaño de(?:l)? lote|tamanho do lote|taille de(?: l| b)ot|taille de batch|batch-?größe|dimensione del batch"
        r"|размер\w* (?:батча|пакета)|批次大小|批大小|バッチサイズ|배치 크기"
    ),
    "num_epochs": r"épocas|époques|epochen|epoche|эпох\w*|轮(?!廓)|エポック|에포크|에폭",
}
_COUNT = r"\d{1,3}(?:,\d{3})+|\d{1,8}|\d{1,4}(?:\.\d)?\s?[kKM]"
_STATED: List[Pattern] = [
    (key, re.compile(rf"(?<![\w-])(?:{words}){_IS}{_VALUE}", re.IGNORECASE))
    for key, words in (
        ("learning_rate", rf"learning[- ]rate|lr|{_FOREIGN['learning_rate']}"),
        ("total_train_batch_size", r"(?:effective|global|total)(?: train(?:ing)?)? batch(?:[- ]size)?"),
        (
            "train_batch_size",
            (
                r"(?<!effective )(?<!global )(?<!total )(?<!eval )(?<!evaluation )(?<!validation )"
                r"(?:(?:train(?:ing)? |per[- ]device )?batch[- ]size|train(?:ing)? batch)"
                rf"|{_FOREIGN['train_batch_size']}"
            ),
        ),
        ("eval_batch_size", r"eval(?:uation)? batch(?:[- ]size)?"),
        ("gradient_accumulation_steps", r"gradient[- ]accumulation(?: steps?)?(?: factor)?"),
        ("weight_decay", r"weight[- ]decay"),
        ("lr_scheduler_warmup_ratio", r"warm-?up[- ]ratio"),
        ("lr_scheduler_warmup_steps", r"warm-?up[- ]steps"),
        ("seed", r"(?:random|fixed|manual) seed|seed(?=\s?=|:| of )"),
        ("lora_r", r"lora[- ](?:rank|r)"),
        ("lora_alpha", r"lora[- ]alpha"),
        ("lora_dropout", r"lora[- ]dropout"),
        ("label_smoothing_factor", r"label[- ]smoothing"),
        ("max_seq_length", r"max(?:imum)?[- ]seq(?:uence)?[- ]len(?:gth)?"),
    )
] + [
    (key, re.compile(pattern, re.IGNORECASE))
    for key, pattern in (
        ("learning_rate", r"(?<![\w.*x×-])(?P<value>\d(?:\.\d{1,6})?e-\d{1,2}|0\.0\d{1,8}) learning[- ]rate"),
        ("train_batch_size", r"(?<![\w.*x×-])(?P<value>\d{1,5}) (?:train(?:ing)? )?batch[- ]size"),
        (
            "num_epochs",
            (
                r"(?:train\w*|tun\w+|\bran|\brun|(?:^|[.!?]\s)after|over|for|up to|total of|about|\()[^.;\d]{0,60}?"
                r"(?<![\w.-])(?P<value>\d{1,4}(?:\.\d{1,4})?) ?(?:full |training |complete |total )?epo(?:che?|c)s?\b"
            ),
        ),
        ("num_epochs", r"(?:^|[:,;]\s)(?P<value>\d{1,4}) epochs(?=\s?(?:$|[,;.)]))"),
        ("num_epochs", rf"(?<![\w.,-])(?P<value>\d{{1,4}}) ?(?:{_FOREIGN['num_epochs']})(?!\w)"),
        ("lr_scheduler_warmup_steps", rf"warm-?up\s(?P<value>{_COUNT})\ssteps"),
        (
            "training_steps",
            (
                rf"(?:train\w*|tun\w+)(?:(?!warm|every|each|checkpoint)[^.;]){{0,100}}?(?<![\w.,])(?P<value>{_COUNT})\s"
                r"(?:training |optimi[sz]\w+ |total |gradient |update )?steps\b"
            ),
        ),
        (
            "lr_scheduler_warmup_steps",
            rf"warm-?(?:ed\s)?up\s(?:for|over|of|during)\s(?:the first\s)?(?P<value>{_COUNT})\ssteps",
        ),
        ("lr_scheduler_warmup_steps", rf"(?<![\w.,])(?P<value>{_COUNT})\s(?:linear\s)?warm-?up\ssteps"),
    )
]
_HYPERPARAMETER = re.compile(
    r"learning|\blr\b|batch|accumul|decay|warm|seed|lora|smooth|seq|epo|steps|" + "|".join(_FOREIGN.values()),
    re.IGNORECASE,
)
_SCHEDULE = re.compile(
    r"\b(?P<kind>cosine(?:[ -]with[ -]restarts)?|linear|polynomial|constant|inverse[- ]square[- ]root)"
    r"[- ](?:(?:learning[- ]rate|lr)[- ])?(?:decay|schedul\w+|annealing)\b",
    re.IGNORECASE,
)
_KINDS = {"inverse_square_root": "inverse_sqrt"}

_SHORT = rf"\s?[:=]?\s?(?:of )?{_VALUE}"
_REMARKS: List[Pattern] = [
    (key, re.compile(pattern, re.IGNORECASE))
    for key, pattern in (
        ("gradient_accumulation_steps", rf"(?<!effective with )\b(?:gradient|grad)[- ]accum\w*(?: steps?)?{_SHORT}"),
        (
            "total_train_batch_size",
            rf"\b(?:effective(?: with gradient accumulation)?|total|global)(?: batch(?:[- ]size)?)?{_SHORT}",
        ),
        ("train_batch_size", rf"\bmicro[- ]?batch(?:[- ]size)?{_SHORT}"),
        ("training_steps", r"(?P<value>\d{1,3}(?:,\d{3})+|\d{1,8})(?: training| optimizer| total)? steps\b"),
        ("weight_decay", rf"\bweight[- ]decay{_SHORT}"),
        ("lr_scheduler_warmup_ratio", rf"\bwarm-?up[- ]ratio{_SHORT}"),
        ("lr_scheduler_warmup_steps", r"(?P<value>\d{1,6})[- ]warm-?up[- ]steps"),
        ("lr_scheduler_warmup_steps", rf"\bwarm-?up[- ]steps{_SHORT}"),
    )
]
_LORA = re.compile(
    rf"(?<![\w-])(?P<name>rank|alpha|dropout|r|α)\s{{0,2}}(?:\([^()]{{0,12}}\)\s?)?[:=]?\s{{0,2}}(?P<value>{NUMBER})",
    re.IGNORECASE,
)
_OPTIMIZER_NAME = (
    r"(?:8-?bit |paged |fused )?(?:AdamW|Adam|SGD|Ada[fF]actor|Lion|RMS[pP]rop|LAMB|Adagrad|Adadelta|NAdam|RAdam|Muon)"
)
_OPTIMIZER = re.compile(
    rf"\b(?P<name>{_OPTIMIZER_NAME})(?:[- ]8-?bit)?\s(?:\([^()]{{0,60}}\)\s)?optimi[sz](?:er|ation)\b"
    rf"|\boptimi[sz]er(?:\sused)?\s(?:is|was)\s(?:the\s)?(?P<after>{_OPTIMIZER_NAME})\b"
)

_METRIC_NAME = (
    r"(?:(?:training|train|validation|val|test|eval|evaluation|final|macro|micro|weighted|balanced|top[- ]?\d+|mean"
    r"|average|overall|dev)(?:[- ]average)?[- ]){0,3}"
    r"(?:accuracy|f1(?:[- ](?:score|measure))?|precision|recall|loss|sacrebleu|bleu(?:-\d)?|rouge-?(?:1|2|lsum|l)|wer"
    r"|cer|word error rate|character error rate|perplexity|exact[- ]match|mse|rmse|mae|auc(?:-roc)?|roc[- ]auc|mcc|iou"
    r"|map(?:@[\d.]+)?|meteor|chrf)"
)
_METRICS = (
    re.compile(
        rf"(?<![\w-])(?P<name>{_METRIC_NAME})(?: score| value)?(?:\s\([^()]{{0,40}}\))?"
        r"(?: (?:of|for|on) (?:the|this|our) (?:model|test set|evaluation set|test data|validation set))?"
        r"\s{0,2}(?:of|is|was|=|:|≈|~|reached|reaches|at|equals)\s{0,2}"
        r"(?:about|approximately|around|roughly|nearly|over|up to|only|just|≈|~)?"
        rf"\s{{0,2}}(?P<value>{NUMBER})(?:\s?%)?(?![\w^]|\.\d|-\d)",
        re.IGNORECASE,
    ),
    re.compile(rf"(?<![\w.,-])(?P<value>\d{{1,3}}(?:\.\d{{1,6}})?)\s?%\s(?P<name>{_METRIC_NAME})\b", re.IGNORECASE),
)
_METRIC = re.compile(
    r"accura|f1|precis|recall|loss|bleu|rouge|wer\b|cer\b|error|perplex|match|mse|mae|auc|mcc|iou|map|meteor|chrf",
    re.IGNORECASE,
)


def advises(text: str) -> bool:
    return _ADVICE.search(text) is not None


def hyperparameters_in(text: str) -> Iterator[Said]:
    """``trained for 3 epochs with a learning rate of 2e-5``"""
    for sentence, start in _sentences(text, _HYPERPARAMETER):
        for key, pattern in _STATED:
            for found in pattern.finditer(sentence):
                yield from _checked(key, found, sentence, start)


def optimizers_in(text: str) -> Iterator[Said]:
    """``the AdamW optimizer``, with its betas where the same sentence has them."""
    for found in _OPTIMIZER.finditer(text) if "ptimi" in text else ():
        end = _SENTENCE.search(text, found.end())
        settings = text[found.end() : min(end.start() if end else len(text), found.end() + 300)]
        optimizer = optimizer_of(f"{found.group('name') or found.group('after')} with {settings}")
        optimizer.pop("weight_decay", None)  # read for itself
        if not advises(text[max(0, found.start() - 60) : found.start()]):
            yield Said("optimizer", optimizer, found.group(), found.start())


def schedules_in(text: str) -> Iterator[Said]:
    """``2e-4 with cosine decay``"""
    for found in _SCHEDULE.finditer(text):
        kind = re.sub(r"[\s-]", "_", found.group("kind").lower())
        yield Said("lr_scheduler_type", _KINDS.get(kind, kind), found.group(), found.start())


def remarks_in(text: str, key: str) -> Iterator[Said]:
    """What stands behind the value of `key`: ``1 per device, gradient accumulation 8 (effective 8)``."""
    for other, pattern in _REMARKS:
        found = pattern.search(text)
        if found and other != key and (other != "training_steps" or key == "num_epochs"):
            yield from _checked(other, found, text, 0)


def lora_in(text: str) -> Iterator[Said]:
    """``rank 8, alpha 16, dropout 0.05``"""
    for found in _LORA.finditer(text):
        value = to_number(found.group("value"))
        if value is not None:
            yield Said(IN_LORA[found.group("name").lower()], value, found.group(), found.start())


def metrics_in(text: str) -> Iterator[Said]:
    """``reached an accuracy of 0.91``; nothing where a sentence compares."""
    for sentence, start in _sentences(text, _METRIC):
        if _COMPARED.search(sentence):
            continue
        for pattern in _METRICS:
            for found in pattern.finditer(sentence):
                value = to_number(found.group("value"))
                if value is not None:
                    name = re.sub(r"weighted[- ]average[- ]", "", found.group("name").lower())
                    yield Said(metric_key(label_of(name)), float(value), found.group(), start + found.start())


def _sentences(text: str, about: re.Pattern[str]) -> Iterator[Tuple[str, int]]:
    """The sentences that hold what `about` looks for and advise nothing, and where they begin."""
    if not about.search(text):
        return
    begin = 0
    for end in [*(found.start() for found in _SENTENCE.finditer(text)), len(text)]:
        sentence, start, begin = text[begin:end], begin, end
        if about.search(sentence) and not advises(sentence):
            yield sentence, start


def _checked(key: str, found: re.Match[str], text: str, start: int) -> Iterator[Said]:
    """The fact that was found, if its number is one number, and one that `key` can have."""
    if RANGE.match(text, found.end()) or re.match(r"[\w^]|\.\d", text[found.end() : found.end() + 3]):
        return
    printed = found.group("value")
    whole = number_at_start(text[found.start("value") : found.start("value") + 40])
    value = whole[0] if whole else to_number(printed.rstrip("%"))
    percent = printed.endswith("%")
    if value is None or (key in WHOLE and value != int(value)) or (percent and key != "lr_scheduler_warmup_ratio"):
        return
    value = value / 100 if percent else int(value) if key in WHOLE else value
    yield Said(key, value, text[max(0, found.start() - 40) : found.end() + 20], start + found.start())
