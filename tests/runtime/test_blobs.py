"""Blobs are named by their digest and are there whole or not at all."""

import errno
import hashlib

import pytest

from argosy.core import NotFound, OutOfSpace
from argosy.runtime import Blobs


def test_what_was_put_is_read_back_under_its_digest(tmp_path):
    blobs = Blobs(tmp_path)
    digest, size = blobs.put([b"hello ", b"world"])
    assert (digest, size) == (hashlib.sha256(b"hello world").hexdigest(), 11)
    assert b"".join(blobs.read(digest)) == b"hello world"


def test_a_writer_that_fails_half_way_leaves_nothing(tmp_path):
    def cut():
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        Blobs(tmp_path).put(cut())
    assert list(tmp_path.rglob("*")) == []


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    def full():
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutOfSpace, match="Free some space"):
        Blobs(tmp_path).put(full())
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "A" * 64, "0" * 64])
def test_only_digests_of_stored_blobs_lead_anywhere(tmp_path, digest):
    with pytest.raises(NotFound):
        Blobs(tmp_path).read(digest)
