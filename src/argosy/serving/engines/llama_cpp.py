"""The llama.cpp engine: GGUF weights with LoRA adapters on CPU cores, 16 requests side by side.

Run as ``python -m argosy.serving.engines.llama_cpp SPEC_FILE``. It ends at once on SIGTERM: whoever stops it has waited
until nothing is in flight.
"""

import os
import sys
import threading
import time
from pathlib import Path

from argosy.serving.engines.base import Announcement, EngineSpec

MISSING = (
    "The local engine is not installed. Install it with: pip install 'argosy[local]', then deploy the model again."
)


def main(arguments: list[str]) -> None:
    """Load, announce the port, and serve until told to end."""
    spec = EngineSpec.read(Path(arguments[0]))
    ready_file = Path(spec.ready_file)
    # Threads that wait for one another spin for a moment, then sleep: see docs/decisions/0015.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "300")
    try:
        import xllamacpp
    except ImportError:
        Announcement(error=MISSING).write(ready_file)
        raise SystemExit(1) from None
    try:
        server = xllamacpp.Server(_parameters(spec))
    except Exception as error:
        time.sleep(0.2)  # the library's log, which names the cause, is written by a thread of its own
        Announcement(error=f"The engine could not load the model ({error})").write(ready_file)
        raise SystemExit(1) from error
    Announcement(port=int(server.listening_address.rpartition(":")[2])).write(ready_file)
    threading.Event().wait()


def _parameters(spec: EngineSpec) -> "xllamacpp.CommonParams":  # type: ignore[name-defined]  # noqa: F821
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = spec.model_path
    parameters.model_alias = {spec.name}
    parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 0.0) for path in spec.adapter_paths]
    # Scale 0: a request that forgets its list gets the base, not the sum of all adapters.
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = spec.slots
    parameters.n_ctx = spec.slots * spec.context_length
    # A pool shared by all requests would let one long one cut the others off; so each has room of its own.
    parameters.kv_unified = False
    # The prompt cache in RAM does not know adapters: it would reuse one adapter's state for another's prompt.
    parameters.cache_ram_mib = 0
    parameters.cpuparams.n_threads = spec.computing_threads
    parameters.cpuparams_batch.n_threads = spec.computing_threads
    if not spec.writes:
        parameters.embedding = True
        if spec.task == "rerank":
            parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
        # Every token sees every other, so that a text must pass in one piece.
        parameters.n_batch = parameters.n_ubatch = max(512, spec.context_length)
    parameters.fit_params = False
    parameters.ctx_shift = False
    parameters.warmup = False  # the canary request warms it up
    parameters.ui = False
    parameters.endpoint_metrics = True
    parameters.verbosity = 1
    return parameters


if __name__ == "__main__":
    main(sys.argv[1:])
