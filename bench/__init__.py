"""Benchmarks: each a command that prints or writes JSON; ``python -m bench`` runs them and writes docs/benchmarks.md."""
