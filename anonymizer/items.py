"""Items: which learners took exactly the same set of courses."""

import polars as pl

from anonymizer.errors import CoreError


def exact_item_sets(pairs: pl.DataFrame, *, learner: str, item: str) -> pl.DataFrame:
    """Number the exact item set of each learner.

    Args:
        pairs: one row or more for each (learner, item); order and repeats do not matter.
        learner: the learner column.
        item: the item column.

    Returns:
        One row for each learner, sorted by learner: the learner column and `item_set` (int64).
        Equal sets have equal numbers, counted from 0 in the order of the sorted sets.

    Raises:
        CoreError: a learner or an item is null.
    """
    if pairs.select(pl.any_horizontal(pl.col(learner, item).is_null().any())).item():
        raise CoreError(f"pairs: null in {learner} or {item}; drop rows without either first")
    sets = (
        pairs.select(learner, item=pl.col(item).rank("dense").cast(pl.Int64))
        .unique()
        .sort("item")
        .group_by(learner, maintain_order=True)
        .agg(pl.col("item"))
    )
    # A map of the distinct sets is small, and its order does not depend on the engine's.
    distinct = sorted(sets["item"].unique().to_list())
    numbers = pl.DataFrame(
        {"item": distinct, "item_set": range(len(distinct))},
        schema={"item": pl.List(pl.Int64), "item_set": pl.Int64},
    )
    return sets.join(numbers, on="item", how="left").select(learner, "item_set").sort(learner)
