"""Settings of one Argosy home, read once from the environment by whoever starts a process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from argosy.core.money import format_money, parse_money


@dataclass(frozen=True)
class Settings:
    """Where state lives and how the platform is reached. Every process of a platform is started with the same ones."""

    home: Path
    """Folder of all state: database, blobs, journals, models, logs. ``ARGOSY_HOME``, default ``~/.argosy``."""
    database_url: str
    """SQLAlchemy URL. ``ARGOSY_DATABASE_URL``, default SQLite in the home."""
    host: str = "127.0.0.1"
    """Address to listen on. ``ARGOSY_HOST``; loopback unless told otherwise."""
    port: int = 8080
    """Port of the API, 0 for any free one. ``ARGOSY_PORT``."""
    engine_memory_bytes: int | None = None
    """What all engines together may take. ``ARGOSY_ENGINE_MEMORY_GB``, in GiB; by default a share of the machine's."""
    machine_price: tuple[int, str] | None = None
    """What this machine costs an hour, in micro-units, and the currency. ``ARGOSY_MACHINE_PRICE``, such as 0.25 USD."""
    api_processes: int = 1
    """API processes that share the port; each has a core's worth of gateway. ``ARGOSY_API_PROCESSES``."""
    api_url: str | None = None
    """Where the worker reaches the API for the lines of batches. ``ARGOSY_API_URL``; by default at host and port."""
    batch_concurrency: int = 16
    """Lines of batches in flight at once, of all projects together. ``ARGOSY_BATCH_CONCURRENCY``."""
    batch_discount: int = 50
    """Percent that a line of a batch costs less than the same request. ``ARGOSY_BATCH_DISCOUNT``."""
    request_log: bool = True
    """Whether each completion gets a line in the log. ``ARGOSY_REQUEST_LOG``, ``on`` or ``off``."""
    cache_mb: int = 256
    """Room for kept answers, in MiB; 0 keeps none. ``ARGOSY_CACHE_MB``."""
    cache_ttl_s: int = 86_400
    """How long an answer is kept. ``ARGOSY_CACHE_TTL_S``."""
    cache_charge_percent: int = 0
    """Share of its tokens that a kept answer is charged. ``ARGOSY_CACHE_CHARGE_PERCENT``."""
    request_deadline_s: int = 30
    """Within which a request must have come whole; longer for a long one. ``ARGOSY_REQUEST_DEADLINE_S``."""
    reader_deadline_s: int = 30
    """After which a client that does not read its answer is cut off. ``ARGOSY_READER_DEADLINE_S``."""
    admin_key: str | None = None
    """Secret of the first administrator key. ``ARGOSY_ADMIN_KEY``; without it one is made and printed once."""

    @staticmethod
    def read(
        environment: Mapping[str, str] = os.environ, *, home: Path | None = None, port: int | None = None
    ) -> "Settings":
        """Settings from the environment; ``home`` and ``port`` given on a command line win. Raises ValueError."""
        root = (home or Path(environment.get("ARGOSY_HOME", "~/.argosy"))).expanduser().absolute()
        text = environment.get("ARGOSY_PORT", "8080")
        if port is None and not text.isdigit():
            raise ValueError(f"ARGOSY_PORT must be a number, not {text!r}")
        return Settings(
            home=root,
            database_url=environment.get("ARGOSY_DATABASE_URL", f"sqlite:///{root / 'argosy.sqlite'}"),
            host=environment.get("ARGOSY_HOST", "127.0.0.1"),
            port=int(text) if port is None else port,
            engine_memory_bytes=_gibibytes(environment.get("ARGOSY_ENGINE_MEMORY_GB")),
            machine_price=parse_money(environment["ARGOSY_MACHINE_PRICE"])
            if environment.get("ARGOSY_MACHINE_PRICE")
            else None,
            api_processes=_whole(environment, "ARGOSY_API_PROCESSES", 1, 1, 64),
            api_url=environment.get("ARGOSY_API_URL") or None,
            batch_concurrency=_whole(environment, "ARGOSY_BATCH_CONCURRENCY", 16, 1, 1024),
            batch_discount=_whole(environment, "ARGOSY_BATCH_DISCOUNT", 50, 0, 100),
            request_log=_switch("ARGOSY_REQUEST_LOG", environment.get("ARGOSY_REQUEST_LOG") or "on"),
            request_deadline_s=_whole(environment, "ARGOSY_REQUEST_DEADLINE_S", 30, 1, 86_400),
            reader_deadline_s=_whole(environment, "ARGOSY_READER_DEADLINE_S", 30, 1, 86_400),
            cache_mb=_whole(environment, "ARGOSY_CACHE_MB", 256, 0, 1 << 20),
            cache_ttl_s=_whole(environment, "ARGOSY_CACHE_TTL_S", 86_400, 1, 10**9),
            cache_charge_percent=_whole(environment, "ARGOSY_CACHE_CHARGE_PERCENT", 0, 0, 100),
            admin_key=environment.get("ARGOSY_ADMIN_KEY") or None,
        )

    def environment(self) -> dict[str, str]:
        """The variables that give a child process these same settings (the admin key stays with the parent)."""
        return {
            "ARGOSY_HOME": str(self.home),
            "ARGOSY_DATABASE_URL": self.database_url,
            "ARGOSY_HOST": self.host,
            "ARGOSY_PORT": str(self.port),
            "ARGOSY_ENGINE_MEMORY_GB": str(self.engine_memory_bytes / 2**30) if self.engine_memory_bytes else "",
            "ARGOSY_API_URL": self.api_url or "",
            "ARGOSY_BATCH_CONCURRENCY": str(self.batch_concurrency),
            "ARGOSY_BATCH_DISCOUNT": str(self.batch_discount),
            "ARGOSY_REQUEST_DEADLINE_S": str(self.request_deadline_s),
            "ARGOSY_READER_DEADLINE_S": str(self.reader_deadline_s),
            "ARGOSY_CACHE_MB": str(self.cache_mb),
            "ARGOSY_CACHE_TTL_S": str(self.cache_ttl_s),
            "ARGOSY_CACHE_CHARGE_PERCENT": str(self.cache_charge_percent),
            "ARGOSY_MACHINE_PRICE": format_money(*self.machine_price) if self.machine_price else "",
            "ARGOSY_REQUEST_LOG": "on" if self.request_log else "off",
        }

    @property
    def api_address(self) -> str:
        """URL of the API, without a path, as another process of this platform reaches it."""
        if self.api_url:
            return self.api_url.rstrip("/").removesuffix("/v1")
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (read, not listened on)
        host = everywhere.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def with_port(self, port: int) -> "Settings":
        """The same settings on another port."""
        return replace(self, port=port)


def _whole(environment: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number within bounds. Raises ValueError."""
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {text!r}")
    return int(text)


def _switch(name: str, text: str) -> bool:
    """Raises ValueError for anything but ``on`` and ``off``."""
    if text not in ("on", "off"):
        raise ValueError(f"{name} must be 'on' or 'off', not {text!r}")
    return text == "on"


def _gibibytes(text: str | None) -> int | None:
    """Bytes; None for nothing. Raises ValueError."""
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < 1e6:
        raise ValueError(f"ARGOSY_ENGINE_MEMORY_GB must be a number of GiB, not {text!r}")
    return int(found * 2**30)
