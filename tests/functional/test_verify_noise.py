"""Forged noise, costs and promises of an aggregate package: the checker must say which."""

import json

import polars as pl
import pytest

from tests.cells import (
    approve,
    failed,
    fields_of,
    measured,
    retell,
    rewrite,
    set_cell,
    table_of,
)
from tests.forging import edit, seal


def fewer_cells_drawn(root):
    """The draw is said to be for a learner in one cell; the query has two."""
    edit(root, lambda m: measured(m, "events", "events").update(l0=1))


def more_cells_counted(root):
    """A learner counts in more cells than were paid for."""
    edit(root, lambda m: table_of(m, "learners")["query"].update(cells=3))


def smaller_change(root):
    """A learner is said to change a sum by less than its bounds let him."""
    edit(root, lambda m: measured(m, "sums", "sum").update(linf=10))


def more_events(root):
    """More events of a learner count than were paid for."""
    edit(root, lambda m: table_of(m, "events")["query"].update(most=6))


def wider_bounds(root):
    """A value is clamped to wider bounds than were paid for."""
    edit(root, lambda m: table_of(m, "sums")["query"].update(bounds=[-1, 3]))


def one_sided_bounds(root):
    """What a learner subtracts from a sum counts as well."""
    edit(root, lambda m: table_of(m, "sums")["query"].update(bounds=[-3, 2]))


def other_unit(root):
    """A unit is said to be a hundredth."""
    edit(root, lambda m: table_of(m, "sums")["query"].update(decimals=2))


def wider_mean(root):
    """The bounds of a mean are one unit wider, upwards of its middle."""
    edit(root, lambda m: table_of(m, "means")["query"].update(bounds=[0, 11]))


def unmeasured(root):
    """A draw is not told."""
    edit(root, lambda m: m["kohort"]["measurements"].pop(0))


def measured_twice(root):
    """A column comes of two draws."""
    edit(root, another_draw(mechanism="discrete-laplace", atto_delta=0))


def another_draw(**other):
    """Tell the draw of `learners` once more, changed."""

    def change(manifest):
        one = measured(manifest, "learners", "learners")
        manifest["kohort"]["measurements"].append(one | other)

    return change


def measured_nowhere(root):
    """A draw is of a table that is not there."""
    edit(root, another_draw(table="gone"))


def key_measured(root):
    """A draw names a key."""
    edit(root, lambda m: measured(m, "histogram", "learners").update(columns=["bin"]))


def one_draw_for_two(root):
    """One draw is said to be of a mean and its count."""

    def merge(manifest):
        drawn = manifest["kohort"]["measurements"]
        drawn.remove(measured(manifest, "means", "learners"))
        measured(manifest, "means", "mean")["columns"] = ["mean", "learners"]

    edit(root, merge)


def wrong_norm(root):
    """Laplace noise is measured by L2."""
    edit(root, lambda m: measured(m, "sums", "sum").update(norm="L2"))


def selected_count(root):
    """A count is said to be selected."""
    edit(root, lambda m: measured(m, "histogram", "learners").update(mechanism="noisy-max"))


def duller_score(root):
    """A score is said to change by less."""
    edit(root, lambda m: measured(m, "quantiles", "q2_5").update(linf=5000))


def cheaper_draw(root):
    """A draw is said to cost less, and so is everything together."""

    def lower(manifest):
        measured(manifest, "learners", "learners")["micro_epsilon"] -= 1
        manifest["kohort"]["privacy"]["micro_epsilon"] -= 1

    edit(root, lower)
    retell(root, "epsilon = 7.166668", "epsilon = 7.166667")


def dearer_draw(root):
    """A draw is said to cost more: what is told would not be what was charged."""

    def raise_(manifest):
        measured(manifest, "events", "events")["micro_rho"] += 1
        manifest["kohort"]["privacy"]["micro_rho"] += 1

    edit(root, raise_)


def unknown_epsilon(root):
    """Laplace noise is said to have no epsilon."""
    edit(root, lambda m: measured(m, "sums", "sum").update(micro_epsilon=None))


def needless_delta(root):
    """Exact noise is said to have a delta."""
    edit(root, lambda m: measured(m, "sums", "sum").update(atto_delta=1))


