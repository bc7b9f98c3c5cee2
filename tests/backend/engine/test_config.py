"""Which batch sizes are compiled."""

from hypothesis import given
from hypothesis import strategies as st

from backend.engine.config import bucket, row_buckets


@given(rows=st.integers(1, 300), data=st.data())
def test_a_batch_is_at_most_twice_too_wide_and_all_rows_fit(rows: int, data: st.DataObject) -> None:
    buckets, size = row_buckets(rows), data.draw(st.integers(1, rows))
    assert list(buckets) == sorted(set(buckets)) and buckets[0] == 1 and buckets[-1] == rows
    assert size <= bucket(buckets, size) <= 2 * size
