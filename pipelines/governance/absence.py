"""Proof of absence: the pseudonyms that one learner has or would have in a release.

A steward computes them while the key exists, and whoever holds the package can then see for himself
that none of them is in it: `kohort verify PACKAGE --absent-key FILE`. The file tells nothing of the
learner to anybody but who holds the package: there it singles him out, so it goes to nobody else.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

from anonymizer.pseudonyms import PSEUDONYM, CourseScope, LinkedScope, ReleaseScope, pseudonym_map
from pipelines.errors import OutputError, RegistryError, SettingsError
from pipelines.governance.database import open_registry, translated
from pipelines.governance.key_events import KeyKind, last_event, secret_of
from pipelines.governance.releases import ReleaseStatus
from pipelines.keys import key_id, read_secret
from pipelines.packing import package_name
from pipelines.settings import Workspace
from pipelines.store import stored
from schemas.manifest import ITEM, MANIFEST_NAME, Manifest, ManifestError, parse_manifest

ABSENT_FORMAT: Final = "kohort-absent/1"

_LEARNER: Final = "learner"
_ITEM: Final = "item"


def pseudonyms_of(
    workspace: Workspace, release: ReleaseStatus, ids: Iterable[str], *, package: Path | None
) -> list[str] | None:
    """Every pseudonym that a person has, or would have, in a release; sorted.

    Args:
        workspace: its keys, and the packages that it keeps.
        release: the release.
        ids: all canonical ids of the person.
        package: the release's package, where the workspace no longer keeps it.

    Returns:
        None where the key is destroyed: nobody can tell any more.

    Raises:
        RegistryError: the release is an aggregate; or its package is needed, and not at hand.
        SettingsError: the key is lost, another than on record, or can't be read.
    """
    demand_pseudonyms(release)
    if release.key_destroyed:  # its project may have another key by now
        return None
    key = _key(workspace, release)
    people = pl.DataFrame({_LEARNER: sorted(ids)}, schema={_LEARNER: pl.String})
    if release.scope == "course":
        labels = pl.DataFrame({_ITEM: _items(workspace, release, package)})
        pairs = people.join(labels, how="cross")
        named = pseudonym_map(pairs, CourseScope(), key=key, learner=_LEARNER, item=_ITEM)
    else:
        scope = ReleaseScope() if release.project is None else LinkedScope()
        named = pseudonym_map(people, scope, key=key, learner=_LEARNER, item=None)
    return sorted(named[PSEUDONYM].to_list())


def demand_pseudonyms(release: ReleaseStatus) -> None:
    """Refuse a release in which nobody has a pseudonym.

    Raises:
        RegistryError: it shows nobody.
    """
    if release.shows_nobody:
        raise RegistryError(
            f"release {release.id} is {release.noun}: it shows nobody, so no learner has a "
            "pseudonym in it"
        )


def write_absent(file: Path, release_id: str, pseudonyms: list[str] | None) -> None:
    """Write the file that `kohort verify --absent-key` reads; for its owner's eyes only.

    Raises:
        OutputError: it exists, or can't be written.
    """
    document = {
        "format": ABSENT_FORMAT,
        "package": package_name(release_id),
        "pseudonyms": pseudonyms,
    }
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(json.dumps(document, indent=2) + "\n")
    except FileExistsError:
        raise OutputError(f"{file} exists already; choose another --out, or remove it") from None
    except OSError as error:
        raise OutputError(f"{file}: can't be written ({error.strerror})") from None


def _key(workspace: Workspace, release: ReleaseStatus) -> bytes:
    """The key that a release's pseudonyms were made under: under another, nobody is in it.

    Raises:
        SettingsError: it is lost: its file is not here, or is another key's, and no record says
            that it was destroyed.
    """
    kind: KeyKind
    if release.project is None:
        kind, name, give_up = "release", release.id, f"release destroy-key {release.id}"
    else:
        kind, name = "project", release.project
        give_up = f"key destroy-project {release.project}"
    registry = open_registry(workspace.database)
    with translated(registry), registry.connect() as connection:
        last = last_event(connection, kind, name)
    key = read_secret(workspace.root, secret_of(kind, name))
    if key is None or (last is not None and last.key_id != key_id(key)):
        raise SettingsError(
            f"release {release.id}: its key is not in this workspace, and was not destroyed on "
            f"record; bring keys/{secret_of(kind, name)}.key from your backup or from the "
            f"workspace that built it, or give it up with `kohort {give_up}`"
        )
    return key


def _items(workspace: Workspace, release: ReleaseStatus, package: Path | None) -> list[str]:
    """Every item that the package may show."""
    manifest = _manifest(workspace, release, package)
    fields = (field for resource in manifest.resources for field in resource.fields)
    return sorted({label for field in fields if field.role == ITEM for label in field.enum})


def _manifest(workspace: Workspace, release: ReleaseStatus, package: Path | None) -> Manifest:
    if package is None:
        kept = stored(workspace.root, release.id)
        if kept is None:
            raise RegistryError(
                f"release {release.id}: its package is not kept here any more; name a copy of it "
                "with --package"
            )
        package = kept.package
    try:
        manifest = parse_manifest((package / MANIFEST_NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ManifestError):
        raise RegistryError(f"{package}: not a readable package") from None
    if manifest.name != package_name(release.id):
        raise RegistryError(f"{package}: the package of another release than {release.id}")
    return manifest
