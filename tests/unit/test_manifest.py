"""What a package says about itself, read strictly."""

import dataclasses
import json

import pytest

from schemas.manifest import (
    Approval,
    Closeness,
    DistinctDiversity,
    EntropyDiversity,
    EqualDistance,
    Field,
    HierarchicalDistance,
    Manifest,
    ManifestError,
    OrderedDistance,
    Promise,
    RecursiveDiversity,
    Resource,
    parse_approval,
    parse_manifest,
    render_approval,
    render_manifest,
)

LATER_BOUNDS = {
    "recoding": "local",
    "protected": {"grade": ("fail", "none")},
    "diversity": {
        "grade": DistinctDiversity(2),
        "result": EntropyDiversity(2.5),
        "score": RecursiveDiversity(3.5, 2),
    },
    "closeness": {
        "grade": Closeness(0.2, EqualDistance()),
        "result": Closeness(0.25, OrderedDistance(("fail", "pass"))),
        "score": Closeness(
            0.3, HierarchicalDistance((("a", "A", "*"), ("b", "A", "*"), ("c", "c", "*")))
        ),
    },
    "item_suppression_limit": 0.2,
}
PLAIN = {
    "recoding": "global",
    "protected": {},
    "diversity": {},
    "closeness": {},
    "item_suppression_limit": 0.0,
}
LEARNER = Field("learner", "learner-key", "pseudonym")
GENDER = Field("gender", "quasi-identifier", "gender", ("F", "M", "ü", "*"))
COURSE = Field("course", "item", "course", ("A", "B"))
PROMISE = Promise(
    release_type="microdata",
    k=5,
    m="full",
    pseudonym_scope="release",
    access="controlled",
    item="course",
    maximum_share={"grade": 0.8},
    suppression_limit=0.05,
    suppressed_share=0.02,
    request_sha256="0" * 64,
    data_version="1",
    cut_off="2026-01-31T00:00:00Z",
    legal_bases=("consent",),
    **LATER_BOUNDS,
)
LEARNERS = Resource(
    name="learners",
    path="data/learners.parquet",
    size=10,
    sha256="1" * 64,
    grain="learner",
    learner_key="learner",
    fields=(LEARNER, GENDER),
    primary_key=("learner",),
)
ENROLMENTS = Resource(
    name="enrolments",
    path="data/enrolments.parquet",
    size=10,
    sha256="2" * 64,
    grain="learner-course",
    learner_key="learner",
    fields=(LEARNER, COURSE),
    primary_key=("learner", "course"),
    csv_path="data/enrolments.csv",
)
MANIFEST = Manifest(
    name="extract",
    title="Extract",
    description="An extract.",
    created="2026-01-31T12:00:00+00:00",
    resources=(LEARNERS, ENROLMENTS),
    promise=PROMISE,
)
APPROVAL = Approval(
    request_sha256="0" * 64,
    release_type="microdata",
    k=5,
    m="full",
    pseudonym_scope="release",
    access="controlled",
    item=None,
    maximum_share={"grade": 0.5},
    suppression_limit=0.05,
    tables={"learners": {"gender": "quasi-identifier"}},
    package_sha256="3" * 64,
    **LATER_BOUNDS,
)
DROP = object()


def changed(path, value, text=None):
    """The manifest's text with the value at this path replaced, or dropped."""
    document = json.loads(text or render_manifest(MANIFEST))
    at = document
    for step in path[:-1]:
        at = at[step]
    if value is DROP:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return json.dumps(document)


def test_manifest_round_trip():
    """What is rendered reads back as the same values."""
    assert parse_manifest(render_manifest(MANIFEST)) == MANIFEST


@pytest.mark.parametrize("m, share", [(1, None), (2, None), (3, None), ("full", 0.0)])
def test_promise_round_trip(m, share):
    """Alternatives and nulls survive."""
    promise = dataclasses.replace(PROMISE, m=m, item=None, suppressed_share=share)
    manifest = dataclasses.replace(MANIFEST, promise=promise)
    assert parse_manifest(render_manifest(manifest)) == manifest


LINKED = {"pseudonym_scope": "linked", "project": "completion-study"}


def test_linked_scope_names_its_project():
    """The key stands in the manifest and the approval of linked packages, and in no others."""
    promise, approval = (dataclasses.replace(each, **LINKED) for each in (PROMISE, APPROVAL))
    text = render_manifest(dataclasses.replace(MANIFEST, promise=promise))
    assert json.loads(text)["kohort"]["project"] == "completion-study"
    assert parse_manifest(text).promise == promise
    assert parse_approval(render_approval(approval)) == approval
    assert "project" not in json.loads(render_manifest(MANIFEST))["kohort"]
    assert "project" not in json.loads(render_approval(APPROVAL))


