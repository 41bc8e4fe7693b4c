"""Look at the children to which a batch's failures and missing answers went."""

from pathlib import Path

from tests.workspaces import live, results


def child_input(root: Path, name: str) -> bytes:
    """The bytes of a live child's input."""
    return (live(root) / f"batch_input_{name}.jsonl").read_bytes()


def names(root: Path) -> set[str]:
    """Names of the batches whose input is live."""
    return {path.name[len("batch_input_") : -len(".jsonl")] for path in live(root).glob("batch_input_*")}


def outcomes(root: Path, name: str) -> dict[str, tuple[str, str | None]]:
    """Outcome and child of each request, from the published results."""
    return {row["custom_id"]: (row["outcome"], row.get("child")) for row in results(root, name)}
