"""What is sealed opens for its own purpose with its own key, and for nothing else."""

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from argosy.core import Unavailable
from argosy.runtime import Vault, open_vault

KEY = base64.b64encode(b"k" * 32).decode()


def test_a_sealed_secret_opens_again_and_does_not_show(tmp_path):
    vault = open_vault(tmp_path, {})
    sealed = vault.seal("sk-very-secret", "provider 1")
    assert b"secret" not in sealed
    assert sealed != vault.seal("sk-very-secret", "provider 1")
    assert open_vault(tmp_path, {}).open(sealed, "provider 1") == "sk-very-secret"


@pytest.mark.parametrize("spoil", ["key", "purpose", "bit", "cut"])
def test_what_was_changed_does_not_open(spoil):
    sealed = Vault(b"k" * 32).seal("sk-very-secret", "provider 1")
    vault = Vault((b"x" if spoil == "key" else b"k") * 32)
    if spoil == "bit":
        sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    with pytest.raises(Unavailable, match=r"secret\.key") as refused:
        vault.open(sealed[:5] if spoil == "cut" else sealed, "provider 2" if spoil == "purpose" else "provider 1")
    assert refused.value.code == "secret_unreadable"


def test_the_key_file_is_its_owners_alone_and_made_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: open_vault(tmp_path / "home", {}), range(8)))
    file = tmp_path / "home" / "secret.key"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["secret.key"]
    sealed = vaults[0].seal("a", "b")
    assert {vault.open(sealed, "b") for vault in vaults} == {"a"}


def test_the_operator_may_bring_the_key(tmp_path):
    sealed = open_vault(tmp_path, {"ARGOSY_SECRET_KEY": KEY}).seal("a", "b")
    assert Vault(b"k" * 32).open(sealed, "b") == "a"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["short", "!!", base64.b64encode(b"k" * 16).decode()])
def test_a_malformed_key_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"ARGOSY_SECRET_KEY|16 bytes|3 bytes"):
        open_vault(tmp_path, {"ARGOSY_SECRET_KEY": text})
