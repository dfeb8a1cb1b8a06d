"""Opening a source, whatever it is."""

from pathlib import Path

from pipelines.errors import SourceError
from pipelines.sources.database import open_database
from pipelines.sources.files import open_folder, open_zip
from pipelines.sources.tables import Source


def open_source(location: str, *, base: Path) -> Source:
    """Open a zip, a folder or a database; nothing of its rows is read yet.

    Args:
        location: a path, or an SQLAlchemy URL.
        base: what a relative path starts from.

    Raises:
        SourceError: there is nothing there, or nothing that kohort reads.
    """
    if "://" in location:
        return open_database(location, base=base)
    path = base / location
    try:
        path.stat()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}; check the location") from None
    if path.is_dir():
        return open_folder(path)
    if path.suffix.lower() in (".csv", ".parquet"):
        raise SourceError(f"{path}: one file; name the folder that holds the tables")
    if path.suffix.lower() in (".db", ".sqlite", ".sqlite3"):
        raise SourceError(f"{path}: a database is named by its URL, sqlite:///{location}")
    return open_zip(path)
