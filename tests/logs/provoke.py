"""Failures that training runs into, provoked for real: each under its name, with the signature that it must be told by.

    ENVIRONMENT/bin/python tests/logs/provoke.py DIR

Run inside an environment that has torch; on the CPU. What each printed is in DIR, in a file of its name. The cause is
known here, before any log is read: what a log is labelled is held against it (test_real_logs.py).
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Callable, Dict, Tuple

PROVOKED: Dict[str, Tuple[str, Callable[[], object]]] = {}


def provokes(name: str, signature: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    def add(function: Callable[[], object]) -> Callable[[], object]:
        PROVOKED[name] = signature, function
        return function

    return add


def batches(rows, **options):
    from torch.utils.data import DataLoader

    return list(DataLoader(rows, batch_size=2, **options))


@provokes("torch-backward-twice", "backward-twice")
def backward_twice():
    import torch

    loss = (torch.ones(2, requires_grad=True) ** 2).sum()
    loss.backward()
    loss.backward()


@provokes("torch-batchnorm", "batch-of-one")
def a_batch_of_one_row_is_normalised():
    import torch

    torch.nn.BatchNorm1d(3)(torch.ones(1, 3))


@provokes("torch-batch-size", "batch-size-mismatch")
def fewer_labels_than_rows():
    import torch

    torch.nn.functional.cross_entropy(torch.ones(4, 3), torch.zeros(3, dtype=torch.long))


@provokes("json-broken", "broken-json")
def a_config_is_cut_off():
    import json

    json.loads('{"model_type": "bert", ')


@provokes("disk-full2", "disk-full")
def the_disk_is_full():
    with open("/dev/full", "w") as file:  # noqa: PTH123
        file.write("weights" * 10_000)


@provokes("dtype", "dtype-mismatch")
def a_double_meets_a_float():
    import torch

    torch.nn.Linear(2, 2)(torch.ones(2, 2, dtype=torch.float64))


@provokes("torch-empty-dataset", "empty-dataset")
def a_data_set_without_rows():
    batches([], shuffle=True)


@provokes("torch-inverted-lr", "empty-optimizer")
def an_optimizer_without_parameters():
    import torch

    torch.optim.SGD([], lr=0.1)


@provokes("torch-eof", "empty-pickle")
def a_checkpoint_of_no_bytes():
    import pickle

    pickle.loads(b"")


@provokes("no-file", "file-missing")
def a_file_that_is_not_there():
    open("train.jsonl")  # noqa: PTH123, SIM115


@provokes("torch-half-cpu2", "half-on-cpu")
def half_precision_on_the_processor():
    import torch

    torch.linalg.inv(torch.ones(2, 2).half())


@provokes("torch-inplace", "inplace-operation")
def a_tensor_is_overwritten_that_the_gradient_needs():
    import torch

    start = torch.ones(2, requires_grad=True)
    middle = start.exp()
    middle += 1
    middle.sum().backward()


@provokes("ctrl-c", "interrupted")
def somebody_presses_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)
    import time

    time.sleep(5)


@provokes("label-range", "label-out-of-bounds")
def a_label_beyond_the_classes():
    import torch

    torch.nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([0, 3]))


@provokes("torch-scalar-type", "label-type")
def labels_that_are_no_whole_numbers():
    import torch

    torch.nn.functional.nll_loss(torch.ones(2, 3), torch.tensor([0.0, 1.0]))


@provokes("torch-multi-target", "label-type")
def labels_of_two_columns():
    import torch

    torch.nn.functional.cross_entropy(torch.ones(2, 3), torch.zeros(2, 1, dtype=torch.long))


@provokes("loader-killed", "loader-killed")
def the_kernel_kills_a_loaders_process():
    class Rows(list):
        def __getitem__(self, at):
            os.kill(os.getpid(), signal.SIGKILL)

    batches(Rows([1, 2, 3]), num_workers=1)


@provokes("cuda-no-driver", "no-driver")
def a_gpu_is_asked_for_where_no_driver_is():
    import torch

    torch.ones(1).cuda()


@provokes("torch-no-grad2", "no-gradient")
def a_loss_that_hangs_on_nothing():
    import torch

    torch.ones(1).sum().backward()


@provokes("torch-no-group", "no-process-group")
def ranks_talk_before_they_have_met():
    import torch

    torch.distributed.all_reduce(torch.ones(1))


@provokes("torch-no-rank", "no-rank")
def a_rank_that_was_not_told_its_number():
    import torch

    os.environ.pop("RANK", None)
    torch.distributed.init_process_group("gloo")


@provokes("torch-unicode", "not-utf-8")
def a_text_in_another_encoding():
    Path("text.txt").write_bytes("naïve".encode("latin-1"))
    Path("text.txt").read_text(encoding="utf-8")


@provokes("open-files", "open-files")
def more_files_than_a_process_may_open():
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    [open(os.devnull) for _ in range(100)]  # noqa: PTH123, SIM115


@provokes("lfs-pickle", "pickle-pointer")
def the_pointer_to_a_checkpoint_is_loaded():
    import torch

    Path("model.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    torch.load("model.bin")


@provokes("port-in-use", "port-in-use")
def the_masters_port_is_taken():
    import socket

    first, second = socket.socket(), socket.socket()
    first.bind(("127.0.0.1", 0))
    first.listen()
    second.bind(first.getsockname())


@provokes("torch-recursion", "recursion")
def a_function_that_calls_itself():
    def again():
        return again()

    again()


@provokes("shapes", "shapes-multiply")
def matrices_that_do_not_fit():
    import torch

    torch.nn.Linear(3, 2)(torch.ones(2, 4))


@provokes("torch-state-keys", "state-dict-keys")
def the_weights_of_another_model():
    import torch

    torch.nn.Linear(2, 2).load_state_dict({"other": torch.ones(1)})


@provokes("tf-size-mismatch", "state-dict-shape")
def the_weights_of_a_larger_model():
    import torch

    torch.nn.Linear(2, 2).load_state_dict(torch.nn.Linear(2, 3).state_dict())


@provokes("torch-target-size", "target-size")
def labels_of_another_shape_than_the_answers():
    import torch

    torch.nn.functional.binary_cross_entropy(torch.ones(2, 3), torch.ones(2))


@provokes("token-range", "token-out-of-range")
def a_token_beyond_the_vocabulary():
    import torch

    torch.nn.Embedding(5, 2)(torch.tensor([7]))


@provokes("pad-tensor", "unequal-lengths")
def rows_that_were_not_padded():
    import torch

    torch.tensor([[1, 2], [1]])


@provokes("no-padding", "unequal-lengths")
def a_batch_of_rows_that_were_not_padded():
    import torch

    batches([torch.ones(2), torch.ones(3)])


def main(folder: str) -> None:
    """Each in a process of its own, forked behind the one import of torch."""
    import torch  # noqa: F401

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    os.chdir(place)
    for name, (_, function) in PROVOKED.items():
        child = os.fork()
        if child == 0:
            log = os.open(f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            try:
                function()
            except BaseException:  # noqa: BLE001  an interrupt is one of them
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1])
