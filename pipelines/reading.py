"""What a build reads of a source, and the views of it: of everybody, and of who permits it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.errors import RequestError, RightsError, SourceError
from pipelines.governance.identities import aliases
from pipelines.plan import Plan, needs
from pipelines.settings import Workspace
from pipelines.sources import Quarantine, open_source, stage
from pipelines.sources.staging import Staged
from pipelines.views import assemble, canonical, permit
from schemas.declaration import Family
from schemas.request import ExtractRequest

_TELLING: Final = 5
"""An id of fewer characters also stands in a title by chance."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it was read.

    Attributes:
        staged: its tables as they were taken over, and the rows that were put aside.
        tables: the same as conformed, each learner under one id.
        people: the ids of each person, as of `aliases`.
    """

    staged: Staged
    tables: Mapping[str, pl.LazyFrame]
    people: pl.DataFrame | None


@dataclass(frozen=True, slots=True)
class ViewedSource(Source):
    """A source with its views.

    Attributes:
        frames: the views of everybody, whoever permits what.
    """

    frames: Mapping[str, pl.DataFrame]


def read_tables(
    request: ExtractRequest,
    family: Family,
    wanted: Mapping[str, frozenset[str]],
    workspace: Workspace,
    folder: Path,
    *,
    progress: Callable[[str], None],
) -> Source:
    """Read tables of a source, and make nothing of them.

    Args:
        request: which source.
        family: what it is.
        wanted: its tables and their columns.
        workspace: its sources.
        folder: an empty, private one, for raw tables.
        progress: told the name of each step.

    Raises:
        SourceError: it can't be read as declared.
    """
    progress("read")
    staged = _stage(request, family, wanted, workspace, folder)
    progress("conform")
    people = aliases(workspace)
    return Source(staged, canonical(_frames(staged), family, people), people)


def read_source(
    plan: Plan, workspace: Workspace, folder: Path, *, progress: Callable[[str], None]
) -> ViewedSource:
    """Read what a plan needs of its source, and assemble its views.

    Args:
        plan: what is built.
        workspace: its sources.
        folder: an empty, private one, for raw tables.
        progress: told the name of each step.

    Raises:
        SourceError: it can't be read as declared, or holds no row for a view.
    """
    found = read_tables(
        plan.request, plan.family, needs(plan), workspace, folder, progress=progress
    )
    frames = assemble(found.tables, plan, found.staged.quarantine, own_keys=False)
    _refuse_empty(frames, found.staged.quarantine)
    return ViewedSource(found.staged, found.tables, found.people, frames)


def views_of(source: Source, plan: Plan, allowed: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The views anew, of permitted rows alone; everybody's are only what risks are measured on.

    Raises:
        RightsError: a view is empty then.
    """
    later = Quarantine()
    own = assemble(permit(source.tables, plan, allowed), plan, later, own_keys=False)
    source.staged.quarantine.absorb(later)
    if any(frame.is_empty() for frame in own.values()):
        raise RightsError(
            f"no learner with a row in the requested views permits '{plan.request.purpose}'; "
            "record rights with `kohort rights import`"
        )
    return own


def refuse_ids(request: ExtractRequest, learners: pl.Series, aliases: pl.DataFrame | None) -> None:
    """Refuse an id of a learner in the title, or another of his: it stands in every package.

    Raises:
        RequestError: it holds one.
    """
    words = {word for word in re.findall(r"[\w.@~-]+", request.title) if len(word) >= _TELLING}
    known = learners if aliases is None else pl.concat([learners, aliases["id"]])
    if known.is_in(list(words)).any():
        raise RequestError("title: holds an id of a learner; say what is asked without it")


def _stage(
    request: ExtractRequest,
    family: Family,
    wanted: Mapping[str, frozenset[str]],
    workspace: Workspace,
    folder: Path,
) -> Staged:
    location = workspace.source(request.source).location
    source = open_source(location, base=workspace.root)
    staged = stage(source, family, wanted, folder)
    domains = {t.id_domain: name for name, t in staged.tables.items() if t.id_domain is not None}
    if len(domains) > 1:
        named = ", ".join(f"{table} ({domain})" for domain, table in sorted(domains.items()))
        raise SourceError(
            f"{source.location}: tables of different id domains can't be joined: {named}; "
            "ask for columns of one domain, or get a linked export"
        )
    return staged


def _frames(staged: Staged) -> dict[str, pl.LazyFrame]:
    return {name: pl.scan_parquet(table.path) for name, table in staged.tables.items()}


def _refuse_empty(frames: Mapping[str, pl.DataFrame], quarantine: Quarantine) -> None:
    for name, frame in frames.items():
        if frame.is_empty():
            reasons = sorted({f"{c.table}: {c.reason}" for c in quarantine.entries()})
            said = f" (put aside for {', '.join(reasons)})" if reasons else ""
            raise SourceError(
                f"no row is left for the view {name}{said}; see `kohort source check`"
            )
