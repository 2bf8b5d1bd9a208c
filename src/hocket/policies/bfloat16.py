"""Tells whether the processor multiplies in bfloat16, which elsewhere is several times slower than float32."""

from __future__ import annotations

import warnings
from functools import cache
from multiprocessing import parent_process
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Of processors with bfloat16: x86-64 with AVX512-BF16 or AMX, and ARM."""


@cache
def computes_bfloat16() -> bool | None:
    """True if this processor multiplies in bfloat16; None where the system does not list its features."""
    try:
        words = CPU_INFO.read_text(errors="replace").split()
    except OSError:
        return None
    return not FLAGS.isdisjoint(words) if {"flags", "Features"} & set(words) else None


def warn_without_bfloat16(device: str, *, stacklevel: int = 3) -> None:
    """Warns if ``device`` is the processor and it has no bfloat16; in worker processes it does nothing."""
    if device == "cpu" and computes_bfloat16() is False and parent_process() is None:
        warnings.warn(
            "bfloat16=True on a processor without bfloat16 units (AVX512-BF16 or AMX): an inference takes several "
            "times as long as in float32; try bfloat16=False, or a GPU",
            RuntimeWarning,
            stacklevel=stacklevel,
        )
