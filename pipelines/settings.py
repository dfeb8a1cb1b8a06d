"""The workspace: a folder with `kohort.toml`, `policy.toml`, the database and the keys."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipelines.errors import RoleError, SettingsError
from pipelines.keys import create_keys, remove_new_keys
from pipelines.people import EVERY_DUTY, Actor, Duty
from schemas.declaration import parse_toml
from schemas.policy import Policy
from schemas.violations import SchemaError

if TYPE_CHECKING:
    from sqlalchemy import URL

SETTINGS_FILE: Final = "kohort.toml"
POLICY_FILE: Final = "policy.toml"
DATABASE_FILE: Final = "kohort.sqlite"

_M = TypeVar("_M", bound=BaseModel)
_POLICY_TEXT: Final = """\
# What may leave, to whom, and on which legal basis. A request may ask for more privacy than this,
# never for less.
require_approval = {require_approval}
purposes = ["research"]
recipients = ["*"]                # addresses; `*@uni.example` is a pattern
projects = []                     # whose extracts may be linked by pseudonym
legal_bases = ["consent", "published-dataset"]
jurisdictions = ["*"]
minors = false                    # true, learners may be minors: k is at least special_category

[k]
controlled = 5
public = 11
special_category = 20

[limits]
suppression = 0.2                 # share of learners
maximum_share = 0.8               # of one sensitive value in a class

# [retention]
# days = 365                      # how long a controlled release may be kept; left out: no end
#
# [budget]                        # what differentially private releases may spend; left out: none
# epsilon_per_family = 4.0        # of one family of data, by everybody, for ever
# epsilon_per_purpose = 4.0       # of that, for one purpose; left out: all of it
# epsilon_per_recipient = 2.0     # of that, by one recipient; left out: all of it
# delta = 1e-9                    # below 1 / (10 x learners)
# regime = "pure"                 # or "zcdp", for Gaussian noise; stays from the first charge on
#
# [contributions]                 # what one learner adds to an aggregate, where a request leaves it
# cells = 2                       # out: in how many cells of a query he counts,
# events = 20                     # how many of his rows in a cell,
# bounds = {{ clicks = [0, 500] }}  # between which his value in a cell is clamped
#
# [places]                        # where recipients are
# "*@uni.example" = "EU"
#
# [transfers]                     # jurisdiction of a permission -> the places its rows may go to
# EU = ["EU"]
# "*" = ["EU", "US"]              # every other; left out: nowhere
"""

_SETTINGS_TEXT: Final = """\
# The sources that requests may name. `family` is coursera, oulad, or the path of a declaration;
# `location` is a zip, a folder of CSV or Parquet files, or an SQLAlchemy URL.
#
# database = "postgresql+psycopg://kohort@db.example/kohort"   # left out: kohort.sqlite here
#
# [people]                        # who may act with --as, and as what
# "r.lee@uni.example" = ["researcher"]
# "s.ahn@platform.example" = ["steward"]
# "e.diaz@platform.example" = ["engineer"]
"""


def _database(text: str) -> str:
    if re.fullmatch(r"postgresql(\+psycopg)?://\S+", text) is None:
        raise ValueError("write postgresql+psycopg://..., or leave it out for SQLite")
    return text


def _addresses(people: Mapping[str, frozenset[Duty]]) -> Mapping[str, frozenset[Duty]]:
    """In lower case, as they are compared; nobody is named twice."""
    if not all(re.fullmatch(r"[^@\s]+@[^@\s]+", address) for address in people):
        raise ValueError("addresses such as r.lee@uni.example were expected")
    folded = {address.casefold(): duties for address, duties in people.items()}
    if len(folded) < len(people):
        raise ValueError("an address stands there twice, in another case")
    return folded


DatabaseUrl = Annotated[str, AfterValidator(_database)]
"""A team's PostgreSQL; SQLite where it is left out."""


