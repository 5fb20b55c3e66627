from __future__ import annotations

import random
import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_doctor.knowledge import Matrices
from card_doctor.logs import Scanner, diagnose

KNOWN = Matrices().signatures
OUT_OF_MEMORY = "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.70 GiB."
HEADER = "Traceback (most recent call last):"
FRAME = '  File "train.py", line 3, in <module>'


def traceback(*last):
    return [HEADER, FRAME, "    main()", *last]


def found(lines):
    return diagnose(lines, KNOWN)


def test_nothing_in_it_is_nothing():
    diagnosis = found(["{'loss': 0.3}", "done"])
    assert (diagnosis.failure, diagnosis.unrecognised, diagnosis.lines) == (None, None, 2)


def test_the_line_is_named_as_an_editor_counts_it():
    lines = ["start", "", *["{'loss': 0.3}"] * 5000, *traceback(OUT_OF_MEMORY)]
    failure = found(lines).failure
    assert failure.line.number == len(lines)
    assert failure.line.text == OUT_OF_MEMORY


def test_the_first_cause_counts_and_not_the_last_symptom():
    lines = [*traceback(OUT_OF_MEMORY), *traceback("RuntimeError: Numpy is not available")]
    diagnosis = found(lines)
    assert [one.signature for one in diagnosis.failures] == ["cuda-out-of-memory", "numpy-not-available"]


@pytest.mark.parametrize(
    "link",
    [
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    ],
)
def test_a_chain_is_followed_to_what_it_became(link):
    lines = [
        *traceback("ModuleNotFoundError: No module named 'pkg_resources'"),
        "",
        link,
        "",
        *traceback("RuntimeError: Failed to import transformers.trainer"),
    ]
    diagnosis = found(lines)
    assert diagnosis.failure.signature == "pkg-resources"
    assert diagnosis.failure.became.text == "RuntimeError: Failed to import transformers.trainer"
    assert diagnosis.failure.became.number == len(lines)
    assert diagnosis.unrecognised is None


def test_a_specific_cause_in_a_chain_wins_over_a_general_one_before_it():
    lines = [
        *traceback("ModuleNotFoundError: No module named 'flash_attn'"),
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        *traceback("RuntimeError: Numpy is not available"),
    ]
    assert [one.signature for one in found(lines).failures] == ["numpy-not-available"]


def test_source_lines_in_a_traceback_are_not_what_happened():
    lines = [HEADER, FRAME, '    raise RuntimeError("Numpy is not available")', "ValueError: something else"]
    diagnosis = found(lines)
    assert diagnosis.failure is None
    assert diagnosis.unrecognised.text == "ValueError: something else"


def test_an_error_after_which_training_went_on_is_only_noticed():
    lines = [*traceback(OUT_OF_MEMORY), *["{'loss': 0.3, 'epoch': 1.0}"] * 5]
    diagnosis = found(lines)
    assert diagnosis.failure is None
    assert [one.signature for one in diagnosis.noticed] == ["cuda-out-of-memory"]
    again = found([*lines, *traceback(OUT_OF_MEMORY)])
    assert again.failure.line.number == len(lines) + 4
    assert again.failure.count == 2


def test_a_bar_that_is_drawn_once_more_at_the_end_is_no_progress():
    lines = [*traceback(OUT_OF_MEMORY), "  5%|5         | 5/100 [00:01<00:20,  4.6it/s]"]
    assert found(lines).failure.signature == "cuda-out-of-memory"


PREFIXES = {
    "torch": "[rank{}]: ",
    "torchrun": "[default{}]:",
    "slurm": "{}: ",
    "mpi": "[1,{}]<stderr>:",
    "kubernetes": "2026-01-01T10:00:00.123456789Z stderr F [rank{}]: ",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_the_process_that_failed_first_is_named_though_others_are_interleaved(prefix):
    first, second = (
        [prefix.format(rank) + line for line in lines]
        for rank, lines in (
            (3, traceback(OUT_OF_MEMORY)),
            (0, traceback("RuntimeError: Numpy is not available")),
        )
    )
    lines = [line for pair in zip(first, second) for line in pair]
    failure = found(lines).failure
    assert (failure.signature, failure.line.rank, failure.line.number) == ("cuda-out-of-memory", "3", 7)


def test_an_exception_group_is_read_through_its_margin():
    lines = ["  + Exception Group " + HEADER, "  | " + FRAME, "  | ExceptionGroup: two (2 sub-exceptions)"]
    lines += ["  +-+---------------- 1 ----------------", "    | " + HEADER, "    | " + FRAME]
    lines += ["    | ValueError: odd", "    +------------------------------------"]
    assert found(lines).unrecognised.text == "ValueError: odd"


def test_colours_and_bars_do_not_hide_it():
    text = (
        "\r  0%|          | 0/10 [00:00<?, ?it/s]\r 10%|#         | 1/10 [00:01<00:09,  1.0s/it]"
        f"{HEADER}\r\n{FRAME}\r\n"
        "\x1b[1;35mModuleNotFoundError\x1b[0m: No module named \x1b[32m'pkg_resources'\x1b[0m\r\n"
    )
    scanner = Scanner(KNOWN)
    scanner.feed(text.encode())
    failure = scanner.result().failure
    assert (failure.signature, failure.line.number) == ("pkg-resources", 3)
    assert failure.line.text == "ModuleNotFoundError: No module named 'pkg_resources'"


def test_bars_alone_for_megabytes_keep_memory_small():
    bar = b"\r 10%|#         | 1/10 [00:01<00:09,  1.0s/it]"
    scanner = Scanner(KNOWN)
    tracemalloc.start()
    for _ in range(10):
        scanner.feed(bar * 20_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    scanner.feed(b"\nRuntimeError: Numpy is not available")
    assert scanner.result().failure.line.number == 2
    assert peak < 12 << 20


def test_endless_bytes_without_a_line_end_keep_memory_small():
    scanner = Scanner(KNOWN)
    tracemalloc.start()
    for _ in range(8):
        scanner.feed(b"\x00\xff rror: not " * 100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scanner.result().failure is None
    assert peak < 40 << 20


LOG = "\n".join(
    [
        "start",
        *["{'loss': 0.3}"] * 20,
        *("[rank1]: " + line for line in traceback("ModuleNotFoundError: No module named 'pkg_resources'")),
        "",
        *traceback(OUT_OF_MEMORY),
    ]
).encode()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(LOG)), max_size=8))
def test_pieces_of_any_size_say_the_same(cuts):
    whole, scanner = Scanner(KNOWN), Scanner(KNOWN)
    whole.feed(LOG)
    edges = [0, *sorted(cuts), len(LOG)]
    for start, end in zip(edges, edges[1:]):
        scanner.feed(LOG[start:end])
    assert scanner.result() == whole.result()


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from([b"", b"\n", LOG]))
def test_noise_is_read_to_its_end(noise, rest):
    scanner = Scanner(KNOWN)
    scanner.feed(noise + rest + noise)
    assert scanner.result().lines == (noise + rest + noise).count(b"\n")


def test_each_text_is_searched_for():
    """What the search skips would never be seen: every text of every signature, alone among other lines."""
    noise = [f"{{'loss': {random.random():.4f}}}" for _ in range(50)]
    for signature in KNOWN.all:
        for text in signature.texts:
            if signature.pattern is None or re.search(signature.pattern, text):
                got = found([*noise, text, *noise])
                assert [one.signature for one in (*got.failures, *got.symptoms, *got.noticed)] == [signature.id], text
