"""Small aggregate packages built by hand, and the tools to forge them.

Nothing of the product's writer takes part: noise is of fixed numbers, the text of the README and
every figure of the manifest are written out, and half-widths were worked out apart.
"""

import json
from itertools import product

import polars as pl

from pipelines.verify import verify_package
from tests.forging import seal, sha256

COURSES, GENDERS = ["A", "B"], ["F", "M", "(missing)"]
NOISE = [0, -7, 3, 1, -2, 5, 4, -1, 2, -3, 6, -4]

# Laplace noise: P(|x| > h) = 2 a^(h + 1) / (1 + a) with a = exp(-1 / scale).
# scale 2: a = 0.6065, h = 6: 0.0376; h = 5: 0.0620. scale 4: h = 12: 0.0436; h = 11: 0.0560.
# scale 8: h = 24: 0.0467; h = 23: 0.0529. scale 300: h = 899: 0.04987; h = 898: 0.05004.
# Gaussian: P(x) ~ exp(-x^2 / (2 scale^2)). scale 4: h = 8: 0.0331; h = 7: 0.0601.
# scale 2000: 1.959964 * 2000 = 3919.93.
# Of sums of draws: 2.1184 (Laplace) or 1.959964 (Gaussian) standard deviations; of ranks 2.3264.
LAPLACE = {2: 6, 4: 12, 8: 24, 300: 899}
GAUSSIAN = {4: 8, 2000: 3920}


def field(name, role, kind="integer", *, of=None, enum=None, required=True):
    """A column as the manifest has it."""
    return {
        "name": name,
        "type": kind,
        "description": name,
        "role": role,
        **({} if of is None else {"of": of}),
        "constraints": {"required": required, **({} if enum is None else {"enum": enum})},
    }


def key(name, enum=None):
    return field(name, "key", "string", enum=enum)


def value(name, kind="integer", *, width=None, width_kind=None, required=True):
    """A value column and the half-width beside it."""
    width = width or f"{name}_half_width"
    return [
        field(name, "value", kind, required=required),
        field(width, "half-width", width_kind or kind, of=name, required=required),
    ]


def query(metric, cells, **more):
    """What a table answers; what is left out is null."""
    return {
        "metric": metric,
        "keys": "grid",
        "cells": cells,
        "most": None,
        "bounds": None,
        "decimals": 0,
        "nulls": None,
        "least": None,
        "threshold": None,
        "quantiles": [],
        "candidates": None,
        "consistent_with": [],
    } | more


def draw(table, columns, scale, l0, linf, cost, mechanism="discrete-laplace", norm="L1"):
    """A measurement; the cost is worked out by whoever writes it down."""
    return {
        "table": table,
        "columns": columns,
        "mechanism": mechanism,
        "scale": scale,
        "l0": l0,
        "linf": linf,
        "norm": norm,
        "micro_epsilon": cost[0],
        "micro_rho": cost[1],
        "atto_delta": cost[2],
    }


GRID = list(product(COURSES, GENDERS))
KEYS = {"course": [c for c, _ in GRID], "gender": [g for _, g in GRID]}
KEY_FIELDS = [key("course", COURSES), key("gender", GENDERS)]


def learners():
    """Distinct learners; diffprivlib's noise of scale 4: epsilon 2 / 4, and a delta of its own."""
    told = [10 + x for x in NOISE[:6]]
    frame = pl.DataFrame(KEYS | {"learners": told, "learners_half_width": [LAPLACE[4]] * 6})
    drawn = draw("learners", ["learners"], "4", 2, 1, (500_000, 125_000, 120_000), "geometric")
    return frame, query("learners", 2), [*KEY_FIELDS, *value("learners")], [drawn]


def events():
    """Events, at most 5 a learner and cell, in sums those of `margin`; scale 300: 2 * 5 / 300.

    Three cells to one of the margin: v = 2 * 600^2, c = 2 * 300^2, w = 3 c / (3 c + v) = 3 / 7, and
    c (1 - w / 3) = 154285.7: 2.1184 * 392.79 - 1/2 = 831.59.
    """
    frame = pl.DataFrame(KEYS | {"events": NOISE[:6], "events_half_width": [832] * 6})
    drawn = draw("events", ["events"], "300", 2, 5, (33_334, 556, 0))
    asked = query("events", 2, most=5, consistent_with=["margin"])
    return frame, asked, [*KEY_FIELDS, *value("events")], [drawn]


