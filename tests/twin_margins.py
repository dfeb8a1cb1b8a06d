"""How many more learners of a label a twin has than its noisy figures tell: what `margins` allows.

Records are drawn at random, marginals of them get Laplace noise, a twin is made of these. Told is,
for each column and the numbers of rows, by how many standard deviations of a noisy sum a label had
more learners than the check allows without any; below 0 none was needed. It takes some 15 minutes:

    python -m tests.twin_margins --runs 20 --seed 11
"""

import argparse
import math

import numpy as np

from anonymizer.dp.marginals import marginal
from synth.twin import Measured, fit, sample
from synth.workload import TwinShape, budget_shares, workload

SHAPES = [
    (3_000, {"edu": 11, "sex": 3}, {"course": 6, "result": 5, "weeks": 6}, 5),
    (3_000, {"edu": 11, "sex": 3}, {"course": 60, "result": 5, "weeks": 6}, 5),
    (20_000, {"edu": 11, "sex": 3, "land": 60}, {"course": 40, "result": 5, "clicks": 10}, 5),
    (20_000, {"edu": 11, "sex": 3, "land": 200}, {"course": 100, "result": 5, "weeks": 6}, 5),
    (2_000, {"sex": 3, "edu": 11, "age": 6}, {}, 1),
    (500, {"sex": 2}, {"course": 200, "result": 2}, 20),
    (1_000, {"sex": 3, "edu": 9}, {"result": 5, "weeks": 6}, 8),
]
CHANCE = 4


def records_of(rng, shape, size):
    """Columns that hang on one another more or less, with shares that are even or not."""
    alike, shares = rng.choice([0, 0.5, 0.95]), rng.choice([0.05, 0.4, 3])
    found, before = {}, None
    for column, labels in shape.sizes.items():
        told = rng.choice(labels, size, p=rng.dirichlet(np.full(labels, shares)))
        if column == shape.number:
            told = np.minimum(rng.geometric(rng.choice([0.3, 0.75, 0.99]), size) - 1, labels - 1)
        if before is not None:
            told = np.where(rng.random(size) < alike, before % labels, told)
        found[column] = before = told
    return found


def measured(rng, shape, records, epsilon):
    """All marginals of a twin, with noise."""
    chosen = workload(shape)
    for columns, part in zip(chosen, budget_shares(chosen, shape), strict=True):
        scale = 1 / (epsilon * float(part))
        exact = marginal(records, shape.sizes, columns)
        p = 1 - math.exp(-1 / scale)
        noise = rng.geometric(p, len(exact)) - rng.geometric(p, len(exact))
        yield Measured(columns, exact + noise, math.sqrt(2) * scale)


def needed(tables, shape, column, counted, found):
    """Standard deviations: of the table that needs fewest, as `margins` takes the largest bound."""
    bounds = []
    for table in tables:
        if column in table.columns:
            cells = table.counts.reshape([shape.sizes[one] for one in table.columns]).clip(0)
            others = tuple(i for i, one in enumerate(table.columns) if one != column)
            each = cells.size / shape.sizes[column]
            deviation = table.std * math.sqrt(each * float(np.square(counted).sum()))
            bounds.append((found - float(cells.sum(axis=others) @ counted)) / deviation)
    return min(bounds)


def run(rng, size, own, rows, most):
    """One twin: column -> the most that a label of it needed."""
    item = "course" if "course" in rows else None
    shape = TwinShape(own, rows, item, number="_rows", most_rows=most)
    size = int(size * math.exp(rng.uniform(-3, 1)))
    epsilon = math.exp(rng.uniform(math.log(0.02), math.log(30)))
    tables = list(measured(rng, shape, records_of(rng, shape, size), epsilon))
    twin = sample(fit(tables, shape), rng)
    columns = dict(twin.learners)
    if rows:
        columns["_rows"] = np.bincount(twin.owner, minlength=twin.size) - 1
    by_chance = CHANCE * math.sqrt(twin.size)
    told = {}
    for column, codes in columns.items():
        labels = shape.sizes[column]
        found = np.bincount(codes, minlength=labels) - by_chance
        alone = np.eye(labels)
        told[column] = max(needed(tables, shape, column, alone[i], found[i]) for i in range(labels))
    if rows:
        found = len(twin.owner) - most * by_chance
        told["rows"] = needed(tables, shape, "_rows", np.arange(1, most + 1), found)
    return told


def main():
    """Print the most of each shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=11)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    for shape in SHAPES:
        told = [run(rng, *shape) for _ in range(asked.runs)]
        print({name: f"{max(one[name] for one in told):.2f}" for name in told[0]}, flush=True)


if __name__ == "__main__":
    main()
