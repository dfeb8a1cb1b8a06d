"""What an aggregate package says about itself, read strictly."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.manifest import (
    MECHANISMS,
    METRICS,
    AggregateApproval,
    AggregateManifest,
    AggregatePromise,
    ApprovedTable,
    CellField,
    CellTable,
    Draw,
    ManifestError,
    Measurement,
    Privacy,
    Query,
    parse_aggregate,
    parse_aggregate_approval,
    parse_manifest,
    release_type_of,
    render_aggregate,
    render_aggregate_approval,
    render_approval,
    render_manifest,
)
from tests.unit.test_manifest import APPROVAL as MICRODATA_APPROVAL
from tests.unit.test_manifest import MANIFEST as MICRODATA

names = st.from_regex("[a-z][a-z0-9_]{0,9}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs", "Cf", "Co", "Cn"]))
digests = st.from_regex("[0-9a-f]{64}", fullmatch=True)
units = st.integers(0, 2**63 - 1)
counts = st.integers(1, 10**9)
accesses = st.sampled_from(["controlled", "public"])
privacies = st.builds(Privacy, st.none() | units, units, units)
draws = st.builds(
    Draw,
    mechanism=st.sampled_from(MECHANISMS),
    scale=st.fractions(min_value="1/1000000").map(str),
    l0=counts,
    linf=st.integers(1, 2**63 - 1),
    norm=st.sampled_from(["L1", "L2"]),
    privacy=privacies,
)
measurements = st.builds(
    Measurement,
    table=names,
    columns=st.lists(names, min_size=1, max_size=3, unique=True).map(tuple),
    draw=draws,
)


@st.composite
def queries(draw, *, discovered):
    """What a table may answer."""
    metric = "learners" if discovered else draw(st.sampled_from(METRICS))
    numeric = metric in {"sum", "mean", "quantiles"}
    decimals = draw(st.integers(0, 6)) if numeric else 0
    low, high = sorted(draw(st.lists(st.integers(-999, 999), min_size=2, max_size=2, unique=True)))
    shares = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=4, unique=True).map(tuple)
    agreeing = not discovered and metric not in {"mean", "quantiles"}
    return Query(
        metric=metric,
        keys="discovered" if discovered else "grid",
        cells=draw(counts),
        most=draw(counts) if metric == "events" else None,
        bounds=(low / 10**decimals, high / 10**decimals) if numeric else None,
        decimals=decimals,
        nulls=draw(st.none() | st.just("an unknown value counts as 0")),
        least=draw(counts) if metric == "mean" else None,
        threshold=draw(counts) if discovered else None,
        quantiles=draw(shares) if metric == "quantiles" else (),
        candidates=draw(st.integers(2, 2048)) if metric == "quantiles" else None,
        consistent_with=tuple(draw(st.lists(names, max_size=2, unique=True))) if agreeing else (),
    )


@st.composite
def tables(draw, name):
    """A table of cells, its columns no more than well-formed."""
    discovered = draw(st.booleans())
    columns = draw(st.lists(names, min_size=3, max_size=5, unique=True))
    labels = st.lists(texts, min_size=1, max_size=3, unique=True).map(tuple)
    keys = [
        CellField(key, "string", "key", draw(texts), enum=() if discovered else draw(labels))
        for key in columns[2:]
    ]
    kind, required = draw(st.sampled_from(["integer", "number"])), draw(st.booleans())
    told = CellField(columns[0], kind, "value", draw(texts), required=required)
    width = CellField(columns[1], kind, "half-width", "", of=columns[0], required=required)
    return CellTable(
        name=name,
        path=f"data/{name}.parquet",
        size=draw(st.integers(0, 10**15)),
        sha256=draw(digests),
        query=draw(queries(discovered=discovered)),
        fields=(*(keys if discovered or draw(st.booleans()) else ()), told, width),
        csv_path=draw(st.none() | st.just(f"data/{name}.csv")),
    )


@st.composite
def manifests(draw):
    """An aggregate package as it may be described."""
    named = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    promise = AggregatePromise(
        access=draw(accesses),
        family=draw(names),
        request_sha256=draw(digests),
        catalogue_sha256=draw(digests),
        data_version=draw(digests),
        cut_off="2026-01-31T00:00:00Z",
        legal_bases=tuple(draw(st.lists(texts, max_size=2))),
        privacy=draw(privacies),
        measurements=tuple(draw(st.lists(measurements, min_size=1, max_size=3))),
        audit_head=draw(st.none() | digests),
    )
    return AggregateManifest(
        name="extract",
        title=draw(texts),
        description=draw(texts),
        created="2026-01-31T12:00:00+00:00",
        resources=tuple(draw(tables(name)) for name in named),
        promise=promise,
    )


approvals = st.builds(
    AggregateApproval,
    access=accesses,
    family=names,
    request_sha256=digests,
    catalogue_sha256=digests,
    tables=st.lists(names, unique=True, max_size=2)
    .flatmap(lambda named: st.tuples(*map(tables, named)))
    .map(lambda some: {t.name: ApprovedTable(t.query, t.fields) for t in some}),
    charge_id=digests,
    draws=st.lists(draws, min_size=1, max_size=3).map(tuple),
    package_sha256=st.none() | digests,
)


@settings(max_examples=50, deadline=None)
@given(manifests())
def test_manifest_round_trip(manifest):
    """What is rendered reads back as the same values, and is told to be an aggregate."""
    text = render_aggregate(manifest)
    assert parse_aggregate(text) == manifest
    assert release_type_of(text) == manifest.promise.release_type == "aggregate"


@settings(max_examples=50, deadline=None)
@given(approvals)
def test_approval_round_trip(approval):
    """What is rendered reads back as the same values, and is told to be an aggregate's."""
    text = render_aggregate_approval(approval)
    assert parse_aggregate_approval(text) == approval
    assert release_type_of(text) == "aggregate"


