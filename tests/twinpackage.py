"""Small synthetic packages built by hand: four marginals, and twelve learners who are invented.

As in `cells`, nothing of the product's writer takes part.
"""

import json

import polars as pl

from tests.cells import GAUSSIAN, LAPLACE, approved, described, draw, query, readme, value, written
from tests.cells import key as cell_key
from tests.forging import key, seal

GENDERS, COURSES, RESULTS = ["F", "M", "(missing)"], ["A", "B", "C"], ["fail", "pass"]
CLICKS, NUMBERS = ["low", "=1+1"], ["1", "2"]
LABELS = {
    "gender": GENDERS,
    "course": COURSES,
    "result": RESULTS,
    "clicks": CLICKS,
    "_rows": NUMBERS,
}
ROLES = {
    "gender": "quasi-identifier",
    "course": "item",
    "result": "sensitive",
    "clicks": "measure",
}
# Twelve learners, and numbers made up to look like noise of scale 4.
MARGINALS = {
    "marginal_01": (["gender"], [7, -3, 5]),
    "marginal_02": (["course", "result"], [9, 1, -2, 6, 0, -4]),
    "marginal_03": (["clicks"], [8, 1]),
    "marginal_04": (["_rows"], [4, 11]),
}
COSTS = {
    None: {3: "rho = 0.09375, delta = 0", 4: "rho = 0.125, delta = 0"},
    1_000_000: {4: "epsilon = 1, delta = 0"},
}
"""Four times 1 / (2 * 4^2) of rho, or 1 / 4 of epsilon."""

INVENTED = (
    " are invented: they were drawn from a model of the noisy figures in `marginal_01` to "
    "`marginal_04` alone, so what is true of those figures' privacy is true of them."
)


def marginal(name, *, pure):
    """A table of cells, and what was drawn for it."""
    columns, told = MARGINALS[name]
    cells = pl.select(pl.lit(0)).select()
    for column in columns:
        labels = pl.DataFrame({column: LABELS[column]})
        cells = cells.join(labels, how="cross") if cells.width else labels
    width = LAPLACE[4] if pure else GAUSSIAN[4]
    frame = cells.with_columns(
        pl.Series("learners", told), pl.Series("learners_half_width", [width] * len(told))
    )
    cost = (250_000, 31_250, 0) if pure else (None, 31_250, 0)
    noise = ("discrete-laplace", "L1") if pure else ("discrete-gaussian", "L2")
    drawn = draw(name, ["learners"], "4", 1, 1, cost, *noise)
    fields = [*(cell_key(column, LABELS[column]) for column in columns), *value("learners")]
    schema = {"fields": fields, "primaryKey": columns}
    return frame, {"grain": "cell", "query": query("learners", 1), "schema": schema}, drawn


def rows():
    """Twelve learners, of whom every second one has a row more than one."""
    for number in range(12):
        gender = GENDERS[number % 3]
        for at, course in enumerate("AB"[: 1 + number % 2]):
            yield number, course, gender, RESULTS[(number + at) % 2], CLICKS[number % 4 == 0]


def invented(scope):
    """The tables: under release scope one of learners, and one of their rows."""
    names = ("learner", "course", "gender", "result", "clicks")
    if scope == "course":
        told = [(key(n, course), course, *rest) for n, course, *rest in rows()]
        return {"enrolments": pl.DataFrame(told, schema=names, orient="row")}
    joined = pl.DataFrame([(key(n), *rest) for n, *rest in rows()], schema=names, orient="row")
    return {
        "learners": joined.select("learner", "gender").unique(),
        "enrolments": joined.drop("gender"),
    }


def field(name, grain):
    """A column as the manifest has it."""
    domain = {"enum": LABELS.get(name)}
    if name == "learner":
        domain = {"unique": grain == "learner", "pattern": "^[0-9a-f]{32}$"}
    return {
        "name": name,
        "type": "string",
        "description": name,
        "role": ROLES.get(name, "learner-key"),
        "constraints": {"required": True, **domain},
    }


def build(root, scope, *, pure=False, csv=False):
    """A valid package of this scope."""
    (root / "data").mkdir(parents=True)
    resources, drawn = [], []
    for name, frame in invented(scope).items():
        grain = "learner" if name == "learners" else "learner-course"
        primary = frame.columns[: 1 if name == "learners" else 2]
        files = written(root, name, frame.sort(primary), csv=False)
        if csv:
            copy = root / f"data/{name}.csv"
            frame.sort(primary).write_csv(copy)
            copy.write_text(copy.read_text().replace("=1+1", "'=1+1"))
            files["csvPath"] = f"data/{name}.csv"
        fields = [field(column, grain) for column in frame.columns]
        schema = {"fields": fields, "primaryKey": primary}
        resources.append({**files, "grain": grain, "learnerKey": "learner", "schema": schema})
    for name in MARGINALS:
        frame, described_as, one = marginal(name, pure=pure)
        files = written(root, name, frame, csv=csv)
        if csv:
            copy = root / f"data/{name}.csv"
            copy.write_text(copy.read_text().replace("=1+1", "'=1+1"))
        resources.append({**files, **described_as})
        drawn.append(one)
    manifest = described(resources, "synthetic", drawn)
    manifest["description"] = (
        "Invented learners that stand in for a research extract; README.md says how."
    )
    manifest["kohort"]["twin"] = {"pseudonym_scope": scope, "item": "course", "most_rows": 2}
    (root / "datapackage.json").write_text(json.dumps(manifest))
    retell(root)
    seal(root)
    return root


def retell(root):
    """Write the README of what the manifest now says."""
    manifest = json.loads((root / "datapackage.json").read_text())
    cells = [table for table in manifest["resources"] if table["grain"] == "cell"]
    cost = COSTS[manifest["kohort"]["privacy"]["micro_epsilon"]][len(cells)]
    text = readme(manifest | {"resources": cells}, cost)
    names = [f"`{t['name']}`" for t in manifest["resources"] if t["grain"] != "cell"]
    (root / "README.md").write_text(f"{text}\nThe learners in {', '.join(names)}{INVENTED}\n")


def approve(path, root):
    """Write down what was approved and charged: what the package now says."""
    manifest = json.loads((root / "datapackage.json").read_text())
    tables = {
        table["name"]: {"grain": table["grain"], **table["schema"]}
        for table in manifest["resources"]
        if table["grain"] != "cell"
    }
    twin = manifest["kohort"]["twin"]
    approval = {"release_type": "synthetic", **approved(manifest), "invented": tables, "twin": twin}
    path.write_text(json.dumps(approval))
    return path
