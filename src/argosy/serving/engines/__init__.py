"""Engines: the programs that run weights. Each is a process of its own, with an HTTP port on the loopback address."""

from argosy.serving.engines.base import ENGINES, Announcement, EngineSpec, engine_command

__all__ = ["ENGINES", "Announcement", "EngineSpec", "engine_command"]
