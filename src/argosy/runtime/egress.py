"""The only door to the outside: HTTP to addresses that were checked first, and wheels through pip."""

import contextlib
import http.client
import ipaddress
import itertools
import queue
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import SplitResult, urljoin, urlsplit

from argosy.core import ArgosyError, UpstreamFailed
from argosy.runtime.processes import Child

CONNECT_TIMEOUT_S = 3.0
"""For resolving and connecting together: with no network, the next source is tried after this long."""
POST_DEADLINE_S = 10.0
"""For a message from the first look at a name to the answer's status."""
_WAKE_AGAIN_S = 0.2
_READ_TIMEOUT_S = 30.0
_PIP_TIMEOUT_S = 1800.0
_PIP_LOOK_S = 0.2
_REDIRECTS_MAX = 5
_RESUMES_MAX = 4
_RESUME_AFTER_S = 0.25
_CHUNK = 1 << 18
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Report = Callable[[int], None]
"""Called with the number of bytes received so far."""


def download(
    url: str,
    destination: Path,
    size_bytes: int,
    report: Report,
    private_hosts: Collection[str] = (),
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write what ``url`` answers, which must be exactly ``size_bytes`` long, to ``destination``.

    What is there already is taken for its beginning, so that a download goes on where it broke off: here some times as
    long as each brings it further, and whenever it is called again. Each hop's host is resolved once, its address is
    checked, and that very address is connected to, so that no name can point inside the network: addresses that are
    not public are refused, but for ``private_hosts``, which an operator named. ``headers`` go to the first host only,
    since they may hold a secret. Raises UpstreamFailed with what went wrong; OSError if writing fails. No proxy is
    used.
    """
    for attempt in itertools.count():
        before = _size(destination)
        try:
            return _download(url, destination, size_bytes, report, private_hosts, headers)
        except _BrokeOff as error:
            if attempt >= _RESUMES_MAX or _size(destination) <= before:
                raise _failed(error.reason, url) from error
        time.sleep(_RESUME_AFTER_S * 2**attempt)


def _download(
    url: str,
    destination: Path,
    size_bytes: int,
    report: Report,
    private_hosts: Collection[str],
    headers: Mapping[str, str],
) -> None:
    have = _size(destination)
    if have > size_bytes:
        destination.unlink()
        have = 0
    span = {"Range": f"bytes={have}-"} if 0 < have < size_bytes else {}
    with _followed(url, private_hosts, headers, span) as (last, response):
        goes_on = response.status == 206 and _starts_at(response, have)
        _save(response, last, destination, size_bytes, report, have if goes_on else 0)


@contextlib.contextmanager
def _followed(
    url: str, private_hosts: Collection[str], headers: Mapping[str, str], span: Mapping[str, str]
) -> Iterator[tuple[str, http.client.HTTPResponse]]:
    """What ``url`` answers after its redirects, and who it was that did: the whole, or the ``span`` asked for."""
    first_host = urlsplit(url).hostname
    for _ in range(_REDIRECTS_MAX + 1):
        own = headers if urlsplit(url).hostname == first_host else {}
        connection, response = _get(url, private_hosts, {**own, **span})
        try:
            if response.status in (301, 302, 303, 307, 308):
                url = urljoin(url, response.headers.get("Location", ""))
                continue
            if response.status != 200 and not (response.status == 206 and span):
                raise _failed(f"it answered {response.status} {response.reason}", url)
            yield url, response
            return
        finally:
            connection.close()
    raise _failed(f"it redirected more than {_REDIRECTS_MAX} times", url)


def first_bytes(
    url: str,
    count: int,
    private_hosts: Collection[str] = (),
    headers: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """The first ``count`` bytes of what ``url`` answers, or all if it is shorter, with `download`'s checks.

    Raises UpstreamFailed.
    """
    span = {"Range": f"bytes=0-{count - 1}"}
    with _followed(url, private_hosts, headers, span) as (last, response):
        body = b""
        try:
            while len(body) < count and (chunk := _next_chunk(response)):
                body += chunk
        except _BrokeOff as error:
            raise _failed(error.reason, last) from error
        return body[:count]


def _starts_at(response: http.client.HTTPResponse, have: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _BrokeOff(Exception):
    """The connection ended in the middle; what came is kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def fetch(
    url: str, headers: Mapping[str, str], size_max: int, private_hosts: Collection[str] = ()
) -> tuple[int, bytes]:
    """Status and body of what ``url`` answers, with the same checks. Nothing is followed, since the headers may hold a
    secret. Raises UpstreamFailed if it cannot be reached, breaks off, or sends more than ``size_max`` bytes.
    """
    connection, response = _get(url, private_hosts, headers)
    try:
        body = b""
        while chunk := _next_chunk(response):
            body += chunk
            if len(body) > size_max:
                raise _failed(f"it sent more than {size_max:,} bytes", url)
        return response.status, body
    except _BrokeOff as error:
        raise _failed(error.reason, url) from error
    finally:
        connection.close()


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, private: bool = False, deadline_s: float = POST_DEADLINE_S
) -> int:
    """Send ``body``; the status of the answer, of which nothing else is read.

    The host is resolved once, and the address that was checked is connected to: one that is not public is refused
    unless ``private``. Nothing is followed. All of it ends within ``deadline_s``, however slowly the other side
    answers. Raises UpstreamFailed.
    """
    parts = urlsplit(url)
    if not _is_plain(parts):
        raise UpstreamFailed("Only plain http and https addresses are told.", code="not_delivered")
    connection = _Pinned(parts, private)
    over, ended = threading.Event(), threading.Event()

    def watch() -> None:
        if ended.wait(deadline_s):
            return
        over.set()
        while not ended.is_set():  # it may be just about to connect
            _wake(connection)
            ended.wait(_WAKE_AGAIN_S)

    threading.Thread(target=watch, daemon=True).start()
    try:
        connection.connect()
        if over.is_set():
            raise TimeoutError
        connection.request("POST", _target(parts), body, {"User-Agent": "argosy", **headers})
        with contextlib.closing(connection.getresponse()) as response:
            return response.status
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = over.is_set() or isinstance(error, TimeoutError)
        reason = f"it did not answer in {deadline_s:g} seconds" if late else f"{error or type(error).__name__}"
        raise UpstreamFailed(f"{parts.hostname} could not be told: {reason}.", code="not_delivered") from error
    finally:
        ended.set()
        connection.close()


