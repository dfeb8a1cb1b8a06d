"""Forged noise, costs and promises of an aggregate package: the checker must say which."""

import json

import polars as pl
import pytest

from tests.cells import (
    LONG,
    approve,
    build,
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
    retell(root, "epsilon = 7.650001", "epsilon = 7.65")


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
    retell(root, "epsilon = 7.650001", "epsilon = 5")


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


def discovered_by_doubles(root):
    """A sampler of doubles is said to have drawn, and its delta is that of the threshold alone."""
    edit(root, lambda m: measured(m, "found", "learners").update(mechanism="geometric"))
    retell(root, "found: learners: discrete-laplace", "found: learners: geometric")


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


def moved_widths(root, name, column, factor):
    """Every half-width of a column, made smaller."""
    rewrite(root, name, lambda frame: frame.with_columns(pl.col(column) * factor))


def surer_rank(root):
    """A rank that is read off a histogram is said to be a little more certain than it is."""
    moved_widths(root, "read_off", "q25_rank_half_width", 1 - 1e-8)


def surer_selection(root):
    """A selected rank is said to be a little more certain than it is."""
    moved_widths(root, "quantiles", "q50_rank_half_width", 1 - 1e-8)


def fewer_candidates(root):
    """Fewer values are said to be possible, so that a rank has a smaller half-width."""
    edit(root, lambda m: table_of(m, "quantiles")["query"].update(candidates=6))


def fitting_candidates(root):
    """Fewer values are said to be possible, and the half-widths are those of so few."""
    fewer_candidates(root)
    for name in ("q50", "q2_5"):
        all_cells("quantiles", f"{name}_rank_half_width", 2 * 4.605170185988092)(root)


def fewer_bins(root):
    """The same of a histogram: 2.3264 * sqrt(6 * 8) of 6 candidates, 3 / 4 and 1 / 2 of that."""
    edit(root, lambda m: table_of(m, "read_off")["query"].update(candidates=6))
    all_cells("read_off", "q25_rank_half_width", 2.3264 * 48**0.5 * 0.75)(root)
    all_cells("read_off", "q50_rank_half_width", 2.3264 * 48**0.5 * 0.5)(root)


def sharper_score(root):
    """A score is said to count in smaller steps, in which one learner is more."""
    edit(root, lambda m: measured(m, "quantiles", "q50").update(linf=10_000))


def surer_margin(root):
    """A margin is said to be one more certain than it is."""
    all_cells("margin", "events_half_width", 1176)(root)


def surer_cells(root):
    """The cells of a margin are said to be one more certain than they are."""
    all_cells("events", "events_half_width", 831)(root)


def unadjusted_cells(root):
    """The cells of a margin have the half-width of their own noise."""
    all_cells("events", "events_half_width", 899)(root)


def quantile_between(root):
    """A quantile is none of the public values."""
    set_cell(root, "read_off", "q25", 12)


def crossed_quantiles(root):
    """The median is below the lower quartile."""
    set_cell(root, "read_off", "q50", 1)


def true_mean(root):
    """A mean is not of whole units over the noisy count."""
    set_cell(root, "means", "mean", 5.001)
    set_cell(root, "means", "mean_half_width", 0.24495928)


def last_bit_of_a_mean(root):
    """A mean is the next double, which a whole sum over the count is not."""
    set_cell(root, "means", "mean", 5.000000000000001)


def free_floating_point(root):
    """A sampler of doubles is said to be exact."""

    def lower(manifest):
        measured(manifest, "learners", "learners")["atto_delta"] = 0
        manifest["kohort"]["privacy"]["atto_delta"] -= 120_000

    edit(root, lower)
    retell(root, "delta = 1.7409361e-11", "delta = 1.7289361e-11")


def other_order(root):
    """Measurements stand in another order than the tables."""
    edit(root, lambda m: m["kohort"]["measurements"].reverse())


def say(text):
    """Say something more in the README."""

    def forge(root):
        retell(root, "# Told", f"# Told\n\n{text}")

    forge.__name__ = text
    return forge


def say_in_the_codebook(root):
    """Another document names an epsilon."""
    (root / "codebook.md").write_text(
        "The table learners has \\varepsilon \N{ALMOST EQUAL TO} 0.1."
    )


def say_of_a_column(root):
    """The description of a column names an epsilon."""
    said = "Learners, with an epsilon of 0.1."
    edit(root, lambda m: fields_of(m, "learners")["learners"].update(description=said))


def no_readme(root):
    """Nobody reads what is promised."""
    (root / "README.md").unlink()


def say_less(root):
    """The README names a smaller epsilon than the manifest."""
    retell(root, "epsilon = 7.650001", "epsilon = 1")


def say_another(root):
    """The README names a second epsilon, in bold."""
    retell(root, "# Told", "# Told\n\nEach table alone has **epsilon** = 0.5.")


def say_rho(root):
    """The README of an epsilon names a rho."""
    retell(root, "# Told", "# Told\n\nThat is \N{GREEK SMALL LETTER RHO} = 0.1.")


def say_fewer_cells(root):
    """The README says that a learner counts in fewer cells."""
    said = "events: each learner counts in at most"
    retell(root, f"{said} 2 cells", f"{said} 1 cell")


def say_larger_scale(root):
    """The README says that there is more noise."""
    retell(root, "scale 8,", "scale 80,")


def deny_in_the_line_before(root):
    """The paragraph of a line that is demanded begins with denying it."""
    retell(root, "Unit of privacy", "It is not true what is written here:\nUnit of privacy")


def deny_in_the_next_line(root):
    """The paragraph of a line that is demanded goes on to deny it."""
    retell(root, "without one learner.", "without one learner.\nOr so it seems.")


def hide_a_line(root):
    """A line that is demanded is the title of a link, which nobody sees."""
    retell(root, "Unit of privacy", '[note]: README.md "\nUnit of privacy')
    retell(root, "without one learner.", 'without one learner.\n"')


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
    (more_events, {NOISE, "consistency"}),
    (wider_bounds, {NOISE}),
    (one_sided_bounds, {NOISE}),
    (other_unit, {NOISE, "half-widths", TEXT}),
    (wider_mean, {NOISE}),
    (unmeasured, {NOISE, "totals", "figures", "half-widths", TEXT}),
    (measured_twice, {NOISE, "totals", "figures", "half-widths", TEXT}),
    (measured_nowhere, {NOISE, "totals"}),
    (key_measured, {NOISE, "figures", "half-widths", TEXT}),
    (one_draw_for_two, {NOISE, "totals", "half-widths", TEXT}),
    (wrong_norm, {NOISE}),
    (selected_count, {NOISE, "costs", TEXT}),
    (duller_score, {NOISE, "costs", TEXT}),
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
    (discovered_by_doubles, {"thresholds"}),
    (all_cells("learners", "learners_half_width", 11), {"half-widths"}),
    (all_cells("learners", "learners_half_width", 13), {"half-widths"}),
    (all_cells("found", "learners_half_width", 5), {"half-widths"}),
    (all_cells("means", "learners_half_width", 5), {"half-widths"}),
    (all_cells("sums", "sum_half_width", 2.3), {"half-widths"}),
    (all_cells("quantiles", "q50_rank_half_width", 5.9), {"half-widths"}),
    (all_cells("quantiles", "q2_5_rank_half_width", 11.0), {"half-widths"}),
    (all_cells("margin", "events_half_width", 0), {"half-widths"}),
    (surer_rank, {"half-widths"}),
    (surer_selection, {"half-widths"}),
    (fewer_candidates, {"half-widths", "figures", TEXT}),
    (fitting_candidates, {"figures", TEXT}),
    (fewer_bins, {"figures", TEXT}),
    (sharper_score, {NOISE, "costs", TEXT}),
    (surer_margin, {"half-widths"}),
    (surer_cells, {"half-widths"}),
    (unadjusted_cells, {"half-widths"}),
    (quantile_between, {"figures"}),
    (crossed_quantiles, {"figures"}),
    (true_mean, {"figures"}),
    (last_bit_of_a_mean, {"figures"}),
    (free_floating_point, {"costs"}),
    (other_order, {NOISE}),
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
    (deny_in_the_line_before, {TEXT}),
    (deny_in_the_next_line, {TEXT}),
    (hide_a_line, {TEXT}),
    (claim_both, {TEXT, "no-joint-epsilon"}),
    (promise_k, {"no-joint-epsilon"}),
    (say("Each table alone has an epsilon of only 0.5."), {TEXT}),
    (say("Its \N{GREEK SMALL LETTER EPSILON} is below 1."), {TEXT}),
    (say("epsi\N{ZERO WIDTH SPACE}lon = 0.5"), {TEXT}),
    (say("\N{MATHEMATICAL ITALIC EPSILON SYMBOL} \N{LESS-THAN OR EQUAL TO} 0.5"), {TEXT}),
    (say("It is 0.1-differentially private."), {TEXT}),
    (say("events: each learner counts in at most 1 cell, or so."), {TEXT}),
    (say("Adjacency: one event more or less."), {TEXT}),
    (say("<!-- Unread: -->"), {TEXT}),
    (say("With the microdata it is 5-anonymous."), {"no-joint-epsilon"}),
    (say_in_the_codebook, {TEXT}),
    (say_of_a_column, {TEXT}),
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
    retell(root, "rho = 0.295313", "rho = 0.295312")


def laplace_count(root):
    """The sum of a mean has Gaussian noise, its count Laplace noise."""
    other = {"mechanism": "discrete-laplace", "norm": "L1", "micro_epsilon": 250_000}
    edit(root, lambda m: measured(m, "means", "learners").update(other))


def laplace_parts(root):
    """The margin has Gaussian noise, its cells Laplace noise; each half-width by its own factor.

    c = 2 * 400^2, w = 16 / 41: 1.959964 * sqrt(v w) + 1 = 1225.4, and 2.1184 * sqrt(c (1 - w / 2))
    + 1 = 1076.1.
    """
    other = {"mechanism": "discrete-laplace", "norm": "L1", "micro_epsilon": 250_000}
    edit(root, lambda m: measured(m, "parts", "sum").update(other))
    all_cells("whole", "sum_half_width", 12.26)(root)
    all_cells("parts", "sum_half_width", 10.77)(root)


def two_cells(root):
    """The table of one cell has two."""
    rewrite(root, "sums", lambda frame: pl.concat([frame, frame]))


def no_noise(root):
    """Every cell is told as the same number."""
    all_cells("weekly", "learners", 20)(root)


def no_noise_in_few_cells(root):
    """The same of six cells, whose noise is large."""
    all_cells("rows", "events", 20)(root)


def rounded(root):
    """Figures are rounded to fives, so that they are farther off than is told."""
    rewrite(root, "weekly", lambda f: f.with_columns((pl.col("learners") // 5 * 5).cast(pl.Int64)))


def added_up(root):
    """A table is the sum of another one, whose noise is not its own."""
    of = pl.read_parquet(root / "data/by_bin.parquet")
    sums = of.group_by("week", maintain_order=True).agg(pl.col("learners").sum())
    rewrite(root, "weekly", lambda f: f.with_columns(sums["learners"]))


@pytest.mark.parametrize("forge", [no_noise, no_noise_in_few_cells, rounded, added_up])
def test_figures_that_noise_does_not_give(tmp_path, forge):
    """What an honest table is like with a probability below 1e-9, whatever was counted."""
    root = build(tmp_path / "package", LONG)
    assert failed(root) == set()
    forge(root)
    assert failed(root) == {"checksums", "figures"}
    seal(root)
    assert failed(root) == {"figures"}


ZCDP_FORGERIES = [
    (gaussian_epsilon, {"costs"}),
    (whole_epsilon, {"totals", TEXT}),
    (smaller_rho, {"costs"}),
    (laplace_count, {"half-widths", TEXT}),
    (two_cells, {"grid"}),
    (all_cells("sums", "sum_half_width", 3919), {"half-widths"}),
    (all_cells("sums", "sum_half_width", 3922), {"half-widths"}),
    (all_cells("means", "learners_half_width", 7), {"half-widths"}),
    # As if counts had the decimals of the values that are added up.
    (all_cells("means", "learners_half_width", 800), {"half-widths"}),
    (all_cells("medians", "q50_rank_half_width", 21.32), {"half-widths"}),
    (all_cells("whole", "sum_half_width", 9.64), {"half-widths"}),
    (all_cells("parts", "sum_half_width", 7.34), {"half-widths"}),
    (laplace_parts, {"half-widths", TEXT}),
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
            "micro_epsilon": 6_650_001,
            "micro_rho": manifest["kohort"]["privacy"]["micro_rho"] - 500_000,
            "atto_delta": 120_000,
        }

    edit(root, forget)
    text = (root / "README.md").read_text()
    kept = [line for line in text.splitlines() if "found: " not in line]
    (root / "README.md").write_text("\n".join(kept))
    retell(root, "epsilon = 7.650001, delta = 1.7409361e-11", "epsilon = 6.650001, delta = 1.2e-13")


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
    retell(root, "epsilon = 7.650001", "epsilon = 7.400001")


def swap_noise(root):
    """Two tables that agree are told with one another's noise: the charge has both draws.

    v = 2 * 300^2, c = 2 * 600^2, w = 12 / 13: v w = 166153.8, c (1 - w / 3) = 498461.5, of which
    2.1184 * 407.62 - 1/2 = 863.0 and 2.1184 * 706.02 - 1/2 = 1495.1.
    """

    def swap(manifest):
        one, other = (measured(manifest, table, "events") for table in ("events", "margin"))
        one["table"], other["table"] = "margin", "events"
        drawn = manifest["kohort"]["measurements"]
        i, j = drawn.index(one), drawn.index(other)
        drawn[i], drawn[j] = other, one

    edit(root, swap)
    all_cells("margin", "events_half_width", 864)(root)
    all_cells("events", "events_half_width", 1496)(root)
    said = "events: discrete-laplace noise, scale"
    retell(root, f"margin: {said} 600", f"margin: {said} 3")
    retell(root, f"events: {said} 300", f"events: {said} 600")
    retell(root, f"margin: {said} 3,", f"margin: {said} 300,")


def swap_noise_and_places(root):
    """The same, and the tables stand in one another's place, so that the draws do not."""
    swap_noise(root)

    def swap(manifest):
        for some, key in (
            (manifest["resources"], "name"),
            (manifest["kohort"]["measurements"], "table"),
        ):
            i, j = (
                next(i for i, o in enumerate(some) if o[key] == n) for n in ("events", "margin")
            )
            some[i], some[j] = some[j], some[i]

    edit(root, swap)


def of_another_charge(root):
    """The same request, charged once more for another version of the data."""
    edit(root, lambda m: m.update(name="told-2f00a3c2"))


UNAPPROVED = [
    (kohort(request_sha256="2" * 64), {"approval"}),
    (kohort(catalogue_sha256="2" * 64), {"approval"}),
    (kohort(access="public"), {"approval"}),
    (other_family, {"approval"}),
    (value_as_key, {"approval"}),
    (leave_a_table_out, {"approval", "ledger"}),
    (less_than_charged, {"ledger"}),
    (swap_noise, {"ledger"}),
    (swap_noise_and_places, {"approval"}),
    (of_another_charge, {"ledger"}),
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
    """The charge has a draw more than the package tells."""
    approval = approve(tmp_path / "approval.json", pure)
    document = json.loads(approval.read_text())
    document["charge"]["measurements"].append(document["charge"]["measurements"][0])
    approval.write_text(json.dumps(document))
    assert failed(pure, approval) == {"ledger"}
