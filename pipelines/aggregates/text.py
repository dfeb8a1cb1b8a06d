"""The parts of an aggregate package that people read: README and codebook.

The checker builds the lines of the promise anew from the manifest, by its own code, and demands
each of them.
"""

from collections.abc import Iterator
from decimal import Decimal

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

What that means: whoever sees this release, whatever else he knows or computes, can tell hardly
better whether some learner was in the data than without it. Grids, bounds and clamps are public
and were chosen without the data. The figures of this release share its cost; each of them alone
tells less.

Check the files yourself: `kohort verify .` reads them as they are.

## What is not promised
- {error_line()}
- What is true of a group (of everybody in a course, say) is not hidden, only who is in it.
- {_access(promise)}
{_history(promise)}"""


def promise_lines(manifest: m.AggregateManifest) -> Iterator[str]:
    """The lines of the promise, each a paragraph of its own."""
    promise = manifest.promise
    yield (
        "Unit of privacy: one learner, with all that the source holds of that learner. Adjacency: "
        "with and without one learner."
    )
    yield cost_line(promise.privacy)
    yield (
        f"Its cost adds to that of every other aggregate release of the family {promise.family}; "
        "k-anonymous microdata has no such bound, so no epsilon is true of both together."
    )
    for table in manifest.resources:
        yield f"{table.name}: each learner counts in at most {table.query.cells} cells."
        yield from (measurement_line(o) for o in promise.measurements if o.table == table.name)


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


def measurement_line(one: m.Measurement) -> str:
    """One draw in words."""
    draw = one.draw
    columns = ", ".join(one.columns)
    if draw.mechanism == m.NOISY_MAX:
        return (
            f"{one.table}: {columns}: noisy-max selection, scale {draw.scale}, "
            f"score sensitivity {draw.linf}."
        )
    return (
        f"{one.table}: {columns}: {draw.mechanism} noise, scale {draw.scale}, "
        f"a learner changes a cell by at most {draw.linf}."
    )


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
    """Every table and column."""
    return f"# Codebook: {manifest.title}\n" + "".join(_table(t) for t in manifest.resources)


def _table(table: m.CellTable) -> str:
    head = "| column | role | type | meaning | values |\n|---|---|---|---|---|\n"
    rows = "".join(_row(field) for field in table.fields)
    return f"\n## {table.name}\n{_rows(table)}. {_bounds(table.query)}\n\n{head}{rows}"


def _row(field: m.CellField) -> str:
    values = "; ".join(field.enum)
    cells = (field.name, field.role, field.type, field.description, values)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _rows(table: m.CellTable) -> str:
    keys = ", ".join(table.primary_key)
    if table.query.keys == m.DISCOVERED:
        return f"one row a {keys} whose noisy count exceeds {table.query.threshold}"
    return f"one row a {keys}, every combination" if keys else "one row"


def _bounds(query: m.Query) -> str:
    """The bounds of what one learner adds, and the rule for unknown values."""
    parts = [f"A learner counts in at most {query.cells} cells"]
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


def _history(promise: m.AggregatePromise) -> str:
    if promise.audit_head is None:
        return ""
    return (
        "\nWhen this was built, the audit chain of its registry ended in\n"
        f"`{promise.audit_head}`.\n"
        "Whoever keeps that registry shows with `kohort audit verify --head` and these digits\n"
        "that nothing recorded until then was changed or removed since, but for what an entry\n"
        "says that it rewrote.\n"
    )
