"""The parts of a synthetic package that people read: README and codebook."""

from collections.abc import Sequence

from pipelines.aggregates.text import codebook as codebook_of_cells
from pipelines.aggregates.text import error_line, promise_lines
from pipelines.package.text import history, table_text
from pipelines.twins.plan import TwinColumn
from schemas import manifest as m
from schemas.roles import WITHHELD, Role


def readme(manifest: m.SyntheticManifest) -> str:
    """The README: what this is, what it promises in words, what it is good for and what not."""
    cells, twin = manifest.cells, manifest.twin
    promise = cells.promise
    invented = "\n".join(f"- `{t.path}`: {_rows(t)}" for t in manifest.tables)
    first = manifest.tables[0]
    return f"""# {cells.title}

Invented learners, made by kohort on {cells.created[:10]} to stand in for an extract: the same
tables and columns, so that an analysis can be written and tried before the extract is approved.
Its values may be coarser than these. Nobody in them is real. Rights and consent were read as of
{promise.cut_off}; every learner that was counted has a recorded permission on one of these legal
bases: {", ".join(promise.legal_bases)}.

{invented}
- {_marginals(cells)}: the noisy figures that these learners were drawn from

`codebook.md` explains every column and value; `datapackage.json` says the same to programs. In the
tables of learners every column is text from a closed list, and there are no nulls.
{_csv(manifest)}
```python
import polars as pl
{first.name} = pl.read_parquet("{first.path}")
```

## What is promised
{(chr(10) * 2).join([*promise_lines(cells), invented_line(manifest)])}

What that means: whoever sees this release, whatever else he knows or computes, can tell whether
some learner was in the data no better than these numbers allow: the smaller they are, the less.
Labels and cells are public and were chosen without the data. Check the files yourself:
`kohort verify .` reads them as they are.

## What it is good for
Write and try code on it. Do not publish results from it: only what the noisy figures tell is kept,
which is how often the labels of these columns occur together:

{_kept(cells)}

What is not in there is made up as if it did not depend on one another.
{_of_rows(twin)}
## How an extract differs
Here every value stands at one level of detail, which was asked for. In an extract it may be
coarser, for everybody or for some, so that nobody is alone with it; where it is withheld it is
`{WITHHELD}`. Code that asks for values by name, or for all but one, then counts wrongly and says
nothing: `codebook.md` lists for every column what an extract may show instead. Look at yours.

## What is not promised
- {error_line()}
- Figures computed from invented learners are about them. How near they come to the real ones is
  told to the steward alone, for that was not paid for.
- What is true of a group is not hidden, only who is in it.
- {_access(promise)}
{history(promise.audit_head)}"""


def invented_line(manifest: m.SyntheticManifest) -> str:
    """Where the invented learners come from; the checker demands this line."""
    tables = ", ".join(f"`{table.name}`" for table in manifest.tables)
    return (
        f"The learners in {tables} are invented: they were drawn from a model of the noisy figures "
        f"in {_marginals(manifest.cells)} alone, so what is true of those figures' privacy is true "
        "of them."
    )


def codebook(manifest: m.SyntheticManifest, columns: Sequence[TwinColumn]) -> str:
    """Every table and column: those of invented learners, then what was measured.

    Args:
        manifest: what the package says of itself.
        columns: of the invented learners, with all that an extract may show of them.
    """
    tables = "".join(table_text(table) for table in manifest.tables)
    head, _, cells = codebook_of_cells(manifest.cells).partition("\n")
    return f"{head}\n{tables}{_instead(columns)}{cells}"


def _instead(columns: Sequence[TwinColumn]) -> str:
    """What an extract may show of a column beyond its values here: the rest of its hierarchy."""
    rows = []
    for column in columns:
        if column.role is not Role.ITEM:
            others = [label for label in column.ladder.domain() if label not in column.labels]
            cells = (column.name, "; ".join(others))
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    if not rows:
        return ""
    return (
        "\n## What an extract may show instead\n"
        f"Beside the values above, or in their place; `{WITHHELD}` means that one is withheld.\n\n"
        f"| column | values |\n|---|---|\n{''.join(rows)}"
    )


def _marginals(cells: m.AggregateManifest) -> str:
    names = [f"`{table.name}`" for table in cells.resources]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _kept(cells: m.AggregateManifest) -> str:
    return "\n".join(f"- {' x '.join(table.primary_key)}" for table in cells.resources)


def _of_rows(twin: m.Twin) -> str:
    if twin.item is None:
        return ""
    return (
        f"`{m.ROWS_KEY}` is how many rows a learner has, up to {twin.most_rows}. Of each learner "
        "one row was\n"
        "counted, so nothing of how the rows of one learner go together is kept, but that no\n"
        f"`{twin.item}` comes twice.\n"
    )


def _rows(table: m.Resource) -> str:
    return (
        "one row an invented learner"
        if table.grain == m.LEARNER_GRAIN
        else "one row an invented learner and item"
    )


def _csv(manifest: m.SyntheticManifest) -> str:
    files = [table.csv_path for table in manifest.resources if table.csv_path]
    if not files:
        return ""
    return (
        "The same tables lie beside them as CSV. There a cell that a spreadsheet would run as a\n"
        "formula (it starts with `=`, `+`, `-`, `@`, a tab, a return or `'`) has a `'` in front;\n"
        "take it off before use.\n"
    )


def _access(promise: m.AggregatePromise) -> str:
    if promise.access == "public":
        return "It may be published."
    return "It is for controlled access: do not pass it on."
