"""Benchmarks: `make bench`, or `python -m bench [chapter ...]` in their own environment. Not part of the package."""