def test_microdata_is_told_apart():
    """Manifests and approvals of microdata say so, and are read by their own functions alone."""
    for text in (render_manifest(MICRODATA), render_approval(MICRODATA_APPROVAL)):
        assert release_type_of(text) == "microdata"
    with pytest.raises(ManifestError):
        parse_aggregate(render_manifest(MICRODATA))
    with pytest.raises(ManifestError):
        parse_manifest(render_aggregate(MANIFEST))


@pytest.mark.parametrize(
    "text, key",
    [
        ("{", ""),
        ("[]", ""),
        ("{}", "release_type"),
        ('{"release_type": 1}', "release_type"),
        ('{"kohort": {}}', "kohort.format_version"),
        ('{"kohort": {"format_version": 2, "release_type": "x"}}', "kohort.format_version"),
        ('{"kohort": {"format_version": 1}}', "kohort.release_type"),
    ],
)
def test_what_tells_no_release_type(text, key):
    """The refusal names the key."""
    with pytest.raises(ManifestError) as refusal:
        release_type_of(text)
    assert refusal.value.key == key


COUNT = Draw("geometric", "7/2", 2, 1, "L1", Privacy(571_429, 163_266, 120_000))
SUM = Draw("discrete-laplace", "8", 2, 20, "L1", Privacy(5_000_000, 12_500_000, 0))
COUNTS = CellTable(
    name="counts",
    path="data/counts.parquet",
    size=10,
    sha256="1" * 64,
    query=Query("learners", "grid", 2),
    fields=(
        CellField("course", "string", "key", "Course.", enum=("A", "B")),
        CellField("learners", "integer", "value", "Learners."),
        CellField("learners_half_width", "integer", "half-width", "Error.", of="learners"),
    ),
    csv_path="data/counts.csv",
)
SUMS = CellTable(
    name="sums",
    path="data/sums.parquet",
    size=10,
    sha256="2" * 64,
    query=Query("sum", "grid", 2, bounds=(-1, 2.0), decimals=1, nulls="counts as 0"),
    fields=(
        CellField("sum", "number", "value", "Sum."),
        CellField("sum_half_width", "number", "half-width", "Error.", of="sum"),
    ),
)
MANIFEST = AggregateManifest(
    name="extract",
    title="Extract",
    description="An extract.",
    created="2026-01-31T12:00:00+00:00",
    resources=(COUNTS, SUMS),
    promise=AggregatePromise(
        access="public",
        family="oulad",
        request_sha256="0" * 64,
        catalogue_sha256="1" * 64,
        data_version="1",
        cut_off="2026-01-31T00:00:00Z",
        legal_bases=("consent",),
        privacy=Privacy(5_571_429, 12_663_266, 120_000),
        measurements=(
            Measurement("counts", ("learners",), COUNT),
            Measurement("sums", ("sum",), SUM),
        ),
    ),
)
APPROVAL = AggregateApproval(
    access="public",
    family="oulad",
    request_sha256="0" * 64,
    catalogue_sha256="1" * 64,
    tables={t.name: ApprovedTable(t.query, t.fields) for t in MANIFEST.resources},
    charge_id="1f00a3c2",
    draws=(COUNT, SUM),
)
DROP = object()