@pytest.mark.parametrize(
    "said",
    [
        {"project": None},
        {"project": ""},
        {"project": "a/b"},
        {"pseudonym_scope": "release"},
        {"pseudonym_scope": "course", "item_suppression_limit": 0.0},
    ],
)
def test_a_project_goes_with_linked_scope(said):
    """Linked scope without a project, or a project without linked scope, means nothing."""
    for value in (PROMISE, APPROVAL):
        with pytest.raises(ManifestError) as caught:
            dataclasses.replace(value, **(LINKED | said))
        assert caught.value.key == "project"


def test_the_head_of_the_chain():
    """It is in the manifest where the registry had a chain, and nowhere else."""
    promise = dataclasses.replace(PROMISE, audit_head="0f" * 32)
    text = render_manifest(dataclasses.replace(MANIFEST, promise=promise))
    assert json.loads(text)["kohort"]["audit_head"] == "0f" * 32
    assert parse_manifest(text).promise == promise
    assert "audit_head" not in json.loads(render_manifest(MANIFEST))["kohort"]


def test_approval_round_trip():
    """What is rendered reads back as the same values."""
    assert parse_approval(render_approval(APPROVAL)) == APPROVAL


LATER = ("recoding", "protected", "l", "t")


def test_packages_and_approvals_of_before_still_read():
    """Keys that came later are always written, and read as promising none of it."""
    document = json.loads(render_manifest(MANIFEST))
    for key in LATER:
        del document["kohort"][key]
    for key in ("item_limit",):
        del document["kohort"]["suppression"][key]
    found = parse_manifest(json.dumps(document)).promise
    assert found == dataclasses.replace(PROMISE, **PLAIN)
    document = json.loads(render_approval(APPROVAL))
    for key in (*LATER, "item_suppression_limit", "package_sha256"):
        del document[key]
    before = dataclasses.replace(APPROVAL, **PLAIN, package_sha256=None)
    assert parse_approval(json.dumps(document)) == before


def test_learner_key_is_unique_in_learner_tables_only():
    """The constraints of the key follow the grain."""
    resources = json.loads(render_manifest(MANIFEST))["resources"]
    keys = [resource["schema"]["fields"][0]["constraints"] for resource in resources]
    assert [key["unique"] for key in keys] == [True, False]
    assert {key["pattern"] for key in keys} == {"^[0-9a-f]{32}$"}


def test_columns_of_a_role():
    """Columns are found by role, in file order."""
    assert ENROLMENTS.of_role("item", "learner-key") == ("learner", "course")


def test_further_properties_of_a_data_package_are_refused():
    """What no check reads could hold anything."""
    with pytest.raises(ManifestError):
        parse_manifest(changed(["licenses"], [{"name": "CC-BY-4.0"}]))


FIELD = ["resources", 0, "schema", "fields", 1]
KEY = ["resources", 0, "schema", "fields", 0]


