"""`kohort anonymize`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipelines.cli.options import json_option

if TYPE_CHECKING:
    from pipelines.single_options import MetricName, RecodingName

_EPILOG: Final = """\b
Examples:
  kohort anonymize adult.csv --out safe.csv --separator ';' --hierarchies adult --k 5
  kohort anonymize studentInfo.csv --out safe.csv --hierarchies ladders --k 5 \\
      --learner id_student --l final_result=2 --suppression-limit 0.05

\b
--json prints one object:
  node                 level of each quasi-identifier in the order of the CSV; null if local
  metric               what was minimized: loss, discernibility or aecs
  loss                 ARX's Loss with the weights; 0 is best
  discernibility       kept classes squared, plus learners times suppressed learners
  aecs                 average equivalence class size
  granularity          ARX's granularity; 1 is best
  suppressed_rows, suppressed_learners, classes, smallest_class
  cpu_seconds          processor time of the search alone, without compilation
  exact                whether no better full-domain recoding exists; false if local
"""


@click.command(epilog=_EPILOG)
@click.argument("file", metavar="IN.csv", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    required=True,
    metavar="OUT.csv",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to make; it must not exist.",
)
@click.option(
    "--hierarchies",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="ARX's hierarchy files, <anything>_hierarchy_<column>.csv, separated by ; or like IN.csv. "
    "Every column with one is a quasi-identifier.",
)
@click.option(
    "--k",
    required=True,
    type=click.IntRange(min=1, max=1_000_000_000),
    help="Every class is shared by so many distinct learners.",
)
@click.option(
    "--separator", metavar="CHAR", default=",", show_default=True, help="Of IN.csv and OUT.csv."
)
@click.option(
    "--learner", metavar="COLUMN", help="Who a row is about. Without it each row is a person."
)
@click.option(
    "--l",
    "diversities",
    multiple=True,
    metavar="COLUMN=L",
    help="Sensitive column: distinct l-diversity; entropy:L and recursive:C:L for the other "
    "kinds. May be repeated.",
)
@click.option(
    "--t",
    "closenesses",
    multiple=True,
    metavar="COLUMN=T",
    help="Sensitive column: t-closeness. May be repeated.",
)
@click.option(
    "--t-distance",
    "distances",
    multiple=True,
    metavar="COLUMN=DISTANCE",
    help="equal (default), ordered (by number, or as its hierarchy file lists the values) or "
    "hierarchical. May be repeated.",
)
@click.option(
    "--suppression-limit",
    metavar="SHARE",
    default="0",
    show_default=True,
    help="The share of learners (of rows without --learner) that may be left out.",
)
@click.option(
    "--metric",
    type=click.Choice(["loss", "discernibility", "aecs"]),
    default="loss",
    show_default=True,
    help="What global recoding minimizes.",
)
@click.option(
    "--recoding",
    type=click.Choice(["global", "local"]),
    default="global",
    show_default=True,
    help="One level a column for everybody, or levels that differ from class to class.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="COLUMN=W",
    help="How much the loss of a quasi-identifier matters; 1 if not given. May be repeated.",
)
@json_option
def anonymize(
    file: Path,
    *,
    out: Path,
    hierarchies: Path,
    k: int,
    separator: str,
    learner: str | None,
    diversities: tuple[str, ...],
    closenesses: tuple[str, ...],
    distances: tuple[str, ...],
    suppression_limit: str,
    metric: "MetricName",
    recoding: "RecodingName",
    weights: tuple[str, ...],
    as_json: bool,
) -> None:
    """Anonymize one table: generalize quasi-identifiers until k distinct learners share each class.

    OUT.csv holds the generalized quasi-identifiers and the columns of --l and --t, sorted. All
    other columns are left out, and named on stderr. Suppressed learners leave with all their rows.
    Cells that a spreadsheet would run as formulas, such as -1, get an apostrophe in front. An empty
    cell is a value of its own, (missing). A learner whose rows differ in a
    quasi-identifier gets the values of the first in every row. A class holds a sensitive value for
    every learner who has it in any row. --t compares with all rows of IN.csv, suppressed ones
    included, as ARX does.
    """
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n\0':
        raise click.UsageError("--separator is one ASCII character, no quote and no line end")
    # Heavy imports on use: `--help` answers at once.
    from pipelines.single import anonymize_file  # noqa: PLC0415
    from pipelines.single_options import (  # noqa: PLC0415
        Options,
        pairs,
        read_distance,
        read_diversity,
        read_number,
        read_share,
    )

    options = Options(
        k=k,
        learner=learner,
        diversity=tuple(read_diversity(c, v) for c, v in pairs("--l", diversities).items()),
        closeness={c: read_number("--t", c, v) for c, v in pairs("--t", closenesses).items()},
        distances={c: read_distance(c, v) for c, v in pairs("--t-distance", distances).items()},
        suppression_limit=read_share(suppression_limit),
        metric=metric,
        recoding=recoding,
        weights={c: read_number("--weight", c, v) for c, v in pairs("--weight", weights).items()},
    )
    result = anonymize_file(
        file, out, hierarchies=hierarchies, separator=separator, options=options
    )
    for note in result.notes:
        # A column's name may hold a line end.
        click.echo(f"note: {' '.join(note.split())}", err=True)
    report = result.report
    if as_json:
        click.echo(json.dumps(asdict(report)))
        return
    who = "rows" if learner is None else "learners"
    levels = "local recoding" if report.node is None else f"levels {list(report.node)}"
    click.echo(f"{out}: {len(result.table):,} rows, {levels}")
    click.echo(
        f"{report.classes:,} classes, the smallest of {report.smallest_class:,} {who} (k = {k}); "
        f"{report.suppressed_learners:,} {who} suppressed"
    )
    click.echo(
        f"loss {report.loss:.4f}, granularity {report.granularity:.4f}, "
        f"average class size {report.aecs:.2f}, discernibility {report.discernibility:,}; "
        f"search {report.cpu_seconds:.2f} s"
    )
