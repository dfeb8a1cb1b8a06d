"""Keys: 32 random bytes in files that only their owner can read, apart from everything else."""

import os
from pathlib import Path
from typing import Final

from pipelines.errors import SettingsError

KEY_BYTES: Final = 32
_FOLDER: Final = "keys"
_REGISTRY: Final = "registry.key"


def create_keys(root: Path) -> None:
    """Make the key folder and the registry key of a new workspace."""
    folder = root / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / _REGISTRY).exists():
        _write_key(folder / _REGISTRY, os.urandom(KEY_BYTES))


def registry_key(root: Path) -> bytes:
    """The key under which the rights registry knows learners.

    Raises:
        SettingsError: the key is missing or not a key.
    """
    path = root / _FOLDER / _REGISTRY
    try:
        key = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: the registry key can't be read ({error.strerror})") from None
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{path}: a key has {KEY_BYTES} bytes; restore it from your backup")
    return key


def store_release_key(root: Path, release: str, key: bytes) -> Path:
    """Keep the key of one release; destroying the file makes its pseudonyms unlinkable."""
    path = root / _FOLDER / f"release-{release}.key"
    _write_key(path, key)
    return path


def _write_key(path: Path, key: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
