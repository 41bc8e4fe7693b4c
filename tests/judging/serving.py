"""
Foreign servers, started from where `make judges` has put them: none of them is part of this project.

`JUDGES_DIR` names the folder: `node_modules/.bin/prism`, `node_modules/.bin/aimock`, `ogx/bin/ogx`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

HOW = "run `make judges`, which installs it; see docs/judges.md"


def tool(path: str) -> str:
    """The path of an installed tool; the test fails without it."""
    folder = os.environ.get("JUDGES_DIR", "")
    found = Path(folder, path)
    if not folder or not found.exists():
        pytest.fail(f"{path} is not there: {HOW}")
    return str(found)


def document(variable: str) -> str:
    """The path of a published API description, which an environment variable names."""
    found = os.environ.get(variable, "")
    if not found or not Path(found).is_file():
        pytest.fail(f"{variable} names no file: {HOW}")
    return str(Path(found).resolve())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def served(command: Sequence[str], port: int, folder: Path, patience: float = 120.0) -> Iterator[None]:
    """A server for as long as a test lasts; its words are in `server.log` of *folder*."""
    log = folder / "server.log"
    with log.open("wb") as words:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OTEL_SDK_DISABLED": "true"},
        )
        try:
            _wait(process, port, time.monotonic() + patience, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, until: float, log: Path) -> None:
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the server did not come up:\n{log.read_text()[-2000:]}")
