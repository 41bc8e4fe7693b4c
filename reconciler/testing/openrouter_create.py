"""The body of a create at OpenRouter: held to what it has to be, and kept as lines on disk."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from reconciler.testing.exchange import Json, Refusal
from reconciler.testing.files import Content, Disk
from reconciler.testing.switches import OpenRouterSwitches

FIRST: Final = ("endpoint", "model")
"""What has to stand before `requests`: the body is read as it comes (quickstart)."""


def requests_in(
    body: Content, disk: Disk, switches: OpenRouterSwitches
) -> tuple[Json, Content, list[tuple[int, int]]]:
    """
    What holds for the whole batch, and its requests as lines on disk with their places.

    Raises:
        Refusal: The body is not what it has to be.
    """
    with body.mapped() as view:
        try:
            found = msgspec.json.decode(view, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refusal(400, f"The body is no JSON object: {error}") from None
        for name in FIRST:
            names = list(found)
            if name not in names:
                raise Refusal(400, f"'{name}' is required")
            if "requests" in names and names.index(name) > names.index("requests"):
                raise Refusal(400, f"'{name}' must appear before 'requests' in the request body")
        endpoint, model = (msgspec.json.decode(found[name]) for name in FIRST)
        if endpoint not in switches.endpoints:
            raise Refusal(400, f"'endpoint' is not one of {', '.join(switches.endpoints)}")
        if not isinstance(model, str) or not model:
            raise Refusal(400, "'model' is required")
        try:
            requests = msgspec.json.decode(found.get("requests", b""), type=list[msgspec.Raw])
        except msgspec.MsgspecError:
            raise Refusal(400, "'requests' has to be an array") from None
        return {"endpoint": endpoint, "model": model}, *_keep(requests, model, disk)


def _keep(requests: list[msgspec.Raw], model: str, disk: Disk) -> tuple[Content, list[tuple[int, int]]]:
    if not requests:
        raise Refusal(400, "'requests' must not be empty")
    places: list[tuple[int, int]] = []
    ids: set[str] = set()
    writer = disk.new()
    try:
        for index, raw in enumerate(requests):
            _examine(index, msgspec.json.decode(raw), model, ids)
            line = bytes(raw)
            places.append((writer.size, len(line)))
            writer.write(line)
    finally:
        content = writer.close()
    return content, places


def _examine(index: int, value: Any, model: str, ids: set[str]) -> None:
    """What each item has to be: `{custom_id, body}`, its model that of the batch or none."""
    if not isinstance(value, dict) or set(value) != {"custom_id", "body"}:
        raise Refusal(400, f"requests[{index}] has to be an object with custom_id and body")
    custom_id, body = value["custom_id"], value["body"]
    if not isinstance(custom_id, str) or not custom_id:
        raise Refusal(400, f"requests[{index}].custom_id is required")
    if custom_id in ids:
        raise Refusal(400, f"requests[{index}].custom_id '{custom_id}' is not unique")
    ids.add(custom_id)
    if not isinstance(body, dict):
        raise Refusal(400, f"requests[{index}].body is required")
    if body.get("model", model) != model:
        raise Refusal(400, f"requests[{index}].body.model is not that of the batch")
