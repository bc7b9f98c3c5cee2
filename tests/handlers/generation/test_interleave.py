"""Several iterators read as one: everything comes, in each one's order, and all end together."""

import asyncio

import pytest

from handlers.generation.interleave import interleaved


class Source:
    """So many items, then an error if there is one. ended: nobody reads it any more."""

    def __init__(self, name, items, error=None):
        self.name, self.items, self.error, self.ended = name, items, error, False

    async def __aiter__(self):
        try:
            for i in range(self.items):
                await asyncio.sleep(0)
                yield self.name, i
            if self.error is not None:
                raise self.error
        finally:
            self.ended = True


async def test_every_item_comes_in_the_order_of_its_source():
    sources = [Source("a", 5), Source("b", 0), Source("c", 9)]
    found = [item async for item in interleaved([aiter(source) for source in sources])]
    assert [item for item in found if item[0] == "a"] == [("a", i) for i in range(5)]
    assert [item for item in found if item[0] == "c"] == [("c", i) for i in range(9)]
    assert len(found) == 14 and found[:2] != [("a", 0), ("a", 1)], "no source waits for the end of another"


async def test_an_error_ends_all_of_them():
    sources = [Source("a", 2, ValueError("no")), Source("b", 10**9)]
    with pytest.raises(ValueError, match="no"):
        async for _ in interleaved([aiter(source) for source in sources]):
            pass
    assert all(source.ended for source in sources)


async def test_a_reader_that_leaves_ends_all_of_them():
    sources = [Source("a", 10**9), Source("b", 10**9)]
    reading = interleaved([aiter(source) for source in sources])
    assert await anext(reading) == ("a", 0)
    await reading.aclose()
    assert all(source.ended for source in sources)
