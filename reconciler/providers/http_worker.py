"""
The built-in worker `http`: sends each request to a live endpoint, and gives back the body of its reply.

Settings choose the service, or the shape of each line does. Nothing is connected before the first request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from reconciler.errors import ConfigError, KeyRefused, PermanentError
from reconciler.model.exchange import Dialect, Request
from reconciler.providers.base import Body
from reconciler.providers.calls import Call, Kind, Origin
from reconciler.providers.keys import NO_KEY, KeyMissing, base_url, find_key, proof, told
from reconciler.providers.services import BY_DIALECT, SERVICES, Service

if TYPE_CHECKING:
    from reconciler.providers.http_live import LiveHttp

_CHAT: Final = "/v1/chat/completions"
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}", re.ASCII)
_SETTING: Final = "local.base_url"


@attrs.define(eq=False)
class HttpWorker:
    """
    Asks live endpoints.

    Attributes:
        environment: Environment variables, by the names that the official clients use.
        service: Who answers every line; empty for whoever speaks the line's own shape.
        base_url: Where that is; empty for its own address.
        model: The model of every request; empty for the one that the line names.
        connections: How many calls may be under way at once.
    """

    environment: Mapping[str, str] = attrs.field(repr=False)
    service: str = ""
    base_url: str = ""
    model: str = ""
    connections: int = 32
    _origins: dict[str, Origin] = attrs.field(factory=dict, init=False, repr=False)
    _http: LiveHttp | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """
        Hold the settings to being ones that can be obeyed.

        Raises:
            ConfigError: They cannot.
        """
        if self.base_url and not self.service:
            hint = f"name the service too: {', '.join(SERVICES)}"
            raise ConfigError(f"{_SETTING} says where, and local.service does not say who", hint=hint)
        if self.base_url:
            base_url(_SETTING, self.base_url)
        elif self.service and not self._base(SERVICES[self.service]):
            raise ConfigError(
                f"local.service is {self.service!r}, and nothing says where that is",
                hint="set base_url under [local], or OPENAI_BASE_URL",
            )
        if self.model and not _MODEL.fullmatch(self.model):
            raise ConfigError(f"local.model is {self.model!r:.60}", hint="write the name of a model")

    def payee(self, request: Request) -> tuple[str, str]:
        """Who is paid for a request, and for which model."""
        name = self.service or BY_DIALECT[request.dialect]
        return name, self._model(request, SERVICES[name])

    async def __call__(self, request: Request) -> Body:
        """
        One answer.

        Raises:
            KeyRefused: There is no key, or it is not accepted.
            PermanentError: The service does not take such lines, or refuses this one.
            TransientError: It may answer when it is asked again.
        """
        name = self.service or BY_DIALECT[request.dialect]
        service = SERVICES[name]
        if request.dialect not in service.dialects:
            raise PermanentError(f"{name} does not take lines in the shape of {request.dialect.value}")
        origin = self._origin(name, service)
        path, body = self._wanted(request, service, origin)
        if self._http is None:
            from reconciler.providers.http_live import LiveHttp  # noqa: PLC0415 - loads httpx

            self._http = LiveHttp(self.connections)
        reply = await self._http.send(Call(Kind.READ, origin, "POST", path, json=body))
        return reply.object()

    async def close(self) -> None:
        """Let go of all connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    def _wanted(self, request: Request, service: Service, origin: Origin) -> tuple[str, Mapping[str, Any]]:
        """The path below the base URL, and the body."""
        model = self._model(request, service)
        if request.dialect is Dialect.GEMINI:
            if not _MODEL.fullmatch(model):
                raise PermanentError("Gemini's lines name no model", hint="set model under [local]")
            return f"/models/{model.removeprefix('models/')}:generateContent", request.body
        body = {**request.body, "model": model} if model else request.body
        if request.dialect is Dialect.ANTHROPIC:
            return "/messages", body
        path = request.url or _CHAT
        return path.removeprefix("/v1") if origin.base_url.endswith("/v1") else path, body

    def _model(self, request: Request, service: Service) -> str:
        """The model that is asked for; empty where nobody names one."""
        return self.model or told(self.environment, service.model_variable) or request.model or ""

    def _origin(self, name: str, service: Service) -> Origin:
        """Where a service is, and what proves who asks."""
        if name not in self._origins:
            key = find_key(name, self.environment, service.keys)
            if isinstance(key, KeyMissing):
                if service.needs_key or key.problem:
                    raise KeyRefused(key.message, hint=f"set {' or '.join(service.keys)}")
                key = NO_KEY
            headers = dict(service.headers)
            self._origins[name] = Origin(name, self._base(service), headers, proof(service.auth, key))
        return self._origins[name]

    def _base(self, service: Service) -> str:
        """The base URL, its version included."""
        named = told(self.environment, service.base_variable)
        base = self.base_url or (named and base_url(service.base_variable, named)) or service.base_url
        if Dialect.OPENAI in service.dialects:
            return base
        # The variables of the other official clients name the host alone.
        version = service.base_url.rpartition("/")[2]
        return base if base.endswith(f"/{version}") else f"{base}/{version}"
