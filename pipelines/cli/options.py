"""What several commands share: options, reading a text file."""

from pathlib import Path

import click

from pipelines.errors import RequestError

workspace_option = click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The workspace, or a folder below it. [default: the working directory]",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def read_text(file: Path) -> str:
    """The text of a request file.

    Raises:
        RequestError: it can't be read, or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RequestError(f"{file}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise RequestError(f"{file}: not UTF-8; save it as UTF-8") from None
