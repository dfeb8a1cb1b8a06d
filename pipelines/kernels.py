"""Compiled kernels on disk: none older than the code they were made of."""

from contextlib import suppress
from pathlib import Path

import anonymizer


def drop_stale_kernels() -> None:
    """Remove compiled kernels of the privacy core that are older than any of its files.

    numba asks only the file of the function called, and would run what was compiled of an older
    version of one that it calls in another file.
    """
    home = Path(anonymizer.__file__).parent
    with suppress(OSError):  # a read-only installation, or another process that does the same
        newest = max((file.stat().st_mtime for file in home.glob("*.py")), default=0.0)
        for file in home.glob("__pycache__/*.nb[ci]"):
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < newest:
                    file.unlink()
