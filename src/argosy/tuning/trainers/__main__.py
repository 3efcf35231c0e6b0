"""`python -m argosy.tuning.trainers WORKDIR`: train as the folder's spec.json says; see train.py."""

import os
import sys
import time
import traceback
from pathlib import Path

import msgspec

from argosy.core.errors import ArgosyError
from argosy.tuning.trainers.protocol import ERROR_FILE, Failure


def main(folder: Path) -> int:
    """Return the exit code: 0 with adapter.gguf in place, or 1 with error.json."""
    began = time.time()
    # Read once, when torch loads. By default its threads spin while they wait for each other, thousands of times a
    # step; on a machine that is busy with anything else, the spinner then keeps the late thread off its core, and
    # a step takes twenty times as long. Short spins cost nothing on a quiet machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    (folder / ERROR_FILE).unlink(missing_ok=True)
    try:
        from argosy.tuning.trainers.machine import die_with_parent

        die_with_parent()
        from argosy.tuning.trainers.train import train

        train(folder, began)
    except ArgosyError as error:
        return _fail(folder, Failure(error.code, error.message))
    except (msgspec.MsgspecError, OSError) as error:
        return _fail(folder, Failure("training_failed", f"The training run could not read its input: {error}"))
    except Exception as error:  # whatever it was, the worker must learn of it
        traceback.print_exc()
        return _fail(folder, Failure("internal_error", f"{type(error).__name__}: {error}"))
    return 0


def _fail(folder: Path, failure: Failure) -> int:
    temporary = folder / f".{ERROR_FILE}"
    temporary.write_bytes(msgspec.json.encode(failure))
    temporary.replace(folder / ERROR_FILE)
    print(failure.message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m argosy.tuning.trainers WORKDIR")
    code = main(Path(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)  # torch's threads and half a gigabyte of tensors need no farewell
