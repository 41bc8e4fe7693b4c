"""Run every bench, or the ones that are named; what begins with a dash goes to each of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

BENCHES: Final = ("startup", "scan", "matching", "results", "end_to_end", "cores", "online", "live", "watch")


def main(words: Sequence[str]) -> int:
    """Run them one after the other, each in a process of its own."""
    first = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    names, options = words[:first] or BENCHES, words[first:]
    unknown = set(names) - set(BENCHES)
    if unknown:
        print(
            f"no bench is called {', '.join(sorted(unknown))}; known: {', '.join(BENCHES)}", file=sys.stderr
        )
        return 2
    root = Path(__file__).resolve().parents[1]
    return max(
        subprocess.run([sys.executable, "-m", f"bench.{name}", *options], cwd=root, check=False).returncode
        for name in names
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
