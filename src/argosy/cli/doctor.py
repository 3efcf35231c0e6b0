"""``argosy doctor``: what this machine lacks, and what to do about it."""

import importlib.util
import json
import os
import shutil
import socket
import sys
from dataclasses import asdict, dataclass

import typer

from argosy.cli.client import JsonOption
from argosy.cli.platform import HomeOption, PortOption, read_settings
from argosy.core import Settings

_NEEDED_BYTES = 2 << 30


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``level`` is ok, note (works without) or missing (does not work without)."""

    what: str
    level: str
    message: str


def doctor(home: HomeOption = None, port: PortOption = None, as_json: JsonOption = False) -> None:
    """Say what is missing and what to do. Exit status 1 when something needed is missing."""
    settings = read_settings(home, port)
    findings = [*_packages(), _cpu(), _disk(settings), _home(settings), _database(settings), _port(settings)]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{_MARKS[finding.level]} {finding.what}: {finding.message}")
    raise typer.Exit(int(any(finding.level == "missing" for finding in findings)))


_MARKS = {"ok": "✓", "note": "•", "missing": "✗"}


def _packages() -> list[Finding]:
    found = [Finding("Python", "ok", sys.version.split()[0])]
    for package, extra, purpose in (
        ("xllamacpp", "local", "the local engine"),
        ("gguf", "local", "fitting and adapters"),
        ("torch", "tune", "fine-tuning"),
        ("tokenizers", "tune", "fine-tuning"),
    ):
        if importlib.util.find_spec(package):
            found.append(Finding(package, "ok", f"{purpose} is installed"))
        else:
            found.append(Finding(package, "missing", f"{purpose} needs it: pip install 'argosy[{extra}]'"))
    return found


def _cpu() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/proc/cpuinfo") as file:
            flags = file.read()
    except OSError:
        flags = ""
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        return Finding("CPU", "ok", f"{cores} cores with bfloat16 arithmetic")
    return Finding("CPU", "note", f"{cores} cores without bfloat16: tuning works, several times slower, in float32")


def _disk(settings: Settings) -> Finding:
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{free / (1 << 30):.1f} GiB free under {place}"
    if free < _NEEDED_BYTES:
        return Finding("disk", "missing", f"{text}; 2 GiB are needed: free some, or point ARGOSY_HOME at another disk")
    return Finding("disk", "ok", text)


def _home(settings: Settings) -> Finding:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe = settings.home / ".doctor"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding("home", "missing", f"{settings.home} is not writable ({error.strerror}): set ARGOSY_HOME")
    return Finding("home", "ok", str(settings.home))


def _database(settings: Settings) -> Finding:
    from argosy.runtime import Database
    from argosy.runtime.migrations import is_current

    kind = settings.database_url.split(":")[0]
    match is_current(Database(settings.database_url)):
        case True:
            return Finding("database", "ok", f"{kind}: reachable and up to date")
        case False:
            return Finding("database", "note", f"{kind}: new or older; 'argosy up' brings it up to date")
        case None:
            return Finding("database", "missing", f"{kind}: cannot be reached; check ARGOSY_DATABASE_URL")


def _port(settings: Settings) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            text = f"{settings.host}:{settings.port} cannot be used ({error.strerror})"
            return Finding("port", "note", f"{text}: Argosy is running there, or use another with --port")
    return Finding("port", "ok", f"{settings.host}:{settings.port} is free")