def sums():
    """Sums of values from -1 to 2 with one decimal: up to 20 units; scale 8: epsilon 20 / 8."""
    told = [(400 + x) / 10 for x in NOISE[:6]]
    frame = pl.DataFrame(KEYS | {"sum": told, "sum_half_width": [LAPLACE[8] / 10] * 6})
    drawn = draw("sums", ["sum"], "8", 1, 20, (2_500_000, 3_125_000, 0))
    asked = query("sum", 1, bounds=[-1, 2], decimals=1, nulls="an unknown value counts as 0")
    return frame, asked, [*KEY_FIELDS, *value("sum", "number")], [drawn]


MEAN_COUNT = 100
MEAN_WIDTH = 0.24495917086551194
"""Solves P(|x - c y| > 100 w - 1/2) = 0.05 for c = 0 + w, of Laplace draws of scales 8 and 2 c."""


def means():
    """Means of values from 0 to 10, told of 100 learners and not of 3: 5 units either way."""
    frame = pl.DataFrame(
        {
            "course": COURSES,
            "mean": [5.0, None],
            "mean_half_width": [MEAN_WIDTH, None],
            "learners": [MEAN_COUNT, 3],
            "learners_half_width": [LAPLACE[2]] * 2,
        }
    )
    drawn = [
        draw("means", ["mean"], "8", 1, 5, (625_000, 195_313, 0)),
        draw("means", ["learners"], "2", 1, 1, (500_000, 125_000, 0)),
    ]
    asked = query("mean", 1, bounds=[0, 10], least=12)
    fields = [key("course", COURSES), *value("mean", "number", required=False)]
    return frame, asked, [*fields, *value("learners")], drawn


def histogram():
    """Learners by bin; scale 2."""
    bins = ["low", "high", "(missing)"]
    frame = pl.DataFrame(
        {"bin": bins, "learners": [20, -3, 1], "learners_half_width": [LAPLACE[2]] * 3}
    )
    drawn = draw("histogram", ["learners"], "2", 1, 1, (500_000, 125_000, 0))
    fields = [key("bin", bins), *value("learners")]
    return frame, query("histogram", 1), fields, [drawn]


RANK_WIDTH = 2 * 5.298317366548036
"""20,000 of score are 2 learners; of 11 candidates: ln(10 / 0.05)."""


def quantiles():
    """The median and the 2.5% quantile of values from 0 to 10, each selected."""
    frame = pl.DataFrame(
        {
            "q50": [5],
            "q50_rank_half_width": [RANK_WIDTH],
            "q2_5": [0],
            "q2_5_rank_half_width": [RANK_WIDTH],
        }
    )
    drawn = [
        draw("quantiles", ["q50"], "20000", 1, 5000, (500_000, 31_250, 0), "noisy-max"),
        draw("quantiles", ["q2_5"], "20000", 1, 9750, (975_000, 118_829, 0), "noisy-max"),
    ]
    fields = [
        column
        for name in ("q50", "q2_5")
        for column in value(name, width=f"{name}_rank_half_width", width_kind="number")
    ]
    asked = query("quantiles", 1, bounds=[0, 10], quantiles=[0.5, 0.025], candidates=11)
    return frame, asked, fields, drawn


def read_off():
    """Two quantiles of a noisy histogram of 11 candidates; scale 2: epsilon 1 / 2.

    2.3264 * sqrt(11 * 2 * 2^2) = 21.82357, of which 3 / 4 and 1 / 2.
    """
    frame = pl.DataFrame(
        {
            "course": COURSES,
            "q25": [2, 3],
            "q25_rank_half_width": [16.36767483547984] * 2,
            "q50": [2, 8],
            "q50_rank_half_width": [10.911783223653227] * 2,
        }
    )
    drawn = draw("read_off", ["q25", "q50"], "2", 1, 1, (500_000, 125_000, 0))
    fields = [
        column
        for name in ("q25", "q50")
        for column in value(name, width=f"{name}_rank_half_width", width_kind="number")
    ]
    asked = query("quantiles", 1, bounds=[0, 10], quantiles=[0.25, 0.5], candidates=11)
    return frame, asked, [key("course", COURSES), *fields], [drawn]


THRESHOLD = 50
THRESHOLD_DELTA = 17_289_361
"""2 P(noise >= 50) with scale 2, in 1e-18ths: 2 exp(-25) / (1 + exp(-1/2)) = 1.72893605e-11."""


