"""
A whole run for someone who has just installed this.

Writes inputs, answers and metadata into a new workspace and calls the public command line on it; it
knows nothing that a user does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from reconciler.cli.console import out, paint
from reconciler.errors import Interrupted
from reconciler.model.facts import Kind
from reconciler.workspace.effects import Effects

Call = Callable[[Sequence[str]], int]
"""The public command line: words in, exit code out."""

_QUESTIONS: Final = (
    "What is 2 + 2?",
    "Name a prime.",
    "Say hello in French.",
    "What is the capital of Chile?",
)
_ANSWERS: Final = ("4", "17", "Bonjour", "Santiago")

CASES: Final = (
    ("1", "waiting", "an input without answers: the embedded provider answers here (its worker: echo)"),
    ("2", "answered", "every request answered, in another order"),
    ("3", "failed", "every request failed: one may be asked again by hand, three are final"),
    ("4", "mixed", "some answered, some failed"),
    ("5", "mixed", "left by the Rust batch-mode tools: four-field metadata"),
    ("6", "answered", "one answer short: nobody can say whether the rest is still coming"),
    ("7", "mixed", "one id is answered twice: set aside, with the exact difference"),
    ("8", "orphaned", "answers (output) without their input"),
    ("9", "orphaned", "failures (error) without their input"),
    ("10", "orphaned", "both answer files without their input"),
    ("11", "empty", "metadata alone: its input is gone"),
)


def demo(keep: str | None, call: Call) -> int:
    """
    Make a workspace, show it, reconcile it, show it again.

    Args:
        keep: Where to make it and leave it; None for a temporary folder that is removed.
        call: The public command line.

    Returns:
        0, or 130 when one of its commands was interrupted; the exit codes of all are shown.
    """
    try:
        with _own_settings():
            return _demo(keep, call)
    except Interrupted as interrupted:
        return interrupted.exit_code


def _demo(keep: str | None, call: Call) -> int:
    """The demo, in a workspace that stays or in one that does not."""
    if keep is not None:
        code = call(["init", keep])
        if code == 0:
            _run(keep, call)
            out(f"\nThe workspace stays at {keep}.")
        return code
    with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as folder:
        workspace = f"{folder}/workspace"
        _show(call, "init", workspace)
        _run(workspace, call)
        out("\nThe temporary workspace is gone; to keep one: reconcile demo --keep ./demo")
    return 0


@contextlib.contextmanager
def _own_settings() -> Iterator[None]:
    """Let no setting of the user tell another story."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("RECONCILER_")}
    for name in ours:
        del os.environ[name]
    os.environ["RECONCILER_USER_CONFIG"] = ""
    # The demo's inputs are whole: nobody has to wait for them to stand still.
    os.environ["RECONCILER_POLICY_SETTLE_SECONDS"] = "0"
    try:
        yield
    finally:
        del os.environ["RECONCILER_USER_CONFIG"], os.environ["RECONCILER_POLICY_SETTLE_SECONDS"]
        os.environ.update(ours)


def _run(workspace: str, call: Call) -> None:
    """The demo itself."""
    fx = Effects(workspace)
    try:
        for path, lines in files():
            fx.publish(f"workdir/{path}", (_jsonl(lines),))
        _title("Eleven batches, one of each kind, were put into workdir/")
        for name, shape, what in CASES:
            out(f"  {name:>2}  {shape:<9} {what}")
        _title("Before")
        _tree(fx)
        _show(call, "plan", workspace)
        _show(call, workspace)
        _title("After")
        _tree(fx)
        _title("The results of batch 4, one line a request, in input order (target/4.results.jsonl)")
        for line in fx.read("target/4.results.jsonl").decode().splitlines():
            row = json.loads(line)
            said = row["text"] if row["outcome"] == "answered" else row["error"]["message"]
            out(f"  {row['custom_id']}  {row['outcome']:<9} {said}")
        _title("The results of batch 1, answered here by echo (target/1.results.jsonl)")
        for line in fx.read("target/1.results.jsonl").decode().splitlines():
            row = json.loads(line)
            out(f"  {row['custom_id']}  {row['outcome']:<9} {row['text']}")
        out("\nAnswers whose input is gone cannot be accounted for, and check says so:")
        _show(call, "check", workspace)
        _show(call, "retry", workspace, "6")
        _show(call, "dismiss", workspace, "7")
        _show(call, workspace)
    finally:
        fx.close()
    _title("What next")
    out("  reconcile init ./work              a workspace of your own")
    out("  cp yours.jsonl ./work/workdir/batch_input_1.jsonl")
    out("  reconcile plan ./work              what would be done, and why")
    out("  reconcile ./work                   do it; run it again whenever you like")