def changed(text, path, value):
    """A text with the value at this path replaced, or dropped."""
    document = json.loads(text)
    at = document
    for step in path[:-1]:
        at = at[step]
    if value is DROP:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return json.dumps(document)


RESOURCE, OTHER, KOHORT = ("resources", 0), ("resources", 1), ("kohort",)
FIELDS = (*RESOURCE, "schema", "fields")
QUERY, ASKED = (*RESOURCE, "query"), (*OTHER, "query")
DRAWN = (*KOHORT, "measurements", 0)
REFUSED = [
    ("more of its own", ("keywords",), []),
    ("no profile", ("$schema",), DROP),
    ("a k", (*KOHORT, "k"), 5),
    ("a joint epsilon", (*KOHORT, "joint_epsilon"), 1),
    ("no unit", (*KOHORT, "unit"), DROP),
    ("another unit", (*KOHORT, "unit"), "event"),
    ("another adjacency", (*KOHORT, "adjacency"), "replace-one"),
    ("another type", (*KOHORT, "release_type"), "microdata"),
    ("another version", (*KOHORT, "format_version"), 2),
    ("a version that is true", (*KOHORT, "format_version"), True),
    ("no access", (*KOHORT, "access"), "secret"),
    ("a family of nobody", (*KOHORT, "family"), " "),
    ("a family of two lines", (*KOHORT, "family"), "a\nb"),
    ("a request of no hash", (*KOHORT, "request_sha256"), "0"),
    ("a catalogue of no hash", (*KOHORT, "catalogue_sha256"), "0"),
    ("no catalogue said", (*KOHORT, "catalogue_sha256"), DROP),
    ("a null catalogue", (*KOHORT, "catalogue_sha256"), None),
    ("a cut-off of no moment", (*KOHORT, "cut_off"), "lately"),
    ("a version of two lines", (*KOHORT, "data_version"), "a\nb"),
    ("a legal basis of two lines", (*KOHORT, "legal_bases"), ["a\nb"]),
    ("a head of no hash", (*KOHORT, "audit_head"), "0"),
    ("no measurement", (*KOHORT, "measurements"), []),
    ("no privacy", (*KOHORT, "privacy"), DROP),
    ("more of privacy", (*KOHORT, "privacy", "epsilon"), 1),
    ("a negative rho", (*KOHORT, "privacy", "micro_rho"), -1),
    ("an epsilon of parts", (*KOHORT, "privacy", "micro_epsilon"), 0.5),
    ("an epsilon beyond", (*KOHORT, "privacy", "micro_epsilon"), 2**63),
    ("more of a draw", (*DRAWN, "seed"), 1),
    ("no delta", (*DRAWN, "atto_delta"), DROP),
    ("columns of nothing", (*DRAWN, "columns"), []),
    ("a column twice", (*DRAWN, "columns"), ["learners", "learners"]),
    ("no known mechanism", (*DRAWN, "mechanism"), "laplace"),
    ("a scale not in lowest terms", (*DRAWN, "scale"), "14/4"),
    ("a scale of decimals", (*DRAWN, "scale"), "3.5"),
    ("a scale of nothing", (*DRAWN, "scale"), "0"),
    ("a scale by nothing", (*DRAWN, "scale"), "1/0"),
    ("a negative scale", (*DRAWN, "scale"), "-7/2"),
    ("a scale of Arabic digits", (*DRAWN, "scale"), "\N{ARABIC-INDIC DIGIT TWO}"),
    ("a long scale", (*DRAWN, "scale"), "1" * 101),
    ("a scale that is a number", (*DRAWN, "scale"), 4),
    ("no cell", (*DRAWN, "l0"), 0),
    ("no change", (*DRAWN, "linf"), 0),
    ("no norm", (*DRAWN, "norm"), "L3"),
    ("another grain", (*RESOURCE, "grain"), "learner"),
    ("learners", (*RESOURCE, "learnerKey"), "id"),
    ("no name of a file", (*RESOURCE, "name"), "a b"),
    ("a path up", (*RESOURCE, "path"), "../x"),
    ("a CSV path up", (*RESOURCE, "csvPath"), "../x"),
    ("two tables of a name", (*OTHER, "name"), "counts"),
    ("two tables of a path", (*OTHER, "path"), "data/counts.csv"),
    ("no size", (*RESOURCE, "bytes"), -1),
    ("a hash of another kind", (*RESOURCE, "hash"), "md5:0"),
    ("no table", ("resources",), []),
    ("another key", (*RESOURCE, "schema", "primaryKey"), ["learners"]),
    ("no key", (*RESOURCE, "schema", "primaryKey"), DROP),
    ("a key of nothing", (*OTHER, "schema", "primaryKey"), []),
    ("a formula", (*FIELDS, 1, "name"), "=1"),
    ("an unprintable name", (*FIELDS, 1, "name"), "a\x00"),
    ("a name twice", (*FIELDS, 0, "name"), "learners"),
    ("another role", (*FIELDS, 1, "role"), "measure"),
    ("another type of cells", (*FIELDS, 1, "type"), "any"),
    ("a key of numbers", (*FIELDS, 0, "type"), "integer"),
    ("a value of text", (*FIELDS, 1, "type"), "string"),
    ("a value of another", (*FIELDS, 1, "of"), "learners"),
    ("a half-width of nothing", (*FIELDS, 2, "of"), DROP),
    ("a half-width of a key", (*FIELDS, 2, "of"), "course"),
    ("a grid of no labels", (*FIELDS, 0, "constraints", "enum"), DROP),
    ("a grid of empty labels", (*FIELDS, 0, "constraints", "enum"), []),
    ("a label twice", (*FIELDS, 0, "constraints", "enum"), ["A", "A"]),
    ("labels of a value", (*FIELDS, 1, "constraints", "enum"), ["1"]),
    ("a key that may be null", (*FIELDS, 0, "constraints", "required"), False),
    ("a null for false", (*FIELDS, 1, "constraints", "required"), None),
    ("more constraints", (*FIELDS, 1, "constraints", "minimum"), 0),
    ("another metric", (*QUERY, "metric"), "median"),
    ("other keys", (*QUERY, "keys"), "open"),
    ("discovered labels", (*RESOURCE, "query"), "discovered"),
    ("no L0", (*QUERY, "cells"), 0),
    ("a cap of learners", (*QUERY, "most"), 5),
    ("bounds of learners", (*QUERY, "bounds"), [0, 1]),
    ("decimals of learners", (*QUERY, "decimals"), 1),
    ("least of learners", (*QUERY, "least"), 10),
    ("a threshold of a grid", (*QUERY, "threshold"), 10),
    ("quantiles of learners", (*QUERY, "quantiles"), [0.5]),
    ("candidates of learners", (*QUERY, "candidates"), 2),
    ("no candidates said", (*QUERY, "candidates"), DROP),
    ("more of a query", (*QUERY, "true"), 1),
    ("left out of a query", (*QUERY, "nulls"), DROP),
    ("agrees twice", (*QUERY, "consistent_with"), ["sums", "sums"]),
    ("a sum without bounds", (*ASKED, "bounds"), None),
    ("bounds in another order", (*ASKED, "bounds"), [2, -1]),
    ("bounds of one", (*ASKED, "bounds"), [2, 2]),
    ("three bounds", (*ASKED, "bounds"), [0, 1, 2]),
    ("bounds between units", (*ASKED, "bounds"), [-1, 1.25]),
    ("negative decimals", (*ASKED, "decimals"), -1),
    ("nulls of two lines", (*ASKED, "nulls"), "a\nb"),
]


