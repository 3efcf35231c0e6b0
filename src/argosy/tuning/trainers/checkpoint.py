"""Training state on disk: complete or absent, never half, and never a pickle.

A checkpoint is a folder `checkpoints/step-N` with `adapter.gguf`, which can be served as it is, and
`state.safetensors` with everything that a later process needs to continue as if nothing had happened.
What is random in training is a function of seed, epoch and row, so there is no generator state to keep.
"""

import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from argosy.tuning.trainers.adapter import Adapter
from argosy.tuning.trainers.convert import write_adapter
from argosy.tuning.trainers.model import Model
from argosy.tuning.trainers.optimise import Optimiser
from argosy.tuning.trainers.protocol import ADAPTER_FILE, CHECKPOINTS

STATE_FILE = "state.safetensors"


def save(folder: Path, model: Model, optimiser: Optimiser, trained_tokens: int, fingerprint: str) -> Path:
    """Write the state after the current step and return its folder. Older states go; their adapters stay."""
    root = folder / CHECKPOINTS
    target, temporary = root / f"step-{optimiser.steps}", root / f".step-{optimiser.steps}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    adapter = optimiser.adapter
    notes = {"steps": str(optimiser.steps), "trained_tokens": str(trained_tokens), "run": fingerprint}
    save_file(_tensors(model, optimiser), temporary / STATE_FILE, metadata=notes)
    write_adapter(temporary / ADAPTER_FILE, model.base.shape, adapter, *optimiser.served())
    for path in (temporary / STATE_FILE, temporary):
        _sync(path)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    _sync(root)
    for older in root.glob(f"step-*/{STATE_FILE}"):
        if older.parent != target:
            older.unlink()
    return target


def restore(folder: Path, model: Model, optimiser: Optimiser, fingerprint: str) -> int:
    """Continue from the newest complete checkpoint of the same run, if any; return its trained tokens."""
    found = sorted(folder.glob(f"{CHECKPOINTS}/step-*/{STATE_FILE}"), key=lambda p: int(p.parent.name[5:]))
    for path in reversed(found):
        try:
            with safe_open(path, "pt") as state:
                notes = state.metadata()
                if notes.get("run") != fingerprint:
                    continue
                for name, tensor in _tensors(model, optimiser).items():
                    tensor.copy_(state.get_tensor(name))
        except (SafetensorError, OSError):
            continue  # damaged on disk: an older one, or the start, is as good, only later
        optimiser.steps = int(notes["steps"])
        optimiser.adapter.refresh()
        return int(notes["trained_tokens"])
    return 0


def _tensors(model: Model, optimiser: Optimiser) -> dict[str, torch.Tensor]:
    adapter: Adapter = optimiser.adapter
    tensors = {"a": adapter.flat_a, "b": adapter.flat_b, "plausible": model.plausible}
    for name, moments in optimiser.moments.items():
        tensors |= {f"{name}.mean": moments.mean, f"{name}.square": moments.square}
    return tensors


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