def less_noise(root):
    """A scale is said to be half of what was charged."""
    edit(root, lambda m: measured(m, "histogram", "learners").update(scale="1"))


def cheaper_whole(root):
    """Everything together is said to cost less than its parts."""
    edit(root, lambda m: m["kohort"]["privacy"].update(micro_epsilon=5_000_000))
    retell(root, "epsilon = 7.166668", "epsilon = 5")


def no_whole_epsilon(root):
    """Everything together is said to have no epsilon, and each part has one."""
    edit(root, lambda m: m["kohort"]["privacy"].update(micro_epsilon=None))


def below_the_threshold(root):
    """A discovered cell is exactly at the threshold."""
    set_cell(root, "found", "learners", 50, 1)


def lower_threshold(root):
    """The threshold is one lower than delta demands."""
    edit(root, lambda m: table_of(m, "found")["query"].update(threshold=49))


def smaller_delta(root):
    """The delta is one unit less than the threshold demands."""

    def lower(manifest):
        measured(manifest, "found", "learners")["atto_delta"] -= 1
        manifest["kohort"]["privacy"]["atto_delta"] -= 1

    edit(root, lower)
    retell(root, "delta = 1.7409361e-11", "delta = 1.740936e-11")


def free_discovery(root):
    """Discovered keys are said to have no delta."""

    def lower(manifest):
        measured(manifest, "found", "learners")["atto_delta"] = 0
        manifest["kohort"]["privacy"]["atto_delta"] = 120_000

    edit(root, lower)
    retell(root, "delta = 1.7409361e-11", "delta = 1.2e-13")


def all_cells(name, column, told):
    """Set a column to one value."""

    def forge(root):
        rewrite(root, name, lambda f: f.with_columns(pl.lit(told, f.schema[column]).alias(column)))

    forge.__name__ = f"{name}.{column}={told}"
    return forge


def one_wider(root):
    """One half-width is another than the others."""
    set_cell(root, "learners", "learners_half_width", 13, 2)


def one_wider_margin(root):
    """One half-width of an adjusted table is another than the others."""
    set_cell(root, "margin", "events_half_width", 701, 1)


def surer_mean(root):
    """A mean is said to be a little more certain than it is."""
    set_cell(root, "means", "mean_half_width", 0.24494)


def moved_mean(root):
    """A mean farther from the middle has a wider half-width."""
    set_cell(root, "means", "mean", 7.0)


def no_readme(root):
    """Nobody reads what is promised."""
    (root / "README.md").unlink()


def say_less(root):
    """The README names a smaller epsilon than the manifest."""
    retell(root, "epsilon = 7.166668", "epsilon = 1")


def say_another(root):
    """The README names a second epsilon, in bold."""
    retell(root, "# Told", "# Told\n\nEach table alone has **epsilon** = 0.5.")


def say_rho(root):
    """The README of an epsilon names a rho."""
    retell(root, "# Told", "# Told\n\nThat is \N{GREEK SMALL LETTER RHO} = 0.1.")


def say_fewer_cells(root):
    """The README says that a learner counts in fewer cells."""
    said = "events: each learner counts in at most"
    retell(root, f"{said} 2", f"{said} 1")


def say_larger_scale(root):
    """The README says that there is more noise."""
    retell(root, "discrete-laplace noise, scale 8", "discrete-laplace noise, scale 80")


def deny_in_the_line(root):
    """A line that is demanded is a part of another one, which denies it."""
    retell(root, "Unit of privacy", "It is not true that: Unit of privacy")


def claim_both(root):
    """The README does not say that no epsilon is true with microdata."""
    retell(root, "k-anonymous microdata has no such bound", "k-anonymous microdata has it, too")


def promise_k(root):
    """The README promises a k."""
    retell(root, "# Told", "# Told\n\nWith the microdata it is k-anonymous with k = 5.")