def files() -> Iterable[tuple[str, list[Mapping[str, Any]]]]:
    """File name and lines of everything that the demo puts into `workdir/`."""
    asked = [_request(number) for number in range(4)]
    for name in ("1", "2", "3", "4", "5", "6", "7"):
        yield f"batch_input_{name}.jsonl", asked
    yield "batch_output_2.jsonl", [_answer(number) for number in (2, 0, 3, 1)]
    yield (
        "batch_error_3.jsonl",
        [_failure(0, 500, "server had an error"), *(_refusal(each) for each in (1, 2, 3))],
    )
    yield "batch_output_4.jsonl", [_answer(3), _answer(0)]
    yield "batch_error_4.jsonl", [_refusal(1), _refusal(2)]
    yield "batch_output_5.jsonl", [_answer(number) for number in (1, 0, 3)]
    yield "batch_error_5.jsonl", [_refusal(2)]
    ids = {"input_file_id": "file-a1", "output_file_id": "file-b2", "error_file_id": "file-c3"}
    yield "batch_metadata_5.jsonl", [{"batch_id": "batch_d4", **ids}]
    yield "batch_output_6.jsonl", [_answer(number) for number in (0, 1, 2)]
    yield "batch_output_7.jsonl", [_answer(number) for number in (0, 1, 2, 3)]
    yield "batch_error_7.jsonl", [_refusal(3)]
    yield "batch_output_8.jsonl", [_answer(0)]
    yield "batch_error_9.jsonl", [_refusal(0)]
    yield "batch_output_10.jsonl", [_answer(0)]
    yield "batch_error_10.jsonl", [_refusal(1)]
    yield "batch_metadata_11.jsonl", [{"batch_id": "batch_e5", **ids}]


def _request(number: int) -> Mapping[str, Any]:
    """A request line in OpenAI's shape."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": _QUESTIONS[number]}]}
    return {"custom_id": f"q-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def _answer(number: int) -> Mapping[str, Any]:
    """An answer line in OpenAI's shape."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": _ANSWERS[number]},
        "finish_reason": "stop",
    }
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    body = {"object": "chat.completion", "model": "gpt-4o-mini", "choices": [choice], "usage": usage}
    return {
        "id": f"batch_req_{number}",
        "custom_id": f"q-{number}",
        "response": _http(200, body),
        "error": None,
    }


def _refusal(number: int) -> Mapping[str, Any]:
    """A failure that would repeat itself."""
    return _failure(number, 400, "temperature must be at most 2")


def _failure(number: int, status: int, message: str) -> Mapping[str, Any]:
    """A failed line in OpenAI's shape."""
    kind = "invalid_request_error" if status < 500 else "server_error"  # noqa: PLR2004 - HTTP's own border
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return {
        "id": f"batch_req_{number}",
        "custom_id": f"q-{number}",
        "response": _http(status, body),
        "error": None,
    }


def _http(status: int, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The response member of a line."""
    return {"status_code": status, "request_id": "req_1", "body": body}


def _jsonl(lines: Iterable[Mapping[str, Any]]) -> bytes:
    """Lines as bytes."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _show(call: Call, *words: str) -> None:
    """Run the public command line and show what was typed and how it ended."""
    _title(f"$ reconcile {shlex.join(words)}")
    code = call(words)
    out(f"(exit {code})")
    if code == Interrupted.exit_code:
        raise Interrupted("the demo was interrupted")


def _title(text: str) -> None:
    out(f"\n{paint(text, 'strong')}")


def _tree(fx: Effects, folder: str = "", indent: str = "  ") -> None:
    """The files of the workspace, folders first seen first."""
    for entry in sorted(fx.listing(folder)):
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.kind is not Kind.FOLDER:
            out(f"{indent}{entry.name}")
        elif fx.listing(path) and not entry.name.startswith("."):
            out(f"{indent}{entry.name}/")
            _tree(fx, path, indent + "    ")
