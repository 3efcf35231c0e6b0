"""Benchmarks: each a command that gives JSON; ``python -m bench`` runs them and writes docs/benchmarks.md."""
