"""Secrets of API keys: how they are made, and how they are recognised without being kept."""

import hashlib
import secrets

from argosy.core import Invalid

PREFIX = "sk-argosy-"
_SHORTEST = 20
_HINT_HEAD, _HINT_TAIL = 7, 4


def new_secret() -> str:
    """A new secret: the prefix and 43 random characters (256 bits)."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """SHA-256 of a secret in hex: all that is stored of it.

    A fast hash is right here. Slow hashes protect passwords, which people choose and others guess; nobody finds a
    secret of 256 random bits by trying, and this runs on every request.
    """
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def hint(secret: str) -> str:
    """The few characters by which its owner recognises a key in a list, such as ``sk-argo…x7Qk``."""
    return f"{secret[:_HINT_HEAD]}…{secret[-_HINT_TAIL:]}"


def check_chosen(secret: str) -> None:
    """Refuse a secret that an operator chose if it is too short to be safe or cannot travel in a header."""
    if len(secret) < _SHORTEST or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise Invalid(
            f"ARGOSY_ADMIN_KEY must be at least {_SHORTEST} printable ASCII characters without spaces. "
            "'openssl rand -hex 24' makes a good one.",
            code="weak_admin_key",
        )
