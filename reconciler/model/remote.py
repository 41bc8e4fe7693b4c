"""
What providers say of the batches and files that they hold, in one shape for all of them.

Pure values.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from reconciler.model.identity import Role
from reconciler.model.record import Counts, Refusal


@attrs.frozen
class RemoteBatch:
    """
    One batch as its provider tells it.

    Attributes:
        batch_id: The provider's id.
        status: The provider's word.
        endpoint: The API path that it was made for, None where it does not say.
        counts: Its line counts; of a batch that does not count yet, all None.
        created_at: In seconds since the epoch, None where it does not say.
        intent: The token that it was tagged with, None where there is none or the provider keeps no tags.
        input_file_id: The file that it was made from.
        files: Its answer files, by role; a provider of one stream has it under `Role.OUTPUT`.
        results_until: When its results vanish, in seconds since the epoch; None when nobody says.
        refusals: Why its input was not accepted.
        error: The error object of the whole batch, as JSON, as far as it is kept; empty where there is none.
    """

    batch_id: str
    status: str
    endpoint: str | None = None
    counts: Counts = attrs.field(factory=Counts)
    created_at: float | None = None
    intent: str | None = None
    input_file_id: str | None = None
    files: Mapping[Role, str] = attrs.field(factory=dict)
    results_until: float | None = None
    refusals: tuple[Refusal, ...] = ()
    error: str = ""


@attrs.frozen
class RemoteFile:
    """
    One file that a provider keeps.

    Attributes:
        file_id: The provider's id.
        name: The name that it was uploaded under, or that the provider gave it.
        size: In bytes, None where it does not say.
        created_at: In seconds since the epoch, None where it does not say.
        purpose: The provider's word for what it is (`batch`, `batch_output`); empty where it has none.
    """

    file_id: str
    name: str = ""
    size: int | None = None
    created_at: float | None = None
    purpose: str = ""


@attrs.frozen
class Limits:
    """
    How large one batch may be.

    Attributes:
        requests: Lines of its input; None where no bound is documented.
        size: Bytes of its input.
    """

    requests: int | None
    size: int


@attrs.frozen
class Order:
    """
    What is asked for when a batch is created.

    Attributes:
        intent: The token of this attempt: 32 hexadecimal digits, new for each.
        endpoint: The API path that all lines are for (`/v1/chat/completions`).
        model: The model for the whole batch, None where lines name theirs.
        requests: How many lines.
    """

    intent: str
    endpoint: str
    model: str | None
    requests: int
