"""How near tables tell the same sums: by linear algebra, and its chances by simulation."""

from fractions import Fraction
from itertools import product

import numpy as np
import polars as pl
import pytest

from pipelines.verify.overlapping import Figures, _transform, distances, is_near, rarity
from schemas.manifest import Draw, Privacy
from tests.cells import LONG, build, failed, rewrite
from tests.forging import seal

LABELS = {"a": "xyz", "b": "pqrst", "c": "uv", "d": "ef"}
TABLES = [("a", "b"), ("a", "c"), ("c", "b"), ("d",), ("a", "b", "c")]


def figures(columns, told, kind="discrete-laplace", scale="2"):
    """A table of all combinations of labels."""
    cells = pl.DataFrame(
        list(product(*(LABELS[column] for column in columns))), schema=list(columns), orient="row"
    )
    keys = tuple(sorted((column, tuple(LABELS[column])) for column in columns))
    frame = cells.with_columns(pl.Series("#told", told, dtype=pl.Int64))
    return Figures(
        "-".join(columns), keys, frame, Draw(kind, scale, 1, 1, "L1", Privacy(None, 0, 0))
    )


def sizes(tables):
    """The number of cells of each."""
    return [int(np.prod([len(LABELS[column]) for column in columns])) for columns in tables]


def projection(tables, deviations):
    """What all sums over at most two columns say of noise alone, in units of its deviations."""
    rows = []
    for one, columns in enumerate(tables):
        for other, others in enumerate(tables[:one]):
            shared = [c for c in columns if c in others][:2] or [None]
            for labels in product(*(LABELS.get(c, " ") for c in shared)):
                row = []
                for at, of in enumerate(tables):
                    cells = product(*(LABELS[c] for c in of))
                    sign = (at == one) - (at == other)
                    row += [
                        sign * all(c is None or cell[of.index(c)] == label
                                   for c, label in zip(shared, labels, strict=True))
                        if sign else 0
                        for cell in cells
                    ]  # fmt: skip
                rows.append(row)
    contrasts = np.array(rows, float) * deviations
    return np.linalg.pinv(contrasts) @ contrasts


def test_the_distance_is_the_length_of_a_projection():
    """Of all differences of sums, in units of the noise; so are the shares its diagonal."""
    rng = np.random.default_rng(1)
    scales = ["2", "7/2", "40", "5", "3"]
    counts = sizes(TABLES)
    deviations = np.repeat([np.sqrt(2) * float(Fraction(scale)) for scale in scales], counts)
    wanted = projection(TABLES, deviations)
    for _ in range(3):
        noise = rng.integers(-50, 50, sum(counts))
        parts = np.split(noise, np.cumsum(counts)[:-1])
        made = zip(TABLES, parts, scales, strict=True)
        found, shares = distances([figures(c, told, scale=scale) for c, told, scale in made])
        whitened = noise / deviations
        assert found == pytest.approx(whitened @ wanted @ whitened, rel=1e-9)
        assert np.repeat(shares, counts) == pytest.approx(np.diag(wanted), abs=1e-9)


def drawn(rng, kind, scale, shape):
    """Noise by its definition."""
    places = np.arange(-int(40 * scale) - 2, int(40 * scale) + 3)
    power = {"discrete-laplace": 1, "discrete-gaussian": 2}[kind]
    odds = np.exp(-((np.abs(places) / scale) ** power) / power)
    return rng.choice(places, shape, p=odds / odds.sum())