def _wake(connection: http.client.HTTPConnection) -> None:
    """End what reads from or writes to a connection in another thread, under TLS too."""
    if (sock := connection.sock) is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def download_wheel(requirement: str, folder: Path, report: Report) -> Path:
    """Fetch one wheel, without its dependencies and without running any of it, from wherever pip is set up to look.

    ``requirement`` is pinned (``name==version``); ``folder`` must be empty and on a disk with room for two copies.
    What ``report`` raises ends the download. Raises UpstreamFailed with pip's own last words.
    """
    scratch = folder / "scratch"
    scratch.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-input"]
    options = ["--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    child = Child(
        "pip",
        [*pip, *options, "--", requirement],
        log=folder / "pip.log",
        environment={"TMPDIR": str(scratch)},  # where room was checked, and what is left over is thrown away
    )
    deadline = time.monotonic() + _PIP_TIMEOUT_S
    try:
        while not child.wait(_PIP_LOOK_S) and time.monotonic() < deadline:
            report(_size_of(folder))
    finally:
        child.terminate()
    wheels = list(folder.glob("*.whl"))
    if child.exit_code != 0 or len(wheels) != 1:
        reason = child.last_words().rpartition("\n")[2].removeprefix("ERROR: ")
        raise UpstreamFailed(
            f"pip could not get {requirement}: {reason or 'it took too long'}.", code="download_failed"
        )
    return wheels[0]