NOISE, TEXT = "noise-parameters", "promise-text"
PURE_FORGERIES = [
    (fewer_cells_drawn, {NOISE, "costs"}),
    (more_cells_counted, {NOISE, TEXT}),
    (smaller_change, {NOISE, "costs", TEXT}),
    (more_events, {NOISE}),
    (wider_bounds, {NOISE}),
    (one_sided_bounds, {NOISE}),
    (other_unit, {NOISE, "half-widths"}),
    (wider_mean, {NOISE}),
    (unmeasured, {NOISE, "totals", "half-widths"}),
    (measured_twice, {NOISE, "totals", "half-widths", TEXT}),
    (measured_nowhere, {NOISE, "totals", TEXT}),
    (key_measured, {NOISE, "half-widths", TEXT}),
    (one_draw_for_two, {NOISE, "totals", "half-widths", TEXT}),
    (wrong_norm, {NOISE}),
    (selected_count, {NOISE, "costs", TEXT}),
    (duller_score, {NOISE, "costs", "half-widths", TEXT}),
    (cheaper_draw, {"costs"}),
    (dearer_draw, {"costs"}),
    (unknown_epsilon, {"costs", "totals"}),
    (needless_delta, {"costs", "totals"}),
    (less_noise, {"costs", "half-widths", TEXT}),
    (cheaper_whole, {"totals"}),
    (no_whole_epsilon, {"totals", TEXT}),
    (below_the_threshold, {"thresholds"}),
    (lower_threshold, {"thresholds"}),
    (smaller_delta, {"thresholds"}),
    (free_discovery, {"thresholds"}),
    (all_cells("learners", "learners_half_width", 11), {"half-widths"}),
    (all_cells("learners", "learners_half_width", 13), {"half-widths"}),
    (all_cells("found", "learners_half_width", 5), {"half-widths"}),
    (all_cells("means", "learners_half_width", 5), {"half-widths"}),
    (all_cells("sums", "sum_half_width", 2.3), {"half-widths"}),
    (all_cells("quantiles", "q50_rank_half_width", 5.9), {"half-widths"}),
    (all_cells("quantiles", "q2_5_rank_half_width", 11.0), {"half-widths"}),
    (all_cells("margin", "events_half_width", 0), {"half-widths"}),
    (one_wider, {"half-widths"}),
    (one_wider_margin, {"half-widths"}),
    (surer_mean, {"half-widths"}),
    (moved_mean, {"half-widths"}),
    (no_readme, {TEXT, "no-joint-epsilon"}),
    (say_less, {TEXT}),
    (say_another, {TEXT}),
    (say_rho, {TEXT}),
    (say_fewer_cells, {TEXT}),
    (say_larger_scale, {TEXT}),
    (deny_in_the_line, {TEXT}),
    (claim_both, {TEXT, "no-joint-epsilon"}),
    (promise_k, {"no-joint-epsilon"}),
]


@pytest.mark.parametrize("forge, checks", PURE_FORGERIES)
def test_forgery(pure, forge, checks):
    """As is the checksums fail, too; with sizes, hashes and checksums anew exactly these do."""
    forge(pure)
    assert failed(pure) == checks | {"checksums"}
    seal(pure)
    assert failed(pure) == checks


def gaussian_epsilon(root):
    """Gaussian noise is said to have an epsilon."""
    edit(root, lambda m: measured(m, "sums", "sum").update(micro_epsilon=1))


def whole_epsilon(root):
    """Everything together is said to have an epsilon, and no part has one."""
    edit(root, lambda m: m["kohort"]["privacy"].update(micro_epsilon=1_000_000))


def smaller_rho(root):
    """A draw is said to cost less rho, and so is everything together."""

    def lower(manifest):
        measured(manifest, "sums", "sum")["micro_rho"] -= 1
        manifest["kohort"]["privacy"]["micro_rho"] -= 1

    edit(root, lower)
    retell(root, "rho = 0.227813", "rho = 0.227812")


def laplace_count(root):
    """The sum of a mean has Gaussian noise, its count Laplace noise."""
    other = {"mechanism": "discrete-laplace", "norm": "L1", "micro_epsilon": 250_000}
    edit(root, lambda m: measured(m, "means", "learners").update(other))


def two_cells(root):
    """The table of one cell has two."""
    rewrite(root, "sums", lambda frame: pl.concat([frame, frame]))


