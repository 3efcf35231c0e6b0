"""The file of kept answers under attack: kills, damage, a full disk, other processes, other keys."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from argosy.gateway.cache import AnswerCache
from argosy.gateway.cache.entry import BYTES_MAX, Entry
from argosy.gateway.cache.shelf import Shelf
from argosy.runtime import Vault

KEY = "k" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.sqlite"


@pytest.fixture
def shelf(path):
    opened = Shelf(path, 1 << 20, 100)
    yield opened
    opened.close()


def files(path):
    return sorted(path.parent.glob(f"{path.name}*"))


def test_what_was_put_is_there_for_its_owner_alone_and_after_a_restart(shelf, path):
    shelf.put(KEY, "p", b"sealed", 0)
    assert shelf.get(KEY) == (b"sealed", 0, False)
    assert {file.stat().st_mode & 0o777 for file in files(path)} == {0o600}
    shelf.close()
    assert Shelf(path, 1 << 20, 100).get(KEY) == (b"sealed", 0, False)


def test_it_ages_and_ends(path):
    now = [1000.0]
    shelf = Shelf(path, 1 << 20, 100, lambda: now[0])
    shelf.put(KEY, "p", b"x", 0)
    now[0] += 99
    assert shelf.get(KEY) == (b"x", 99, True)
    shelf.touch(KEY)
    assert shelf.get(KEY) == (b"x", 99, False)
    assert shelf.size("p") == (1, 1)
    now[0] += 1
    assert shelf.get(KEY) is None
    assert shelf.size("p") == (0, 0)
    now[0] -= 500  # a clock that was set back
    assert shelf.get(KEY) == (b"x", 0, False)


def test_the_file_stays_within_its_bound_and_the_least_used_go_first(path):
    now = [0.0]
    shelf = Shelf(path, 1 << 20, 10**6, lambda: now[0])
    shelf.put("favourite", "p", b"f" * 5000, 0)
    for number in range(1000):
        now[0] += 100
        shelf.touch("favourite")
        shelf.put(f"{number}", "p", os.urandom(random.randrange(20_000)), 0)
        assert path.stat().st_size <= 1 << 20
    assert shelf.get("favourite") is not None
    assert shelf.get("0") is None
    assert shelf.get("999") is not None
    assert 0.5 * (1 << 20) < sum(size for size in [shelf.size("p")[1]]) < 1 << 20
    assert sum(file.stat().st_size for file in files(path)) < 6 << 20


def test_an_entry_larger_than_the_file_is_refused_and_the_rest_works(path):
    shelf = Shelf(path, 1 << 18, 100)
    shelf.put("small", "p", b"x", 0)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        shelf.put("large", "p", bytes(1 << 20), 0)
    shelf.put("small", "p", b"y", 0)
    assert shelf.get("small")[0] == b"y"
    assert shelf.get("large") is None


@pytest.mark.parametrize("damage", ["garbage", "cut", "zeros in the middle", "gone", "another format"])
def test_a_damaged_file_costs_misses_and_nothing_else(path, damage):
    shelf, other = Shelf(path, 1 << 20, 100), Shelf(path, 1 << 20, 100)
    for number in range(50):
        shelf.put(f"{number}", "p", os.urandom(3000), 0)
    other.get("1")
    if damage in ("garbage", "cut", "zeros in the middle"):
        shelf.close()
        other.close()  # the last one out brings everything into the one file
    if damage == "garbage":
        path.write_bytes(os.urandom(100_000))
    if damage == "cut":
        os.truncate(path, 30_000)
    if damage == "zeros in the middle":
        with open(path, "r+b") as file:
            file.seek(4096)
            file.write(bytes(60_000))
    if damage == "gone":
        path.unlink()
    if damage == "another format":
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        db.close()
        shelf.close()
    for number in range(50):
        shelf.get(f"{number}")
    shelf.put(KEY, "p", b"new", 0)
    assert shelf.get(KEY)[0] == b"new"
    assert other.get(KEY)[0] == b"new"
    other.put("more", "p", b"more", 0)
    assert shelf.get("more")[0] == b"more"


WRITER = """
import sys
from pathlib import Path
from argosy.gateway.cache.shelf import Shelf
shelf = Shelf(Path(sys.argv[1]), 1 << 20, 1000)
own, other = sys.argv[2:]
number = 0
shared = False
while True:
    key = f"{own} {number % 300}"
    shelf.put(key, own, key.encode() * 500, 0)
    for key in (key, f"{other} {number % 300}"):
        found = shelf.get(key)
        assert found is None or found[0] == key.encode() * 500
    if found and not shared:
        shared = True
        print("shared", flush=True)
    number += 1
