"""
Exchanges as small, readable JSON: what `tests/golden_http/` holds.

Left out are keys, and headers that say nothing about the API; `<intent 1>` stands for the token of the first
create, wherever it is repeated. Everything else is kept as it was said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from email.parser import BytesParser
from pathlib import Path
from typing import Any, Final

from tests.judging.tape import Said, Spoken

FOLDER: Final = Path(__file__).parent.parent / "golden_http"
SENT: Final = ("anthropic-version", "content-type", "range", "x-goog-upload-")
GIVEN: Final = ("content-type", "retry-after", "x-goog-upload-")
KEYS: Final = ("api-key", "authorization", "x-api-key", "x-goog-api-key")
WIDTH: Final = 140
_BOUNDARY: Final = re.compile("boundary=[^;]+")

Kept = list[dict[str, Any]]


def intents_of(spoken: Sequence[Spoken]) -> dict[str, str]:
    """The tokens of the creates, in their order, and what stands for each; also for those of numbered ids."""
    found: dict[str, str] = {}
    for each in spoken:
        for intent in _intents(each.asked):
            found.setdefault(intent, f"<intent {len(found) + 1}>")
    return found


def _intents(asked: Said) -> list[str]:
    if asked.method != "POST" or "json" not in asked.headers.get("content-type", ""):
        return []
    body = asked.json() if asked.body else {}
    named = body.get("metadata", {}).get("reconciler_intent") or body.get("batch", {}).get("displayName")
    if named:
        return [named]
    numbered = [each["custom_id"].partition("-")[0] for each in body.get("requests", ())[:1]]
    return [each for each in numbered if each]


def kept(spoken: Sequence[Spoken], base: str) -> Kept:
    """What was said, relative to the *base* URL that the client was given."""
    plain = [
        {"asked": _asked(each.asked), "answered": _answered(each.answered, each.asked)} for each in spoken
    ]
    text = json.dumps(plain)
    for intent, name in intents_of(spoken).items():
        text = text.replace(intent, name)
    path = "/" + base.partition("://")[2].partition("/")[2]
    text = text.replace(base, "<base>")
    found: Kept = json.loads(text)
    for each in found:
        each["asked"]["path"] = each["asked"]["path"].removeprefix(path.rstrip("/"))
    return found


def _asked(said: Said) -> dict[str, Any]:
    told: dict[str, Any] = {"method": said.method, "path": said.path}
    if said.query:
        told["query"] = said.query
    headers = _some(said, SENT) | {name: "***" for name in KEYS if name in said.headers}
    told["headers"] = dict(sorted(headers.items()))
    if said.body:
        told |= _body(said)
    return told


def _answered(said: Said, asked: Said) -> dict[str, Any]:
    told: dict[str, Any] = {"status": int(said.line), "headers": dict(sorted(_some(said, GIVEN).items()))}
    lines = asked.path.endswith(("/content", "/results", ":download"))
    return told | (_lines(said.body) if lines and said.line == "200" else _body(said))


def _some(said: Said, names: tuple[str, ...]) -> dict[str, str]:
    return {
        name: _BOUNDARY.sub("boundary=***", value)
        for name, value in said.headers.items()
        if name.startswith(names)
    }


def _body(said: Said) -> dict[str, Any]:
    kind = said.headers.get("content-type", "")
    if kind.startswith("multipart/"):
        return {"form": form_of(said)}
    if not said.body:
        return {}
    try:
        return {"json": json.loads(said.body)}
    except ValueError:
        return _lines(said.body)


def _lines(body: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {"lines": [json.loads(line) for line in body.splitlines()]}
    if body and not body.endswith(b"\n"):
        told["unended"] = True
    return told


def form_of(said: Said) -> list[dict[str, Any]]:
    """The parts of a form, in order; a file as its lines."""
    head = b"content-type: " + said.headers["content-type"].encode() + b"\r\n\r\n"
    parts = []
    for part in BytesParser().parsebytes(head + said.body).get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        told: dict[str, Any] = {"name": name}
        if part.get_filename() is None:
            told["value"] = data.decode()
        else:
            told |= {"filename": part.get_filename(), "type": part.get_content_type(), **_lines(data)}
        parts.append(told)
    return parts


def read(name: str) -> Kept:
    """A golden file."""
    found: Kept = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def write(name: str, exchanges: Kept) -> None:
    """Write a golden file."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(shown(exchanges) + "\n")


def shown(value: Any, indent: str = "", before: int = 0) -> str:
    """JSON for people: what fits in a line is in a line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + before + len(flat) < WIDTH or not value or not isinstance(value, dict | list):
        return flat
    deeper = indent + "  "
    if isinstance(value, list):
        rows = [deeper + shown(each, deeper) for each in value]
        return "[\n" + ",\n".join(rows) + f"\n{indent}]"
    keys = {key: json.dumps(key, ensure_ascii=False) + ": " for key in value}
    rows = [deeper + keys[key] + shown(each, deeper, len(keys[key])) for key, each in value.items()]
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