def discovered():
    """Those of unknown courses that exceed 50."""
    frame = pl.DataFrame(
        {"course": ["X", "Y"], "learners": [80, 51], "learners_half_width": [LAPLACE[2]] * 2}
    )
    drawn = draw("found", ["learners"], "2", 2, 1, (1_000_000, 500_000, THRESHOLD_DELTA))
    asked = query("learners", 2, keys="discovered", threshold=THRESHOLD)
    return frame, asked, [key("course"), *value("learners")], [drawn]


def margin():
    """Events by course, whose sums those of `events` are; scale 600: epsilon 2 * 5 / 600.

    With w of `events`: v w = 308571.4, and 2.1184 * 555.49 - 1/2 = 1176.25.
    """
    frame = pl.DataFrame({"course": COURSES, "events": [-4, 4], "events_half_width": [1177] * 2})
    drawn = draw("margin", ["events"], "600", 2, 5, (16_667, 139, 0))
    asked = query("events", 2, most=5, consistent_with=["events"])
    return frame, asked, [key("course", COURSES), *value("events")], [drawn]


def gaussian():
    """One cell, with Gaussian noise of scale 2000: rho 1 * 100^2 / (2 * 2000^2)."""
    frame = pl.DataFrame({"sum": [-17], "sum_half_width": [GAUSSIAN[2000]]})
    cost = (None, 1250, 0)
    drawn = draw("sums", ["sum"], "2000", 1, 100, cost, "discrete-gaussian", "L2")
    return frame, query("sum", 1, bounds=[0, 100]), value("sum"), [drawn]


GAUSSIAN_MEAN_WIDTH = 0.1573315244802789


def gaussian_means():
    """A mean of two decimals: w = (1.959964 sqrt(800^2 + (4 w)^2) + 1/2) / 100 hundredths."""
    frame = pl.DataFrame(
        {
            "mean": [5.0],
            "mean_half_width": [GAUSSIAN_MEAN_WIDTH],
            "learners": [100],
            "learners_half_width": [GAUSSIAN[4]],
        }
    )
    drawn = [
        draw("means", ["mean"], "800", 1, 500, (None, 195_313, 0), "discrete-gaussian", "L2"),
        draw("means", ["learners"], "4", 1, 1, (None, 31_250, 0), "discrete-gaussian", "L2"),
    ]
    asked = query("mean", 1, bounds=[0, 10], decimals=2, least=10)
    fields = [*value("mean", "number", required=False), *value("learners")]
    return frame, asked, fields, drawn


def gaussian_quantiles():
    """The median of a histogram of 21 candidates: 2.3264 * sqrt(21 * 4^2) / 2 = 21.32181."""
    frame = pl.DataFrame({"q50": [0.7], "q50_rank_half_width": [21.321808193490533]})
    cost = (None, 31_250, 0)
    drawn = draw("medians", ["q50"], "4", 1, 1, cost, "discrete-gaussian", "L2")
    asked = query("quantiles", 1, bounds=[0, 2], decimals=1, quantiles=[0.5], candidates=21)
    fields = value("q50", "number", width="q50_rank_half_width", width_kind="number")
    return frame, asked, fields, [drawn]


def whole():
    """A sum of two decimals, that of `parts`; v = 1000^2, c = 400^2, w = 2 c / (2 c + v) = 8 / 33.

    v w = 242424.2, and 1.959964 * 492.37 - 1/2 = 964.52 hundredths.
    """
    frame = pl.DataFrame({"sum": [1.25], "sum_half_width": [9.65]})
    cost = (None, 5000, 0)
    drawn = draw("whole", ["sum"], "1000", 1, 100, cost, "discrete-gaussian", "L2")
    asked = query("sum", 1, bounds=[0, 1], decimals=2, consistent_with=["parts"])
    return frame, asked, value("sum", "number"), [drawn]


def parts():
    """Added up in `whole`: c (1 - w / 2) = 140606.1, and 1.959964 * 374.97 - 1/2 = 734.44."""
    frame = pl.DataFrame({"course": COURSES, "sum": [2.5, -1.25], "sum_half_width": [7.35] * 2})
    cost = (None, 31_250, 0)
    drawn = draw("parts", ["sum"], "400", 1, 100, cost, "discrete-gaussian", "L2")
    asked = query("sum", 1, bounds=[0, 1], decimals=2, consistent_with=["whole"])
    return frame, asked, [key("course", COURSES), *value("sum", "number")], [drawn]


PURE = {
    "learners": learners,
    "events": events,
    "sums": sums,
    "means": means,
    "histogram": histogram,
    "quantiles": quantiles,
    "found": discovered,
    "margin": margin,
    "read_off": read_off,
}
ZCDP = {
    "sums": gaussian,
    "means": gaussian_means,
    "medians": gaussian_quantiles,
    "whole": whole,
    "parts": parts,
}

