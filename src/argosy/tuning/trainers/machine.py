"""The processor and the process: threads, number format, memory, and dying with the parent."""

import ctypes
import os
import signal
import sys
from pathlib import Path

import torch

from argosy.tuning.trainers.protocol import TrainerSpec

_PR_SET_PDEATHSIG = 1
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1


def die_with_parent() -> None:
    """Ask Linux to kill this process when the worker that started it ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def prepare(threads: int) -> None:
    """Set torch up for speed: all cores, no denormals, and memory that is kept instead of returned.

    A step allocates the same half gigabyte over and over. Left alone, glibc hands large blocks back to the
    kernel each time, and clearing them anew costs more than the arithmetic on them.
    """
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)) if sys.platform == "linux" else threads or 1)
    torch.set_flush_denormal(True)
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # absent in other C libraries than glibc
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, 1 << 30)
            mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def choose_dtype(precision: str) -> torch.dtype:
    """bf16 where the processor multiplies it natively (elsewhere it is slower than fp32)."""
    if precision == "auto":
        flags = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
        precision = "bf16" if "avx512_bf16" in flags or "amx_bf16" in flags else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def describe(spec: TrainerSpec) -> str:
    """The number format in the words of the protocol."""
    return "bf16" if choose_dtype(spec.precision) is torch.bfloat16 else "fp32"
