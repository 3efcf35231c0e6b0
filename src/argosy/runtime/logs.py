"""Logs: one JSON line an event on standard output, which the supervisor keeps in a file. No content, no secrets."""

import logging
import sys

import structlog
from structlog.typing import Processor

_TALKERS = ("alembic", "gguf", "dbos")
"""Libraries that say at level INFO what only their authors need."""


def configure_logs(level: int = logging.INFO) -> None:
    """Set up structlog and the standard library's logging alike, once per process."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for talker in _TALKERS:
        logging.getLogger(talker).setLevel(logging.WARNING)
