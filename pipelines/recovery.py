"""What becomes of builds that are over: of one that ends, and of those that were cut off.

Both are dealt with by the same steps, each of which may be cut off too and is then done again. The
registry decides: a release that is published exists, and is given out by the next build of its
request; of any other nothing stays. What can't be removed beside somebody's target is told of, and
keeps its journal; it stops nobody.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from polars.exceptions import ComputeError
from sqlalchemy import Engine

from pipelines.errors import KohortError, OutputError, RegistryError
from pipelines.folders import STAGING, Target, Workplace, clear, make, remove, told, workplace
from pipelines.governance.chain import changing
from pipelines.governance.key_events import finish_destructions
from pipelines.governance.ledger import lose, orphaned, settle
from pipelines.governance.releases import ReleaseState, failed, releases
from pipelines.governance.releases.state import ENDED
from pipelines.interrupts import uninterrupted
from pipelines.journal import Damaged, Journal, begun, dead
from pipelines.keys import release_secret, remove_secret
from pipelines.locks import BUILDING
from pipelines.people import Actor, Duty
from pipelines.store import discard, discard_ended

_NUMBER: Final = re.compile(r"\(os error ([0-9]+)\)")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What builds that were cut off had left behind.

    Attributes:
        settled: the ids of these builds: of the release that each one had, or would have had.
        failed: those whose release was recorded, and of which nothing had left.
        folders: how many private folders were removed.
        copies: how many kept copies of releases that are not given out (any more).
        keys: how many files of keys of releases that failed, or that were destroyed.
        charges: those whose build nobody knows any more: they are lost.
        left: what was left alone, and why: a line each.
    """

    settled: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    folders: int = 0
    copies: int = 0
    keys: int = 0
    charges: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether there was anything to do, or to tell."""
        return self != Recovered()

    def __add__(self, other: "Recovered") -> "Recovered":
        return Recovered(
            self.settled + other.settled,
            self.failed + other.failed,
            self.folders + other.folders,
            self.copies + other.copies,
            self.keys + other.keys,
            self.charges + other.charges,
            self.left + other.left,
        )


def recover(
    root: Path, registry: Engine, *, actor: Actor, at: datetime, charge: str | None = None
) -> Recovered:
    """Clean up after builds of a workspace that were cut off; those that live are left alone.

    So is a release that is reserved and has no journal here: it may be another workspace's.

    Args:
        root: the workspace.
        registry: its registry.
        actor: an engineer or a steward.
        at: when.
        charge: the id of one on the budget that is to be lost: nobody knows its build any more.

    Raises:
        RoleError: the actor is neither.
        RegistryError: the registry can't be used; or the charge is of a build that has a journal
            here, has ended, or is none.
        OutputError: something in the workspace can't be removed; all else is done by then.
    """
    actor.must_be(Duty.ENGINEER, Duty.STEWARD)
    found = Recovered(folders=_of_earlier_versions(root))
    faults: list[OutputError] = []
    try:
        with dead(root) as journals:
            with uninterrupted():  # the raw rows of all, before anything can stop us
                for journal in journals:
                    with _collected(faults):
                        found += Recovered(folders=remove(journal.folder / STAGING))
            for journal in journals:
                with _collected(faults):
                    found += _ended(journal, root, registry, actor=actor, at=at)
            if registry.dialect.name == "sqlite":  # on a server they may be another workspace's
                found += Recovered(charges=_orphaned(root, registry, actor=actor, at=at))
            if charge is not None and charge not in found.charges:
                found += Recovered(charges=_given_up(charge, root, registry, actor=actor, at=at))
    except OSError as error:
        raise OutputError(f"{root}: can't be written ({told(error)})") from None
    found += Recovered(copies=discard_all_ended(root, registry))
    found += Recovered(keys=finish_destructions(registry, root))
    if replace(found, left=()).anything:  # what stays is no news each time
        detail = (
            f"{len(found.settled)} builds, {len(found.failed)} releases failed, removed "
            f"{found.folders} folders, {found.copies} copies, {found.keys} keys; "
            f"{len(found.charges)} charges lost"
            + (f"; {len(found.left)} left alone" if found.left else "")
        )
        with changing(registry) as change:
            change.record(actor, "build.recover", "builds that were cut off", at=at, detail=detail)
    if faults:
        raise faults[0]
    return found


@contextmanager
def surviving(
    root: Path, registry: Engine, release: str, to: Target, *, actor: Actor, at: datetime
) -> Iterator[Workplace]:
    """The private folders of a new build, which are gone when it ends, however it ends.

    A registry that is away then decides later: the next build, or `recover`, asks it.

    Args:
        root: the workspace.
        registry: its registry.
        release: the id that the release will have.
        to: where the results shall lie.
        actor: who builds.
        at: when.

    Raises:
        OutputError: something can't be written.
    """
    try:
        with begun(root, release, to) as journal:
            place = workplace(journal.folder, release, to)
            try:
                make(place)
                yield place
            finally:
                with suppress(KohortError, OSError):
                    _ended(journal, root, registry, actor=actor, at=at)
    except (OSError, ComputeError) as error:  # sources tell of their own files; the rest is ours
        what = _of_the_system(error)
        if what is None:
            raise
        raise OutputError(f"can't write ({what}); nothing is released") from None


def discard_all_ended(root: Path, registry: Engine) -> int:
    """Remove the kept copies of releases that are given out no more.

    Returns:
        How many there were.

    Raises:
        RegistryError: the registry can't be read.
        OutputError: one can't be removed.
    """
    over = (one for one in releases(registry) if one.state in {*ENDED, ReleaseState.FAILED})
    return sum(discard_ended(root, one) for one in over)


def _ended(
    journal: Journal | Damaged, root: Path, registry: Engine, *, actor: Actor, at: datetime
) -> Recovered:
    """Deal with all that a build left; its journal goes last, if nothing may lie there still."""
    # Before the registry is asked: raw rows go whether it answers or not, and whoever hurries.
    with uninterrupted():
        folders, kept = _cleared(journal)
    own = isinstance(journal, Journal) and not journal.copied
    state, copies, keys = None, 0, 0
    # Of a copied workspace an SQLite registry is a copy, too; on a server the original's build may
    # live. A release that is left reserved harms nothing.
    if own or registry.dialect.name == "sqlite":
        state = failed(registry, journal.release, actor=actor, at=at)
        if state in {None, ReleaseState.FAILED}:
            copies = discard(root, journal.release)
            keys = remove_secret(root, release_secret(journal.release))
    if own:  # what a copy's build may have read since is lost: see `_orphaned`
        settle(registry, journal.release, actor=actor, at=at)
    done = Recovered(folders=folders, copies=copies, keys=keys)
    if isinstance(journal, Damaged) or (kept and not journal.copied):
        return done + Recovered(left=(_line(f"{kept}, then {journal.folder}"),))
    journal.close()
    one = (journal.release,)
    told_of = (_line(kept),) if kept else ()
    return done + Recovered(one, one if state is ReleaseState.FAILED else (), left=told_of)


def _cleared(journal: Journal | Damaged) -> tuple[int, str]:
    """Remove the folders of a build, as far as they are its own and can be reached.

    Returns:
        How many were removed, and what may be left, or nothing.

    Raises:
        OutputError: the raw rows can't be.
    """
    raw = remove(journal.folder / STAGING)
    hidden = f".kohort-{journal.release}-*"
    if isinstance(journal, Damaged):
        return raw, (
            f"build {journal.release}: its journal can't be read; remove {hidden} beside its --out"
        )
    if journal.to is None:
        return raw, ""
    parent = journal.to.package.parent
    if journal.copied:
        return raw, (
            f"build {journal.release}: its journal came with a copy of its workspace; {hidden} in "
            f"{parent} are left to the original: if that is gone, remove them"
        )
    place = workplace(journal.folder, journal.release, journal.to)
    try:
        beside = clear(place, journal.to)
    except OutputError as error:
        return raw, f"build {journal.release}: {error}"
    if not beside and journal.away:
        return raw, (
            f"build {journal.release}: {parent} is not there any more; mount it, or remove "
            f"{hidden} in it"
        )
    return raw + beside, ""


def _line(text: str) -> str:
    """One line that can be printed, whatever the names of folders have in them."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def _collected(faults: list[OutputError]) -> Iterator[None]:
    """What can't be removed of one build keeps nobody from removing what others left."""
    try:
        yield
    except OutputError as error:
        faults.append(error)