def _size_of(folder: Path) -> int:
    """Bytes of the wheel that pip has so far, in its scratch folder or moved from there just now."""
    sizes = [0]
    for file in folder.rglob("*.whl"):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    return max(sizes)


def is_public(address: str) -> bool:
    """Whether an IP address may be connected to: not loopback, private, link-local, or one of these in disguise."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _get(
    url: str, private_hosts: Collection[str], headers: Mapping[str, str] = MappingProxyType({})
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    parts = urlsplit(url)
    if not _is_plain(parts):
        raise _failed("only plain http and https addresses are followed", url)
    connection = _Pinned(parts, parts.hostname in private_hosts)
    try:
        connection.request(
            "GET", _target(parts), headers={"User-Agent": "argosy", "Accept-Encoding": "identity", **headers}
        )
        return connection, connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError) as error:
        connection.close()
        raise _failed(f"it could not be reached ({error or type(error).__name__})", url) from error
    except ArgosyError:
        connection.close()
        raise


def _is_plain(parts: SplitResult) -> bool:
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None


def _target(parts: SplitResult) -> str:
    """What is asked for at the host."""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _save(
    response: http.client.HTTPResponse, url: str, destination: Path, size_bytes: int, report: Report, have: int
) -> None:
    """Put the body into the file after the first ``have`` bytes. A length other than the right one is refused as early
    as it is known. Raises _BrokeOff.
    """
    if response.length is not None and have + response.length != size_bytes:
        raise _failed(f"it offers {have + response.length:,} bytes, not the expected {size_bytes:,}", url)
    received = have
    with open(destination, "ab" if have else "wb") as file:
        while chunk := _next_chunk(response):
            received += len(chunk)
            if received > size_bytes:
                raise _failed(f"it sent more than the expected {size_bytes:,} bytes", url)
            file.write(chunk)
            report(received)
    if received != size_bytes:
        raise _BrokeOff(f"it broke off after {received:,} of {size_bytes:,} bytes")


def _next_chunk(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokeOff(f"it broke off ({error or type(error).__name__})") from error


class _Pinned(http.client.HTTPConnection):
    """A connection to the address that was checked. TLS still verifies the certificate against the host's name."""

    def __init__(self, parts: SplitResult, may_be_private: bool) -> None:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        super().__init__(host, port, timeout=CONNECT_TIMEOUT_S)
        self._tls = parts.scheme == "https"
        self._may_be_private = may_be_private

    def connect(self) -> None:
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        addresses = _resolve(self.host, self.port)
        if not self._may_be_private and not all(map(is_public, addresses)):
            raise UpstreamFailed(
                f"{self.host} is not on the public internet, so it is not connected to.", code="private_address"
            )
        self.sock = sock = _connect_any(addresses, self.port, deadline)
        if self._tls:
            context = ssl.create_default_context()
            self.sock = sock = context.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
            sock.do_handshake()
        sock.settimeout(_READ_TIMEOUT_S)


def _connect_any(addresses: list[str], port: int, deadline: float) -> socket.socket:
    failure: OSError = OSError("it has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=max(0.2, deadline - time.monotonic()))
        except OSError as error:
            failure = error
    raise failure


def _resolve(host: str, port: int) -> list[str]:
    """All addresses of a host. Asked in a thread, as the system's resolver knows no timeout. Raises OSError."""
    answer: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError) as error:
            answer.put(error if isinstance(error, OSError) else OSError("its name is malformed"))

    threading.Thread(target=ask, daemon=True).start()
    try:
        result = answer.get(timeout=CONNECT_TIMEOUT_S)
    except queue.Empty:
        raise OSError("its name was not resolved in time") from None
    if isinstance(result, OSError):
        raise result
    return result


def _failed(reason: str, url: str) -> UpstreamFailed:
    host = urlsplit(url).hostname or url[:80]
    return UpstreamFailed(f"Download from {host} failed: {reason}.", code="download_failed")