WEEKS = [f"week {i:02}" for i in range(40)]
# Made up to look like Laplace noise of scale 4.
WEEKLY = [
    3, -1, 0, 6, -4, 1, 2, -9, 0, -2, 5, 1, -3, 8, 0, -1, 2, -6, 4, -2,
    1, 0, -5, 3, 11, -1, -2, 7, -3, 0, 2, -8, 1, 4, -1, -4, 0, 2, 13, -2,
]  # fmt: skip


def weekly():
    """Learners by week, in tens and noise: 40 cells; scale 4: epsilon 2 / 4."""
    told = [10 * (i % 4) + x for i, x in enumerate(WEEKLY)]
    frame = pl.DataFrame({"week": WEEKS, "learners": told, "learners_half_width": [12] * 40})
    drawn = draw("weekly", ["learners"], "4", 2, 1, (500_000, 125_000, 0))
    return frame, query("learners", 2), [key("week", WEEKS), *value("learners")], [drawn]


def by_bin():
    """The same learners by week and bin, with noise of their own; scale 4: epsilon 2 / 4."""
    told = [5 * (i % 4) + x for i, x in enumerate(WEEKLY)]
    cells = [n for pair in zip(told, reversed(WEEKLY), strict=True) for n in pair]
    frame = pl.DataFrame(
        {
            "week": [week for week in WEEKS for _ in range(2)],
            "bin": ["low", "high"] * 40,
            "learners": cells,
            "learners_half_width": [12] * 80,
        }
    )
    drawn = draw("by_bin", ["learners"], "4", 2, 1, (500_000, 125_000, 0))
    fields = [key("week", WEEKS), key("bin", ["low", "high"]), *value("learners")]
    return frame, query("histogram", 2), fields, [drawn]


def rows():
    """Events that agree with no other table; as `events`."""
    frame = pl.DataFrame(KEYS | {"events": NOISE[:6], "events_half_width": [LAPLACE[300]] * 6})
    drawn = draw("rows", ["events"], "300", 2, 5, (33_334, 556, 0))
    return frame, query("events", 2, most=5), [*KEY_FIELDS, *value("events")], [drawn]


LONG = {"weekly": weekly, "by_bin": by_bin, "rows": rows}

TERMS = {
    "access": "controlled",
    "family": "oulad",
    "request_sha256": "0" * 64,
    "catalogue_sha256": "1" * 64,
}
CHARGE = "1f00a3c2"
PURE_COST = "epsilon = 7.650001, delta = 1.7409361e-11"
ZCDP_COST = "rho = 0.295313, delta = 0"
COSTS = {
    7_650_001: PURE_COST,
    1_033_334: "epsilon = 1.033334, delta = 0",
    None: ZCDP_COST,
}


UNIT = (
    "Unit of privacy: one learner, with all that the source holds of that learner; which ids are "
    "one learner's is taken as given. Adjacency: with and without one learner."
)
ADDING_UP = (
    "Its cost adds to that of every other noisy release of the family oulad; k-anonymous "
    "microdata has no such bound, so no epsilon is true of both together."
)


def build(root, tables=PURE, *, csv=False):
    """A valid package of these tables."""
    (root / "data").mkdir(parents=True)
    made = {name: make() for name, make in tables.items()}
    resources = []
    for name, (frame, asked, fields, _) in made.items():
        keys = [column["name"] for column in fields if column["role"] == "key"]
        resources.append(
            {
                **written(root, name, frame, csv=csv),
                "grain": "cell",
                "query": asked,
                "schema": {"fields": fields, **({"primaryKey": keys} if keys else {})},
            }
        )
    drawn = [one for _, _, _, some in made.values() for one in some]
    manifest = described(resources, "aggregate", drawn)
    (root / "datapackage.json").write_text(json.dumps(manifest))
    (root / "README.md").write_text(readme(manifest))
    seal(root)
    return root


def written(root, name, frame, *, csv):
    """Write a table; what the manifest says of its files."""
    path = root / f"data/{name}.parquet"
    frame.write_parquet(path)
    if csv:
        frame.write_csv(root / f"data/{name}.csv")
    return {
        "name": name,
        "path": f"data/{name}.parquet",
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "bytes": path.stat().st_size,
        "hash": f"sha256:{sha256(path)}",
        **({"csvPath": f"data/{name}.csv"} if csv else {}),
    }


