"""Two extracts of one synthetic platform: apart they single learners out, projected they don't."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from pipelines.demo import REQUEST
from pipelines.frozen import NOTHING_FROZEN, Frozen
from pipelines.microdata import anonymize
from pipelines.plan import make_plan, needs
from pipelines.sources import Quarantine, load_family, open_source, stage
from pipelines.synthetic import write_world
from pipelines.views import assemble
from schemas.policy import Policy, authorize
from schemas.request import parse_request
from synth.world import make_world

QUASI = ("country_cd", "educational_attainment", "reported_or_inferred_gender")
K = 5


def plan_for(recoding, *, weights=""):
    """The demo's request, recoded so."""
    scope = 'pseudonyms = "course"'
    text = REQUEST.replace(scope, f'{scope}\nrecoding = "{recoding}"\nweights = {{ {weights} }}')
    request = parse_request(text, subject="request")
    family, hierarchies = load_family("coursera", base=Path())
    policy = Policy(
        purposes=("research",), recipients=("*",), legal_bases=("consent",), jurisdictions=("*",)
    )
    return make_plan(request, authorize(request, policy, family), family, hierarchies)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """The views of a platform of 3,000 learners, all permitted."""
    platform, staging = tmp_path_factory.mktemp("platform"), tmp_path_factory.mktemp("staging")
    write_world(make_world(3_000, courses=6, seed=5), platform, fmt="parquet")
    plan = plan_for("global")
    staged = stage(open_source(str(platform), base=Path()), plan.family, needs(plan), staging)
    tables = {name: pl.scan_parquet(table.path) for name, table in staged.tables.items()}
    return assemble(tables, plan, Quarantine(), own_keys=False)


def classes_of(extract):
    """(learner, course) -> his class."""
    rows = extract.tables["enrolments"].select("learner", "course_id", *QUASI).iter_rows()
    return {(learner, course): labels for learner, course, *labels in rows}


def exposed(before, after, present):
    """Rows of those present which fewer than k share in both extracts, absence counted."""
    cells = Counter()
    for row in present:
        shown = (tuple(before.get(row, ())), tuple(after.get(row, ())))
        cells[row[1], shown] += any(shown)
    return sum(size for size in cells.values() if size < K)


@pytest.mark.parametrize("recoding", ["global", "local"])
def test_a_later_extract_is_a_projection_of_the_earlier(frames, recoding):
    """Another researcher cares for countries most, and one learner in fifty has left."""
    plan, other = plan_for(recoding), plan_for(recoding, weights="country_cd = 9")
    first = anonymize(frames, plan)
    left = frames["learners"]["learner"].sort().gather_every(50)
    stays = ~pl.col("learner").is_in(left.implode())
    later = {name: frame.filter(stays) for name, frame in frames.items()}
    frozen = Frozen.from_text(Frozen.of(first, plan).to_text())
    before = classes_of(first)
    after = classes_of(anonymize(later, other, frozen=frozen))
    apart = classes_of(anonymize(later, other, frozen=NOTHING_FROZEN))
    present = list(later["enrolments"].select("learner", "course_id").iter_rows())
    assert len(after) > 0.95 * len(before)
    assert exposed(before, after, present) == 0
    assert exposed(before, apart, present) > 500
