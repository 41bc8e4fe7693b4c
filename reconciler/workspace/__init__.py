"""
The folder on disk: what lies where, what was seen, and every effect on it.

All looking goes through `reading.py`, all changing through `effects.py`; nothing else in the product
touches a file.
See docs/workspace.md for the contract and docs/architecture.md, floor 3.
"""