def described(resources, release_type, drawn):
    """The manifest of a package."""
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": f"told-{CHARGE}",
        "title": "Told",
        "description": "A package to forge.",
        "created": "2026-01-31T12:00:00Z",
        "resources": resources,
        "kohort": {
            "format_version": 1,
            "release_type": release_type,
            **TERMS,
            "unit": "learner",
            "adjacency": "add-remove",
            "data_version": "1",
            "cut_off": "2026-01-31T00:00:00Z",
            "legal_bases": ["consent"],
            "privacy": total(drawn),
            "measurements": drawn,
        },
    }


def total(drawn):
    """What all measurements cost together."""
    epsilons = [one["micro_epsilon"] for one in drawn]
    return {
        "micro_epsilon": None if None in epsilons else sum(epsilons),
        "micro_rho": sum(one["micro_rho"] for one in drawn),
        "atto_delta": sum(one["atto_delta"] for one in drawn),
    }


def readme(manifest, cost=None):
    """The text, with the cost as it was worked out by hand."""
    epsilon = manifest["kohort"]["privacy"]["micro_epsilon"]
    pure = epsilon is not None
    kind = "(epsilon, delta)-differentially private" if pure else "delta-approximate rho-zCDP"
    lines = [
        "# Told",
        UNIT,
        f"This release is {kind}: {cost or COSTS[epsilon]}.",
        ADDING_UP,
    ]
    for table in manifest["resources"]:
        cells = table["query"]["cells"]
        said = "1 cell" if cells == 1 else f"{cells} cells"
        lines.append(f"{table['name']}: each learner counts in at most {said}.")
    for one in manifest["kohort"]["measurements"]:
        start = f"- {one['table']}: {', '.join(one['columns'])}: {one['mechanism']}"
        query = next(t["query"] for t in manifest["resources"] if t["name"] == one["table"])
        told, step = query["candidates"], f"in steps of 1e-{query['decimals']}"
        where = {
            "quantiles": f" on the counts of {told} bins",
            "sum": f" on the sum, {step}",
        }.get(query["metric"], "")
        if one["columns"] == ["mean"]:
            where = f" on the sum of (value - middle of the bounds), {step}"
        end = f"noise{where}, scale {one['scale']}, "
        end += f"a learner changes a cell by at most {one['linf']}."
        if one["mechanism"] == "noisy-max":
            end = (
                f"selection among {told} values, scale {one['scale']}, score sensitivity "
                f"{one['linf']}, in ten-thousandths of a rank."
            )
        lines.append(f"{start} {end}")
    lines.append(
        "- The error that is told is the noise alone: what contribution bounds, clamps, rounding "
        "and rules for unknown values leave out is not in it."
    )
    return "\n\n".join(lines) + "\n"


def approve(path, root):
    """Write down what was approved and charged: what the package now says."""
    manifest = json.loads((root / "datapackage.json").read_text())
    path.write_text(json.dumps({"release_type": "aggregate", **approved(manifest)}))
    return path


def approved(manifest):
    """What an approval says of the tables of cells, and of the charge."""
    drawn = [
        {name: part for name, part in one.items() if name not in {"table", "columns"}}
        for one in manifest["kohort"]["measurements"]
    ]
    tables = {
        table["name"]: {"query": table["query"], "fields": table["schema"]["fields"]}
        for table in manifest["resources"]
        if table["grain"] == "cell"
    }
    charge = {"id": CHARGE, "measurements": drawn}
    return {**TERMS, "tables": tables, "charge": charge}


def failed(root, approval=None, absent=None):
    """The names of the checks that fail."""
    return {one.name for one in verify_package(root, approval, absent).checks if not one.ok}


def table_of(manifest, name):
    """The resource of this name."""
    return next(table for table in manifest["resources"] if table["name"] == name)


def fields_of(manifest, name):
    """Column name -> its JSON."""
    return {column["name"]: column for column in table_of(manifest, name)["schema"]["fields"]}


def measured(manifest, table, column):
    """The measurement of a column."""
    return next(
        one
        for one in manifest["kohort"]["measurements"]
        if one["table"] == table and column in one["columns"]
    )


def rewrite(root, name, change):
    """Write a table again, changed."""
    path = root / f"data/{name}.parquet"
    change(pl.read_parquet(path)).write_parquet(path)


def set_cell(root, name, column, told, row=0):
    """Set one cell."""

    def change(frame):
        cells = frame[column].to_list()
        cells[row] = told
        return frame.with_columns(pl.Series(column, cells, dtype=frame.schema[column]))

    rewrite(root, name, change)


def retell(root, old, new):
    """Change the README, where it says so."""
    path = root / "README.md"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
