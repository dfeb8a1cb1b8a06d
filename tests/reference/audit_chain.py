"""The audit chain, recounted slowly: plain SQL, whole tables in memory, hashed as documented."""

import hashlib
import json
from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import Connection

BEGINS = "registry.begin_chain"


def broken_links(connection: Connection, governed: Collection[str]) -> set[tuple[int, str]]:
    """Every broken link: the entry that it concerns, and the table it is in.

    Args:
        connection: what it sees is recounted.
        governed: the tables whose rows have an entry.
    """
    actions = sorted(rows_of(connection, "action"), key=lambda action: action["id"])
    last = actions[-1] if actions else {"id": 0, "hash": "0" * 64}
    broken = set()
    before = "0" * 64
    for action in actions:
        own = sha256(as_text({name: cell for name, cell in action.items() if name != "hash"}))
        if action["hash"] != own.hex() or action["previous"] != before:
            broken.add((action["id"], "action"))
        before = action["hash"]
    broken |= unfounded(actions)
    heads = rows_of(connection, "chain_head")
    if heads != [{"id": 1, "entry": last["id"], "hash": last["hash"]}]:
        broken.add((last["id"], "chain_head"))
    for table in governed:
        rows = rows_of(connection, table)
        broken |= {(entry, table) for entry in wrong_entries(actions, rows, table)}
    return broken


def unfounded(actions: list[dict]) -> set[tuple[int, str]]:
    """The entries that answer for all rows of a table without a right to, or begin a chain late."""
    broken = set()
    for number, action in enumerate(actions):
        earlier = actions[:number]
        said = json.loads(action["rows"])
        late = any(one["kind"] == BEGINS or json.loads(one["rows"]) for one in earlier)
        if action["kind"] == BEGINS and late:
            broken.add((action["id"], "action"))
        for table, for_table in said.items():
            if "all" not in for_table or (action["kind"] == BEGINS and not late):
                continue
            rotated = action["kind"] == "key.rotate" and table in {
                "rights_record",
                "release_member",
            }
            one_key = said.get("key_event", [])[:1] == [1] and "all" not in said["key_event"]
            if not (rotated and one_key and for_table[0] == rows_said(earlier, table)):
                broken.add((action["id"], table))
    return broken


def rows_said(actions: list[dict], table: str) -> int:
    """How many rows of a table the entries answer for, since the last that answers for all."""
    number = 0
    for action in actions:
        for_table = json.loads(action["rows"]).get(table, [0])
        number = for_table[0] + (0 if "all" in for_table else number)
    return number


def wrong_entries(actions: list[dict], rows: list[dict], table: str) -> set[int]:
    """The entries whose rows are not what they say; a row of no entry is told by the nearest id."""
    said = {}
    for action in actions:
        for_table = json.loads(action["rows"]).get(table)
        if for_table is not None:
            said = {} if "all" in for_table else said
            said[action["id"]] = for_table[:2]
    last = actions[-1]["id"] if actions else 0
    wrong = set()
    for entry in {row["entry"] for row in rows} | set(said):
        own = [row for row in rows if row["entry"] == entry]
        hashes = sorted(
            sha256(as_text({name: cell for name, cell in row.items() if name != "entry"}))
            for row in own
        )
        if said.get(entry) != [len(own), sha256(b"".join(hashes)).hex()]:
            wrong.add(0 if entry < 0 else last + 1 if entry > last else entry)
    return wrong


def rows_of(connection: Connection, table: str) -> list[dict]:
    """All rows of a table, as the driver gives them."""
    found = connection.exec_driver_sql(f'SELECT * FROM "{table}"')
    return [dict(row) for row in found.mappings()]


def as_text(cells: dict[str, object]) -> bytes:
    """The row that is hashed."""
    kept = {name: cell for name, cell in cells.items() if cell is not None}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), default=moment).encode()


def moment(cell: object) -> str:
    """An instant or a day."""
    assert isinstance(cell, date)
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S.%f")
    return cell.strftime("%Y-%m-%d")


def sha256(text: bytes) -> bytes:
    """The digest."""
    return hashlib.sha256(text).digest()
