"""The gate: what a new release leaves out, so that the live ones and it single nobody out together.

An attacker of the promise m knows m items of his target. Live releases of several promises meet
several attackers. For each, the releases that promise him enough take part with their items, and
weaker ones with their class alone: to link their rows is beyond their promise, so that what these
show among themselves is no reason to refuse. Who holds several
releases of one project joins them by pseudonym, whatever they promise. The counting itself is
`anonymizer.releases`; `pipelines.verify.union` recounts a project from its packages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.cells import Keys, Known, ReleaseEntry, among, distinct
from anonymizer.incidence import Incidence
from anonymizer.releases import depart, hold_back, intersect
from pipelines.errors import PrivacyError
from pipelines.shown import NO_NUMBER, Rows, Shown, numbered, row_keys
from schemas.manifest import ItemKnowledge

_ORDER: Final[tuple[ItemKnowledge, ...]] = (1, 2, 3, "full")


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
    before, now, there = numbered(earlier, new, present)
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

    def entry(self, new: Rows) -> ReleaseEntry:
        """What the new release shows him."""
        return new.entry(items=self.items)

    def stays(self, new: Rows, leaving: Keys) -> NDArray[np.bool_]:
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

    def entry(self, new: Rows) -> ReleaseEntry:
        """What the new release shows him."""
        return _apart(new, self.items, self.others)

    def stays(self, new: Rows, leaving: Keys) -> NDArray[np.bool_]:
        """The rows that stay; those of whole learners but under course scope."""
        if new.shown.m == 1:
            return ~among(row_keys(new, self.items), leaving)
        return ~among(new.learner, leaving // self.items)


def _apart(rows: Rows, items: int, others: NDArray[np.int64]) -> ReleaseEntry:
    """Each row as a learner of its own.

    A release without items shows a learner's class beside each item that others show of him.
    """
    beside = rows.shown.item is None
    if beside:
        keys = others[among(others // items, rows.learner)]
        classes = rows.classes[np.searchsorted(rows.learner, keys // items)]
    else:
        keys, classes = row_keys(rows, items), rows.classes[rows.item != NO_NUMBER]
    held = Incidence(
        offsets=np.zeros(len(keys) + 1, np.int64),
        item=np.empty(0, np.int32),
        classes=classes * items + keys % items,
    )
    return ReleaseEntry(keys, held, rows.shown.k, beside=beside)


def _views(earlier: Sequence[Rows], new: Rows, present: Rows) -> list[_Learners | _OneItem]:
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


def _ms(releases: Sequence[Rows]) -> list[ItemKnowledge]:
    """Whom the releases promise something, ascending."""
    return sorted({rows.shown.m for rows in releases}, key=_ORDER.index)


def _learners(
    m: Known, earlier: Sequence[Rows], new: Rows, present: Rows, *, linked: bool = False
) -> _Learners:
    def takes_items(rows: Rows) -> bool:
        return linked or _ORDER.index(rows.shown.m) >= _ORDER.index(m)

    entries = tuple(rows.entry(items=takes_items(rows)) for rows in earlier)
    shown = distinct(np.concatenate([entry.keys for entry in entries]))
    departed = shown[~among(shown, present.learner)]
    return _Learners(_Cells(entries, departed, m, linked), takes_items(new))


def _one_item(earlier: Sequence[Rows], new: Rows, present: Rows) -> _OneItem:
    items = 1 + max(int(rows.item.max(initial=0)) for rows in (*earlier, new, present))
    before = distinct(np.concatenate([row_keys(rows, items) for rows in earlier]))
    either = distinct(np.concatenate((before, row_keys(new, items))))
    entries = tuple(_apart(rows, items, either) for rows in earlier)
    if new.shown.m == 1:
        departed = before[~among(before, row_keys(present, items))]
    else:
        departed = before[~among(before // items, present.learner)]
    return _OneItem(_Cells(entries, departed, "full", linked=False), items, before)
