"""
What is asked when many prompts are asked: the requests, their ids, and the worker that answers them.

An id is made of the prompt, and everything else that changes an answer (model, system prompt, parameters,
schema, worker, address) of a key that all of a call share. No key of a provider goes into either.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import attrs
import msgspec

from reconciler.errors import PermanentError, TransientError, UsageError
from reconciler.executor.values import NoJson, as_json
from reconciler.model.content import Content
from reconciler.model.exchange import Request, Result
from reconciler.model.outcome import Outcome
from reconciler.processors.base import identified as identified_code
from reconciler.processors.content import Parsed, read
from reconciler.providers.base import Body, see_worker

Prompt: TypeAlias = str | Sequence[Mapping[str, Any]]
"""A text, or the messages of a chat."""

CHAT: Final = "/v1/chat/completions"
_SEPARATOR: Final = "."
_WIDTH: Final = 16


@attrs.frozen
class Ask:
    """
    What changes an answer, besides the prompt.

    Attributes:
        model: The model; empty for the worker's own.
        system: A system prompt; empty for none.
        params: Further members of each body, such as `temperature`.
        schema: A JSON Schema that answers are asked in; None for text.
        worker: Who answers: name and version.
        address: Where; empty for the service's own address.
    """

    model: str = ""
    system: str = ""
    params: Mapping[str, Any] = attrs.field(factory=dict)
    schema: Mapping[str, Any] | None = None
    worker: str = ""
    address: str = ""

    @property
    def key(self) -> str:
        """The same for equal choices, in every process: 16 hexadecimal digits."""
        return _digest(attrs.astuple(self, recurse=False))

    def line(self, custom_id: str, prompt: Prompt) -> bytes:
        """The request line of a prompt, newline included."""
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        if self.system:
            messages = [{"role": "system", "content": self.system}, *messages]
        body: dict[str, Any] = {**self.params, "messages": messages}
        if self.model:
            body["model"] = self.model
        if self.schema is not None:
            schema = {"name": "answer", "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        line = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}
        return msgspec.json.encode(line) + b"\n"


def prompt_of(request: Request) -> Prompt:
    """The prompt that a request was made of."""
    messages = [each for each in request.body.get("messages", ()) if each.get("role") != "system"]
    alone = len(messages) == 1 and set(messages[0]) == {"role", "content"}
    content = messages[0]["content"] if alone else None
    return content if isinstance(content, str) else messages


def listed(prompts: Iterable[Prompt]) -> list[Prompt]:
    """
    The prompts of a call, one by one.

    Raises:
        UsageError: What was given is one prompt, or none at all: each letter of a text would be one.
    """
    if isinstance(prompts, str | bytes | bytearray | Mapping):
        message = f"prompts takes a list of prompts, not {prompts!r:.80}"
        raise UsageError(message, hint=f"prompts=[{prompts!r:.80}]" if isinstance(prompts, str) else "")
    if not isinstance(prompts, Iterable):
        raise UsageError(f"prompts takes a list of prompts, not {prompts!r:.80}")
    return list(prompts)


def identified(prompts: Iterable[Prompt], *, dedupe: bool) -> Iterator[tuple[str, Prompt]]:
    """
    Each prompt with its id; with *dedupe* equal ones have the same, without it each has its own.

    Raises:
        UsageError: A prompt is neither text nor messages.
    """
    seen: dict[str, int] = {}
    for at, prompt in enumerate(prompts):
        if not isinstance(prompt, str) and not _are_messages(prompt):
            raise UsageError(f"prompt {at} is {type(prompt).__name__}, expected text or a list of messages")
        try:
            name = _digest(prompt)
        except (TypeError, UnicodeEncodeError, msgspec.MsgspecError) as error:
            raise UsageError(f"prompt {at} cannot be sent: {error}") from error
        seen[name] = seen.get(name, 0) + 1
        yield (name if dedupe or seen[name] == 1 else f"{name}-{seen[name]}"), prompt


def asked_as(name: str, turn: int) -> str:
    """The id of a request that asks a prompt for the *turn*-th time; a turn ends when it has failed."""
    return name if turn == 1 else f"{name}{_SEPARATOR}{turn}"


def name_and_turn(custom_id: str) -> tuple[str, int]:
    """The id of the prompt, and which turn of asking it that request was."""
    name, _, turn = custom_id.partition(_SEPARATOR)
    return name, int(turn) if turn.isdigit() else 1


def _are_messages(prompt: object) -> bool:
    listed = isinstance(prompt, Sequence) and not isinstance(prompt, bytes | bytearray)
    return (
        listed and bool(prompt) and all(isinstance(each, Mapping) for each in cast("Sequence[Any]", prompt))
    )


def _digest(value: Any) -> str:
    """The same for equal values: 32 hexadecimal digits."""
    data = msgspec.json.encode(value, order="sorted")
    return hashlib.blake2b(data, digest_size=_WIDTH).hexdigest()


# Workers


@attrs.define
class Answering:
    """
    The worker of a call: someone who answers prompts, or requests, and a check of what was answered.

    Attributes:
        call: `echo`, a worker of requests, or a function of the user's that takes a prompt.
        takes_prompts: Which of the two.
        check: Makes a value of an answer's text; raises ValueError where it cannot.
        let_go: Lets go of what the worker holds open, None where there is nothing.
        named: By what name metadata knows it.
    """

    call: Callable[[Any], Any]
    takes_prompts: bool = False
    check: Callable[[str], Any] | None = None
    let_go: Callable[[], Awaitable[None]] | None = None
    named: str = ""

    async def __call__(self, request: Request) -> Body:
        """
        One answer.

        Raises:
            TransientError: It does not hold what was asked for; asked again, it may.
        """
        body = await self._answered(request)
        if self.check is not None:
            text = _text_of(body)
            if text is None:
                raise TransientError("the answer holds no text")
            try:
                self.check(text)
            except ValueError as error:
                raise TransientError(f"the answer is not what was asked for: {error}") from error
        return body

    async def _answered(self, request: Request) -> Body:
        argument = prompt_of(request) if self.takes_prompts else request
        if inspect.iscoroutinefunction(self.call) or not self.takes_prompts:
            said = await self.call(argument)
        else:
            said = await asyncio.to_thread(self.call, argument)
            said = await said if inspect.isawaitable(said) else said
        return _chat(said) if self.takes_prompts else cast("Body", said)


def identity_of(worker: Callable[..., Any]) -> str:
    """
    Name and version of a function; the version changes when its code does.

    Raises:
        UsageError: It cannot be called with a prompt alone.
    """
    try:
        see_worker(worker, "prompt")
    except TypeError as error:
        raise UsageError(f"worker: {error}") from error
    return "/".join(identified_code(worker))


def _chat(said: Any) -> Body:
    """
    What a function said, as a chat completion; what is no text becomes JSON.

    Raises:
        PermanentError: It is nothing, or no JSON. Asked again, the function would say the same.
    """
    if said is None:
        raise PermanentError("the worker returned None, expected text or a value that JSON can hold")
    try:
        text = said if isinstance(said, str) else msgspec.json.encode(as_json(said, sort=False)).decode()
    except NoJson as error:
        raise PermanentError(f"the worker {error}") from error
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"object": "chat.completion", "model": "worker", "choices": [choice]}


def _text_of(body: Any) -> str | None:
    try:
        text = body["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return None
    return text if isinstance(text, str) else None


# Typed answers


def schema_of(model: Any) -> Mapping[str, Any]:
    """
    The JSON Schema of a Pydantic model, an attrs class, a dataclass, a TypedDict, or of a schema itself.

    Raises:
        UsageError: It is none of them.
    """
    if isinstance(model, Mapping):
        return model
    made = getattr(model, "model_json_schema", None)
    try:
        found: Mapping[str, Any] = made() if callable(made) else msgspec.json.schema(model)
    except (TypeError, RuntimeError) as error:
        raise UsageError(f"{model!r:.80} has no JSON Schema: {error}") from error
    return found


def reader_of(model: Any) -> Callable[[str], Any]:
    """A function that makes a value of *model* of an answer's text; it raises ValueError where it cannot."""

    def made(text: str) -> Any:
        seen = read(Result("", Outcome.ANSWERED, text=text), Content.JSON)
        if not isinstance(seen, Parsed):
            raise ValueError(seen.reason)  # noqa: TRY004 - it is the text that is wrong
        validate = getattr(model, "model_validate", None)
        if callable(validate):
            return validate(seen.value)
        return seen.value if isinstance(model, Mapping) else msgspec.convert(seen.value, model)

    return made
