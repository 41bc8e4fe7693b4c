"""Prompts that are asked at once, of a worker that writes each call down."""

from pathlib import Path
from typing import Any

import attrs

from reconciler import prompt_map_sync
from tests.workers import note


@attrs.frozen
class Noting:
    """A worker of prompts that writes each call down."""

    log: Path

    async def __call__(self, prompt: str) -> str:
        """Answer with the prompt's own words."""
        note(self.log, prompt)
        return f"about {prompt}"


def asked(root: Path, prompts: list[Any], worker: Any = "echo", **more: Any) -> Any:
    """What becomes of prompts, at once."""
    return prompt_map_sync(prompts, worker=worker, cache_dir=root / "cache", **more)