@pytest.mark.parametrize("kind", ["discrete-laplace", "discrete-gaussian"])
@pytest.mark.parametrize("scale", ["1/2", "1", "4"])
def test_noise_is_no_more_often_so_near_than_told(kind, scale):
    """Of 100,000 honest sets of tables at most as many are as near; whatever else they differ by.

    What has a probability of 0.001 occurs more than 171 times in one of 10^9 runs.
    """
    rng = np.random.default_rng(2)
    tables = TABLES[:3]
    counts, runs = sizes(tables), 100_000
    deviation = float(Fraction(scale)) * (np.sqrt(2) if kind == "discrete-laplace" else 1)
    told = [figures(c, [0] * n, kind, scale) for c, n in zip(tables, counts, strict=True)]
    _, shares = distances(told)
    whitened = drawn(rng, kind, float(Fraction(scale)), (runs, sum(counts))) / deviation
    own = projection(tables, np.full(sum(counts), deviation))
    apart = rng.integers(-9, 9, sum(counts)) / 9 / deviation
    for noise in (whitened, whitened + apart):
        found = np.sort(np.square(noise @ own).sum(axis=1))
        near = found[171]
        assert rarity(float(near), shares, told) >= 0.001
        assert rarity(float(found[runs // 10]), shares, told) >= 0.1
    if scale == "4":  # nor is what is told far above it: it can tell forged noise
        assert (
            rarity(float(np.sort(np.square(whitened @ own).sum(axis=1))[100]), shares, told) < 0.01
        )


@pytest.mark.parametrize("scale", ["1/5", "3/4", "1", "6"])
def test_gaussian_noise_is_as_if_it_were_continuous(scale):
    """E[exp(-s x^2)] by definition where a cell is alone; (1 + 2 s v)^(-1/2) of wide noise."""
    draw = Draw("discrete-gaussian", scale, 1, 1, "L2", Privacy(None, 0, 0))
    wide = float(Fraction(scale))
    places = np.arange(-300, 301)
    odds = np.exp(-((places / wide) ** 2) / 2)
    for slope in (0.01, 0.3, 4.0):
        wanted = float((odds * np.exp(-slope * places**2)).sum() / odds.sum())
        assert _transform(draw, slope, 1.0) == pytest.approx(wanted, rel=1e-9)
        if wide == 6 and slope < 1:
            assert wanted == pytest.approx((1 + 2 * slope * wide**2) ** -0.5, rel=1e-6)


@pytest.mark.parametrize("scale", ["1/5", "3/4", "6"])
def test_laplace_noise(scale):
    """E[exp(-s x^2)] by definition where a cell is alone."""
    draw = Draw("discrete-laplace", scale, 1, 1, "L1", Privacy(None, 0, 0))
    places = np.arange(-600, 601)
    odds = np.exp(-np.abs(places) / float(Fraction(scale)))
    for slope in (0.01, 0.3, 4.0):
        wanted = float((odds * np.exp(-slope * places**2)).sum() / odds.sum())
        assert _transform(draw, slope, 1.0) == pytest.approx(wanted, rel=1e-9)


def test_labels_make_a_key():
    """What another table has under other labels is not held against it: only totals are."""
    one, other = figures(("a", "b"), range(15)), figures(("a", "c"), range(6))
    renamed = Figures(
        "a-c",
        (("a", ("x", "y", "Z")), other.keys[1]),
        other.frame.with_columns(pl.col("a").replace("z", "Z")),
        other.draw,
    )
    assert sum(distances((one, other))[1][:1]) * 15 + distances((one, other))[1][1] * 6 == (
        pytest.approx(3)
    )
    _, shares = distances((one, renamed))
    assert shares[0] * 15 + shares[1] * 6 == pytest.approx(1)


def test_nothing_is_shared_by_one_table():
    """Alone, a table has no differences."""
    assert distances([figures(("a", "b"), [0] * 15)]) == (0.0, [0.0])
    assert not is_near([figures(("a", "b"), [0] * 15)], 0.5)


def less_noise(root):
    """A table has the sums of another one and a tenth of the noise that is told."""
    of = pl.read_parquet(root / "data/by_bin.parquet")
    sums = of.group_by("week", maintain_order=True).agg(pl.col("learners").sum())["learners"]
    small = pl.Series([(-1) ** i * (i % 3 == 0) for i in range(len(sums))])
    rewrite(root, "weekly", lambda f: f.with_columns((sums + small).alias("learners")))


def test_less_noise_than_is_told(tmp_path):
    """Sums that are not equal, but nearer than noise of their own has them."""
    root = build(tmp_path / "package", LONG)
    less_noise(root)
    seal(root)
    assert failed(root) == {"figures"}
