"""`kohort verify`: recompute a package's promises, or count learners per class in any file."""

import json
from pathlib import Path
from typing import ClassVar

import click


class _UnreadableError(click.ClickException):
    """What was named can't be read: told in one line."""

    exit_code: ClassVar[int] = 2


@click.command(
    name="verify",
    epilog=(
        "\b\nExamples:\n"
        "  kohort verify out/\n"
        "  kohort verify out/ --approval approval.json --json\n"
        "  kohort verify out/ --absent-key absent.json\n"
        "  kohort verify out/ --linked-with earlier/\n"
        "  kohort verify --count studentInfo.csv --learner id_student --qi gender,region --k 5"
        "\n\n\b\nExit codes:\n"
        "  0  every promise holds; every class has at least k learners\n"
        "  1  a promise is broken; a class is below k\n"
        "  2  not a readable package or file; wrong usage"
    ),
)
@click.argument("package", type=click.Path(path_type=Path), required=False)
@click.option(
    "--approval",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=(
        "Hold roles, k, m, scope and bounds, or noise, against what the steward approved, and "
        "every file against what was written."
    ),
)
@click.option(
    "--absent-key",
    "absent",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check that a learner is not in it, by what `kohort release pseudonyms` wrote.",
)
@click.option(
    "--linked-with",
    "linked",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PACKAGE",
    help="Recount the promise on the union with this package of the same project. Repeatable.",
)
@click.option(
    "--count",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Count distinct learners per class in this CSV or Parquet file instead.",
)
@click.option("--learner", metavar="COLUMN", help="With --count: the column naming the learner.")
@click.option("--qi", metavar="A,B,C", help="With --count: the columns an attacker knows.")
@click.option("--k", type=click.IntRange(min=1), help="With --count: the threshold.")
@click.option("--separator", metavar="CHAR", help="With --count: CSV separator.  [default: ,]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify(
    context: click.Context,
    *,
    package: Path | None,
    approval: Path | None,
    absent: Path | None,
    linked: tuple[Path, ...],
    file: Path | None,
    learner: str | None,
    qi: str | None,
    k: int | None,
    separator: str | None,
    as_json: bool,
) -> None:
    """Recompute every promise of PACKAGE from its written bytes.

    The checker shares no code with what builds packages. With --count it counts distinct learners
    per class in any table.
    """
    if (package is None) == (file is None):
        raise click.UsageError("give either PACKAGE or --count FILE")
    if package is not None:
        if any(value is not None for value in (learner, qi, k, separator)):
            raise click.UsageError("--learner, --qi, --k and --separator go with --count FILE")
        ok = _verify(package, approval, absent, linked, as_json=as_json)
    elif file is not None and learner is not None and qi is not None and k is not None:
        if approval is not None or absent is not None or linked:
            raise click.UsageError("--approval, --absent-key and --linked-with go with PACKAGE")
        ok = _count(file, learner, qi, k, separator or ",", as_json=as_json)
    else:
        raise click.UsageError("--count FILE needs --learner, --qi and --k")
    context.exit(0 if ok else 1)


def _verify(
    package: Path,
    approval: Path | None,
    absent: Path | None,
    linked: tuple[Path, ...],
    *,
    as_json: bool,
) -> bool:
    # Heavy imports on use: `--help` answers at once.
    from pipelines.verify import (  # noqa: PLC0415
        UnreadablePackageError,
        Verification,
        verify_package,
        verify_union,
    )
    from pipelines.verify.report import (  # noqa: PLC0415
        union_json,
        union_table,
        verification_json,
        verification_table,
    )

    try:
        found = verify_package(package, approval, absent)
        if linked and not isinstance(found, Verification):
            raise _UnreadableError(
                f"--linked-with joins microdata; PACKAGE is a release of type {found.release_type}"
            )
        union = verify_union([package, *linked]) if linked else None
    except UnreadablePackageError as error:
        raise _UnreadableError(str(error)) from None
    if as_json:
        more = {} if union is None else {"union": union_json(union)}
        click.echo(json.dumps(verification_json(found) | more))
    else:
        click.echo(verification_table(found))
        if union is not None:
            click.echo(union_table(union))
    return found.ok and (union is None or union.ok)


def _count(file: Path, learner: str, qi: str, k: int, separator: str, *, as_json: bool) -> bool:
    if len(separator) != 1 or not separator.isascii():
        raise click.UsageError("--separator is one ASCII character")
    # Heavy imports on use: `--help` answers at once.
    from pipelines.verify import CountError, count_learners  # noqa: PLC0415
    from pipelines.verify.report import count_json, count_table  # noqa: PLC0415

    columns = [column.strip() for column in qi.split(",") if column.strip()]
    try:
        result = count_learners(file, learner, columns, k=k, separator=separator)
    except CountError as error:
        raise _UnreadableError(str(error)) from None
    click.echo(json.dumps(count_json(result)) if as_json else count_table(result))
    return result.ok
