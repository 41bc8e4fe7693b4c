"""
What a caller of `prompt_map` chooses: how prompts are asked, and who answers them.

Nothing is asked here, and no key that is handed over goes further than this process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from reconciler.caches import variables_of
from reconciler.errors import UsageError
from reconciler.model.exchange import Dialect
from reconciler.model.policy import ECHO
from reconciler.model.standing import Standing as Progress
from reconciler.plugins import HTTP, name_of
from reconciler.prompting import Answering, Ask, identity_of, reader_of, schema_of
from reconciler.providers.echo import echo
from reconciler.providers.http_worker import HttpWorker
from reconciler.providers.keys import told
from reconciler.providers.services import SERVICES


class Asking(TypedDict, total=False):
    """
    How prompts are asked.

    Keys:
        worker: `http` (unless said otherwise), `echo`, or a function of a prompt, plain or async, that
            returns text or anything JSON can hold but None, which is a failure.
        concurrency: Requests under way at once; 32 unless given.
        requests_per_minute: Sends in any minute, repeated ones included.
        tokens_per_minute: Tokens in any minute.
        max_attempts: Sends of one request; 8 unless given.
        request_seconds: How long one send may take.
        run_seconds: How long new requests are begun.
        response_model: A Pydantic model, an attrs class, a dataclass, a TypedDict or a JSON Schema: answers
            are asked in it and held to it, and one that does not fit is asked again.
        model: The model; OpenRouter's users may put it into `MODEL`.
        api_key: A key, where it is not in the environment; it is kept nowhere.
        base_url: Where an endpoint of one's own is, that speaks OpenAI's API.
        service: Whom `http` asks, as `[local] service`; OpenRouter where only its key is set, else OpenAI.
        system: A system prompt.
        params: Further members of each request, such as `temperature`.
        workspace: A workspace of one's own; otherwise a cache folder.
        cache_dir: Where cache folders are; the user's own cache otherwise.
        env_file: A file of `NAME=value` lines; what the environment says counts more.
        progress_every: Ends after which `on_progress` is called; 200 unless given.
        on_progress: Called with how far the run is.
        stopping: Asked now and then whether to stop.
    """

    worker: str | Callable[[Any], Any]
    concurrency: int
    requests_per_minute: float
    tokens_per_minute: float
    max_attempts: int
    request_seconds: float
    run_seconds: float
    response_model: Any
    model: str
    api_key: str
    base_url: str
    service: str
    system: str
    params: Mapping[str, Any]
    workspace: str | os.PathLike[str]
    cache_dir: str | os.PathLike[str]
    env_file: str | os.PathLike[str]
    progress_every: int
    on_progress: Callable[[Progress], None]
    stopping: Callable[[], bool]


def worker_of(asking: Asking) -> tuple[Ask, Answering]:
    """What changes the answers, and who gives them."""
    model = asking.get("response_model")
    schema = None if model is None else schema_of(model)
    check = None if model is None else reader_of(model)
    worker = asking.get("worker", "http")
    base_url, service = asking.get("base_url", ""), asking.get("service", "")
    variables = variables_of(asking.get("env_file"), os.environ)
    if callable(worker):
        named = name_of(worker)
        answering = Answering(worker, takes_prompts=True, check=check, named=named)
        identity = identity_of(worker)
    elif worker == ECHO:
        answering, identity = Answering(echo, check=check, named=ECHO), ECHO
    elif worker == HTTP:
        service = service or _service_of(base_url, asking.get("api_key", ""), variables)
        _known_service(service)
        if asking.get("api_key"):
            variables = _with_key(variables, service, asking["api_key"])
        http = HttpWorker(variables, service, base_url, "", asking.get("concurrency", 32))
        answering, identity = (
            Answering(http, check=check, let_go=http.close, named=f"{HTTP}/{service}()"),
            f"http/{service}",
        )
        base_url = base_url or told(variables, SERVICES[service].base_variable)
    else:
        hint = "http, echo, or a function; module:function is for workspaces"
        raise UsageError(f"worker={worker!r:.80}", hint=hint)
    name = asking.get("model", "") or (variables.get("MODEL", "") if service == "openrouter" else "")
    return Ask(
        name, asking.get("system", ""), asking.get("params", {}), schema, identity, base_url
    ), answering


def _service_of(base_url: str, api_key: str, variables: Mapping[str, str]) -> str:
    """Whom to ask where nobody says."""
    if base_url:
        return "compatible"
    only = variables.get("OPENROUTER_API_KEY") and not variables.get("OPENAI_API_KEY") and not api_key
    return "openrouter" if only else "openai"


def _known_service(service: str) -> None:
    """
    Hold a service to being one that prompts can be asked of.

    Raises:
        UsageError: Nobody is called so, or it takes other lines than those that prompts become.
    """
    if service not in SERVICES:
        raise UsageError(f"service={service!r:.40}", hint=f"known: {', '.join(SERVICES)}")
    if Dialect.OPENAI not in SERVICES[service].dialects:
        hint = "service openrouter has its models; or put lines of its own shape into a workspace"
        raise UsageError(f"{service} takes no prompts in the shape of OpenAI's API", hint=hint)


def _with_key(variables: Mapping[str, str], service: str, key: str) -> Mapping[str, str]:
    """The variables with a key that was handed over; it goes no further than this process."""
    return {**variables, (SERVICES[service].keys or ("OPENAI_API_KEY",))[0]: key}