class SourceSettings(BaseModel):
    """One source: which family it belongs to, and where it lies."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    family: str
    location: str


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    database: DatabaseUrl | None = None
    sources: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], SourceSettings] = Field(
        default_factory=dict
    )
    people: Annotated[Mapping[str, frozenset[Duty]], AfterValidator(_addresses)] = Field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace that has been read and found valid."""

    root: Path
    sources: Mapping[str, SourceSettings]
    policy: Policy
    people: Mapping[str, frozenset[Duty]]
    server: str | None = None

    @property
    def database(self) -> "URL":
        """The address of the registry: the team's server, or the SQLite file beside this.

        Raises:
            SettingsError: the server's address is none.
        """
        # Heavy: `--help` answers at once.
        from sqlalchemy import URL, make_url  # noqa: PLC0415
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

        if self.server is None:
            return URL.create("sqlite", database=str(self.root / DATABASE_FILE))
        try:
            url = make_url(self.server)
        except (ArgumentError, ValueError):
            raise SettingsError(
                f"{self.root / SETTINGS_FILE}: database: no address; write "
                "postgresql+psycopg://user@host/name"
            ) from None
        if url.get_backend_name() == "postgresql":  # with or without the driver's name
            return url.set(drivername="postgresql+psycopg")
        return url

    def actor(self, name: str | None, *, login: str) -> Actor:
        """Who acts here.

        Where the settings name nobody, there is one person, with every duty: but nobody approves
        what he asks for himself.

        Args:
            name: the address that he acts under; None: his login.
            login: his account of the operating system.

        Raises:
            RoleError: the settings name people, and not him.
        """
        claimed = (name or login).casefold()
        if not self.people and name is None:
            return Actor(claimed, login, EVERY_DUTY)
        if claimed not in self.people:
            raise RoleError(
                f"{claimed} is not among [people] in {self.root / SETTINGS_FILE}; act as one of "
                "them with --as, or have the steward add you"
            )
        return Actor(claimed, login, self.people[claimed])

    def source(self, name: str) -> SourceSettings:
        """The settings of a source.

        Raises:
            SettingsError: the workspace has no source of that name.
        """
        if name not in self.sources:
            known = ", ".join(sorted(self.sources)) or "none yet"
            raise SettingsError(
                f"source '{name}' is not in {self.root / SETTINGS_FILE} (sources: {known}); "
                f"add [sources.{name}] with family and location"
            )
        return self.sources[name]


def find_workspace(start: Path) -> Workspace:
    """The workspace at `start` or above it.

    Raises:
        SettingsError: there is none, or its files break their schema.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / SETTINGS_FILE).is_file():
            return _read_workspace(folder)
    raise SettingsError(
        f"no {SETTINGS_FILE} in {start} or above it; make a workspace with `kohort init DIR`, "
        "or name one with --workspace"
    )


def create_workspace(
    root: Path,
    *,
    local: bool,
    sources: Mapping[str, SourceSettings],
    people: Mapping[str, Sequence[Duty]] = MappingProxyType({}),
    database: str | None = None,
) -> bool:
    """Write a new workspace.

    Args:
        root: the folder; made where it is absent.
        local: whether builds need no approval (one person, own data).
        sources: the sources to write into it.
        people: address -> duties.
        database: the address of a PostgreSQL database; None: SQLite in the workspace.

    Returns:
        Whether a registry key was made. One that lies in the folder already is kept: it is of a
        registry that the workspace shall open.

    Raises:
        SettingsError: there is a workspace already, or the folder can't be written.
    """
    for file in (SETTINGS_FILE, POLICY_FILE, DATABASE_FILE):
        if (root / file).exists():
            raise SettingsError(
                f"{root} is a workspace already: it holds {file}; edit that instead, or choose "
                "another folder"
            )
    try:
        root.mkdir(parents=True, exist_ok=True)
        new_key = create_keys(root)  # first: a bad master key in the environment refuses it
        policy = _POLICY_TEXT.format(require_approval=str(not local).lower())
        (root / POLICY_FILE).write_text(policy, encoding="utf-8")
        text = "" if database is None else f"database = {json.dumps(database)}\n\n"
        text += _SETTINGS_TEXT + "".join(_source_text(n, s) for n, s in sources.items())
        text += "\n[people]\n" if people else ""
        text += "".join(f"{json.dumps(n)} = {json.dumps(list(d))}\n" for n, d in people.items())
        (root / SETTINGS_FILE).write_text(text, encoding="utf-8")
        (root / SETTINGS_FILE).chmod(0o600)  # a database's URL may hold a password
    except OSError as error:
        raise SettingsError(f"{root}: can't write the workspace ({error.strerror})") from None
    return new_key


def remove_workspace(root: Path, *, new_key: bool) -> None:
    """Take back what `create_workspace` wrote, and nothing else.

    Args:
        root: the workspace.
        new_key: whether the registry key was made with it; one that was there before stays.
    """
    for file in (SETTINGS_FILE, POLICY_FILE):
        (root / file).unlink(missing_ok=True)
    if new_key:
        remove_new_keys(root)


def _source_text(name: str, source: SourceSettings) -> str:
    # A JSON string is a TOML basic string for every character a path or URL can hold.
    family, location = json.dumps(source.family), json.dumps(source.location)
    return f"\n[sources.{name}]\nfamily = {family}\nlocation = {location}\n"


def _read_workspace(root: Path) -> Workspace:
    settings = _read(root / SETTINGS_FILE, _Settings)
    policy = _read(root / POLICY_FILE, Policy)
    return Workspace(root, settings.sources, policy, settings.people, settings.database)


def _read(file: Path, model: type[_M]) -> _M:
    try:
        return parse_toml(model, file.read_text(encoding="utf-8-sig"), subject=str(file))
    except OSError as error:
        raise SettingsError(f"{file}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: not UTF-8; save it as UTF-8") from None
    except SchemaError as error:
        raise SettingsError(str(error)) from None
