"""Argosy: your own model cloud, from a hundred examples to a deployed, measured, billed model."""

__version__ = "0.1.0"
