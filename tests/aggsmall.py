"""A small world on disk for aggregate builds, and the command line on it."""

import json
from pathlib import Path

from tests.aggworld import AREAS, family_text
from tests.smallworld import run

PEOPLE = 40
BUDGET = """
[budget]
epsilon_per_family = 4.0
epsilon_per_recipient = 3.0
delta = 1e-9
regime = "{regime}"

[contributions]
cells = 2
events = 3
bounds = {{ score = [0.0, 1.0] }}
"""
QUERY = """
[[release.queries]]
name = "by_course"
type = "learners"
by = ["code"]
"""
EVERYTHING = """
[[release.queries]]
name = "detail"
type = "learners"
by = ["code", "gender", { column = "region", level = 1 }]

[[release.queries]]
name = "margin"
type = "learners"
by = ["code"]
margin_of = "detail"

[[release.queries]]
name = "everybody"
type = "learners"
view = "learners"

[[release.queries]]
name = "events"
type = "events"
view = "activity"
by = ["week", "final_week"]

[[release.queries]]
name = "effort"
type = "sum"
view = "activity"
of = "effort"
by = ["code", "month"]
bounds = [-5.0, 5.0]
decimals = 2
nulls = "leave-out"

[[release.queries]]
name = "scores"
type = "mean"
of = "score"
by = ["code"]
decimals = 2
nulls = 0.0
least = 5

[[release.queries]]
name = "clicks"
type = "histogram"
of = "clicks"
by = ["final"]
nulls = "bin"

[[release.queries]]
name = "shares"
type = "histogram"
of = "score"
edges = [0.3, 0.6]
nulls = "bin"

[[release.queries]]
name = "few"
type = "quantiles"
of = "score"
quantiles = [0.25, 0.5]
decimals = 1
nulls = "leave-out"
method = "noisy-max"

[[release.queries]]
name = "many"
type = "quantiles"
of = "clicks"
by = ["gender"]
quantiles = [0.025, 0.5]
bounds = [0.0, 30.0]
nulls = "leave-out"
method = "histogram"
""".replace('"week", "final_week"', '"week", "monday"')
FOUND = """
[[release.queries]]
name = "found"
type = "learners"
by = ["code", "gender"]
discover = true
"""


def raw_id(number: int) -> str:
    """An id that occurs nowhere by chance."""
    return f"rawlearner{number:04d}"


def make_aggregate_world(folder: Path, *, regime: str = "pure", local: bool = True) -> Path:
    """A workspace with one source, a budget and a catalogue; everybody consents.

    Forty people in courses x and z; the last is staff in x. Course v stands in no catalogue.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    people, results, events = (
        ["id,sex,area"],
        ["id,course,run,result,score,role"],
        ["id,course,day,at,n,x"],
    )
    for i in range(PEOPLE):
        people.append(f"{raw_id(i)},{'FM'[i % 2]},{['a1', 'a2', 'b1'][i % 3]}")
        for course in ["x", "z"] if i % 4 == 0 else ["x"]:
            role = "STAFF" if i == PEOPLE - 1 else "LEARNER"
            results.append(
                f"{raw_id(i)},{course},1,{'Pass' if i % 3 else 'Fail'},0.{i % 10},{role}"
            )
            events += [
                f"{raw_id(i)},{course},{day * 7},2024-01-0{day + 1} 10:00:00,{i % 4},0.5"
                for day in range(i % 5)
            ]
    results.append(f"{raw_id(1)},v,1,Pass,0.5,LEARNER")
    (data / "people.csv").write_text("\n".join(people))
    (data / "results.csv").write_text("\n".join(results))
    (data / "events.csv").write_text("\n".join(events))
    flags = dict.fromkeys(("listing", "staff", "ordered", "closed"), True)
    (folder / "agg.toml").write_text(family_text(**flags))
    (folder / "area.csv").write_text("\n".join(";".join(row) for row in AREAS))
    ws = str(folder / "ws")
    words = ["init", ws, "--source", f"agg={folder / 'agg.toml'}:{data}"]
    run(*words, *(["--local"] if local else []))
    with (folder / "ws" / "policy.toml").open("a") as policy:
        policy.write(BUDGET.format(regime=regime))
    consent(folder)
    run(
        "catalog", "new", "agg", "--items", "x,y,z", "--learners", "40", "--periods", "week=0..3",
        "--periods", "month=2024-01-01..2024-02-01", "--periods", "monday=2024-01-01..2024-01-20",
        "--workspace", ws,
    )  # fmt: skip
    return folder


def consent(world: Path, states: dict | None = None) -> None:
    """Record consent of everybody, and stricter states of some."""
    head = "learner_id,purpose,scope,state,legal_basis,jurisdiction,notice_version"
    lines = [f"{head},effective_from,effective_to,source"]
    granted = "research,*,granted,consent,GB,1,2020-01-01,,form"
    lines += [f"{raw_id(i)},{granted}" for i in range(PEOPLE)]
    for i, (state, scope) in (states or {}).items():
        lines.append(f"{raw_id(i)},research,{scope},{state},,GB,1,2021-01-01,,letter")
    (world / "rights.csv").write_text("\n".join(lines))
    run("rights", "import", str(world / "rights.csv"), "--workspace", str(world / "ws"))


def catalogue_sha256(world: Path) -> str:
    """The hash that a request names."""
    shown = run("catalog", "show", "agg", "--json", "--workspace", str(world / "ws"))
    return json.loads(shown)["sha256"]


def write_request(
    world: Path, queries: str = QUERY, *, budget: str = "epsilon = 1.0", more: str = "",
    title: str = "Figures", researcher: str = "r.lee@uni.example", name: str = "request.toml",
) -> Path:  # fmt: skip
    """A request on the world."""
    text = f"""
title = "{title}"
researcher = "{researcher}"
purpose = "research"
source = "agg"
[release]
type = "aggregate"
catalogue = "{catalogue_sha256(world)}"
{more}
[release.budget]
{budget}
{queries}"""
    (world / name).write_text(text)
    return world / name


def build(world: Path, out: str = "package", *, name: str = "request.toml", code: int = 0) -> str:
    """Build a request of the world."""
    ws = str(world / "ws")
    return run("build", str(world / name), "--workspace", ws, "--out", str(world / out), code=code)


def budget(world: Path) -> dict:
    """The statement of the family."""
    shown = run("budget", "show", "--json", "--workspace", str(world / "ws"))
    return json.loads(shown)["families"][0]


def spent(world: Path) -> int:
    """Millionths that the family's account has spent."""
    return budget(world)["accounts"][0]["spent"]["micro"]
