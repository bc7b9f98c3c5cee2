"""What the engine tells about itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineStats:
    """The engine's figures at one moment. Totals count from its start.

    rows: choices that can be decoded at the same time. running: choices that hold a row. waiting: those that do not
    yet. pages: of the cache, each of `page_tokens` positions; pages_used: held by running choices; pages_cached: kept
    for reuse, held by nobody; the rest is free.
    prompt_tokens, cached_tokens: of admitted requests, and how many of these were found in the cache, totals.
    output_tokens: drawn and handed out, total. steps: of decoding, total. dispatches: decode programs run, total.
    preemptions: choices that had to give up their pages and were computed again, total.
    compilations: programs compiled since the engine was ready, total; anything but 0 is a fault.
    adapters: that requests may name. adapter_slots: adapters that the device holds at most; adapters_resident: that it
    holds. adapter_bytes: host memory that adapters take. adapters_placed: adapters put on the device, total.
    adapters_read: adapters read from their files, total.
    """

    rows: int
    running: int
    waiting: int
    pages: int
    page_tokens: int
    pages_used: int
    pages_cached: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    steps: int
    dispatches: int
    preemptions: int
    compilations: int
    adapters: int
    adapter_slots: int
    adapters_resident: int
    adapter_bytes: int
    adapters_placed: int
    adapters_read: int


@dataclass
class Totals:
    """What the scheduler has done since the start, counted as in `EngineStats`."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    steps: int = 0
    dispatches: int = 0
    preemptions: int = 0
