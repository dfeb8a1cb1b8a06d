"""The parts of an aggregate package that people read: README and codebook.

The checker builds the lines of the promise anew from the manifest, by its own code, and demands
each of them.
"""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from pipelines.package.text import history
from schemas import manifest as m


def readme(manifest: m.AggregateManifest) -> str:
    """The README: what this is, what it promises in words, what it does not."""
    promise = manifest.promise
    tables = "\n".join(f"- `{t.path}`: {_rows(t)}" for t in manifest.resources)
    first = manifest.resources[0]
    return f"""# {manifest.title}

Noisy figures about groups of learners, made by kohort on {manifest.created[:10]} under differential
privacy. Rights and consent were read as of {promise.cut_off}; every learner counted has a recorded
permission on one of these legal bases: {", ".join(promise.legal_bases)}.

{tables}

`codebook.md` explains every column; `datapackage.json` says the same to programs. Figures are
signed: noise takes a small count below 0 at times, and who sets it to 0 makes sums of many cells
too large. Beside each figure stands the half-width of its 95% interval.
{_csv(manifest)}
```python
import polars as pl
{first.name} = pl.read_parquet("{first.path}")
```

## What is promised
{(chr(10) * 2).join(promise_lines(manifest))}

What that means: whoever sees this release, whatever else he knows or computes, can tell whether
some learner was in the data no better than these numbers allow: the smaller they are, the less.
Bounds and clamps are public and were chosen without the data; so were {_cells_text(manifest)}.
The figures of this release share its cost; each of them alone tells less.
{_agreement(manifest)}
Check the files yourself: `kohort verify .` reads them as they are.

## What is not promised
- {error_line()}
- What is true of a group (of everybody in a course, say) is not hidden, only who is in it.
{_discovered(manifest)}- {_access(promise)}
{history(promise.audit_head)}"""


def _cells_text(manifest: m.AggregateManifest) -> str:
    found = [t.name for t in manifest.resources if t.query.keys == m.DISCOVERED]
    if not found:
        return "the cells, of which every one is told"
    named = ", ".join(f"`{name}`" for name in found)
    return (
        f"the cells, but those of {named}: they are\nthose whose noisy count exceeds a threshold, "
        "which a cell of one learner hardly ever does"
    )


def _discovered(manifest: m.AggregateManifest) -> str:
    """Why intervals of discovered cells fail more often."""
    if not any(t.query.keys == m.DISCOVERED for t in manifest.resources):
        return ""
    return (
        "- Of cells whose noisy count is near their threshold fewer than 95% of the intervals "
        "hold: only those are told that noise left above it.\n"
    )


def _agreement(manifest: m.AggregateManifest) -> str:
    """Why some half-widths are not those of one draw."""
    pairs = [t for t in manifest.resources if t.query.consistent_with]
    if not pairs:
        return ""
    named = ", ".join(f"`{table.name}`" for table in pairs)
    return (
        f"\n{named} were drawn apart and then made to agree, at no cost; their\n"
        "half-widths are of what came of it.\n"
    )


def promise_lines(manifest: m.AggregateManifest) -> Iterator[str]:
    """The lines of the promise, each a paragraph of its own."""
    promise = manifest.promise
    yield (
        "Unit of privacy: one learner, with all that the source holds of that learner; which ids "
        "are one learner's is taken as given. Adjacency: with and without one learner."
    )
    yield cost_line(promise.privacy)
    yield (
        f"Its cost adds to that of every other noisy release of the family {promise.family}; "
        "k-anonymous microdata has no such bound, so no epsilon is true of both together."
    )
    for table in manifest.resources:
        number = table.query.cells
        cells = f"{number} cell{'' if number == 1 else 's'}"
        yield f"{table.name}: each learner counts in at most {cells}."
        for one in promise.measurements:
            if one.table == table.name:
                yield measurement_line(one, table.query)


def cost_line(privacy: m.Privacy) -> str:
    """What everything together costs, in words."""
    delta = delta_text(privacy.atto_delta)
    if privacy.micro_epsilon is None:
        return (
            "This release is delta-approximate rho-zCDP: "
            f"rho = {decimal_text(privacy.micro_rho)}, delta = {delta}."
        )
    return (
        "This release is (epsilon, delta)-differentially private: "
        f"epsilon = {decimal_text(privacy.micro_epsilon)}, delta = {delta}."
    )


def measurement_line(one: m.Measurement, query: m.Query) -> str:
    """One draw in words: what the noise is on, how large it is, what a learner changes."""
    draw, columns = one.draw, ", ".join(one.columns)
    if draw.mechanism == m.NOISY_MAX:
        return (
            f"{one.table}: {columns}: noisy-max selection among {query.candidates} values, "
            f"scale {draw.scale}, score sensitivity {draw.linf}, in ten-thousandths of a rank."
        )
    return (
        f"{one.table}: {columns}: {draw.mechanism} noise{_noisy_part(one, query)}, "
        f"scale {draw.scale}, a learner changes a cell by at most {draw.linf}."
    )


