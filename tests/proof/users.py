"""
What people do to the files of a simulated workspace: add, copy, delete, edit, take away and put back.

They work with plain file calls, as people do; what the product makes of it is held elsewhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs

from reconciler.testing import FakeProvider
from tests.workspaces import answered, failed, jsonl

SHARE: Final = 0.5
"""How many of the requests of a sample need an answer."""

NEWER: Final = 2
"""A schema that this version does not know."""

LATER_KEY: Final = "later"
"""A key that a later version of the same schema might write."""


@attrs.define
class Users:
    """
    The people of one workspace.

    Attributes:
        root: The workspace.
        fake: The provider, for its clock.
        provider: Its name, for the shape of lines.
        note: Told what happened.
        inputs: Every whole input that was put there, by batch.
        growing: Copies under way: the bytes that they come to.
        copied: Names whose input is a copy of another's, with that other.
        answered: Batches that came with answers.
        refused: Ids that the answers of a user call failed.
        touched: Files that a user has changed or taken away: what stood there, and what stands there now.
        marked: Batches whose metadata got a key of a later version.
        until: When the time of a batch is over, where its author has given it a limit.
        after: Batches that wait for a sample, with that sample.
        said: Metadata as an author has written it.
        loose: Batches whose metadata a user may have taken away, with what its author had said.
        overtaken: Those of them whose metadata a pass has written anew before it was put back.
        latest: The latest time that there ever was.
    """

    root: Path
    fake: FakeProvider
    provider: str
    note: Callable[[str], None]
    inputs: dict[str, bytes] = attrs.field(factory=dict)
    growing: dict[Path, bytes] = attrs.field(factory=dict)
    copied: dict[str, str] = attrs.field(factory=dict)
    answered: set[str] = attrs.field(factory=set)
    refused: set[str] = attrs.field(factory=set)
    touched: dict[Path, tuple[bytes, bytes | None]] = attrs.field(factory=dict)
    marked: set[str] = attrs.field(factory=set)
    until: dict[str, float] = attrs.field(factory=dict)
    after: dict[str, str] = attrs.field(factory=dict)
    said: dict[str, bytes] = attrs.field(factory=dict)
    loose: set[str] = attrs.field(factory=set)
    overtaken: set[str] = attrs.field(factory=set)
    latest: float = 0.0

    def path(self, name: str, role: str = "input") -> Path:
        """A live file of a batch."""
        return self.root / "workdir" / f"batch_{role}_{name}.jsonl"

    def known(self, name: str) -> bool:
        """Whether the product has begun with a batch."""
        path = self.path(name, "metadata")
        return path.exists() and path.read_bytes() != self.said.get(name)

    @property
    def copies(self) -> set[str]:
        """Batches that ask what another one asks."""
        return {*self.copied, *self.copied.values()}

    @property
    def disturbed(self) -> set[str]:
        """Batches of which a user holds a file in hand, or is still writing one."""
        return {root_of(path) for path in (*self.touched, *self.growing)}

    def write(self, path: Path, data: bytes) -> None:
        """Write a file at this moment of virtual time."""
        path.write_bytes(data)
        os.utime(path, (self.fake.clock.now, self.fake.clock.now))

    def replace(self, path: Path, data: bytes) -> None:
        """As editors do: a new file under the old name. The old one may be linked in `done/` already."""
        path.unlink(missing_ok=True)
        self.write(path, data)

    # --- inputs ---------------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        requests: int,
        *,
        half: bool = False,
        limit: float | None = None,
        after: str | None = None,
    ) -> None:
        """An input comes; *half* of it, to be grown later. It has *limit* seconds, and waits for a sample."""
        said: dict[str, Any] = {}
        if limit is not None:
            self.until[name] = self.fake.clock.now + limit
            said["limit"] = {"seconds": limit, "until": self.until[name]}
        if after is not None:
            self.after[name] = after
            said["after"] = {"batches": [after], "share": SHARE}
        if said:
            begun = {"schema": 1, "generation": 1, "name": name, "attempt": 1, "provider": self.provider}
            self.said[name] = jsonl([{**begun, **said}])
            self.write(self.path(name, "metadata"), self.said[name])
        self._copy_in(name, self.lines(name, requests), half=half)
        self.note(f"add {name} {requests} half={half} limit={limit} after={after}")

    def copy(self, name: str, source: str, *, half: bool = False) -> None:
        """Somebody copies the input of another batch, under another name."""
        self.copied[name] = source
        self._copy_in(name, self.inputs[source], half=half)
        self.note(f"copy {source} to {name} half={half}")

    def _copy_in(self, name: str, data: bytes, *, half: bool) -> None:
        self.inputs[name] = data
        if half:
            self.growing[self.path(name)] = data
            data = data[: max(1, len(data) * 2 // 3)]
        self.write(self.path(name), data)

    def answers(self, name: str, requests: int, *, half: bool = False) -> None:
        """A triple of another provider's making: nothing is asked. With *half*, its answers still come."""
        keys = [f"{name}-{n}" for n in range(requests)]
        self.inputs[name] = self.lines(name, requests)
        self.answered.add(name)
        self.refused |= {key for n, key in enumerate(keys) if n == 1}
        self.write(self.path(name), self.inputs[name])
        lines = [failed(n) if key in self.refused else answered(n) for n, key in enumerate(keys)]
        lines = [{**line, "custom_id": key} for line, key in zip(lines, keys, strict=True)]
        found = jsonl(reversed(lines))
        if half:
            self.growing[self.path(name, "output")] = found
            found = jsonl(lines[-1:])
        self.write(self.path(name, "output"), found)
        self.note(f"answers {name} {requests} half={half}")

    def go_on(self, seconds: float, _stopping: Callable[[], bool] = lambda: False) -> None:
        """Time goes on, or back; whoever is copying a file goes on with it meanwhile."""
        self.fake.clock.advance(seconds)
        self.latest = max(self.latest, self.fake.clock.now)
        for path in self.growing:
            if path.exists():
                self.write(path, path.read_bytes())

    def grow(self, path: Path) -> None:
        """A copy that is under way comes to its end."""
        data = self.growing.pop(path)
        if path.exists():
            self.write(path, data)
        self.note(f"grow {path.name}")

    def delete(self, name: str) -> None:
        """A user removes an input that was never sent and never answered."""
        self.path(name).unlink()
        if self.said.pop(name, None) is not None:
            self.path(name, "metadata").unlink()
            self.until.pop(name, None)
            self.after.pop(name, None)
        self.inputs.pop(name)
        self.growing.pop(self.path(name), None)
        self.note(f"delete {name}")

    # --- what is put back later -----------------------------------------------------------------------------

    def there(self, *roles: str) -> list[Path]:
        """Live files of batches, children too, that the product has begun with and nobody has in hand."""
        found = [path for role in roles for path in self.root.glob(f"workdir/batch_{role}_*.jsonl")]
        return sorted(
            path
            for path in found
            if self.known(batch_of(path)) and path not in self.growing and path not in self.touched
            if not ("input" in path.name and self._mendable(batch_of(path)))
        )

    def _mendable(self, name: str) -> bool:
        """Whether answers of a user were short of some: nothing was sent, and both files may be mended."""
        found = json.loads(self.path(name, "metadata").read_bytes())
        matched = found.get("coverage") is not None and not found["coverage"]["missing"]["requests"]
        return name in self.answered and not matched

    def free(self, *roles: str) -> list[Path]:
        """The same, where no file of the batch is in hand: new bytes without a record are a new batch."""
        taken = {batch_of(path) for path in self.touched}
        return [path for path in self.there(*roles) if batch_of(path) not in taken]

    def editable(self) -> list[Path]:
        """Inputs that their metadata knows: what it does not know may have been any other bytes."""
        return [path for path in self.free("input") if root_of(path) not in self.loose]

    def samples(self) -> list[str]:
        """Inputs that others may wait for: none that wait themselves."""
        return sorted(self.inputs.keys() - self.after.keys())

    def deletable(self) -> list[str]:
        """Inputs that nobody has begun with; one that a kill has left beside `done/` is settled."""
        names = self.inputs.keys() - self.answered - {root_of(path) for path in self.touched}
        found = [name for name in names if self.path(name).exists() and not self.known(name)]
        return sorted(name for name in found if not (self.root / "done" / name).exists())

    def manifests(self) -> list[Path]:
        """Manifests that no user has in hand; one in a folder that is still being made is none yet."""
        return sorted(set((self.root / "done").glob("[!.]*/manifest.json")) - self.touched.keys())

    def records(self) -> list[Path]:
        """Metadata that is the only one of its batch; a kill may leave another in `done/`."""
        return [path for path in self.there("metadata") if not (self.root / "done" / batch_of(path)).exists()]

    def outdated(self) -> list[Path]:
        """Metadata that the first tools could have written: of OpenAI's batches, under way."""
        if self.provider != "openai":
            return []
        free = set(self.free("metadata"))
        found = [(path, json.loads(path.read_bytes())) for path in self.records() if path in free]
        never = {"children", "coverage", "parent", "roles"}
        return [path for path, record in found if record.get("batch_id") and not never & record.keys()]

    def edit(self, path: Path) -> None:
        """A user changes a word of an input that the product has begun with; ids and size stay."""
        self._touch(path, path.read_bytes().replace(b"hi ", b"ho ", 1))
        self.note(f"edit {path.name}")

    def take(self, path: Path) -> None:
        """A user moves a file away that the product has begun with."""
        self._touch(path, None)
        if path.name.startswith("batch_metadata_"):
            # What the product begins anew without it is its own.
            self.marked.discard(batch_of(path))
            self.loose.add(root_of(path))
        self.note(f"take {path.name}")

    def upgrade(self, path: Path) -> None:
        """Another version, which is newer, has written metadata or a manifest in a schema of its own."""
        found = json.loads(path.read_bytes())
        self._touch(path, json.dumps({**found, "schema": NEWER, LATER_KEY: 1}).encode() + b"\n")
        self.note(f"newer {path.name}")

    def mark(self, path: Path) -> None:
        """A later version of the same schema has added a key to the metadata of a batch."""
        found = json.loads(path.read_bytes())
        self.replace(path, jsonl([{**found, LATER_KEY: {"kept": True}}]))
        self.marked.add(batch_of(path))
        self.note(f"mark {path.name}")

    def outdate(self, path: Path) -> None:
        """The metadata of a batch under way is as the first tools wrote it: four ids, and nothing else."""
        found: dict[str, Any] = json.loads(path.read_bytes())
        words = ("batch_id", "input_file_id", "output_file_id", "error_file_id")
        self.replace(path, jsonl([{word: found.get(word) for word in words}]))
        self.marked.discard(batch_of(path))
        self.loose.add(root_of(path))
        self.note(f"outdate {path.name}")

    def put_back(self, path: Path) -> None:
        """What a user changed or took away is as it was, unless the product has made up for it since."""
        was, left = self.touched.pop(path)
        if left is not None:
            # Whoever puts an edited file back looks for it where it is.
            for each in sorted(self.root.rglob(path.name)):
                if each.read_bytes() == left:
                    self.replace(each, was)
        elif not path.exists() and not (self.root / "done" / batch_of(path)).exists():
            self.write(path, was)
        elif path.name.startswith("batch_metadata_"):
            self.overtaken.add(root_of(path))
        self.note(f"put {path.name} back")

    def _touch(self, path: Path, data: bytes | None) -> None:
        self.touched[path] = (path.read_bytes(), data)
        if data is None:
            path.unlink()
        else:
            self.replace(path, data)

    def put_all_back(self) -> None:
        """Whatever users have in hand goes back."""
        for path in [*self.touched]:
            self.put_back(path)

    def rest(self) -> None:
        """Whatever people have begun comes to its end."""
        for path in [*self.growing]:
            self.grow(path)
        self.put_all_back()

    # --- lines ----------------------------------------------------------------------------------------------

    def lines(self, name: str, requests: int) -> bytes:
        """An input in the provider's shape; each request says its own id, and so does its answer."""
        found: list[dict[str, Any]] = []
        for n in range(requests):
            key = f"{name}-{n}"
            asked = [{"role": "user", "content": f"hi {key}"}]
            match self.provider:
                case "anthropic":
                    params = {"model": "m", "max_tokens": 9, "messages": asked}
                    found.append({"custom_id": key, "params": params})
                case "gemini":
                    contents = [{"role": "user", "parts": [{"text": f"hi {key}"}]}]
                    found.append({"key": key, "request": {"contents": contents}})
                case "mistral":
                    found.append({"custom_id": key, "body": {"messages": asked}})
                case _:
                    body = {"model": "m", "messages": asked}
                    whole = {"method": "POST", "url": "/v1/chat/completions", "body": body}
                    found.append({"custom_id": key, **whole})
        return jsonl(found)


def batch_of(path: Path) -> str:
    """The name of the batch that a file belongs to."""
    return path.parent.name if path.name == "manifest.json" else path.stem.split("_", 2)[2]


def root_of(path: Path) -> str:
    """The same without what retry children append."""
    return batch_of(path).partition(".")[0]


def ids_in(data: bytes) -> list[str]:
    """The ids of an input."""
    return [str(row.get("custom_id", row.get("key"))) for row in map(json.loads, data.splitlines())]
