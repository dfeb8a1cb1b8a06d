"""The gate: what a new release leaves out, so that the live ones and it single nobody out together.

An attacker of the promise m knows m items of his target. Live releases of several promises meet
several attackers. For each, the releases that promise him enough take part with their items, and
weaker ones with their class alone: to link their rows is beyond their promise, so that what these
show among themselves is no reason to refuse. Who holds several
releases of one project joins them by pseudonym, whatever they promise. The counting itself is
`anonymizer.releases`; `pipelines.verify.union` recounts a project from its packages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.incidence import Incidence
from anonymizer.releases import (
    Keys,
    Known,
    ReleaseEntry,
    among,
    depart,
    distinct,
    hold_back,
    intersect,
)
from pipelines.errors import PrivacyError
from schemas.manifest import ItemKnowledge

MEMBERS: Final = pl.Schema(
    {"learner": pl.String(), "item": pl.String(), "class_number": pl.Int64()}
)
_ORDER: Final[tuple[ItemKnowledge, ...]] = (1, 2, 3, "full")
_NONE: Final = -1
"""The number of the item of a row without one."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a release shows of whom.

    Attributes:
        k: distinct learners that it promises.
        m: items that its attacker knows; 1 is course scope, where nothing joins two rows.
        project: whose key its pseudonyms are made under; None but in linked scope.
        item: its item column; None where it shows no items.
        members: `learner` (the registry's digest, hex), `item` (the released label, "" where it
            shows none of his), `class_number`; each learner and item once, without nulls. A learner
            has one class.

    Raises:
        ValueError: the members have another shape, or items do not fit the promise.
    """

    k: int
    m: ItemKnowledge
    project: str | None
    item: str | None
    members: pl.DataFrame

    def __post_init__(self) -> None:
        if self.members.schema != MEMBERS or any(self.members.null_count().row(0)):
            raise ValueError("members: expected learner, item and class_number without nulls")
        without = self.members["item"] == ""
        if (self.item is None and not without.all()) or (self.m == 1 and without.any()):
            raise ValueError("members: items do not fit the item column and m")


def left_out(
    earlier: Sequence[Shown],
    new: Shown,
    *,
    present: pl.DataFrame,
    generator: np.random.Generator,
) -> pl.DataFrame:
    """Whom or which rows a new release must leave out to stand beside the live ones.

    Whom an earlier release shows and who is not present has departed: others leave with him by lot.
    Then cells below k are held back, and others by lot where their absence would be seen. Asking
    again with the same classes, without what is left out, leaves out nothing more.

    Args:
        earlier: the live releases.
        new: the release that asks to go out.
        present: `learner` and `item` ("" where the new release shows none) of all who might be
            released, before suppression; holds every row of the new release.
        generator: draws who leaves with those who are gone.

    Returns:
        `learner`, `item` and `departing`, sorted: rows of a course-scoped release, otherwise whole
        learners with the item "". `departing` is whether he leaves beside somebody who departed;
        the others are held back. Empty: the gate passes.

    Raises:
        PrivacyError: items can't be compared, nothing would be left, or the earlier releases alone
            single somebody out, which the new one can't mend.
        ValueError: the new release shows who is not present.
    """
    _require_one_item_column([*earlier, new])
    before, now, there = _numbered(earlier, new, present)
    views = _views(before, now, there)
    departing = np.zeros(len(new.members), np.bool_)
    untouched, asked = 0, cycle(views)
    while untouched < len(views):
        view, before_now = next(asked), len(now.at)
        beside = view.stays(now, view.cells.departing(view.entry(now), generator))
        departing[now.at[~beside]] = True
        now = now.filtered(beside)
        now = now.filtered(view.stays(now, view.cells.small(view.entry(now), generator)))
        untouched = untouched + 1 if len(now.at) == before_now else 0
    if not all(view.cells.hold(view.entry(now)) for view in views):
        raise PrivacyError(
            "earlier releases: together they show fewer than k learners who look alike, whatever "
            "this one leaves out; recall one of them and have its destruction confirmed "
            "(`kohort release list`), or ask for the columns of an earlier release"
        )
    if not len(now.learner) and len(new.members):
        raise PrivacyError(
            "earlier releases: beside them nobody could be released; ask for the columns of an "
            "earlier release, or recall one and have its destruction confirmed "
            "(`kohort release list`)"
        )
    stays = among(np.arange(len(new.members)), now.at)
    item = pl.col("item") if new.m == 1 else pl.lit("").alias("item")
    return (
        new.members.with_columns(pl.Series("departing", departing))
        .filter(pl.Series(~stays, dtype=pl.Boolean))
        .select("learner", item, "departing")
        .unique()
        .sort("learner", "item")
    )


def _require_one_item_column(releases: Sequence[Shown]) -> None:
    """Refuse to compare what one release calls an item with what another does.

    Raises:
        PrivacyError: the live releases and the new one have different item columns.
    """
    named = list(dict.fromkeys(release.item for release in releases if release.item is not None))
    if len(named) > 1:
        raise PrivacyError(
            f"item: live releases show {' and '.join(named)}, which can't be compared item by item;"
            f" ask for {named[0]}, or recall the releases of the other and have their destruction "
            "confirmed (`kohort release list`)"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Members of a release in numbers, sorted by learner and item.

    Attributes:
        shown: whose members they are.
        learner: the same number in all releases.
        item: the same number in all releases; `_NONE` where there is none.
        classes: of the learner.
        at: the row in `shown.members`.

    Raises:
        ValueError: a learner has an item twice, or is in two classes.
    """

    shown: Shown
    learner: NDArray[np.int64]
    item: NDArray[np.int64]
    classes: NDArray[np.int64]
    at: NDArray[np.int64]

    def __post_init__(self) -> None:
        same = self.learner[1:] == self.learner[:-1]
        if (same & (self.item[1:] == self.item[:-1])).any():
            raise ValueError("members: a learner has an item twice")
        if (same & (self.classes[1:] != self.classes[:-1])).any():
            raise ValueError("members: a learner is in two classes")

    def filtered(self, stays: NDArray[np.bool_]) -> "_Rows":
        """Some of the rows."""
        return replace(
            self,
            learner=self.learner[stays],
            item=self.item[stays],
            classes=self.classes[stays],
            at=self.at[stays],
        )

    def entry(self, *, items: bool) -> ReleaseEntry:
        """Each learner with his class and, if asked, his items."""
        begins = np.diff(self.learner, prepend=-1) > 0
        rows = (self.item != _NONE) & items
        length = np.bincount((np.cumsum(begins) - 1)[rows], minlength=int(begins.sum()))
        held = Incidence(
            offsets=np.concatenate(([0], np.cumsum(length))).astype(np.int64),
            item=self.item[rows].astype(np.int32),
            classes=self.classes[begins],
        )
        return ReleaseEntry(self.learner[begins], held, self.shown.k, self.shown.m)


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """What one attacker sees of the earlier releases.

    Attributes:
        earlier: the releases.
        departed: the keys of those whom an earlier release shows and who are no longer present.
        m: as the privacy core has it.
        linked: whether one pseudonym joins the releases.
    """

    earlier: tuple[ReleaseEntry, ...]
    departed: Keys
    m: Known
    linked: bool

    def departing(self, new: ReleaseEntry, generator: np.random.Generator) -> Keys:
        """Who leaves the new release beside those who departed."""
        m, linked = self.m, self.linked
        return depart(self.earlier, new, self.departed, m=m, linked=linked, generator=generator)

    def small(self, new: ReleaseEntry, generator: np.random.Generator) -> Keys:
        """Who is held back for small cells."""
        return hold_back(self.earlier, new, m=self.m, linked=self.linked, generator=generator)

    def hold(self, new: ReleaseEntry) -> bool:
        """Whether every cell keeps k that is promised to, and that no departure left below it."""
        found = intersect(
            [*self.earlier, new], m=self.m, linked=self.linked, departed=self.departed
        )
        return found.holds


