"""
Data sets: batch files with lines as providers serve them, the same bytes for the same seed.

Lines are put together from ready-made parts, which is many times as fast as encoding each: ids, counts and
texts differ from line to line, and texts hold escapes, quotes and line feeds.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from bench.product import settled_record
from reconciler.model.identity import Role, file_name

SEED: Final = 20260101
REQUESTS: Final = 1000
"""Requests of each batch of `batches`."""

_FAILED_OF_A_THOUSAND: Final = 20
_PARAGRAPHS: Final = 512
_WORDS: Final = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an"
    " they which one you were all her she there would their we him been has when who will no more if out so"
    " up said what its about than into them can only other time new some could these two may first then do"
    " batch answer question model value result request file line number function return data table field"
).split()
_FOREIGN: Final = (
    "caf\u00e9 na\u00efve Gr\u00f6\u00dfe \u6771\u4eac \u2014 it\u2019s \u20ac \U0001f680".split()
)
_FOREIGN_OF_A_HUNDRED: Final = 2

_REQUEST: Final = (
    b'{"custom_id": "%b", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o-mini",'
    b' "messages": [{"role": "system", "content": "You are a careful reader. Answer in one paragraph."},'
    b' {"role": "user", "content": %b}], "max_tokens": 1000, "temperature": 0.2}}\n'
)
_ANSWER: Final = (
    b'{"id": "batch_req_%032x", "custom_id": "%b", "response": {"status_code": 200, "request_id": "%032x",'
    b' "body": {"id": "chatcmpl-%032x", "object": "chat.completion", "created": %d,'
    b' "model": "gpt-4o-mini-2024-07-18", "choices": [{"index": 0, "message": {"role": "assistant",'
    b' "content": %b, "refusal": null, "annotations": []}, "logprobs": null, "finish_reason": "%b"}],'
    b' "usage": {"prompt_tokens": %d, "completion_tokens": %d, "total_tokens": %d,'
    b' "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0}, "completion_tokens_details":'
    b' {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0,'
    b' "rejected_prediction_tokens": 0}}, "service_tier": "default", "system_fingerprint": "fp_0ba0d124f1"}},'
    b' "error": null}\n'
)
_EXPIRED: Final = (
    b'{"id": "batch_req_%032x", "custom_id": "%b", "response": null, "error": {"code": "batch_expired",'
    b' "message": "This request could not be executed before the completion window expired."}}\n'
)
_REFUSED: Final = (
    b'{"id": "batch_req_%032x", "custom_id": "%b", "response": {"status_code": %d, "request_id": "%032x",'
    b' "body": {"error": {"message": "%b", "type": "%b", "param": null, "code": %b}}}, "error": null}\n'
)
_REFUSALS: Final = (
    (429, b"Rate limit reached for gpt-4o-mini", b"tokens", b'"rate_limit_exceeded"'),
    (500, b"The server had an error while processing your request", b"server_error", b"null"),
    (400, b"Invalid value for 'content': expected a string", b"invalid_request_error", b"null"),
)


def tiny(workspace: Path, batches: int) -> None:
    """Four small files a batch: two requests, one answered and one failed, and the record of both."""
    rng = random.Random(SEED)
    asks, says = _texts(rng, 60), _texts(rng, 60)
    live = f"{workspace}/workdir"
    for n in range(1, batches + 1):
        ids = [b"tiny-%06d-%d" % (n, k) for k in range(2)]
        files = {
            Role.INPUT: b"".join(_request(rng, each, asks) for each in ids),
            Role.OUTPUT: _answer(rng, ids[0], says),
            Role.ERROR: _refused(rng, ids[1], _REFUSALS[0]),
        }
        digests = {role: (sha256(data).hexdigest(), len(data)) for role, data in files.items()}
        files[Role.METADATA] = settled_record(str(n), digests, *(each.decode() for each in ids))
        for role, data in files.items():
            opened = os.open(f"{live}/{file_name(role, str(n))}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(opened, data)
            os.close(opened)


def giant(workspace: Path, requests: int) -> None:
    """One batch with lines of 1.6 KB to ask and 4.2 KB to answer, every request answered, in any order."""
    rng = random.Random(SEED)
    _batch(workspace, "giant", rng, requests, (_texts(rng, 1250), _texts(rng, 3250)), failing=0)


def batches(workspace: Path, count: int) -> None:
    """
    Batches of a thousand requests, with lines of 1.05 KB to ask and 1.5 KB to answer.

    Of a thousand requests, twenty failed; those stand in the error file.
    """
    for n in range(1, count + 1):
        rng = random.Random(SEED + n)
        texts = (_texts(rng, 780, 64), _texts(rng, 550, 64))
        _batch(workspace, str(n), rng, REQUESTS, texts, failing=_FAILED_OF_A_THOUSAND)


def _batch(  # noqa: PLR0913 - what a batch is made of
    workspace: Path,
    name: str,
    rng: random.Random,
    requests: int,
    texts: tuple[list[bytes], list[bytes]],
    *,
    failing: int,
) -> None:
    """Write the input of one batch, and its answers in another order."""
    live = workspace / "workdir"
    ids = [b"%b-request-%06d" % (name.encode(), k) for k in range(requests)]
    _write(live / file_name(Role.INPUT, name), (_request(rng, each, texts[0]) for each in ids))
    rng.shuffle(ids)
    failed = requests * failing // 1000
    _write(live / file_name(Role.OUTPUT, name), (_answer(rng, each, texts[1]) for each in ids[failed:]))
    if failed:
        _write(live / file_name(Role.ERROR, name), (_failure(rng, each) for each in ids[:failed]))


def _write(path: Path, lines: Iterator[bytes]) -> None:
    with path.open("xb", buffering=1 << 20) as stream:
        stream.writelines(lines)


def _request(rng: random.Random, custom_id: bytes, texts: list[bytes]) -> bytes:
    return _REQUEST % (custom_id, rng.choice(texts))


def _answer(rng: random.Random, custom_id: bytes, texts: list[bytes]) -> bytes:
    asked, said = rng.randrange(100, 900), rng.randrange(10, 999)
    stopped = b"length" if said > 990 else b"stop"
    text, made = rng.choice(texts), 1767225600 + rng.randrange(86400)
    numbers = [rng.getrandbits(128) for _ in range(3)]
    head = (numbers[0], custom_id, numbers[1], numbers[2], made, text, stopped)
    return _ANSWER % (*head, asked, said, asked + said)


def _failure(rng: random.Random, custom_id: bytes) -> bytes:
    found = rng.choice((None, *_REFUSALS))
    return _EXPIRED % (rng.getrandbits(128), custom_id) if found is None else _refused(rng, custom_id, found)


def _refused(rng: random.Random, custom_id: bytes, found: tuple[int, bytes, bytes, bytes]) -> bytes:
    status, message, kind, code = found
    return _REFUSED % (rng.getrandbits(128), custom_id, status, rng.getrandbits(128), message, kind, code)


def _texts(rng: random.Random, size: int, count: int = _PARAGRAPHS) -> list[bytes]:
    """
    Texts of about *size* bytes as JSON strings in ASCII, as the providers write them.

    Prose in English: an escape every 150 bytes or so. Decoders are slower where there are more of them.
    """
    plain, foreign = 100 - _FOREIGN_OF_A_HUNDRED, _FOREIGN_OF_A_HUNDRED
    mixed = rng.choices(_WORDS, k=plain * 20) + rng.choices(_FOREIGN, k=foreign * 20)
    words = [json.dumps(word)[1:-1].encode() for word in mixed]
    return [b'"' + b"".join(_pieces(rng, words, rng.uniform(0.7, 1.3) * size)) + b'"' for _ in range(count)]


def _pieces(rng: random.Random, words: list[bytes], size: float) -> Iterator[bytes]:
    written = 0
    while written < size:
        sentence = b" ".join(rng.choices(words, k=rng.randrange(6, 18)))
        if rng.random() < 0.1:
            sentence = b'\\"' + sentence + b'\\"'
        sentence += b".\\n" if rng.random() < 0.3 else b". "
        written += len(sentence)
        yield sentence


def dropped(root: Path, name: str) -> float:
    """
    One answered request, dropped into a workspace as whoever writes files drops it.

    Returns:
        The moment before its last file is closed, as `time.perf_counter` counts.
    """
    body = {"model": "m", "messages": []}
    asked = {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}
    message = {"role": "assistant", "content": "4"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    response = {"status_code": 200, "body": {"model": "m", "choices": choices}}
    given = {"id": "r", "custom_id": name, "response": response, "error": None}
    ended = 0.0
    for role, line in (("input", asked), ("output", given)):
        with (root / "workdir" / f"batch_{role}_{name}.jsonl").open("w", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            ended = time.perf_counter()
    return ended
