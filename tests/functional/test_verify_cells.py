"""Forged tables of an aggregate package: the checker must say which promise is broken."""

import polars as pl
import pytest

from tests.cells import (
    failed,
    fields_of,
    rewrite,
    set_cell,
    table_of,
)
from tests.forging import edit, seal


def extra_file(root):
    """A file that nothing lists."""
    (root / "data/raw.parquet").write_bytes(b"PAR1")


def footer_note(root):
    """A true count in the footer of a Parquet file."""
    path = root / "data/learners.parquet"
    pl.read_parquet(path).write_parquet(path, metadata={"true": "11"})


def extra_column(root):
    """A column that the manifest does not list."""
    rewrite(root, "learners", lambda frame: frame.with_columns(true=pl.lit(1)))


def other_order(root):
    """The columns stand in another order."""
    rewrite(root, "sums", lambda frame: frame.select(reversed(frame.columns)))


def short_integers(root):
    """A column is of smaller integers."""
    rewrite(root, "histogram", lambda f: f.with_columns(pl.col("learners").cast(pl.Int32)))


def null_count(root):
    """A count is null."""
    set_cell(root, "learners", "learners", None)


def tell_the_mean_of_few(root):
    """A mean of three is told."""
    set_cell(root, "means", "mean", 5.0, 1)


def tell_the_width_of_few(root):
    """The half-width of a mean that is not told is."""
    set_cell(root, "means", "mean_half_width", 0.1, 1)


def untell_a_mean(root):
    """A mean of enough is not told."""
    set_cell(root, "means", "mean", None, 0)
    set_cell(root, "means", "mean_half_width", None, 0)


def endless_sum(root):
    """A sum is infinite."""
    set_cell(root, "sums", "sum", float("inf"))


def no_number(root):
    """A mean is NaN."""
    set_cell(root, "means", "mean", float("nan"))


def drop_a_cell(root):
    """A cell with few learners is left out of the grid."""
    rewrite(root, "learners", lambda frame: frame.slice(1))


def swap_cells(root):
    """Rows stand in another order than the labels."""
    rewrite(root, "learners", lambda frame: frame.reverse())


def repeat_a_cell(root):
    """A cell stands twice, in the place of another."""
    rewrite(root, "learners", lambda frame: pl.concat([frame.head(1), frame.head(1), frame[2:]]))


def add_a_cell(root):
    """There is a row more than cells."""
    rewrite(root, "learners", lambda frame: pl.concat([frame, frame.tail(1)]))


def foreign_label(root):
    """A label that is not public."""
    set_cell(root, "learners", "course", "Z")


def shuffle_the_found(root):
    """Discovered cells are not sorted."""
    rewrite(root, "found", lambda frame: frame.reverse())


def repeat_the_found(root):
    """A discovered cell stands twice."""
    rewrite(root, "found", lambda frame: pl.concat([frame, frame.tail(1)]))


def far_half_width(root):
    """A half-width does not stand beside its value."""
    order = ["mean", "learners", "mean_half_width", "learners_half_width"]
    rewrite(root, "means", lambda frame: frame.select("course", *order))

    def move(manifest):
        table = table_of(manifest, "means")
        fields = fields_of(manifest, "means")
        table["schema"]["fields"] = [fields["course"], *(fields[name] for name in order)]

    edit(root, move)


def keys_last(root):
    """The keys stand behind the values."""
    rewrite(root, "histogram", lambda f: f.select("learners", "learners_half_width", "bin"))

    def move(manifest):
        fields = table_of(manifest, "histogram")["schema"]["fields"]
        fields.append(fields.pop(0))

    edit(root, move)


def true_count(root):
    """The true count stands beside the noisy one, and the manifest lists it."""
    rewrite(root, "learners", lambda frame: frame.with_columns(true=pl.lit(11, pl.Int64)))

    def declare(manifest):
        fields = table_of(manifest, "learners")["schema"]["fields"]
        fields.append(fields_of(manifest, "learners")["learners"] | {"name": "true"})

    edit(root, declare)


def no_half_width(root):
    """A value is told without its half-width."""
    rewrite(root, "events", lambda frame: frame.drop("events_half_width"))
    edit(root, lambda m: table_of(m, "events")["schema"]["fields"].pop())


def of_another(root):
    """A half-width is said to be of another value."""
    edit(root, lambda m: fields_of(m, "means")["learners_half_width"].update(of="mean"))


def may_be_null(root):
    """A count is said to be null at times."""
    edit(root, lambda m: fields_of(m, "learners")["learners"]["constraints"].update(required=False))


