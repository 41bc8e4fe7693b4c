"""Where the files are that a registry names, whatever has become of its folder since."""

from __future__ import annotations

import os

from reconciler.model.facts import Kind
from reconciler.workspace.reading import locate


def located(text: str, folder: str) -> str | None:
    """
    Where a file of a registry is, None when it is nowhere.

    A relative path counts from the folder of the registry. A registry that was moved, or whose paths counted
    from where R ran, has its files beside it.
    """
    leaf = leaf_of(text)
    whole = os.path.join(folder, _expanded(text))  # noqa: PTH118 - a name, not a path of ours
    for path in (whole, f"{folder}/{leaf}"):
        real, kind = locate(path)
        if kind is Kind.FILE:
            return real
    return None


def _expanded(text: str) -> str:
    """A path with `~/` as the home of whoever runs this."""
    home = os.environ.get("HOME", "")
    return f"{home}/{text[2:]}" if text.startswith("~/") and home else text


def leaf_of(text: str) -> str:
    """The last part of a path, wherever it was written."""
    return text.replace("\\", "/").rpartition("/")[2]
