"""The keys of a workspace by what they are for: the registry, a project, a release."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from pipelines.errors import SettingsError
from pipelines.keys.envelope import KEY_BYTES
from pipelines.keys.stored import FOLDER, read_secret, remove_secret, write_secret

REGISTRY: Final = "registry"
"""The name of the registry's secret."""

NEXT_REGISTRY: Final = "registry-next"
"""The name of what the registry's secret becomes when a rotation is on record."""


def release_secret(release: str) -> str:
    """The name of a release's secret."""
    return f"release-{release}"


def project_secret(project: str) -> str:
    """The name of a project's secret."""
    return f"project-{project}"


def create_keys(root: Path) -> bool:
    """Make the key folder and the registry key of a new workspace; one that is there stays.

    Returns:
        Whether the registry key is new.
    """
    (root / FOLDER).mkdir(mode=0o700, exist_ok=True)
    try:
        write_secret(root, REGISTRY, os.urandom(KEY_BYTES), replace=False)
    except FileExistsError:
        return False
    return True


def remove_new_keys(root: Path) -> None:
    """Take back what `create_keys` made, where it made the registry key."""
    remove_secret(root, REGISTRY)
    with suppress(OSError):  # other keys stay
        (root / FOLDER).rmdir()


def registry_key(root: Path) -> bytes:
    """The key under which the rights registry knows learners: 32 bytes, and 32 more a rotation.

    Raises:
        SettingsError: the key is missing or not a key, or can't be opened.
    """
    key = read_secret(root, REGISTRY)
    if key is None:
        raise SettingsError(
            f"{root / FOLDER}: the registry key is missing; restore it from your backup. Where it "
            "was destroyed (see `kohort key list`), no rights can be read any more"
        )
    return key


def store_release_key(root: Path, release: str, key: bytes) -> None:
    """Keep the key of one release; destroying it makes its pseudonyms unlinkable.

    Raises:
        FileExistsError: the release has one.
        OutputError: it can't be written.
    """
    write_secret(root, release_secret(release), key, replace=False)


def release_key(root: Path, release: str) -> bytes | None:
    """The key of one release; None where there is none: destroyed, as the registry tells, or lost.

    Raises:
        SettingsError: it can't be read.
    """
    return read_secret(root, release_secret(release))


def destroy_release_key(root: Path, release: str) -> None:
    """Overwrite and remove the key of one release; nothing happens where it is gone already."""
    remove_secret(root, release_secret(release))


def project_key(root: Path, project: str) -> bytes | None:
    """The key under which the extracts of a project are linked; None where there is none.

    Raises:
        SettingsError: it can't be read.
    """
    return read_secret(root, project_secret(project))


def make_project_key(root: Path, project: str, randomness: Callable[[int], bytes]) -> bytes:
    """The key of a project, made where it is new; of two processes at once, one makes it.

    Raises:
        SettingsError: it can't be read, or was destroyed at the same moment.
        OutputError: it can't be written.
    """
    if (known := project_key(root, project)) is not None:
        return known
    with suppress(FileExistsError):  # somebody else was faster: his is it
        write_secret(root, project_secret(project), randomness(KEY_BYTES), replace=False)
    key = project_key(root, project)
    if key is None:
        raise SettingsError(
            f"project {project}: its key was removed while it was made; run the command again"
        )
    return key
