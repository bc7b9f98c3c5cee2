"""Processes of their own for work on what others sent, under limits of time and memory that the system holds.

bounded.py is the side that asks, confine.py what the other does to itself, frames.py what passes between them.
"""
