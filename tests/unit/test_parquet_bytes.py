"""Parquet files byte by byte: what polars writes holds, and nothing fits between its cells."""

import io

import polars as pl
import pyarrow as pa
import pytest

from pipelines.verify.parquet import demand_cells_alone
from pipelines.verify.thrift import MalformedError, read_struct
from pipelines.verify.zstandard import demand_one_frame

SMALL = pl.DataFrame({"course": ["A", "B", "A"], "mean": [0.5, None, -0.0]})
FEW_ROWS = pl.DataFrame({"größe": ["", "é" * 80, None, "\U0010ffff" * 40], "n": [1, 1, None, -7]})
MANY_PAGES = pl.DataFrame(
    {
        "learner": [f"{i:032x}" for i in range(3000)],
        "course": [str(i % 3) for i in range(3000)],
        "x": [i / 7 for i in range(3000)],
    }
)


def written(frame, **how):
    """The bytes of the file that polars writes."""
    file = io.BytesIO()
    frame.write_parquet(file, **how)
    return file.getvalue()


@pytest.mark.parametrize("frame", [SMALL, FEW_ROWS, MANY_PAGES, SMALL.clear()])
def test_what_polars_writes_holds(frame):
    """Text, numbers, nulls, bounds that are cut off, no rows, many pages and groups of rows."""
    demand_cells_alone(written(frame), frame)
    demand_cells_alone(written(frame, row_group_size=1000, data_page_size=1000), frame)


@pytest.mark.parametrize("hidden", [b"F", b"\0", b"11391,Fail"])
def test_nothing_fits_between_two_bytes(hidden):
    """Whatever is put in, and wherever, the file is refused."""
    data = written(SMALL)
    for at in range(len(data) + 1):
        with pytest.raises(MalformedError):
            demand_cells_alone(data[:at] + hidden + data[at:], SMALL)


def test_a_file_that_is_cut_off_is_refused():
    """At any byte, by one kind of error."""
    data = written(SMALL)
    for at in range(len(data)):
        with pytest.raises(MalformedError):
            demand_cells_alone(data[:at], SMALL)


def with_words_of_arrow():
    """Arrow has notes of its own about each column."""
    fields = [
        pa.field("course", pa.large_string(), metadata={"note": "11391"}),
        pa.field("mean", pa.float64()),
    ]
    return {"arrow_schema": pa.schema(fields)}


@pytest.mark.parametrize(
    "how",
    [{"metadata": {"n": "1"}}, {"metadata": {"ARROW:schema": "11391"}}, with_words_of_arrow()],
    ids=["note", "no types", "note of a column"],
)
def test_notes_in_the_footer_are_refused(how):
    """Beside the types of columns, in their place, and among them."""
    with pytest.raises(MalformedError, match="notes"):
        demand_cells_alone(written(SMALL, **how), SMALL)


@pytest.mark.parametrize(
    "cells, others, fault",
    [
        (["A", "B", "C"], ["A", "B", "A"], "statistics"),
        (["A", "B", "C"], ["A", "A", "C"], "dictionary"),
        ([1, 2, 3], [1, 1, 3], "dictionary"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 2.0], "statistics"),
    ],
)
def test_values_that_are_in_no_row_are_refused(cells, others, fault):
    """In a dictionary, or told as the greatest value."""
    data = written(pl.DataFrame({"x": cells}))
    with pytest.raises(MalformedError, match=fault):
        demand_cells_alone(data, pl.DataFrame({"x": others}))


def test_other_columns_and_codecs_are_refused():
    """Their bytes would not be known one by one."""
    for frame in (pl.DataFrame({"x": [[1]]}), pl.DataFrame({"x": [{"a": 1}]})):
        with pytest.raises(MalformedError):
            demand_cells_alone(written(frame), frame)
    with pytest.raises(MalformedError):
        demand_cells_alone(written(SMALL, compression="uncompressed"), SMALL)


FRAME = b"\x28\xb5\x2f\xfd\x20\x03" + b"\x19\0\0abc"
"""Of three bytes of content, in one raw block."""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        FRAME[:-1],
        FRAME + b"x",
        FRAME + FRAME,
        FRAME + b"\x50\x2a\x4d\x18\x03\0\0\0abc",  # a frame that readers pass over
        b"\x50\x2a\x4d\x18\x03\0\0\0abc",
        FRAME.replace(b"\x19", b"\x18"),  # no last block
        FRAME.replace(b"\x19", b"\x1f"),  # of a type that there is not
        FRAME.replace(b"\x20\x03", b"\x20\x02"),
        FRAME.replace(b"\x20\x03", b"\x24\x03"),  # with a checksum
    ],
)
def test_a_page_is_one_frame(data):
    """Nothing before, behind or instead of the blocks of the one that is read."""
    demand_one_frame(FRAME, content=3)
    with pytest.raises(MalformedError):
        demand_one_frame(data, content=3)


@pytest.mark.parametrize(
    "data, shape",
    [
        (b"", {}),
        (b"\x15", {1: int}),  # no value
        (b"\x15\x02", {1: int}),  # no end
        (b"\x15\x80\x00\0", {1: int}),  # a number with a byte to spare
        (b"\x15" + b"\xff" * 10 + b"\0", {1: int}),  # a number without an end
        (b"\x15\x02\x05\x02\x04\0", {1: int}),  # the first field once more
        (b"\x18\x09abc\0", {1: bytes}),  # text beyond the end
        (b"\x19\xf5\xff\xff\xff\xff\x0f", {1: [int]}),  # a list of billions
        (b"\x19\x21\x01\x05\0", {1: [bool]}),  # a truth value that is none
        (b"\x17" + b"\0" * 9, {1: float}),  # a floating-point number
        (b"\x1c" * 5000, {}),  # too deep
        (b"\x19" * 5000, {}),
        (b"\x18\x01a\0", {1: int}),  # text where a number is expected
        (b"\x11\0", {1: int}),  # a truth value where a number is expected
        (b"\x25\x02\0", {1: int}),  # a field that there is not
    ],
)
def test_malformed_structs_are_refused(data, shape):
    """By one kind of error, and without much work."""
    with pytest.raises(MalformedError):
        read_struct(data, 0, len(data), shape)


def test_a_struct_is_read():
    """A number, text, a list of truth values, a struct; nothing behind it belongs to it."""
    data = b"\x15\x03\x18\x01a\x19\x21\x01\x02\x1c\x15\x02\0\0more"
    found = read_struct(data, 0, len(data), {1: int, 2: bytes, 3: [bool], 4: {1: int}})
    assert (found.integer(1), found.text(2), found.truths(3)) == (-2, b"a", [True, False])
    assert (found.struct(4).integer(1), found.end) == (1, len(data) - 4)