@pytest.mark.parametrize("path, value", [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused_manifest(path, value):
    """A manifest with one thing in it that no package can mean is refused."""
    text = render_aggregate(MANIFEST)
    assert parse_aggregate(text) == MANIFEST
    with pytest.raises(ManifestError):
        parse_aggregate(changed(text, path, value))


CHARGE = ("charge",)


@pytest.mark.parametrize(
    "path, value",
    [
        (("k",), 5),
        (("release_type",), "microdata"),
        (("access",), "secret"),
        (("catalogue_sha256",), None),
        (("tables", "counts", "fields", 0, "role"), "quasi-identifier"),
        (("tables", "counts", "query", "cells"), 0),
        (("tables", "counts", "query"), DROP),
        (("tables", "counts", "path"), "data/counts.parquet"),
        (("package_sha256",), "2" * 63),
        (("package_sha256",), None),
        (("charge",), DROP),
        ((*CHARGE, "id"), ""),
        ((*CHARGE, "more"), 1),
        ((*CHARGE, "measurements"), []),
        ((*CHARGE, "measurements", 0, "table"), "counts"),
        ((*CHARGE, "measurements", 0, "scale"), "14/4"),
    ],
)
def test_refused_approval(path, value):
    """An approval with one thing in it that no steward can mean is refused."""
    text = render_aggregate_approval(APPROVAL)
    assert parse_aggregate_approval(text) == APPROVAL
    with pytest.raises(ManifestError):
        parse_aggregate_approval(changed(text, path, value))


@pytest.mark.parametrize(
    "metric, more",
    [
        ("events", {}),
        ("mean", {"bounds": (0.0, 1.0)}),
        ("mean", {"bounds": (0.0, 1.0), "least": 0}),
        ("mean", {"bounds": (0.0, 1.0), "least": 5, "consistent_with": ("other",)}),
        ("quantiles", {"bounds": (0.0, 1.0), "candidates": 2}),
        ("quantiles", {"bounds": (0.0, 1.0), "candidates": 2, "quantiles": (0.0,)}),
        ("quantiles", {"bounds": (0.0, 1.0), "candidates": 2, "quantiles": (1.0,)}),
        ("quantiles", {"bounds": (0.0, 1.0), "candidates": 2, "quantiles": (0.5, 0.5)}),
        ("quantiles", {"bounds": (0.0, 1.0), "candidates": 1, "quantiles": (0.5,)}),
        ("quantiles", {"bounds": (0.0, 1.0), "quantiles": (0.5,)}),
        ("learners", {"keys": "discovered"}),
        ("learners", {"keys": "discovered", "threshold": 5, "consistent_with": ("other",)}),
        ("histogram", {"keys": "discovered", "threshold": 5}),
    ],
)
def test_refused_query(metric, more):
    """A query lacks what its metric needs, or has what it can't have."""
    with pytest.raises(ManifestError):
        Query(**{"metric": metric, "keys": "grid", "cells": 1} | more)


def test_discovered_keys_have_no_labels():
    """What is not public beforehand has no closed domain, and needs a key to be found by."""
    query = Query("learners", "discovered", 2, threshold=5)
    key, *others = COUNTS.fields
    found = dataclasses.replace(key, enum=())
    assert dataclasses.replace(COUNTS, query=query, fields=(found, *others)).primary_key
    for fields in (COUNTS.fields, tuple(others)):
        with pytest.raises(ManifestError):
            dataclasses.replace(COUNTS, query=query, fields=fields)


def test_refusals_name_the_key():
    """Where it stands and what was expected, never what stands there."""
    text = changed(render_aggregate(MANIFEST), (*DRAWN, "scale"), "secret")
    with pytest.raises(ManifestError) as refusal:
        parse_aggregate(text)
    assert refusal.value.key == "kohort.measurements[0].scale"
    assert "secret" not in str(refusal.value)
