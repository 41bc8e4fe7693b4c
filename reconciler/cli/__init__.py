"""
The command line: words in, a report and an exit code out.

A thin skin: every decision is made below. Imports nothing heavy until a command needs it.
"""
