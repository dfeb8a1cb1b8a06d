"""What a noisy package will say in words, held against the checker before anything is paid for.

Titles, descriptions, labels and legal bases come from the request, the declaration, the catalogue
and the policy. A build that finds out at its end that one of them reads like a promise has spent
its budget by then.
"""

from typing import Final

from pipelines.aggregates import text as of_aggregates
from pipelines.aggregates.describe import described, fields
from pipelines.aggregates.pack import aggregate_manifest
from pipelines.aggregates.plan import AggregatePlan
from pipelines.errors import RequestError
from pipelines.noisy_files import Stamp
from pipelines.twins import text as of_twins
from pipelines.twins.describe import QUERY, cell_fields, twin_manifest
from pipelines.twins.plan import TwinPlan
from pipelines.twins.tables import layouts
from pipelines.verify import Words, broken_words
from schemas import manifest as m
from schemas.policy import Policy

_DIGEST: Final = "0" * 64
_STAMP: Final = Stamp(_DIGEST, "00000000", "2000-01-01T00:00:00+00:00", _DIGEST)
"""In the place of what only a build knows: hashes and a moment, which no check reads."""

_SOURCES: Final = "the declaration, the catalogue or the policy's legal bases"


def demand_sayable(plan: AggregatePlan | TwinPlan, policy: Policy) -> None:
    """Refuse words that the checker would refuse once they are written.

    Args:
        plan: what is asked.
        policy: its legal bases.

    Raises:
        RequestError: one of them can't be written, or reads like a promise of privacy.
    """
    try:
        words = _aggregate(plan, policy) if isinstance(plan, AggregatePlan) else _twin(plan, policy)
    except m.ManifestError as error:
        raise RequestError(
            f"request: no package can say what this one had to ({error}); ask otherwise, or have "
            f"{_SOURCES} say it otherwise"
        ) from None
    if broken := broken_words(words):
        raise RequestError(
            "request: its package would read as if it promised something else ("
            f"{'; '.join(broken)}); title it otherwise, or have {_SOURCES} say it otherwise"
        )


def _aggregate(plan: AggregatePlan, policy: Policy) -> Words:
    csv = plan.request.release.csv
    tables = [
        _unwritten(query.name, described(query, plan), fields(query, plan), csv=csv)
        for query in plan.queries
    ]
    manifest = aggregate_manifest(plan, policy, _STAMP, tables)
    return Words(manifest, of_aggregates.readme(manifest), of_aggregates.codebook(manifest))


def _twin(plan: TwinPlan, policy: Policy) -> Words:
    csv = plan.request.release.csv
    cells = [_unwritten(one.name, QUERY, cell_fields(one, plan), csv=csv) for one in plan.marginals]
    tables = [
        m.Resource(
            name=one.name,
            path=_path(one.name),
            size=0,
            sha256=_DIGEST,
            grain=one.grain,
            learner_key=one.fields[0].name,
            fields=one.fields,
            primary_key=one.primary_key,
            csv_path=_path(one.name, "csv") if csv else None,
        )
        for one in layouts(plan)
    ]
    manifest = twin_manifest(plan, policy, _STAMP, cells, tables)
    texts = of_twins.readme(manifest), of_twins.codebook(manifest, plan.columns)
    return Words(manifest.cells, *texts, manifest.tables)


def _unwritten(
    name: str, query: m.Query, columns: tuple[m.CellField, ...], *, csv: bool
) -> m.CellTable:
    return m.CellTable(
        name=name,
        path=_path(name),
        size=0,
        sha256=_DIGEST,
        query=query,
        fields=columns,
        csv_path=_path(name, "csv") if csv else None,
    )


def _path(name: str, ending: str = "parquet") -> str:
    return f"data/{name}.{ending}"
