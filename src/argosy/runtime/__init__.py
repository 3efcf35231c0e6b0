"""What a process stands on: database, blobs, versions, processes, egress. Laptop and cluster differ only here."""

from argosy.runtime.blobs import Blobs
from argosy.runtime.database import UNSTORABLE, Database, Transaction, is_outage, metadata
from argosy.runtime.heartbeats import beat, seconds_since_beat
from argosy.runtime.once import insert_once
from argosy.runtime.vault import Vault, open_vault
from argosy.runtime.versions import bump_version, read_version
from argosy.runtime.whole_file import publish, whole_file

__all__ = [
    "UNSTORABLE",
    "Blobs",
    "Database",
    "Transaction",
    "Vault",
    "beat",
    "bump_version",
    "insert_once",
    "is_outage",
    "metadata",
    "open_vault",
    "publish",
    "read_version",
    "seconds_since_beat",
    "whole_file",
]
