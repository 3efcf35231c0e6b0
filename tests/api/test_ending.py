"""What the API process does when it is told to end: everything that it still has to write is written."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx


class _Collector(BaseHTTPRequestHandler):
    came: list[str] = []  # noqa: RUF012

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.came.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_terminated_process_leaves_no_line_and_no_span_behind(tmp_path):
    collector = HTTPServer(("127.0.0.1", 0), _Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "argosy", "api", "--home", str(tmp_path), "--fd", str(listener.fileno())],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"},
        pass_fds=[listener.fileno()],
        stdout=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
    try:
        answer = httpx.post(url, content=b"{}", headers={"authorization": "Bearer sk-wrong"}, timeout=60)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        collector.shutdown()
    assert answer.status_code == 401
    assert process.returncode == 0  # uvicorn alone would end by the signal, before anything is closed
    assert time.monotonic() - began < 8
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["error"] for line in lines if line["event"] == "request"] == ["invalid_api_key"]
    assert _Collector.came == ["/v1/traces"]