@pytest.mark.parametrize(
    "path, value, key",
    [
        (["kohort"], DROP, "kohort"),
        (["kohort", "format_version"], 2, "kohort.format_version"),
        (["kohort", "format_version"], True, "kohort.format_version"),
        (["kohort", "k"], DROP, "kohort.k"),
        (["kohort", "k"], 0, "kohort.k"),
        (["kohort", "k"], True, "kohort.k"),
        (["kohort", "k"], 10**400, "kohort.k"),
        (["kohort", "k"], "5", "kohort.k"),
        (["kohort", "m"], 4, "kohort.m"),
        (["kohort", "recoding"], "none", "kohort.recoding"),
        (["kohort", "maximum_share"], {"a\x1b[2J": 0.5}, "kohort.maximum_share, l, t"),
        (["kohort", "protected"], {"region": ["x"]}, "kohort.protected"),
        (["kohort", "protected"], {"grade": []}, "kohort.protected"),
        (["kohort", "protected"], {"grade": ["x", "x"]}, "kohort.protected"),
        (["kohort", "protected"], {"grade": ["*"]}, "kohort.protected"),
        (["kohort", "protected"], {"grade": "x"}, "kohort.protected.grade"),
        (["kohort", "suppression", "item_limit"], 2, "kohort.suppression.item_limit"),
        (["kohort", "suppression", "item_limit"], None, "kohort.suppression.item_limit"),
        (["kohort", "suppression", "rows"], 1, "kohort.suppression"),
        (["kohort", "pseudonym_scope"], "course", "kohort.suppression.item_limit"),
        (["kohort", "m"], 1.0, "kohort.m"),
        (["kohort", "m"], "some", "kohort.m"),
        (["kohort", "release_type"], "synthetic", "kohort.release_type"),
        (["kohort", "pseudonym_scope"], "linked", "kohort.project"),
        (["kohort", "pseudonym_scope"], "joined", "kohort.pseudonym_scope"),
        (["kohort", "project"], "study", "kohort.project"),
        (["kohort", "project"], 7, "kohort.project"),
        (["kohort", "project"], None, "kohort.project"),
        (["kohort", "audit_head"], "x", "kohort.audit_head"),
        (["kohort", "audit_head"], 7, "kohort.audit_head"),
        (["kohort", "audit_head"], None, "kohort.audit_head"),
        (["kohort", "access"], "open", "kohort.access"),
        (["kohort", "item"], 1, "kohort.item"),
        (["kohort", "maximum_share"], {"grade": 0}, "kohort.maximum_share"),
        (["kohort", "maximum_share"], {"grade": "x"}, "kohort.maximum_share.grade"),
        (["kohort", "maximum_share"], [], "kohort.maximum_share"),
        (["kohort", "suppression", "limit"], 2, "kohort.suppression.limit"),
        (["kohort", "suppression", "share"], -1, "kohort.suppression.share"),
        (["kohort", "suppression", "share"], DROP, "kohort.suppression.share"),
        (["kohort", "request_sha256"], "x", "kohort.request_sha256"),
        (["kohort", "legal_bases"], "consent", "kohort.legal_bases"),
        (["kohort", "waiver"], True, "kohort"),
        (["$schema"], "other", "$schema"),
        (["name"], "An extract", "name"),
        (["name"], DROP, "name"),
        (["title"], "\ud800", "title"),
        (["created"], "2026-01-31T12:00:00+01:00", "created"),
        (["created"], "yesterday", "created"),
        (["resources"], [], "resources"),
        (["resources"], {}, "resources"),
        (["resources", 1, "name"], "learners", "resources"),
        (["resources", 1, "path"], "data/learners.parquet", "resources"),
        (["resources", 0, "path"], "../learners.parquet", "resources[0].path"),
        (["resources", 0, "path"], "/data/learners.parquet", "resources[0].path"),
        (["resources", 0, "path"], "data\\learners.parquet", "resources[0].path"),
        (["resources", 0, "path"], "c:/learners.parquet", "resources[0].path"),
        (["resources", 0, "path"], "", "resources[0].path"),
        (["resources", 1, "csvPath"], "data/../x.csv", "resources[1].csvPath"),
        (["resources", 0, "bytes"], -1, "resources[0].bytes"),
        (["resources", 0, "hash"], "1" * 64, "resources[0].hash"),
        (["resources", 0, "hash"], "sha256:1", "resources[0].hash"),
        (["resources", 0, "grain"], "event", "resources[0].grain"),
        (["resources", 0, "format"], "csv", "resources[0].format"),
        (["resources", 0, "learnerKey"], "gender", "resources[0].learnerKey"),
        (["resources", 0, "extrapaths"], [], "resources[0]"),
        ([*FIELD, "role"], "secret", "resources[0].schema.fields[1].role"),
        ([*FIELD, "role"], "learner-key", "resources[0].schema.fields[1].constraints.pattern"),
        ([*FIELD, "type"], "integer", "resources[0].schema.fields[1].type"),
        ([*FIELD, "name"], "=1+1", "resources[0].schema.fields[1].name"),
        ([*FIELD, "name"], "#learners", "resources[0].schema.fields[1].name"),
        ([*FIELD, "name"], "a\x1b[2J", "resources[0].schema.fields[1].name"),
        ([*FIELD, "name"], "learner", "resources[0].schema.fields"),
        ([*FIELD, "constraints", "enum"], [], "resources[0].schema.fields[1].constraints.enum"),
        ([*FIELD, "constraints", "enum"], ["F", "F"],
         "resources[0].schema.fields[1].constraints.enum"),
        ([*FIELD, "constraints", "enum"], [1],
         "resources[0].schema.fields[1].constraints.enum[0]"),
        ([*FIELD, "constraints", "required"], False,
         "resources[0].schema.fields[1].constraints.required"),
        ([*KEY, "constraints", "pattern"], ".*",
         "resources[0].schema.fields[0].constraints.pattern"),
        ([*KEY, "constraints", "unique"], False,
         "resources[0].schema.fields[0].constraints.unique"),
    ],
)  # fmt: skip
def test_strict_manifest(path, value, key):
    """Every break is refused in one line that names the JSON key it stands at."""
    with pytest.raises(ManifestError) as caught:
        parse_manifest(changed(path, value))
    assert caught.value.key == key
    assert len(str(caught.value).splitlines()) == 1


