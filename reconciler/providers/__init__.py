"""
Who answers: clients of remote providers, and the embedded one that runs a function here.

A provider touches no files: the executor hands it requests and takes what comes back.
See docs/architecture.md, floor 3.
"""
