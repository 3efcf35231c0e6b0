"""What crosses the border between the worker and a trainer process: `spec.json` in, `progress.jsonl` out.

The worker imports this module, so it imports neither torch nor numpy. Times are seconds, sizes are bytes.
"""

from pathlib import Path
from typing import Literal

import msgspec

SPEC_FILE = "spec.json"
PROGRESS_FILE = "progress.jsonl"
ADAPTER_FILE = "adapter.gguf"
ERROR_FILE = "error.json"
CHECKPOINTS = "checkpoints"

Auto = Literal["auto"]


class TrainerSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training run, as the worker orders it.

    base_gguf: the very file that is served, so that the adapter is fitted to the weights it will meet.
    train_rows, validation_rows: JSONL of {"messages": [{"role", "content", "weight"?}, ...]}.
    n_epochs, batch_size, learning_rate_multiplier: "auto" is resolved from the rows and reported in `Started`.
    rank: width of the adapter; its scale is alpha / rank.
    augmentation: "auto" copies values between rows where the answers quote the questions; see augment.py.
    threads: 0 means one for each core this process may use.
    precision: "auto" takes bf16 where the processor multiplies it natively, else fp32.
    """

    base_gguf: str
    train_rows: str
    validation_rows: str | None = None
    method: Literal["supervised"] = "supervised"
    seed: int = 0
    n_epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"
    learning_rate_multiplier: float | Auto = "auto"
    rank: int = 32
    alpha: float = 64.0
    augmentation: Literal["auto", "off"] = "auto"
    threads: int = 0
    precision: Literal["auto", "bf16", "fp32"] = "auto"


class Hyperparameters(msgspec.Struct, frozen=True):
    """The values that "auto" became."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    learning_rate: float
    rank: int
    alpha: float
    first_layer: int
    """The first block that is trained."""
    augmented_share: float
    seed: int


class Record(msgspec.Struct, frozen=True, tag_field="record"):
    """One line of progress.jsonl."""


class Started(Record, frozen=True, tag="started"):
    """Sent once the rows are read and the base is loaded; `resumed_step` is 0 for a fresh run."""

    total_steps: int
    epochs: int
    rows: int
    tokens_per_epoch: int
    hyperparameters: Hyperparameters
    precision: Literal["bf16", "fp32"]
    resumed_step: int


class Step(Record, frozen=True, tag="step"):
    """One update of the adapter. `trained_tokens` counts all tokens of the rows shown so far."""

    step: int
    epoch: int
    loss: float
    token_accuracy: float
    tokens_per_s: float
    trained_tokens: int
    eta_s: float


class Validation(Record, frozen=True, tag="validation"):
    """Loss and next-token accuracy over all validation rows."""

    step: int
    loss: float
    token_accuracy: float


class Checkpoint(Record, frozen=True, tag="checkpoint"):
    """A complete checkpoint; `adapter` can be served as it is. Paths are relative to the work folder."""

    step: int
    epoch: int
    directory: str
    adapter: str
    metrics: dict[str, float]


class Phase(Record, frozen=True, tag="phase"):
    """Where the time went."""

    name: Literal["import", "load", "train", "validate", "checkpoint", "convert"]
    seconds: float


class Finished(Record, frozen=True, tag="finished"):
    """The last record of a run that succeeded."""

    trained_tokens: int
    adapter: str
    sha256: str
    size_bytes: int
    steps: int
    wall_s: float


class Failure(msgspec.Struct, frozen=True):
    """The content of error.json."""

    code: str
    message: str


AnyRecord = Started | Step | Validation | Checkpoint | Phase | Finished

_DECODER = msgspec.json.Decoder(AnyRecord)


def decode_record(line: bytes | str) -> AnyRecord:
    """Read one line of progress.jsonl; raises msgspec.DecodeError on a half-written line."""
    return _DECODER.decode(line)


def read_spec(folder: Path) -> TrainerSpec:
    """Read the order of a work folder; raises msgspec.ValidationError when it is malformed."""
    return msgspec.json.decode((folder / SPEC_FILE).read_bytes(), type=TrainerSpec)


def write_spec(folder: Path, spec: TrainerSpec) -> None:
    """Place an order in a work folder."""
    (folder / SPEC_FILE).write_bytes(msgspec.json.encode(spec))


def read_progress(path: Path, offset: int = 0) -> tuple[list[AnyRecord], int]:
    """Return the complete records from byte `offset` on, and the offset to continue from."""
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    end = data.rfind(b"\n") + 1
    return [decode_record(line) for line in data[:end].splitlines() if line.strip()], offset + end
