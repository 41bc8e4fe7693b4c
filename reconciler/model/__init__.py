"""
Frozen values: names, shapes, coverage, records, snapshots, operations, plans and reports.

Pure. Nothing here opens a file, reads a clock or writes a log line. See docs/architecture.md, floor 1.
"""
