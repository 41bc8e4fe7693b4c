"""`python -m reconciler`."""

import sys

if not sys.flags.safe_path:
    # Python puts the current folder first, which may be a workspace; no code is ever taken from one.
    del sys.path[0]

from reconciler.cli.main import script

sys.exit(script())
