"""
Services that speak OpenAI's batch API, each with what it asks for.

Sources: the services' own batch guides and official clients. What a service merely answers differently is
read without a switch; see `openai.py`.
"""

from __future__ import annotations

from typing import Final

import attrs

from reconciler.model.remote import Limits
from reconciler.providers import openai
from reconciler.providers.openai import OPENAI, Switches
from reconciler.providers.times import DAY


@attrs.frozen
class Preset:
    """
    One service.

    Attributes:
        switches: How it differs.
        keys: Environment variables that may hold the key, the first that is set counting.
        base_url: Where it is; empty where only the settings can say.
        base_variable: The environment variable that says otherwise; empty for none.
        needs_key: Whether it is of no use without a key.
    """

    switches: Switches
    keys: tuple[str, ...]
    base_url: str = ""
    base_variable: str = ""
    needs_key: bool = True


# A server of one's own: nothing is known of it beyond the protocol.
_OWN: Final = Preset(Switches(), ("OPENAI_API_KEY",), base_variable="OPENAI_BASE_URL", needs_key=False)

PRESETS: Final = {
    "openai": Preset(OPENAI, ("OPENAI_API_KEY",), openai.BASE_URL, "OPENAI_BASE_URL"),
    # Its own client asks its list for nothing, and speaks of 100 MB.
    "groq": Preset(
        Switches(page=0, files_page=0, limits=Limits(50_000, 100 << 20)),
        ("GROQ_API_KEY",),
        "https://api.groq.com/openai/v1",
    ),
    # No tags: a batch is found by the file that it was made of. What its own client does instead of this
    # upload, a redirect to another origin, is not followed here.
    "together": Preset(
        Switches(
            purpose="batch-api",
            upload="/files/upload",
            named=True,
            metadata=False,
            bare=True,
            page=0,
            files_page=0,
        ),
        ("TOGETHER_API_KEY",),
        "https://api.together.ai/v1",
        "TOGETHER_BASE_URL",
    ),
    "deepinfra": Preset(
        Switches(kept=30 * DAY),
        ("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"),
        "https://api.deepinfra.com/v1/openai",
    ),
    "doubleword": Preset(Switches(), ("DOUBLEWORD_API_KEY",), "https://api.doubleword.ai/v1"),
    "litellm": _OWN,
    "compatible": _OWN,
}
"""By the name in settings; `compatible` is any other server of the same protocol."""
