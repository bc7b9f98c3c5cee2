"""Constraints on the output: JSON Schema or a regex to an automaton over bytes, and that automaton to device tables."""
