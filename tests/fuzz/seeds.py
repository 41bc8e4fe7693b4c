"""Sound documents of every kind that is read, from which damaged ones are made."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from reconciler.model.coverage import Coverage, FileDigest, Tally
from reconciler.model.extraction import Extraction, Kind
from reconciler.model.identity import BatchName, Role
from reconciler.model.outcome import ErrorClass
from reconciler.model.record import Child, Counts, InputFact, Online, Record, Refusal, Submission
from reconciler.workspace import metadata, settled, tombstones
from tests.codec.failed_samples import FAILED
from tests.codec.samples import ANSWERED, REQUESTS
from tests.fuzz.providers import BREAK, KEY, NAMES

_ROOT: Final = Path(__file__).resolve().parents[2]
_GOLDEN: Final = _ROOT / "tests" / "golden_http"
_DIGEST: Final = FileDigest("ab" * 32, 17)
_COVERAGE: Final = Coverage(
    Tally(3, 7),
    Tally(2, 5),
    Tally(1, 2),
    by_class={ErrorClass.TIMEOUT: Tally(1, 2)},
    digests={Role.INPUT: _DIGEST},
    extraction=Extraction(Kind.POINTER, pointer="/a/0", repair="0.1"),
)
_CHILDREN: Final = {BatchName("7.r1"): Child(Tally(1, 2), _DIGEST)}
_RECEIPTS: Final[dict[str, dict[str, Any]]] = {
    "process-output": {"path": "target/7.results.jsonl", "sha256": "ab" * 32, "bytes": 17, "token": "t"},
    "process-error": {"files": {"target/7/1.txt": {"sha256": "ab" * 32, "bytes": 1}}, "state": "started"},
}


def lines() -> list[bytes]:
    """Request and answer lines of every provider, alone and as files."""
    alone = [sample.line for sample in (*REQUESTS, *ANSWERED, *FAILED)]
    spaced = [json.dumps(json.loads(line), ensure_ascii=False).encode() for line in alone[::4]]
    files = [b"\n".join(alone[at : at + 4]) + b"\n" for at in range(0, len(alone), 9)]
    served = [
        b"".join(msgspec.json.encode(row) + b"\n" for row in each["answered"]["lines"])
        for path in sorted(_GOLDEN.glob("*.json"))
        for each in json.loads(path.read_bytes())
        if "lines" in each["answered"]
    ]
    # A lone carriage return, which ends a row for whoever reads a table, before a formula.
    body = {"choices": [{"message": {"content": "a\r=1+1"}, "finish_reason": "stop"}], "model": "m\rx"}
    returned = json.dumps({"custom_id": "a\rb", "response": {"status_code": 200, "body": body}}).encode()
    odd = '{"custom_id":"é\u2028","body":{"a":"\x85\u2029"}}\n'.encode()
    return [
        odd,
        returned + b"\n",
        *(line + b"\n" for line in (*alone, *spaced)),
        *files,
        *served,
        b"\xef\xbb\xbf" + alone[0] + b"\r\n",
    ]


def record() -> list[bytes]:
    """Metadata: all of it, parts of it, and what the ancestor wrote."""
    full = Record(
        BatchName("7"),
        generation=4,
        input=InputFact(_DIGEST, 3),
        parent=BatchName("6"),
        attempt=2,
        provider="openai",
        endpoint="/v1/chat/completions",
        account="f00",
        state=Submission.SUBMITTED,
        sent_at=1.5,
        intent="1234",
        batch_id="batch_1",
        input_file_id="file-1",
        output_file_id="file-2",
        error_file_id="file-3",
        status="completed",
        counts=Counts(3, 2, 1),
        results_until=9.5,
        online=Online((Refusal("c", "no", 3), Refusal("", "why")), ("msgbatch_1",), 7.5, 2, stopped=True),
        roles={Role.OUTPUT: _DIGEST, Role.ERROR: None},
        coverage=_COVERAGE,
        children=_CHILDREN,
        dismissed={"missing": Tally(1, 2)},
        receipts=_RECEIPTS,
        imported={"segment_index": 3, "ids": "by-position"},
        cost={"usd": 0.5},
        extra={"of-tomorrow": [1, {"a": None}]},
    )
    ids = {"batch_id": "batch_abc", "input_file_id": "a", "output_file_id": None, "error_file_id": ""}
    told: dict[str, Any] = json.loads(metadata.encode(full))
    always = {key: told[key] for key in ("schema", "generation", "name")}
    parts = [always | {key: value} for key, value in told.items() if key not in always]
    return [
        metadata.encode(full),
        metadata.encode(Record(BatchName("7"), output_file_id="file-2")),
        *(json.dumps(each).encode() for each in (ids, ids | {"note": 1, "status": 2}, always, *parts)),
    ]


def archive() -> list[bytes]:
    """Manifests and tombstones."""
    name, files = BatchName("7"), {"batch_input_7.jsonl": _DIGEST}
    manifest = settled.Manifest(
        name,
        files,
        _COVERAGE,
        parent=BatchName("6"),
        attempt=2,
        children=_CHILDREN,
        settled_at=1.5,
        version="0.1.0",
        dismissed="why",
        provider="openai",
        batch_id="batch_1",
        receipts=_RECEIPTS,
    )
    stone = tombstones.Tombstone(name, files, _COVERAGE, {"target/7.results.jsonl": _DIGEST}, 1.5, "0.1.0")
    small = settled.Manifest(name, files, Coverage(Tally(0, 0)))
    return [settled.encode(manifest), settled.encode(small), tombstones.encode(stone)]


def history() -> list[bytes]:
    """Ledgers."""
    told: list[dict[str, Any]] = [
        {"at": 1.5, "event": "batch.begun", "batch": "7", "input": "ab" * 32},
        {"at": 2.5, "event": "batch.creating", "batch": "7", "input": "ab" * 32, "intent": "12"},
        {"at": 3.5, "event": "batch.submitted", "batch": "7", "batch_id": "batch_1", "intent": "12"},
        {"at": 4.5, "event": "batch.settled", "batch": "8", "input": "cd" * 32, "requests": 3},
    ]
    lines = []
    for each in told:
        body = msgspec.json.encode(each)
        lines.append(body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body))
    return [*lines, b"".join(lines), b"".join(lines)[:-20]]


def wall() -> list[bytes]:
    """What is kept of batches that were refused as a whole."""
    told = {
        "batch": "7",
        "provider": "openai",
        "model": "m",
        "error_class": "invalid-request",
        "message": "no",
        "requests": 12,
        "lifted": False,
    }
    more: tuple[dict[str, Any], ...] = ({}, {"error_class": "billing"}, {"lifted": True}, {"requests": 2})
    return [json.dumps(told | each).encode() + b"\n" for each in more]


def settings() -> list[bytes]:
    """Settings files."""
    template = (_ROOT / "workspace_template" / "reconciler.toml").read_bytes()
    said = template.replace(b"\n# ", b"\n").replace(b"\n#", b"\n")
    return [
        template,
        *(line + b"\n" for line in said.split(b"\n\n") if line.strip().startswith(b"[")),
        b'[provider]\nname = "openai"\nbase_url = "https://x"\npoll_seconds = 30\n',
        b'[policy]\nmax_attempts = 5\nsubmit = "manual"\n[limits]\njobs = 2\n',
        b'[policy.classes]\ntimeout = "once"\nbilling = "attention"\n[budget]\nmax_cost_usd = 1.5\n',
        b'[[batch]]\nmatch = "invoices-*"\nprovider = "local"\n[batch.classes]\ntimeout = "never"\n',
        b'[[batch]]\nmatch = "7"\nschema = {type = "object"}\n[[batch]]\nmatch = "[a-c]"\ncontent = "json"\n',
        b'[results]\nextract = "tags"\ntag_prefix = "<a>"\ntag_suffix = "</a>"\ncombined = true\ncsv=true\n',
        b'results.pointer = "/a"\nresults.think = "search"\nlimits.jobs = 2\nlog.level = "debug"\n',
        b"RECONCILER_POLICY_MAX_ATTEMPTS = 4\nRECONCILER_RESULTS_CSV = true\nRECONCILER_POLICY_X = 1\n",
    ]


def _input(words: str, *bodies: bytes) -> bytes:
    return words.encode() + b"\n" + BREAK.join(bodies)


def _golden() -> Iterator[bytes]:
    """What the golden exchanges hold, as replies to the questions that they were given to."""
    for path in sorted(_GOLDEN.glob("*.json")):
        name = path.stem if path.stem in NAMES else "openai"
        taken = set()
        for each in json.loads(path.read_bytes()):
            asked, told = each["asked"], each["answered"]
            body = msgspec.json.encode(told["json"]) if "json" in told else b""
            leaf = asked["path"].rpartition("/")[2]
            lists = {"files": "files", "batches": "batches", "jobs": "batches"}
            if asked["method"] == "GET":
                verb = lists.get(leaf, "status")
            else:
                verb = "create" if leaf in lists or "Generate" in leaf else "status"
            if told["status"] >= 300:
                verb = f"refused {told['status']}"
            if body and (name, verb, len(body) // 64) not in taken:
                taken.add((name, verb, len(body) // 64))
                yield _input(f"{name} {verb}", body)


def providers() -> list[bytes]:
    """Replies of every provider to every question."""
    batch: dict[str, Any] = {
        "id": "batch_1",
        "status": "completed",
        "created_at": 1782097200,
        "request_counts": {"total": 3, "completed": 2, "failed": 1},
        "results": [{"custom_id": "01234567-1", "response": {"status_code": 200, "body": {}}, "error": None}],
    }
    whole, row = json.dumps(batch).encode(), json.dumps(batch["results"][0]).encode()
    page = b'{"data":[%b],"has_more":true,"next_cursor":"c"}' % row
    listed = b'{"data":[%b],"has_more":true,"last_id":"batch_1"}' % whole
    inline = {"inlinedResponses": [{"metadata": {"key": "a"}, "response": {"candidates": []}}, {"error": {}}]}
    found = [
        _input("openrouter status", whole),
        _input("openrouter create", whole),
        _input("openrouter batches", listed, b'{"data":[],"has_more":false}'),
        _input("openrouter results", page, page.replace(b"true", b"false")),
        _input("gemini results", json.dumps({"response": inline}).encode()),
        _input("gemini results", json.dumps({"metadata": {"output": {"inlinedResponses": inline}}}).encode()),
        _input(
            "together status", b'{"job":{"id":"b","status":"COMPLETED","created_at":"2026-11-21T00:00:00Z"}}'
        ),
        _input("groq batches", b'[{"id":"b","status":"expired"}]'),
        _input("azure batches", b'{"value":[{"id":"b","status":"x","errors":"no"}],"has_more":false}'),
        _input("openai batches", listed, listed.replace(b"batch_1", b"batch_2")),
        _input(
            "openai refused 429", b'{"error":{"message":"slow","code":"rate_limit_exceeded"}}', b"17", b""
        ),
        _input(
            "openai refused 503", b"<html><title>Busy</title></html>", b"Fri, 21 Nov 2026 00:00:00 GMT", b"1"
        ),
        _input(
            "mistral refused 422", b'{"detail":[{"loc":["body",0],"msg":"no"},{"msg":"%b"}]}' % KEY.encode()
        ),
        _input(
            "gemini refused 400",
            b'[{"error":{"status":"X","details":[{"reason":"API_KEY_INVALID"},{"retryDelay":"3.5s"}]}}]',
        ),
        _input("openai refused 302", b"", b"https://elsewhere", b"bytes 0-9/10"),
        *(_input(f"{name} results", b"".join(s.line + b"\n" for s in ANSWERED[:2])) for name in NAMES[:3]),
    ]
    return [*found, *_golden()]


def imports() -> list[bytes]:
    """What another tool has left."""
    head = (
        b"segment_index,provider,model,batch_id,batch_input_path,batch_output_path,csv_path,pairs_path,done\n"
    )
    rows = b'1,openai,m,batch_1,a/in.jsonl,a/out.jsonl,NA,NA,FALSE\n2.0,gemini,"m,""x""",b,c,d,\'=e,f,TRUE\n'
    return [
        head + rows,
        (head + rows).replace(b",", b";"),
        b"batch_id,provider,batch_input_path,name,attempt\nb,openai,p,7,2\n",
        b'batch_id,provider,batch_input_path,model\nb,openai,p,"m\rx"\n',
        b'{"requests": [{"custom_id": "a", "params": {"model": "c-1", "messages": []}}]}',
        b'{"requests":[{"custom_id":"a","ID1":"x","ID2":"y","request":{"contents":[{"parts":[]}]}}]}',
        b'{"custom_id":"a","result":{"response":[{"candidates":[]}]}}\n{"custom_id":"b","result":{"error":{}}}\n',
        b'{"key":"a","response":{"candidates":[]}}\n',
    ]


def content() -> list[bytes]:
    """Texts of answers."""
    told = b'{"a": [1, {"b": "c"}], "d": null}'
    return [
        told,
        b"```json\n" + told + b"\n```",
        b"Here it is [1]:\n" + told + b"\nHope that helps {x}.",
        b"{'a': [1, 2,], d: True}",
        told + b"\n" + told + b"\n[1, 2]\n",
        b"<think>hm {</think><BETTER_SAMPLE>x</BETTER_SAMPLE> and <BETTER_SAMPLE>x</BETTER_SAMPLE>",
        b"```\n" + told[:-5],
        b"No.",
    ]