ZCDP_FORGERIES = [
    (gaussian_epsilon, {"costs"}),
    (whole_epsilon, {"totals", TEXT}),
    (smaller_rho, {"costs"}),
    (laplace_count, {"half-widths", TEXT}),
    (two_cells, {"grid"}),
    (all_cells("sums", "sum_half_width", 3919), {"half-widths"}),
    (all_cells("sums", "sum_half_width", 3922), {"half-widths"}),
    (all_cells("means", "learners_half_width", 7), {"half-widths"}),
    (all_cells("means", "mean_half_width", 0.1623), {"half-widths"}),
]


@pytest.mark.parametrize("forge, checks", ZCDP_FORGERIES)
def test_gaussian_forgery(zcdp, forge, checks):
    """As is the checksums fail, too; with sizes, hashes and checksums anew exactly these do."""
    forge(zcdp)
    assert failed(zcdp) == checks | {"checksums"}
    seal(zcdp)
    assert failed(zcdp) == checks


def kohort(**other):
    """Change what the package promises of itself."""

    def forge(root):
        edit(root, lambda m: m["kohort"].update(other))

    forge.__name__ = "_".join(other)
    return forge


def other_family(root):
    """The package counts into another family's budget, and says so."""
    edit(root, lambda m: m["kohort"].update(family="coursera"))
    retell(root, "of the family oulad", "of the family coursera")


def leave_a_table_out(root):
    """An approved table is not there."""
    (root / "data/found.parquet").unlink()

    def forget(manifest):
        manifest["resources"].remove(table_of(manifest, "found"))
        told = measured(manifest, "found", "learners")
        manifest["kohort"]["measurements"].remove(told)
        manifest["kohort"]["privacy"] = {
            "micro_epsilon": 6_166_668,
            "micro_rho": manifest["kohort"]["privacy"]["micro_rho"] - 500_000,
            "atto_delta": 120_000,
        }

    edit(root, forget)
    retell(root, "epsilon = 7.166668, delta = 1.7409361e-11", "epsilon = 6.166668, delta = 1.2e-13")


def value_as_key(root):
    """A key has another name than was approved."""
    rewrite(root, "found", lambda frame: frame.rename({"course": "id"}))

    def rename(manifest):
        fields_of(manifest, "found")["course"]["name"] = "id"
        table_of(manifest, "found")["schema"]["primaryKey"] = ["id"]

    edit(root, rename)


def less_than_charged(root):
    """All is consistent, but for a draw that the ledger has no record of."""

    def change(manifest):
        one = measured(manifest, "histogram", "learners")
        one.update(scale="4", micro_epsilon=250_000, micro_rho=31_250)
        manifest["kohort"]["privacy"]["micro_epsilon"] -= 250_000
        manifest["kohort"]["privacy"]["micro_rho"] -= 93_750

    edit(root, change)
    all_cells("histogram", "learners_half_width", 12)(root)
    said = "histogram: learners: discrete-laplace noise, scale"
    retell(root, f"{said} 2", f"{said} 4")
    retell(root, "epsilon = 7.166668", "epsilon = 6.916668")


UNAPPROVED = [
    (kohort(request_sha256="2" * 64), {"approval"}),
    (kohort(catalogue_sha256="2" * 64), {"approval"}),
    (kohort(catalogue_sha256=None), {"approval"}),
    (kohort(access="public"), {"approval"}),
    (other_family, {"approval"}),
    (value_as_key, {"approval"}),
    (leave_a_table_out, {"approval", "ledger"}),
    (less_than_charged, {"ledger"}),
]


@pytest.mark.parametrize("forge, checks", UNAPPROVED)
def test_what_was_not_approved(pure, tmp_path, forge, checks):
    """On its own word such a package holds; held against the approval it does not."""
    approval = approve(tmp_path / "approval.json", pure)
    forge(pure)
    seal(pure)
    assert failed(pure) == set()
    assert failed(pure, approval) == checks


def test_a_draw_that_is_not_told(pure, tmp_path):
    """The charge has a draw more than the package tells; and the order means nothing."""
    approval = approve(tmp_path / "approval.json", pure)
    document = json.loads(approval.read_text())
    document["charge"]["measurements"].append(document["charge"]["measurements"][0])
    approval.write_text(json.dumps(document))
    assert failed(pure, approval) == {"ledger"}
