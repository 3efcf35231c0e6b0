"""Time, always UTC. Unix seconds on the wire and in rows, microseconds where the order within a second matters."""

import time


def now() -> int:
    """Unix time in whole seconds."""
    return int(time.time())


def now_us() -> int:
    """Unix time in microseconds."""
    return time.time_ns() // 1_000
