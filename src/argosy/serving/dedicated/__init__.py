"""Deployments that are one project's alone: their engines' time is metered, whether or not anybody calls."""

from argosy.serving.dedicated.meter import EngineMeter

__all__ = ["EngineMeter"]