TREE = [["a", "A", "*"], ["b", "A", "*"], ["c", "c", "*"]]


@pytest.mark.parametrize(
    "name, bound, key",
    [
        ("l", 2, ""),
        ("l", {"kind": "distinct", "l": 1}, ".l"),
        ("l", {"kind": "distinct", "l": 2.0}, ".l"),
        ("l", {"kind": "distinct", "l": 2, "c": 1}, ""),
        ("l", {"kind": "entropy", "l": 1}, ".l"),
        ("l", {"kind": "recursive", "l": 2}, ".c"),
        ("l", {"kind": "recursive", "c": 0, "l": 2}, ".c"),
        ("l", {"kind": "recursive", "c": 1, "l": 1}, ".l"),
        ("l", {"kind": "logarithmic", "l": 2}, ".kind"),
        ("l", {"l": 2}, ".kind"),
        ("t", {"t": 0, "distance": "equal"}, ".t"),
        ("t", {"t": 1, "distance": "equal"}, ".t"),
        ("t", {"t": 0.2}, ".distance"),
        ("t", {"t": 0.2, "distance": "far"}, ".distance"),
        ("t", {"t": 0.2, "distance": "equal", "order": ["a"]}, ""),
        ("t", {"t": 0.2, "distance": "ordered"}, ".order"),
        ("t", {"t": 0.2, "distance": "ordered", "order": []}, ".order"),
        ("t", {"t": 0.2, "distance": "ordered", "order": ["a", "a"]}, ".order"),
        ("t", {"t": 0.2, "distance": "ordered", "order": ["a", "*"]}, ".order"),
        ("t", {"t": 0.2, "distance": "hierarchical", "tree": []}, ".tree"),
        ("t", {"t": 0.2, "distance": "hierarchical", "tree": [["*"]]}, ".tree"),
        ("t", {"t": 0.2, "distance": "hierarchical", "tree": [[]]}, ".tree"),
        ("t", {"t": 0.2, "distance": "hierarchical", "tree": [["a", "A"]]}, ".tree"),
        ("t", {"t": 0.2, "distance": "hierarchical", "tree": [["a", "*", "*"]]}, ".tree"),
        ("t", {"t": 0.2, "distance": "hierarchical", "tree": [TREE[0], TREE[0]]}, ".tree"),
        ("t", {"t": 0.2, "distance": "hierarchical", "tree": [TREE[0], ["b", "*"]]}, ".tree"),
        # A node with two parents, and a label that means one thing here and another there.
        ("t", {"t": 0.2, "distance": "hierarchical",
               "tree": [["a", "A", "X", "*"], ["b", "A", "Y", "*"]]}, ".tree"),
        ("t", {"t": 0.2, "distance": "hierarchical",
               "tree": [["a", "b", "*"], ["b", "B", "*"]]}, ".tree"),
    ],
)  # fmt: skip
def test_strict_bounds(name, bound, key):
    """An l or t that no package can mean is refused at its key."""
    with pytest.raises(ManifestError) as caught:
        parse_manifest(changed(["kohort", name], {"grade": bound}))
    assert caught.value.key == f"kohort.{name}.grade{key}"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"x"', '{"kohort": NaN}', "[" * 100_000, '{"a": 1, "a": 1}', "9" * 10_000],
)
def test_not_a_manifest(text):
    """A text that is not JSON, not an object, or means two things is refused in one line."""
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "path, value, key",
    [
        (["k"], 0, "k"),
        (["suppression_limit"], 2, "suppression_limit"),
        (["item_suppression_limit"], -1, "item_suppression_limit"),
        (["t", "score", "tree"], [["a"]], "t.score.tree"),
        (["tables", "learners", "gender"], "learner-key", "tables"),
        (["tables", "learners"], [], "tables.learners"),
        (["approved_by"], "steward", ""),
        (["package_sha256"], "3" * 63, "package_sha256"),
        (["package_sha256"], None, "package_sha256"),
        (["access"], DROP, "access"),
    ],
)
def test_strict_approval(path, value, key):
    """An approval that breaks its form is refused at its key."""
    with pytest.raises(ManifestError) as caught:
        parse_approval(changed(path, value, render_approval(APPROVAL)))
    assert caught.value.key == key
