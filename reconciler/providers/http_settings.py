"""How calls are made: how long is waited, how often is tried, how much is taken."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from reconciler.providers.calls import Kind


@attrs.frozen
class HttpSettings:
    """
    How calls are made.

    Attributes:
        max_retries: Further tries of a call that may be repeated.
        spacing: Seconds between two paced calls to one origin.
        connect: Seconds to wait for a connection.
        silence: Seconds to wait for the next bytes, by kind of call.
        reply: Seconds in which a reply has to be there, once it has begun; downloads may take longer.
        longest_wait: Seconds; a provider that asks for more is left to a later pass.
        body: Bytes of a reply.
        file: Bytes of a download.
        ratio: Bytes that one compressed byte may unpack to.
        cuts: How often a download may be cut, whatever the progress between.
        slowest: Bytes in a minute; a download below that counts as cut.
    """

    max_retries: int = 3
    spacing: float = 2.0
    connect: float = 10.0
    silence: Mapping[Kind, float] = attrs.field(
        factory=lambda: {
            Kind.READ: 60.0,
            Kind.CREATE: 600.0,
            Kind.UPLOAD: 300.0,
            Kind.DOWNLOAD: 60.0,
            Kind.CHANGE: 60.0,
        }
    )
    reply: float = 120.0
    longest_wait: float = 120.0
    body: int = 64 * 2**20
    file: int = 8 * 2**30
    ratio: int = 100
    cuts: int = 100
    slowest: int = 65_536
