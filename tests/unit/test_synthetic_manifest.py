"""What a synthetic package says about itself, read strictly."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.manifest import (
    ROLES,
    AggregateApproval,
    AggregateManifest,
    ApprovedTable,
    CellField,
    CellTable,
    Field,
    ManifestError,
    Query,
    Resource,
    SyntheticApproval,
    SyntheticManifest,
    Twin,
    TwinTable,
    parse_aggregate,
    parse_aggregate_approval,
    parse_manifest,
    parse_synthetic,
    parse_synthetic_approval,
    release_type_of,
    render_aggregate,
    render_aggregate_approval,
    render_synthetic,
    render_synthetic_approval,
)
from tests.unit.test_aggregate_manifest import APPROVAL as AGGREGATE_APPROVAL
from tests.unit.test_aggregate_manifest import (
    COUNT,
    COUNTS,
    DROP,
    changed,
    digests,
    draws,
    measurements,
    names,
    privacies,
    texts,
)
from tests.unit.test_aggregate_manifest import MANIFEST as AGGREGATE

labels = st.lists(texts, min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def twins(draw):
    """What invented learners may be like."""
    scope = draw(st.sampled_from(["course", "release"]))
    item = draw(names if scope == "course" else st.none() | names)
    return Twin(scope, item, draw(st.integers(1, 100)))


@st.composite
def invented(draw, name):
    """A table of invented learners, its columns no more than well-formed."""
    columns = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    roles = st.sampled_from(ROLES[1:])
    fields = (
        Field(columns[0], "learner-key", draw(texts)),
        *(Field(column, draw(roles), draw(texts), draw(labels)) for column in columns[1:]),
    )
    return Resource(
        name=name,
        path=f"data/{name}.parquet",
        size=draw(st.integers(0, 10**15)),
        sha256=draw(digests),
        grain=draw(st.sampled_from(["learner", "learner-course"])),
        learner_key=columns[0],
        fields=fields,
        primary_key=tuple(columns[:2]),
        csv_path=draw(st.none() | st.just(f"data/{name}.csv")),
    )


@st.composite
def marginals(draw, name):
    """Distinct learners by the labels of a column."""
    return CellTable(
        name=name,
        path=f"data/{name}.parquet",
        size=draw(st.integers(0, 10**15)),
        sha256=draw(digests),
        query=Query("learners", "grid", 1),
        fields=(
            CellField("_rows", "string", "key", draw(texts), enum=draw(labels)),
            CellField("learners", "integer", "value", draw(texts)),
            CellField("learners_half_width", "integer", "half-width", "", of="learners"),
        ),
    )


@st.composite
def manifests(draw):
    """A synthetic package as it may be described."""
    named = draw(st.lists(names, min_size=2, max_size=4, unique=True))
    promise = dataclasses.replace(
        AGGREGATE.promise,
        family=draw(names),
        privacy=draw(privacies),
        measurements=tuple(draw(st.lists(measurements, min_size=1, max_size=2))),
        audit_head=draw(st.none() | digests),
    )
    cells = AggregateManifest(
        name="twin",
        title=draw(texts),
        description=draw(texts),
        created="2026-01-31T12:00:00+00:00",
        resources=tuple(draw(marginals(name)) for name in named[1:]),
        promise=promise,
    )
    return SyntheticManifest(cells, (draw(invented(named[0])),), draw(twins()))


@st.composite
def approvals(draw):
    """What a steward may have approved."""
    told = draw(manifests())
    promise = told.cells.promise
    cells = AggregateApproval(
        access=promise.access,
        family=promise.family,
        request_sha256=promise.request_sha256,
        catalogue_sha256=promise.catalogue_sha256,
        tables={t.name: ApprovedTable(t.query, t.fields) for t in told.cells.resources},
        charge_id=draw(digests),
        draws=tuple(draw(st.lists(draws, min_size=1, max_size=2))),
        package_sha256=draw(st.none() | digests),
    )
    tables = {t.name: TwinTable(t.grain, t.fields, t.primary_key) for t in told.tables}
    return SyntheticApproval(cells, tables, told.twin)


@settings(max_examples=20, deadline=None)
@given(manifests())
def test_manifest_round_trip(manifest):
    """What is rendered reads back as the same values, and is told to be synthetic."""
    text = render_synthetic(manifest)
    assert parse_synthetic(text) == manifest
    assert release_type_of(text) == "synthetic"
    assert manifest.resources == (*manifest.tables, *manifest.cells.resources)


@settings(max_examples=20, deadline=None)
@given(approvals())
def test_approval_round_trip(approval):
    """What is rendered reads back as the same values, and is told to be of a synthetic release."""
    text = render_synthetic_approval(approval)
    assert parse_synthetic_approval(text) == approval
    assert release_type_of(text) == "synthetic"


MARGINAL = dataclasses.replace(COUNTS, name="marginal_01", query=Query("learners", "grid", 1))
PEOPLE = Resource(
    name="learners",
    path="data/learners.parquet",
    size=10,
    sha256="2" * 64,
    grain="learner",
    learner_key="learner",
    fields=(
        Field("learner", "learner-key", "Pseudonym."),
        Field("gender", "quasi-identifier", "Gender.", ("F", "M")),
    ),
    primary_key=("learner",),
)
MANIFEST = SyntheticManifest(
    cells=dataclasses.replace(AGGREGATE, resources=(MARGINAL,)),
    tables=(PEOPLE,),
    twin=Twin("release", None, 1),
)
APPROVAL = SyntheticApproval(
    cells=dataclasses.replace(
        AGGREGATE_APPROVAL,
        tables={"marginal_01": ApprovedTable(MARGINAL.query, MARGINAL.fields)},
        draws=(COUNT,),
    ),
    tables={"learners": TwinTable(PEOPLE.grain, PEOPLE.fields, PEOPLE.primary_key)},
    twin=MANIFEST.twin,
)


def test_kinds_are_told_apart():
    """Manifests and approvals of another kind are read by their own functions alone."""
    text = render_synthetic(MANIFEST)
    for parse in (parse_aggregate, parse_manifest):
        with pytest.raises(ManifestError):
            parse(text)
    with pytest.raises(ManifestError):
        parse_synthetic(render_aggregate(AGGREGATE))
    with pytest.raises(ManifestError):
        parse_aggregate_approval(render_synthetic_approval(APPROVAL))
    with pytest.raises(ManifestError):
        parse_synthetic_approval(render_aggregate_approval(AGGREGATE_APPROVAL))


TWIN, TABLE, CELLS = ("kohort", "twin"), ("resources", 0), ("resources", 1)


@pytest.mark.parametrize(
    "path, value",
    [
        (("kohort", "release_type"), "aggregate"),
        (("kohort", "k"), 5),
        (("kohort", "unit"), "event"),
        (TWIN, DROP),
        ((*TWIN, "k"), 5),
        ((*TWIN, "item"), DROP),
        ((*TWIN, "item"), "a\nb"),
        ((*TWIN, "pseudonym_scope"), "linked"),
        ((*TWIN, "pseudonym_scope"), "course"),  # without an item
        ((*TWIN, "most_rows"), 0),
        ((*TWIN, "most_rows"), 101),
        ((*TWIN, "most_rows"), None),
        ((*TABLE, "grain"), "event"),
        ((*TABLE, "name"), "marginal_01"),
        ((*TABLE, "path"), "data/counts.parquet"),
        ((*TABLE, "path"), "data/counts.csv"),
        ((*TABLE, "query"), {}),
        (TABLE, DROP),
        (CELLS, DROP),
        ((*CELLS, "grain"), "learner"),
        ((*CELLS, "query", "cells"), 2),
        ((*CELLS, "query", "metric"), "histogram"),
        ((*CELLS, "query", "keys"), "discovered"),
    ],
)
def test_refused_manifest(path, value):
    """A manifest with one thing in it that no package can mean is refused."""
    text = render_synthetic(MANIFEST)
    assert parse_synthetic(text) == MANIFEST
    with pytest.raises(ManifestError):
        parse_synthetic(changed(text, path, value))


@pytest.mark.parametrize(
    "path, value",
    [
        (("release_type",), "aggregate"),
        (("k",), 5),
        (("twin",), DROP),
        (("twin", "most_rows"), 0),
        (("invented",), DROP),
        (("invented",), {}),
        (("invented", "learners", "grain"), "cell"),
        (("invented", "learners", "path"), "data/learners.parquet"),
        (("invented", "learners", "primaryKey"), DROP),
        (("invented", "learners", "fields", 1, "role"), "value"),
        (("charge", "measurements"), []),
        (("tables",), DROP),
    ],
)
def test_refused_approval(path, value):
    """An approval with one thing in it that no steward can mean is refused."""
    text = render_synthetic_approval(APPROVAL)
    assert parse_synthetic_approval(text) == APPROVAL
    with pytest.raises(ManifestError):
        parse_synthetic_approval(changed(text, path, value))


def test_refused_names():
    """A table that no file can be called after is none."""
    with pytest.raises(ManifestError):
        SyntheticApproval(APPROVAL.cells, {"../up": APPROVAL.tables["learners"]}, MANIFEST.twin)