def _orphaned(root: Path, registry: Engine, *, actor: Actor, at: datetime) -> tuple[str, ...]:
    """End the charges of builds without a journal, as a restored backup has them.

    Their builds may have read since the backup was made: nothing comes back.
    """
    without = tuple(one for one in orphaned(registry) if not (root / BUILDING / one).exists())
    for one in without:
        lose(registry, one, reason="its build is not known", actor=actor, at=at)
    return without


def _given_up(
    charge: str, root: Path, registry: Engine, *, actor: Actor, at: datetime
) -> tuple[str, ...]:
    """End a charge that somebody says is nobody's; not one of a build that begins or lives here."""
    if any(path.name == charge for path in (root / BUILDING).iterdir()):
        raise RegistryError(
            "--charge: its build has a journal here, so it is under way or still to be settled; "
            "wait for it, or run `kohort recover` without --charge"
        )
    lose(registry, charge, reason="its build is not known", actor=actor, at=at)
    return (charge,)


def _of_earlier_versions(root: Path) -> int:
    """Remove what builds left in the workspace before they had journals.

    None runs beside this version: the registry is upgraded for it.
    """
    left = [*root.glob(".kohort-staging-*"), *root.glob(".kohort-store-*")]
    return sum(map(remove, left))


def _of_the_system(error: OSError | ComputeError) -> str | None:
    """What the operating system says, and of which file, if it is known; None: it said nothing.

    Polars has the system's number in its text alone, and calls some of it a failed computation.
    """
    if isinstance(error, OSError) and error.strerror is not None:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    found = _NUMBER.search(str(error))
    return None if found is None else os.strerror(int(found[1]))
