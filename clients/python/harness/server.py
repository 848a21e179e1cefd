"""Starts the server binary in a folder of its own and stops it again."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

URL = re.compile(r"http://127\.0\.0\.1:[0-9]+")
START_SECONDS = 60
STOP_SECONDS = 60


@contextmanager
def running(binary: str, folder: Path) -> Iterator[str]:
    """The URL of a fresh server; a stop that is not clean is an error."""
    environment = os.environ | {
        "VECTORIZER__STORAGE__PATH": str(folder / "data"),
        "VECTORIZER__SERVER__REST_PORT": "0",
    }
    with (folder / "server.err").open("w") as errors:
        process = subprocess.Popen(
            [binary, "serve"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            cwd=folder,
        )
    try:
        url = _printed_url(process)
        wait_ready(url)
        yield url
        _stop(process)
    finally:
        process.kill()
        process.wait()


def wait_ready(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{url} is not ready after {START_SECONDS} s")


def _printed_url(process: subprocess.Popen[str]) -> str:
    """Reads stdout until the URL; a thread empties the pipe from then on."""
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
    seen = []
    deadline = time.monotonic() + START_SECONDS
    while True:
        line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        if line is None:
            raise RuntimeError(f"the server ended early: {''.join(seen)}")
        seen.append(line)
        if found := URL.search(line):
            return found.group()


def _pump(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=STOP_SECONDS)
    if code != 0:
        raise RuntimeError(f"the server ended with {code} after SIGTERM")