"""


def test_processes_share_it_and_may_be_killed_at_any_moment(path):
    for round_ in range(2):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, path, *names], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for names in (("a", "b"), ("b", "a"))
        ]
        for writer in writers:
            assert writer.stdout.readline() == b"shared\n", writer.stderr.read()
        time.sleep(0.2 + 0.1 * round_)
        for writer in writers:
            assert writer.poll() is None, writer.stderr.read()
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
    shelf = Shelf(path, 1 << 20, 1000)
    found = {key: shelf.get(key) for name in "ab" for key in (f"{name} {number}" for number in range(300))}
    whole = [key for key, kept in found.items() if kept]
    assert whole
    assert all(found[key][0] == key.encode() * 500 for key in whole)
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()
    assert path.stat().st_size <= 1 << 20


def cache(path, key=bytes(32)):
    return AnswerCache(path, Vault(key), bytes_max=1 << 20, ttl_s=100)


ENTRY = Entry("req_1", 31, 24, 4, b'{"id":"req_1","x":"\\"req_1\\""}')


async def test_an_entry_opens_for_its_own_key_and_in_its_own_platform_alone(path):
    first = cache(path)
    first.keep(KEY, "p", 0, lambda: ENTRY)
    first.keep("other", "p", 0, lambda: ENTRY)
    first.settle()
    assert (await first.find(KEY))[0] == ENTRY
    assert b"req_1" not in b"".join(file.read_bytes() for file in files(path))
    db = sqlite3.connect(path)
    db.execute("UPDATE answers SET sealed = (SELECT sealed FROM answers WHERE key = 'other') WHERE key = ?", (KEY,))
    db.commit()
    assert await first.find(KEY) is None
    db.execute("UPDATE answers SET sealed = substr(sealed, 1, 40) WHERE key = 'other'")
    db.commit()
    assert await first.find("other") is None
    first.settle()
    assert db.execute("SELECT count(*) FROM answers").fetchone()[0] == 0  # what cannot be opened goes
    db.close()
    first.keep(KEY, "p", 0, lambda: ENTRY)
    first.stop()
    second = cache(path, b"k" * 32)
    assert await second.find(KEY) is None
    second.stop()


async def test_a_disk_that_takes_nothing_fails_no_request(path, tmp_path):
    broken = cache(tmp_path / "no such folder" / "cache.sqlite")
    broken.keep(KEY, "p", 0, lambda: ENTRY)
    broken.settle()
    assert await broken.find(KEY) is None
    assert broken.counts["failed"] == 2
    (tmp_path / "no such folder").mkdir()
    broken.keep(KEY, "p", 0, lambda: ENTRY)
    broken.settle()
    assert (await broken.find(KEY))[0] == ENTRY
    broken.stop()


FULL = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from tests.gateway.cache.test_shelf import ENTRY, KEY, cache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
kept = cache(Path(sys.argv[1]))
kept.keep(KEY, "p", 0, lambda: ENTRY)
kept.settle()
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
import msgspec
for number in range(20):
    kept.keep(str(number), "p", 0, lambda: msgspec.structs.replace(ENTRY, body=os.urandom(9000)))
kept.settle()
assert kept.counts["failed"] > 0, kept.counts
assert asyncio.run(kept.find(KEY))[0] == ENTRY
kept.stop()
print("well")
"""


def test_a_disk_that_fills_up_keeps_what_is_there(path):
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, timeout=60)
    assert done.stdout.endswith("well\n"), done.stdout + done.stderr


async def test_what_waits_to_be_written_is_bounded_and_what_is_too_long_is_left_out(path):
    kept = cache(path)
    kept._writer.submit(time.sleep, 0.2)
    for number in range(1000):
        kept.keep(str(number), "p", 0, lambda: ENTRY)
    assert kept.counts["failed"] > 700
    kept.settle()
    kept.keep(KEY, "p", 0, lambda: Entry("r", 0, 0, 0, bytes(BYTES_MAX)))
    kept.settle()
    assert await kept.find(KEY) is None
    assert kept.counts["stored"] == 256
    kept.stop()


def test_what_was_emptied_stays_so(shelf):
    begun_us = int(time.time() * 1e6)
    shelf.put("a", "p", b"x", begun_us)
    shelf.put("b", "q", b"x", begun_us)
    assert shelf.empty("p") == 1
    shelf.put("a", "p", b"x", begun_us)
    assert (shelf.get("a"), shelf.get("b")[0]) == (None, b"x")
    shelf.put("a", "p", b"x", int(time.time() * 1e6) + 1000)
    assert shelf.get("a")[0] == b"x"
