"""A workspace for tests that look at one batch of it."""

from pathlib import Path

import attrs

from reconciler.model.identity import BatchName, Role, file_name
from reconciler.model.record import Record, Submission
from reconciler.model.snapshot import Matched, Snapshot
from reconciler.workspace import metadata
from reconciler.workspace.layout import Layout
from reconciler.workspace.observe import observe
from reconciler.workspace.reading import Reading
from reconciler.workspace.scan import scan

NAME = BatchName("7")
RECORD = Record(NAME, generation=3, provider="openai", state=Submission.SUBMITTED, batch_id="batch_1")


@attrs.define
class Disk:
    """A workspace on disk, and a look at batch 7 in it."""

    root: Path

    def put(self, path: str, data: bytes = b"{}\n") -> Path:
        """Write a file, and the folders above it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    def triple(self, roles: str, name: str = "7", folder: str = "workdir") -> None:
        """Write a file for each letter: input, output, error."""
        for role in (Role.INPUT, Role.OUTPUT, Role.ERROR):
            if role.value[0] in roles:
                self.put(f"{folder}/{file_name(role, name)}", f"{role.value} of {name}\n".encode())

    def record(self, record: Record, folder: str = "workdir") -> None:
        """Write a metadata file."""
        self.put(f"{folder}/{file_name(Role.METADATA, record.name)}", metadata.encode(record))

    def look(
        self, name: str = "7", *, matched: Matched | None = None, room: type[Reading] = Reading
    ) -> Snapshot:
        """Scan and observe."""
        look = room(str(self.root))
        try:
            layout = Layout(str(self.root), "workdir")
            return observe(look, layout, scan(look, layout), BatchName(name), matched)
        finally:
            look.close()
