"""A metric's label and value: its key in the card, which words are one, and the score."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Optional, Tuple

from card_doctor.cards.values import number_at_start
from card_doctor.cards.vocabulary import METRICS

# What a log holds beside scores.
_BOOKKEEPING = re.compile(
    r"(?:.*_)?(?:runtime|samples_per_second|steps_per_second|samples|preparation_time|epochs?|steps?|num_input_tokens_seen"
    r"|total_flos|flos|time|mem_\w+|num_tokens|seconds|batch(?:es)?|learning_rate|grad_norm|seed)"
)
_SCORE = re.compile(
    r"(?:.*_)?(?:loss|accuracy|acc|f[\d.]*|f\d+_score|f_score|f_measure|f_beta|precision|recall|auc|roc_auc|auroc|auprc|pr_auc"
    r"|bleu(?:_?\d)?|sacrebleu|rouge_?\w{1,4}|rouge|meteor|chrf\w{0,2}|ter|wer|cer|per|mer|wil|mse|rmse|mae|mape|smape|r2|r²"
    r"|exact_match|exact|em|perplexity|ppl|gen_len|bertscore|bleurt|comet|bartscore|m?iou|mean_iou|dice|m?ap(?:_?\d\d?)?"
    r"|m?ap@[\w.:]{1,8}|ndcg(?:@\d+)?|mrr(?:@\d+)?|hits?@\d+|(?:precision|recall|accuracy|pass|top|acc)@\d+|spearman\w*"
    r"|pearson\w*|correlation|mcc|matthews_correlation|kappa|specificity|sensitivity|psnr|ssim|lpips|fid|jaccard|eer|der|brier"
    r"|ece|top_?\d{1,2}(?:_accuracy|_acc)?|bpc|bits_per_\w+|error_rate|(?:rewards|logps|logits|entropy|kl)(?:/\w+)?)"
    r"(?:_(?:macro|micro|weighted|samples|binary))?"
)
_SCORED = re.compile(
    r"(.*_)?(f1|precision|recall|bleu|accuracy|rouge\w*|meteor|exact_match|auc|roc_auc|wer|cer)_(?:scores?|metric|rate)"
)
_PARTS = (
    (re.compile(r"(?:training|train)_(?:set_|data_)?"), "train_"),
    (re.compile(r"(?:validation|valid|val|dev|development)_(?:set_)?"), "validation_"),
    (re.compile(r"(?:eval|evaluation|test|testing|predict|held_out)_(?:set_)?"), ""),
)
_FILLER = re.compile(r"(?:final|best|overall|metric|achieved|average|avg|the)_")
_AVERAGE = re.compile(r"\((macro|micro|weighted|binary|samples)(?:[ -]av\w*)?\)\s*$", re.IGNORECASE)
_REMARK = re.compile(r"\s{0,3}\([^()]{0,60}\)\s{0,3}$")
_ON_TEST = re.compile(r"_(?:on_)?(?:the_)?(?:test|eval|evaluation)(?:_set|_data)?$")
_DECIMAL_COMMA = re.compile(r"\s*\d{1,3},(?:\d{1,2}|\d{4,})(?![\d,.])")  # 83,78 can only be 83.78
_SEVERAL = re.compile(r"\s{0,2}(?:/\s?\d|→|->|to\s+\d|[-–—]\s?\d|vs\b)")
_BEHIND = re.compile(
    r"\s{0,3}(?:%|points?\b)?\s{0,3}"
    r"(?:$|[(,;.<!|←✅⭐🏆±+]|[-–—]\s|\b(?:on|at|after|in|over|for|with|using|and|as|indicating)\b)",
    re.IGNORECASE,
)


@lru_cache(maxsize=8192)
def label_of(text: str) -> str:
    """As `metric_key` wants it: ``F1 (macro)`` is ``macro_f1``, ``Accuracy (Acc)`` ``accuracy``; ``Rewards/chosen``
    keeps its slash.
    """
    text = text.strip().strip("\"'")
    average = _AVERAGE.search(text)
    label = re.sub(r"[^\w/@.²:+]+", "_", _REMARK.sub("", text).lower()).strip("_.:+/")
    return f"{average.group(1).lower()}_{label}" if average else label


@lru_cache(maxsize=8192)
def metric_key(label: str, *, generated: bool = False) -> str:
    """The name of a metric without ``eval_``; the training's and the validation's stay apart from it. `generated`: the
    name is the one that a metric's library gave it, and is kept but for the two that everybody shortens.
    """
    name, prefix = label, ""
    for _ in range(4):  # "Final eval loss", "Best test accuracy"
        before = name
        for pattern, kept in _PARTS:
            found = pattern.match(name)
            if found and found.end() < len(name):
                prefix, name = kept or prefix, name[found.end() :]
        filler = None if generated else _FILLER.match(name)
        if filler and filler.end() < len(name):
            name = name[filler.end() :]
        if name == before:
            break
    if generated:
        return prefix + {"acc": "accuracy", "f1_score": "f1"}.get(name, name)
    name = _ON_TEST.sub("", name)
    scored = _SCORED.fullmatch(name)
    name = (scored.group(1) or "") + scored.group(2) if scored else name
    name = re.sub(r"^(top_?\d+)_(?:test|eval)_", r"\1_", name)
    name = re.sub(r"(?<![a-z])acc$", "accuracy", name)
    return prefix + METRICS.get(name, name)


@lru_cache(maxsize=8192)
def is_metric(key: str) -> bool:
    """Is it a name that only a score has?"""
    return key in METRICS or (_SCORE.fullmatch(key) is not None and not is_bookkeeping(key))


@lru_cache(maxsize=8192)
def is_bookkeeping(key: str) -> bool:
    return _BOOKKEEPING.fullmatch(key) is not None


def score(text: str, *, comma: bool, generated: bool = False) -> Optional[Tuple[float, str]]:
    """The number that a metric's value is, and what follows; None for an explanation that begins with one."""
    found = number_at_start(text, comma=comma or _DECIMAL_COMMA.match(text) is not None)
    if found is None or _SEVERAL.match(found[1]) or not (generated or _BEHIND.match(found[1])):
        return None
    return float(found[0]), re.sub(r"^\s{0,3}%", "", found[1])
