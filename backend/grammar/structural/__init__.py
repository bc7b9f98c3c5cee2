"""Outputs that are more than one value, such as text up to a marker and then a call: terms, written into a graph."""
