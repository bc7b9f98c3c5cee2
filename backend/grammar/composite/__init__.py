"""Answers that are more than one value, such as text up to a marker and then a call, written into a graph."""

from backend.grammar.composite.writing import build

__all__ = ["build"]