@dataclass(frozen=True, slots=True, eq=False)
class _Learners:
    """The attacker who knows several items, or to whom the releases are linked.

    Attributes:
        cells: learners by their numbers.
        items: whether the new release takes part with its items.
    """

    cells: _Cells
    items: bool

    def entry(self, new: _Rows) -> ReleaseEntry:
        """What the new release shows him."""
        return new.entry(items=self.items)

    def stays(self, new: _Rows, leaving: Keys) -> NDArray[np.bool_]:
        """The rows of the learners who stay."""
        return ~among(new.learner, leaving)


@dataclass(frozen=True, slots=True, eq=False)
class _OneItem:
    """The attacker who knows one item: each row is a learner of its own.

    Attributes:
        cells: rows by the number of learner and item.
        items: what the numbers of items are below.
        others: the rows of the releases with items, before the new one.
    """

    cells: _Cells
    items: int
    others: NDArray[np.int64]

    def entry(self, new: _Rows) -> ReleaseEntry:
        """What the new release shows him."""
        return _apart(new, self.items, self.others)

    def stays(self, new: _Rows, leaving: Keys) -> NDArray[np.bool_]:
        """The rows that stay; those of whole learners but under course scope."""
        if new.shown.m == 1:
            return ~among(_keys(new, self.items), leaving)
        return ~among(new.learner, leaving // self.items)


def _keys(rows: _Rows, items: int) -> NDArray[np.int64]:
    """The numbers of learner and item; rows without one are left out."""
    has = rows.item != _NONE
    keys: NDArray[np.int64] = rows.learner[has] * items + rows.item[has]
    return keys


def _apart(rows: _Rows, items: int, others: NDArray[np.int64]) -> ReleaseEntry:
    """Each row as a learner of its own.

    A release without items shows a learner's class beside each item that others show of him.
    """
    beside = rows.shown.item is None
    if beside:
        keys = others[among(others // items, rows.learner)]
        classes = rows.classes[np.searchsorted(rows.learner, keys // items)]
    else:
        keys, classes = _keys(rows, items), rows.classes[rows.item != _NONE]
    held = Incidence(
        offsets=np.zeros(len(keys) + 1, np.int64),
        item=np.empty(0, np.int32),
        classes=classes * items + keys % items,
    )
    return ReleaseEntry(keys, held, rows.shown.k, beside=beside)


def _views(earlier: Sequence[_Rows], new: _Rows, present: _Rows) -> list[_Learners | _OneItem]:
    """The attackers whom the live releases meet, those who know least first."""
    if not earlier:
        return []
    everyone = [*earlier, new]
    apart = [
        _one_item(earlier, new, present) if m == 1 else _learners(m, earlier, new, present)
        for m in _ms(everyone)
    ]
    project = new.shown.project
    same = [rows for rows in earlier if project and rows.shown.project == project]
    if not same:
        return apart
    ms = [m for m in _ms([*same, new]) if m != 1]
    return [*apart, *(_learners(m, same, new, present, linked=True) for m in ms)]


def _ms(releases: Sequence[_Rows]) -> list[ItemKnowledge]:
    """Whom the releases promise something, ascending."""
    return sorted({rows.shown.m for rows in releases}, key=_ORDER.index)


def _learners(
    m: Known, earlier: Sequence[_Rows], new: _Rows, present: _Rows, *, linked: bool = False
) -> _Learners:
    def takes_items(rows: _Rows) -> bool:
        return linked or _ORDER.index(rows.shown.m) >= _ORDER.index(m)

    entries = tuple(rows.entry(items=takes_items(rows)) for rows in earlier)
    shown = distinct(np.concatenate([entry.keys for entry in entries]))
    departed = shown[~among(shown, present.learner)]
    return _Learners(_Cells(entries, departed, m, linked), takes_items(new))


def _one_item(earlier: Sequence[_Rows], new: _Rows, present: _Rows) -> _OneItem:
    items = 1 + max(int(rows.item.max(initial=0)) for rows in (*earlier, new, present))
    before = distinct(np.concatenate([_keys(rows, items) for rows in earlier]))
    either = distinct(np.concatenate((before, _keys(new, items))))
    entries = tuple(_apart(rows, items, either) for rows in earlier)
    if new.shown.m == 1:
        departed = before[~among(before, _keys(present, items))]
    else:
        departed = before[~among(before // items, present.learner)]
    return _OneItem(_Cells(entries, departed, "full", linked=False), items, before)


def _numbered(
    earlier: Sequence[Shown], new: Shown, present: pl.DataFrame
) -> tuple[list[_Rows], _Rows, _Rows]:
    """All releases, the new one, and who is present, in the same numbers.

    Numbers follow the order of digests and labels, so that the order of rows tells nothing.

    Raises:
        ValueError: the new release shows who is not present.
    """
    on = ["learner", "item"]
    if len(new.members.join(present, on=on if new.m == 1 else "learner", how="anti")):
        raise ValueError("present: lacks rows of the new release")
    frames = [*(one.members for one in earlier), new.members, present]
    numbers = [
        pl.concat([frame.select(name).unique() for frame in frames])
        .unique()
        .filter(pl.col(name) != "")
        .sort(name)
        .with_row_index(f"{name}_number")
        for name in on
    ]

    def rows(shown: Shown, frame: pl.DataFrame) -> _Rows:
        coded = frame.with_row_index("at")
        for name, known in zip(on, numbers, strict=True):
            coded = coded.join(known, on=name, how="left")
        coded = coded.select(pl.exclude(on).cast(pl.Int64)).sort("learner_number", "item_number")
        return _Rows(
            shown,
            coded["learner_number"].to_numpy(),
            coded["item_number"].fill_null(_NONE).to_numpy(),
            coded["class_number"].to_numpy(),
            coded["at"].to_numpy(),
        )

    there = present.select(on).unique().with_columns(pl.lit(0, pl.Int64).alias("class_number"))
    return [rows(one, one.members) for one in earlier], rows(new, new.members), rows(new, there)
