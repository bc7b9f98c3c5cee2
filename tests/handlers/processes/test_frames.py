import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.processes.frames import FrameTooLong, read_frame, write_frame

VALUES = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5)


@given(st.lists(st.tuples(VALUES, st.lists(st.binary()))))
def test_frames_come_as_they_were_written(frames):
    stream = io.BytesIO()
    for value, parts in frames:
        write_frame(stream, value, parts)
    stream.seek(0)
    for value, parts in frames:
        frame = read_frame(stream)
        assert frame.value() == value and frame.rest == b"".join(parts)
    assert read_frame(stream) is None


def test_a_frame_that_is_cut_off_is_the_end():
    stream = io.BytesIO()
    write_frame(stream, [1], [b"abc"])
    for size in range(len(stream.getvalue())):
        assert read_frame(io.BytesIO(stream.getvalue()[:size])) is None


def test_no_more_is_read_than_is_taken():
    stream = io.BytesIO()
    write_frame(stream, [1], [b"abc"])
    for most, taken in ((6, True), (5, False)):
        stream.seek(0)
        if taken:
            assert read_frame(stream, most) is not None
        else:
            with pytest.raises(FrameTooLong):
                read_frame(stream, most)
    with pytest.raises(FrameTooLong):
        read_frame(io.BytesIO(b"\xff" * 16), 1 << 30)
