"""
What is made of verified results: built-in output and error processors.

Pure over values: a processor returns data, and the engine publishes it. See docs/architecture.md, floor 3.
"""
