"""Files that hold learners' rows: readable by their owner only."""

import os
from pathlib import Path
from typing import BinaryIO


def create_private(path: Path) -> BinaryIO:
    """Create a file with mode 0600, and open it for writing.

    Raises:
        FileExistsError: it is there already.
    """
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
