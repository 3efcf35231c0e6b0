"""Faults of ours in the log: where they happened and of what kind, never in their own words, which may be a caller's.

An exception's message quotes what it stumbled over, such as a prompt or a provider's key in a body.
"""

import structlog

_log = structlog.get_logger()
_FRAMES_MAX = 30
_CAUSES_MAX = 5


def log_fault(request_id: str, path: str, error: BaseException) -> None:
    """Log an exception that nobody expected."""
    _log.error("request.fault", request_id=request_id, path=path, faults=described(error))


def described(error: BaseException) -> list[dict[str, object]]:
    """The exception and what it came from, the outermost first: its type, and its frames from the outside in."""
    found: list[dict[str, object]] = []
    each: BaseException | None = error
    while each is not None and len(found) < _CAUSES_MAX:
        found.append({"type": f"{type(each).__module__}.{type(each).__qualname__}", "frames": _frames(each)})
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return found


def _frames(error: BaseException) -> list[str]:
    frames, at = [], error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        frames.append(f"{code.co_filename}:{at.tb_lineno} {code.co_qualname}")
        at = at.tb_next
    return frames[-_FRAMES_MAX:]
