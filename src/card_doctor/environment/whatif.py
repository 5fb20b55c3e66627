"""``--gpu SPEC``: the machine that training will run on, described instead of read."""

from __future__ import annotations

import re
from typing import Optional, Tuple

from card_doctor.errors import UsageError
from card_doctor.knowledge.hardware import Hardware, Product, key_of, size_of
from card_doctor.model import Accelerator

GIB = 2**30
MOST = 1024  # GPUs in one machine; more is a typing error
EXAMPLES = 'Like --gpu T4, "A100 80GB", sm_90:80GiB, 8xH100, A100+T4, none or unknown'

_COUNT = re.compile(r"(\d{1,9})\s*[x*]\s*(?=\S)", re.IGNORECASE)
_BY_CAPABILITY = re.compile(r"sm_?(\d{1,2})(\d)(?:\s*:\s*(\d{1,5}(?:\.\d+)?)\s*(?:GiB|GB|G)?)?", re.IGNORECASE)


def parse_gpu(spec: str, hardware: Hardware) -> Optional[Tuple[Accelerator, ...]]:
    """The GPUs of one machine; None where they are unknown, empty where it has none."""
    word = spec.strip().lower()
    if word in {"none", "unknown"}:
        return () if word == "none" else None
    found: Tuple[Accelerator, ...] = ()
    for part in spec.split("+"):
        count, one = _one(part.strip(), spec, hardware)
        found += (one,) * count
    if len(found) > MOST:
        raise UsageError(f"--gpu {spec}: more than {MOST} GPUs in one machine", EXAMPLES)
    return found


def _one(part: str, spec: str, hardware: Hardware) -> Tuple[int, Accelerator]:
    times = _COUNT.match(part)
    count = min(int(times.group(1)), MOST + 1) if times else 1
    name = part[times.end() :] if times else part
    if not name or not count:
        raise UsageError(f"--gpu {spec}: a GPU is missing", EXAMPLES)
    if name.lower() in {"none", "unknown"}:
        raise UsageError(f"--gpu {spec}: {name.lower()} stands alone", EXAMPLES)
    by_capability = _BY_CAPABILITY.fullmatch(name)
    if by_capability:
        major, minor, size = by_capability.groups()
        memory = int(float(size) * GIB) if size else None
        return count, Accelerator(f"sm_{major}{minor}", capability=f"{major}.{minor}", memory_bytes=memory)
    product = hardware.product(name)
    if product is None:
        raise _not_known(name, hardware)
    return count, _sold_as(product, name)


def _sold_as(product: Product, name: str) -> Accelerator:
    """In the size that was named; where none was, the smallest: what fits there fits in all of them."""
    size, sizes = size_of(name), product.memory_gib
    if size is None or size_of(product.name) == size:  # GH200's name tells another memory
        size = sizes[0]
    if size not in sizes:
        told = " or ".join(f"{one:g}" for one in sizes)
        other = f"sm_{product.capability.replace('.', '')}:{size:g}GiB"
        raise UsageError(
            f"--gpu {name}: {product.name} was sold with {told} GiB, not with {size:g}", f"If it is so: --gpu {other}"
        )
    named = product.name if len(sizes) == 1 else f"{product.name} {size:g}GB"
    return Accelerator(named, capability=product.capability, memory_bytes=int(size * GIB))


def _not_known(name: str, hardware: Hardware) -> UsageError:
    import difflib  # noqa: PLC0415

    wanted = key_of(name, without_size=True)
    products = hardware.products
    # "3090" is no near match of "rtx 3090" by letters, but it is one of its words.
    near = [key for key in products if set(wanted.split()) & set(key.split())]
    ranked = difflib.get_close_matches(wanted, near or list(products), n=4, cutoff=0.6)
    told = ", ".join(dict.fromkeys(products[key].name for key in ranked))
    other = "describe it by its compute capability and memory, like --gpu sm_90:80GiB"
    return UsageError(
        f"--gpu {name}: no such GPU is known", f"Did you mean {told}? Else {other}." if told else f"D{other[1:]}."
    )