def no_bin(root):
    """The bins of a histogram have another name."""
    rewrite(root, "histogram", lambda frame: frame.rename({"bin": "grade"}))

    def rename(manifest):
        fields_of(manifest, "histogram")["bin"]["name"] = "grade"
        table_of(manifest, "histogram")["schema"]["primaryKey"] = ["grade"]

    edit(root, rename)


def low_bits(root):
    """A sum tells more than its units."""
    set_cell(root, "sums", "sum", 40.01)


def last_bit(root):
    """A sum is not the nearest float, but the next one."""
    set_cell(root, "sums", "sum", 40.300000000000004, 2)


def another_margin(root):
    """A margin is not the sum of its cells."""
    set_cell(root, "margin", "events", -3)


def agree_with_nothing(root):
    """A table agrees with one that is not there."""
    edit(root, lambda m: table_of(m, "margin")["query"].update(consistent_with=["gone"]))


def agree_with_itself(root):
    """A table agrees with itself, so that its half-widths are its own matter."""
    edit(root, lambda m: table_of(m, "margin")["query"].update(consistent_with=["margin"]))


def agree_across_keys(root):
    """A table agrees with one that has other keys."""
    edit(root, lambda m: table_of(m, "margin")["query"].update(consistent_with=["histogram"]))


def agree_across_metrics(root):
    """Events agree with learners."""
    edit(root, lambda m: table_of(m, "margin")["query"].update(consistent_with=["learners"]))


def agree_with_two(root):
    """A table agrees with one more, so that nobody can work out what noise it has."""
    edit(root, lambda m: table_of(m, "margin")["query"]["consistent_with"].append("learners"))


def agree_one_way(root):
    """A table is made to agree, and the other one is said not to be."""
    edit(root, lambda m: table_of(m, "events")["query"].update(consistent_with=[]))


def agree_on_the_same_keys(root):
    """A table is said to be the margin of one without a key more."""
    rewrite(root, "margin", lambda _: pl.read_parquet(root / "data/events.parquet"))

    def change(manifest):
        schema = table_of(manifest, "events")["schema"]
        table_of(manifest, "margin")["schema"] = schema

    edit(root, change)


def agree_in_other_words(root):
    """Tables agree that have other rules for what is unknown."""
    edit(root, lambda m: table_of(m, "margin")["query"].update(nulls="a gap counts as 0"))


FORGERIES = [
    (extra_file, {"known-files"}),
    (footer_note, {"parquet-bytes"}),
    (extra_column, {"columns"}),
    (other_order, {"columns"}),
    (short_integers, {"columns"}),
    (null_count, {"no-nulls"}),
    (tell_the_mean_of_few, {"no-nulls"}),
    (tell_the_width_of_few, {"no-nulls"}),
    (untell_a_mean, {"no-nulls"}),
    (endless_sum, {"no-nulls"}),
    (no_number, {"no-nulls", "half-widths"}),
    (drop_a_cell, {"grid"}),
    (swap_cells, {"grid"}),
    (repeat_a_cell, {"grid"}),
    (add_a_cell, {"grid"}),
    (foreign_label, {"grid"}),
    (shuffle_the_found, {"grid"}),
    (repeat_the_found, {"grid"}),
    (far_half_width, {"metric-columns"}),
    (keys_last, {"metric-columns"}),
    (true_count, {"metric-columns", "noise-parameters"}),
    (no_half_width, {"metric-columns", "decimals", "half-widths"}),
    (of_another, {"metric-columns"}),
    (may_be_null, {"metric-columns"}),
    (no_bin, {"metric-columns"}),
    (low_bits, {"decimals"}),
    (last_bit, {"decimals"}),
    (another_margin, {"consistency"}),
    (agree_with_nothing, {"consistency", "half-widths"}),
    (agree_with_itself, {"consistency", "half-widths"}),
    (agree_across_keys, {"consistency", "half-widths"}),
    (agree_across_metrics, {"consistency", "half-widths"}),
    (agree_with_two, {"consistency", "half-widths"}),
    (agree_one_way, {"consistency", "half-widths"}),
    (agree_on_the_same_keys, {"consistency", "half-widths"}),
    (agree_in_other_words, {"consistency"}),
]


@pytest.mark.parametrize("forge, checks", FORGERIES)
def test_forgery(pure, forge, checks):
    """As is the checksums fail, too; with sizes, hashes and checksums anew exactly these do."""
    forge(pure)
    assert failed(pure) == checks | {"checksums"}
    seal(pure)
    assert failed(pure) == checks