def _noisy_part(one: m.Measurement, query: m.Query) -> str:
    """What has the noise, where that is not the column itself."""
    if query.metric == m.QUANTILES:
        return f" on the counts of {query.candidates} bins"
    step = f"in steps of 1e-{query.decimals}"
    if "mean" in one.columns:
        return f" on the sum of (value - middle of the bounds), {step}"
    return f" on the sum, {step}" if query.metric == m.SUM else ""


def error_line() -> str:
    """What is not in the error that is told."""
    return (
        "The error that is told is the noise alone: what contribution bounds, clamps, rounding and "
        "rules for unknown values leave out is not in it."
    )


def decimal_text(micro: int) -> str:
    """Millionths as a decimal, without trailing zeros."""
    return f"{Decimal(micro).scaleb(-6).normalize():f}"


def delta_text(atto: int) -> str:
    """1e-18ths of delta: `0`, or such as `1.2e-13`."""
    return f"{Decimal(atto).scaleb(-18).normalize():e}" if atto else "0"


def codebook(manifest: m.AggregateManifest) -> str:
    """Every table and column, and the noise that each figure has."""
    drawn = manifest.promise.measurements
    tables = "".join(_table(table, drawn) for table in manifest.resources)
    return f"# Codebook: {manifest.title}\n{tables}\n{error_line()}\n"


def _table(table: m.CellTable, drawn: Sequence[m.Measurement]) -> str:
    head = "| column | role | type | meaning | noise | values |\n|---|---|---|---|---|---|\n"
    of = {name: one.draw for one in drawn if one.table == table.name for name in one.columns}
    rows = "".join(_row(field, of.get(field.name)) for field in table.fields)
    return f"\n## {table.name}\n{_rows(table)}. {_bounds(table.query)}\n\n{head}{rows}"


def _row(field: m.CellField, draw: m.Draw | None) -> str:
    values = "; ".join(field.enum)
    noise = "" if draw is None else _noise(draw)
    cells = (field.name, field.role, field.type, field.description, noise, values)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _noise(draw: m.Draw) -> str:
    """Mechanism, scale and sensitivity of one figure; a mean's are those of its sum."""
    scale = float(Fraction(draw.scale))
    moved = draw.l0 * draw.linf if draw.norm == "L1" else math.sqrt(draw.l0) * draw.linf
    return (
        f"{draw.mechanism}, scale {scale:.7g}; sensitivity: L0 {draw.l0}, Linf {draw.linf}, "
        f"{draw.norm} {moved:.7g}"
    )


def _rows(table: m.CellTable) -> str:
    keys = ", ".join(table.primary_key)
    if table.query.keys == m.DISCOVERED:
        return f"one row a {keys} whose noisy count exceeds {table.query.threshold}"
    return f"one row a {keys}, every combination" if keys else "one row"


def _bounds(query: m.Query) -> str:
    """The bounds of what one learner adds, and the rule for unknown values."""
    cells = f"{query.cells} cell{'' if query.cells == 1 else 's'}"
    parts = [f"A learner counts in at most {cells}, drawn by lot where he is in more"]
    if query.most is not None:
        parts.append(f"with at most {query.most} rows in each")
    if query.bounds is not None:
        low, high = query.bounds
        parts.append(
            f"with a value clamped to {low:g} to {high:g}, rounded to {query.decimals} decimals"
        )
    if query.nulls is not None:
        parts.append(query.nulls)
    if query.least is not None:
        parts.append(f"no mean is told where the noisy count is below {query.least}")
    if query.candidates is not None:
        parts.append(
            f"a quantile is told as one of {query.candidates} values, evenly between the bounds"
        )
    if query.consistent_with:
        parts.append(f"sums agree with {', '.join(query.consistent_with)}")
    return "; ".join(parts) + "."


def _csv(manifest: m.AggregateManifest) -> str:
    files = [table.csv_path for table in manifest.resources if table.csv_path]
    if not files:
        return ""
    named = ",\n".join(f"`{file}`" for file in files)
    return (
        f"The same tables as CSV: {named}.\n"
        "There a key that a spreadsheet would run as a formula (it starts with `=`, `+`, `-`,\n"
        "`@`, a tab, a return or `'`) has a `'` in front; take it off before use.\n"
    )


def _access(promise: m.AggregatePromise) -> str:
    if promise.access == "public":
        return "It may be published."
    return "It is for controlled access: do not pass it on."
