"""
Small workspaces for end-to-end tests: make them, run a pass over them, look at what is there.

Nothing here replaces a part of the product; every file is real.
"""

import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reconciler import config, engine
from reconciler.config import Settings
from reconciler.executor.hooks import NOTHING_PLUGGED, Plugged
from reconciler.model.report import Report
from reconciler.session import Options
from reconciler.workspace.effects import TEMPORARY, Tap
from reconciler.workspace.together import sync_now

Line = Mapping[str, Any] | bytes
"""A line to write: an object, or bytes as they are (without the line feed)."""

_KEYS: Final = {setting.key: setting.name for setting in config.SETTINGS} | {"provider": "provider.name"}
_TIMES: Final = re.compile(rb'("(?:settled_at|quarantined_at|removed_at|at)": ?)[0-9.e+]+')
_VERSION: Final = re.compile(rb'("version": ?)"[^"]*"')
_CRC: Final = re.compile(rb',"crc":"[0-9a-f]{8}"\}')
PRIVATE: Final = (".reconciler/lock", ".reconciler/workspace-id")
"""Files of every workspace that say nothing about its batches; `tree` leaves them out."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one of many workspaces: in memory where there is such a place: syncing takes time."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder below it has a name of its own
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def request(n: int) -> dict[str, Any]:
    """Request number *n*, in OpenAI's shape."""
    body = {"model": "m", "messages": [{"role": "user", "content": f"question {n}"}]}
    return {"custom_id": f"q-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def answered(n: int) -> dict[str, Any]:
    """The answer to request number *n*."""
    message = {"role": "assistant", "content": f"answer {n}"}
    body = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return {
        "id": f"r-{n}",
        "custom_id": f"q-{n}",
        "response": {"status_code": 200, "body": body},
        "error": None,
    }


def failed(n: int, status: int = 400) -> dict[str, Any]:
    """The failure of request number *n*, with an HTTP status."""
    body = {"error": {"message": f"status {status}"}}
    return {
        "id": f"r-{n}",
        "custom_id": f"q-{n}",
        "response": {"status_code": status, "body": body},
        "error": None,
    }


def unknown(n: int) -> dict[str, Any]:
    """A failure of request number *n* of which nobody can say why."""
    return {"id": f"r-{n}", "custom_id": f"q-{n}", "response": None, "error": None}


def encoded(line: Line) -> bytes:
    """One line, without its line feed."""
    return line if isinstance(line, bytes) else json.dumps(line).encode()


def jsonl(lines: Iterable[Line]) -> bytes:
    """Lines as a file."""
    return b"".join(encoded(line) + b"\n" for line in lines)


def live(root: Path) -> Path:
    """The folder of live batches."""
    return root / "workdir" if (root / "workdir").is_dir() else root


def put(
    root: Path, name: str, *, metadata: Mapping[str, Any] | None = None, **roles: Sequence[Line]
) -> dict[str, bytes]:
    """
    Put a batch into the live folder, which is made if need be.

    Args:
        root: The workspace.
        name: The batch.
        metadata: Its record, if it has one.
        roles: The lines of `input`, `output` and `error`; a file that is not named is not made.

    Returns:
        The bytes of each file, by role.
    """
    if not root.exists():
        (root / "workdir").mkdir(parents=True)
    files = {role: jsonl(lines) for role, lines in roles.items()}
    if metadata is not None:
        files["metadata"] = jsonl([metadata])
    for role, data in files.items():
        (live(root) / f"batch_{role}_{name}.jsonl").write_bytes(data)
    return files


def put_mixture(root: Path) -> None:
    """A batch of every kind."""
    asked = [request(n) for n in range(3)]
    put(root, "1", input=asked, output=[answered(n) for n in (2, 0, 1)])
    put(root, "2", input=asked, output=[answered(0)], error=[failed(1, 429), failed(2)])
    put(root, "3", input=asked, output=[answered(0)])
    put(root, "4", input=asked, output=[answered(0), answered(0)])
    put(root, "5", input=asked)
    put(root, "6", output=[answered(0)])
    put(root, "7", metadata={"batch_id": "batch_7"})
    put(root, "8", input=[b"?"], output=[answered(0)])
    (live(root) / "batch_metadata_9.jsonl").write_bytes(b"")
    (live(root) / "notes.txt").write_bytes(b"mine")


def settings(**flags: Any) -> Settings:
    """
    Settings by their keys: `provider="openai"`, `max_attempts=2`; the others are built-in.

    `files` are settings files of the user, origin and text of each.
    """
    files = flags.pop("files", ())
    return config.settle(files, flags={_KEYS[key]: value for key, value in flags.items()})


def options(tap: Tap | None = None, **more: Any) -> Options:
    """What a pass takes that is tapped; a tap with a method `synced` is what syncs go through, too."""
    return Options(tap=tap, syncs=getattr(tap, "synced", sync_now), **more)


def run(
    root: Path,
    *,
    tap: Tap | None = None,
    plugged: Plugged = NOTHING_PLUGGED,
    **flags: Any,
) -> Report:
    """One pass."""
    return engine.reconcile(str(root), settings(**flags), options(tap, plugged=plugged))


def files(root: Path) -> dict[str, bytes]:
    """Every file below *root*, as it is; links and special files by their kind."""
    return dict(sorted(_files(str(root), "")))


def _files(folder: str, above: str) -> Iterator[tuple[str, bytes]]:
    """The same of one folder, by names alone: the proofs look after each step, and paths are slow to make."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{above}{entry.name}/")
            else:
                yield above + entry.name, Path(entry.path).read_bytes() if entry.is_file() else b"(no file)"


def tree(root: Path) -> dict[str, bytes]:
    """Every file that says something about a batch, with times and versions taken out of our own."""
    return {
        path: normal(path, data)
        for path, data in files(root).items()
        if path not in PRIVATE and not path.startswith("logs/")
    }


def normal(path: str, data: bytes) -> bytes:
    """A file without what differs from run to run: times, versions, checksums over them."""
    leaf = path.rpartition("/")[2]
    if path == ".reconciler/ledger.jsonl":
        return _TIMES.sub(rb"\g<1>0", _CRC.sub(b"}", data))
    if leaf in ("manifest.json", "reason.json", "tombstone.json"):
        # A manifest may quote a reason.json, escaped.
        data = re.sub(rb'(\\"(?:quarantined_at)\\": ?)[0-9.e+]+', rb"\g<1>0", data)
        data = re.sub(rb'(\\"version\\": ?)\\"[^"\\]*\\"', rb'\g<1>\\"0\\"', data)
        return _VERSION.sub(rb'\g<1>"0"', _TIMES.sub(rb"\g<1>0", data))
    return data


def leftovers(root: Path) -> list[str]:
    """Temporary files and staging folders: what a crash may leave and a later pass must remove."""
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*"))
        if path.name.startswith((TEMPORARY, ".staging-"))
    ]


def stats(root: Path) -> dict[str, tuple[int, ...]]:
    """What lstat says of every file and folder: size, times of change, inode, mode, links."""
    found: dict[str, tuple[int, ...]] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        seen = os.lstat(path)
        facts = (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_mode, seen.st_nlink)
        found[str(path.relative_to(root))] = facts
    return found


def ledger(root: Path) -> list[dict[str, Any]]:
    """The whole lines of the ledger; one that a fault has torn is left out, as the product does."""
    path = root / ".reconciler" / "ledger.jsonl"
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]


def results(root: Path, name: str) -> list[dict[str, Any]]:
    """The published results of a batch."""
    path = root / "target" / f"{name}.results.jsonl"
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def manifest(root: Path, name: str) -> dict[str, Any]:
    """The manifest of a settled batch."""
    found: dict[str, Any] = json.loads((root / "done" / name / "manifest.json").read_bytes())
    return found


def record(root: Path, name: str) -> dict[str, Any]:
    """The metadata of a live batch."""
    found: dict[str, Any] = json.loads((live(root) / f"batch_metadata_{name}.jsonl").read_bytes())
    return found


def digest_line(fields: Mapping[str, Any]) -> bytes:
    """A line of the ledger with its checksum."""
    body = json.dumps(fields, separators=(",", ":")).encode()
    return body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body)
