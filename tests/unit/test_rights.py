import stat
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from sqlalchemy import URL, create_engine, text

from anonymizer.eligibility import RECORD_SCHEMA, State, eligible
from pipelines.errors import RegistryError, RightsError, RoleError
from pipelines.governance.database import create_registry, open_registry
from pipelines.governance.rights import (
    import_rights,
    import_rights_table,
    record_dataset_basis,
    registry_digests,
)
from pipelines.governance.rights_as_of import rights_as_of
from pipelines.governance.rights_file import COLUMNS
from pipelines.people import EVERY_DUTY, Actor, Duty
from tests.reference.pseudonym import hmac_sha256

KEY = bytes(range(32))
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
SAM = Actor("sam", "sam", EVERY_DUTY)
HEADER = ",".join(COLUMNS)
GRANT = "ann,research,*,granted,consent,EU,v1,2024-01-01,,portal"
NOTHING = ["NA", "NULL", "null", "NaN", "nan", "None"]
NO_DAYS = ["01/02/2024", "1712090112345", "17120901", "1712-W01-1", "2024-1-1"]
WITHDRAWAL = "bob,research,*,withdrawn,,,,2024-05-01T10:30:00+02:00,2025-01-01,mail"


@pytest.fixture
def registry(tmp_path):
    """An empty registry."""
    return create_registry(URL.create("sqlite", database=str(tmp_path / "kohort.sqlite")))


@pytest.fixture
def load(registry, tmp_path):
    """Import these lines below the right header."""

    def load(*lines, header=HEADER):
        file = tmp_path / "rights.csv"
        file.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        return import_rights(registry, file, registry_key=KEY, received_at=NOW, actor=SAM)

    return load


def in_force(registry, *, source="any", cut_off=NOW):
    """What is on record as of a cut-off."""
    parts = list(rights_as_of(registry, source=source, cut_off=cut_off))
    return pl.concat([pl.DataFrame(schema=RECORD_SCHEMA), *parts])


def stored(registry):
    """How many records the registry holds."""
    with registry.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM rights_record")).scalar()


def test_import_keeps_what_was_said(registry, load):
    """Every cell comes back as eligible() reads it; offsets are turned to UTC, a date is 0 h."""
    assert load(GRANT, WITHDRAWAL).counts == {"granted": 1, "withdrawn": 1}
    found = in_force(registry)
    assert found.schema == RECORD_SCHEMA
    ann, bob = (hmac_sha256(KEY, name).hex() for name in (b"ann", b"bob"))
    start, end = datetime(2024, 5, 1, 8, 30, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    assert found.rows() == [
        (
            ann,
            "research",
            "*",
            "granted",
            "consent",
            "EU",
            datetime(2024, 1, 1, tzinfo=UTC),
            None,
            NOW,
        ),
        (bob, "research", "*", "withdrawn", None, None, start, end, NOW),
    ]


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        (GRANT, datetime(2024, 1, 1, tzinfo=UTC)),
        (GRANT.replace("granted", "withdrawn"), datetime(2023, 12, 31, 10, tzinfo=UTC)),
        (GRANT.replace("granted", "denied").replace("2024-01-01", "2024-01-01T00:00"),
         datetime(2024, 1, 1, tzinfo=UTC)),
        (GRANT.replace("granted", "denied").replace("2024-01-01", "0001-01-01"),
         datetime(1, 1, 1, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_a_restriction_by_day_begins_where_the_day_does(registry, load, line, begins):
    """A day begins 14 hours before it does in Greenwich; a grant does not begin earlier."""
    load(line)
    assert in_force(registry)["effective_from"].to_list() == [begins]


def test_no_learner_id_is_stored(registry, load, tmp_path):
    """The database knows learners by digest only."""
    load(GRANT.replace("ann", "ann.of.cleves@example.org"))
    files = [p.read_bytes() for p in tmp_path.glob("kohort.sqlite*")]
    assert files
    assert not any(b"cleves" in content for content in files)


def test_registry_file_is_private(registry, tmp_path):
    """Only its owner can read the registry; commits are durable and references enforced."""
    with registry.connect() as connection:
        connection.execute(text("SELECT * FROM rights_record"))
        files = list(tmp_path.glob("kohort.sqlite*"))
        assert len(files) == 3  # with the write-ahead log and its index
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        pragmas = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]


def test_columns_in_any_order_and_quotes(load):
    """Columns may stand in any order, cells may be quoted, blanks and empty lines say nothing."""
    columns = list(reversed(COLUMNS))
    line = ",".join(reversed(GRANT.split(","))).replace("consent", '" consent "')
    assert load("", line, header="\ufeff" + ",".join(columns)).counts == {"granted": 1}


@pytest.mark.parametrize(
    "line, reason",
    [
        (GRANT.replace("granted", "Granted"), "1 unknown state"),
        (GRANT.replace("granted", "no_record"), "1 unknown state"),
        (GRANT.replace("granted", ""), "1 unknown state"),
        (GRANT.replace("ann", " "), "1 no learner_id"),
        *((GRANT.replace("ann", none), "1 no learner_id") for none in NOTHING),
        *((GRANT.replace("research", none), "1 no purpose") for none in NOTHING),
        *((GRANT.replace("2024-01-01", none), "1 no effective_from") for none in NOTHING),
        (GRANT.replace("research", ""), "1 no purpose"),
        (GRANT.replace("*", ""), "1 unknown scope"),
        (GRANT.replace("*", "course:"), "1 unknown scope"),
        (GRANT.replace("2024-01-01", ""), "1 no effective_from"),
        *((GRANT.replace("2024-01-01", day), "1 unparsable date") for day in NO_DAYS),
        (GRANT.replace(",,", ",20250101,"), "1 unparsable date"),
        (GRANT.replace("2024-01-01", "0001-01-01T00:00+09:00"), "1 unparsable date"),
        (GRANT.replace(",,", ",2023-12-31,"), "1 effective_to not after effective_from"),
        (GRANT.replace(",,", ",2024-01-01,"), "1 effective_to not after effective_from"),
        (GRANT + ",more", "1 wrong number of cells"),
        ("ann,research", "1 wrong number of cells"),
        ('"ann', "1 not valid CSV"),
    ],
)
def test_one_bad_line_refuses_the_file(registry, load, line, reason):
    """Any bad line refuses the whole file, by reason and line number, never by value."""
    with pytest.raises(RightsError) as refusal:
        load(WITHDRAWAL, line)
    message = str(refusal.value)
    assert f"nothing is imported: {reason}" in message
    assert "(in line 3)" in message
    assert "ann" not in message.replace(str(registry.url.database), "")
    assert "\n" not in message
    assert stored(registry) == 0


ID = "Ann.Cleves@x.example"


@pytest.mark.parametrize(
    "line",
    [
        GRANT.replace("ann", ID).replace("*", f"course:{ID.upper()}"),
        GRANT.replace("ann", ID).replace("portal", f"mail of {ID}, 3 May"),
        GRANT.replace("ann", ID).replace("v1", f"v1-{ID.lower()}"),
        GRANT.replace("ann", ID).replace("EU", ID),
        GRANT.replace("ann", ID).replace("research", ID),
        GRANT.replace("ann", ID).replace("consent", ID),
        GRANT.replace("ann", "40501").replace("portal", "ticket #0040501"),
        GRANT.replace("ann", "40501.0").replace("portal", "of 40501"),
    ],
)
def test_an_id_in_another_column_refuses_the_file(registry, load, line):
    """What is kept as it stands must not say whose digest it is with."""
    cells = [*line.split(",")[:9], f'"{",".join(line.split(",")[9:])}"']
    with pytest.raises(RightsError, match="1 with the learner's id in another column") as refusal:
        load(GRANT, ",".join(cells))
    assert "leves" not in str(refusal.value)
    assert stored(registry) == 0


def test_what_is_an_id_by_chance(load):
    """A short id, or one inside a longer number, does not stand in another column."""
    load(GRANT.replace("portal", "portal of ann"))
    load(GRANT.replace("ann", "40501").replace("v1", "v20240501"))


def test_a_jurisdiction_that_is_none(registry, load):
    """`NULL` is no jurisdiction; `NA` is Namibia."""
    load(GRANT.replace("EU", "NULL"), GRANT.replace("EU", "NA"))
    assert in_force(registry)["jurisdiction"].to_list() == [None, "NA"]


@pytest.mark.parametrize("number", [2**53, 2**53 + 1, 10**20])
def test_an_id_that_was_a_floating_point_number(load, number):
    """From 2**53 on such a number stands for several learners."""
    load(GRANT.replace("ann", f"{2**53 - 1}.0"), GRANT.replace("ann", str(number)))
    with pytest.raises(RightsError, match="1 learner_id too large"):
        load(GRANT.replace("ann", f"{number}.0"))


def test_all_faults_at_once(load):
    """Faults are counted to the end of the file; a line number is that of the text editor."""
    two_lines = GRANT.replace("portal", '"por\ntal"')
    bad_state, bad_date = GRANT.replace("granted", "yes"), GRANT.replace("2024-01-01", "soon")
    with pytest.raises(
        RightsError, match=r"2 unknown state.* \(in lines 4, 6\); 1 unparsable date"
    ):
        load(two_lines, bad_state, bad_date, bad_state)


def test_later_batches_refuse_the_earlier(registry, load, monkeypatch):
    """A bad line far down takes back what was already written."""
    monkeypatch.setattr("pipelines.governance.bulk._BATCH", 2)
    with pytest.raises(RightsError, match="line 8"):
        load(*[GRANT] * 6, "bad")
    assert stored(registry) == 0
    assert load(*[GRANT] * 5).counts == {"granted": 5}
    assert in_force(registry).height == 5


@pytest.mark.parametrize(
    "header, words",
    [
        (HEADER.replace("scope", "scop"), "missing scope; 1 unknown"),
        (HEADER + ",state", "repeated state"),
        (HEADER.replace(",", ";"), "expected exactly learner_id,purpose"),
        ("", "wrong columns in line 1"),
    ],
)
def test_wrong_header(load, header, words):
    """Missing, repeated and unknown columns are refused; an unknown one is not repeated back."""
    with pytest.raises(RightsError, match=words) as refusal:
        load(GRANT, header=header)
    assert "scop;" not in str(refusal.value)


def test_files_that_are_no_rights_file(registry, tmp_path, load):
    """An absent file, a folder, another encoding and a file without records are refused."""
    latin = tmp_path / "latin.csv"
    latin.write_bytes(f"{HEADER}\n{GRANT}".replace("ann", "\xe4nn").encode("latin-1"))
    for file, words in [
        (tmp_path / "no", "No such file"),
        (tmp_path, "directory"),
        (latin, "UTF-8"),
    ]:
        with pytest.raises(RightsError, match=words):
            import_rights(registry, file, registry_key=KEY, received_at=NOW, actor=SAM)
    with pytest.raises(RightsError, match="holds no record"):
        load()
    assert stored(registry) == 0


BASIS = {
    "source": "oulad",
    "state": State.GRANTED,
    "legal_basis": "published-dataset",
    "note": "CC BY 4.0",
    "received_at": NOW,
    "effective_from": NOW,
    "actor": SAM,
}


def test_dataset_basis_permits_all_but_the_stricter(registry, load):
    """A basis for a source permits its learners, not those who withdrew, nor other sources."""
    record_dataset_basis(registry, **BASIS)
    load(WITHDRAWAL)
    pairs = pl.DataFrame({"learner": registry_digests(pl.Series(["ann", "bob"]), KEY)})
    policy = {"purpose": "research", "cut_off": NOW, "legal_bases": ["published-dataset"]}
    policy |= {"known_purposes": [], "jurisdictions": ["EU"], "learner": "learner", "item": None}
    here = eligible(pairs, in_force(registry, source="oulad"), **policy)
    elsewhere = eligible(pairs, in_force(registry, source="coursera"), **policy)
    assert here.counts == {"granted": 1, "withdrawn": 1}
    assert here.allowed["learner"].to_list() == pairs["learner"].to_list()[:1]
    assert elsewhere.counts == {"no_record": 1, "withdrawn": 1}


@pytest.mark.parametrize("change", [{"state": State.DENIED}, {"note": " "}, {"legal_basis": ""}])
def test_dataset_basis_must_be_a_reasoned_grant(registry, change):
    """For a whole source only a grant with a basis and a note is recorded."""
    with pytest.raises(RightsError):
        record_dataset_basis(registry, **BASIS | change)
    assert stored(registry) == 0


def test_instants_need_a_time_zone(registry):
    """A naive clock is refused: nobody can say which instant it means."""
    with pytest.raises((ValueError, RegistryError), match=r"time zone|can't be used"):
        record_dataset_basis(registry, **BASIS | {"received_at": NOW.replace(tzinfo=None)})


def test_registry_that_is_no_database(tmp_path):
    """A text file or a missing folder in the registry's place is refused in one line."""
    (tmp_path / "text").write_text("not a database at all" * 50)
    for path, words in [
        (tmp_path / "text", "can't be used"),
        (tmp_path / "b", "is missing"),
    ]:
        with pytest.raises(RegistryError, match=words) as refusal:
            open_registry(URL.create("sqlite", database=str(path)))
        assert "\n" not in str(refusal.value)


def test_database_errors_hold_no_values(registry, load):
    """A registry that cannot be written is one line that holds no learner's value."""
    with registry.begin() as connection:
        connection.execute(text("DROP TABLE rights_record"))
    with pytest.raises(RegistryError, match="can't be used") as refusal:
        load(GRANT)
    assert hmac_sha256(KEY, b"ann").hex() not in str(refusal.value)


def test_records_are_only_added(registry, load):
    """The same file twice is recorded twice: nothing is changed or removed."""
    load(GRANT)
    load(GRANT)
    assert stored(registry) == 2


def test_cut_off_before_receipt(registry, load):
    """A release cut off before the file came in does not know it."""
    load(GRANT)
    pairs = pl.DataFrame({"learner": registry_digests(pl.Series(["ann"]), KEY)})
    policy = {
        "purpose": "research",
        "known_purposes": [],
        "legal_bases": ["consent"],
        "jurisdictions": ["*"],
    }
    records = in_force(registry)
    found = [
        eligible(pairs, records, **policy, cut_off=at, learner="learner", item=None).counts
        for at in (NOW - timedelta(seconds=1), NOW)
    ]
    assert found == [{"no_record": 1}, {"granted": 1}]


COLUMNS_OF_TABLES = [*COLUMNS, "ends"]
ANEW = "ann,research,*,granted,consent,EU,v2,2024-05-01,,portal,withdrawn"


def as_table(*lines):
    """Lines as a frame; empty cells are null, dates are dates."""
    rows = [[cell or None for cell in line.split(",")] for line in lines]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS_OF_TABLES, pl.String), orient="row")
    return frame.with_columns(pl.col("effective_from").str.to_date())


def write_parquet(tmp_path, frame):
    """The frame as a Parquet file; what imports it."""
    frame.write_parquet(tmp_path / "rights.parquet")
    return lambda registry: import_rights(
        registry, tmp_path / "rights.parquet", registry_key=KEY, received_at=NOW, actor=SAM
    )


def write_database(tmp_path, frame):
    """The frame as a table of a database; what imports it."""
    url = f"sqlite:///{tmp_path / 'crm.db'}"
    engine = create_engine(url)
    text_only = frame.with_columns(pl.col("effective_from").cast(pl.String))
    with engine.begin() as connection:
        names = ", ".join(frame.columns)
        connection.execute(text(f"CREATE TABLE consent ({names})"))
        marks = ", ".join(f":{name}" for name in frame.columns)
        connection.execute(text(f"INSERT INTO consent VALUES ({marks})"), text_only.to_dicts())
    engine.dispose()
    return lambda registry: import_rights_table(
        registry, url, "consent", base=tmp_path, registry_key=KEY, received_at=NOW, actor=SAM
    )


@pytest.mark.parametrize("write", [write_parquet, write_database])
def test_tables_say_what_files_say(registry, load, tmp_path, write):
    """A Parquet file and a table of a database record what the same CSV file does."""
    lines = [
        GRANT + ",",
        GRANT.replace("granted", "withdrawn") + ",",
        ANEW,
        ANEW.replace("ann", "7.0"),
    ]
    assert write(tmp_path, as_table(*lines))(registry).counts == {"granted": 3, "withdrawn": 1}
    by_table = in_force(registry)
    load(*lines, header=f"{HEADER},ends")
    by_file = in_force(registry)[by_table.height :]
    assert by_table.height == 3  # the withdrawal was ended
    assert by_file.sort(pl.all()).equals(by_table.sort(pl.all()))


@pytest.mark.parametrize("write", [write_parquet, write_database])
def test_bad_rows_refuse_the_table(registry, tmp_path, write):
    """Bad rows and columns of a table are refused whole, by their number, never by value."""
    good, bad = GRANT + ",", GRANT.replace("granted", "yes") + ","
    with pytest.raises(
        RightsError, match=r"4 unknown state.* \(first in rows 2, 3, 4\)"
    ) as refusal:
        write(tmp_path, as_table(good, bad, bad, bad, bad))(registry)
    assert "ann" not in str(refusal.value).replace(str(tmp_path), "")
    (tmp_path / "other").mkdir()
    with pytest.raises(RightsError, match="wrong columns: missing state"):
        write(tmp_path / "other", as_table(good).drop("state"))(registry)
    assert stored(registry) == 0


def with_ids(frame, *ids, dtype):
    """A row of the frame for each of these ids."""
    rows = pl.concat([frame] * len(ids))
    return rows.with_columns(pl.Series("learner_id", ids, dtype=dtype))


@pytest.mark.parametrize("write", [write_parquet, write_database])
def test_ids_in_a_column_of_numbers(registry, tmp_path, write):
    """Whole numbers are ids; what a float can't hold exactly is of another learner."""
    good = as_table(GRANT + ",")
    write(tmp_path, with_ids(good, 7.0, 2.0**53 - 1, dtype=pl.Float64))(registry)
    kept = in_force(registry)["learner"].to_list()
    assert kept == registry_digests(pl.Series(["7", str(2**53 - 1)]), KEY).to_list()
    (tmp_path / "bad").mkdir()
    ids = [2.0**53, 1e17, 7.5, float("nan")]
    with pytest.raises(RightsError, match="nothing is imported") as refusal:
        write(tmp_path / "bad", with_ids(good, *ids, dtype=pl.Float64))(registry)
    for fault in ("too large", "spreadsheet", "fraction", "no learner_id"):
        assert fault in str(refusal.value)


def test_ids_of_low_precision(registry, tmp_path):
    """Single precision has another learner's id from 2**24 on."""
    frame = with_ids(as_table(GRANT + ","), 7.0, dtype=pl.Float32)
    with pytest.raises(RightsError, match="low precision"):
        write_parquet(tmp_path, frame)(registry)


@pytest.mark.parametrize(
    ("other", "begins"), [("2024-04-01", [10, 10]), ("2024-04-01 08:00:00", [0, 8])]
)
def test_days_that_are_written_as_midnights(registry, tmp_path, other, begins):
    """Where a Parquet column holds midnights alone, they are days, which begin 14 hours before."""
    lines = [GRANT.replace("granted", "denied") + ","] * 2
    days = pl.Series(["2024-05-01 00:00:00", f"{other} 00:00:00"[:19]]).str.to_datetime()
    frame = as_table(*lines).with_columns(effective_from=days)
    write_parquet(tmp_path, frame)(registry)
    assert in_force(registry)["effective_from"].dt.hour().to_list() == begins


def test_no_such_table_or_file(registry, tmp_path):
    """A misspelt table gets a hint; an absent Parquet file and database are one line."""
    write_database(tmp_path, as_table(ANEW))
    importing = {"base": tmp_path, "registry_key": KEY, "received_at": NOW, "actor": SAM}
    with pytest.raises(RightsError, match="did you mean 'consent'"):
        import_rights_table(registry, "sqlite:///crm.db", "consents", **importing)
    with pytest.raises(RightsError, match="nothing is imported"):
        import_rights_table(registry, "sqlite:///no.db", "consent", **importing)
    with pytest.raises(RightsError, match="No such file"):
        import_rights(
            registry, tmp_path / "no.parquet", registry_key=KEY, received_at=NOW, actor=SAM
        )


@pytest.mark.parametrize("ends", ["granted", "erased", "no_record", "withdraw"])
def test_ends_names_a_state_that_restricts(load, ends):
    """What a line ends is a state that restricts; the column may be left out."""
    with pytest.raises(RightsError, match=r"1 unknown ends.* \(in line 2\)"):
        load(ANEW.replace("withdrawn", ends), header=f"{HEADER},ends")


@pytest.mark.parametrize(
    "line",
    [
        "ann,research,*,erased,,,,2024-05-01,,mail",
        "ann,*,course:x,erased,,,,2024-05-01,,mail",
        "ann,*,*,erased,,,,2024-05-01,2025-05-01,mail",
    ],
)
def test_nobody_is_erased_in_part(load, line):
    """An erasure is of everything and for good."""
    with pytest.raises(RightsError, match="1 erased in part"):
        load(line)


def test_only_steward_and_engineer_import(registry, tmp_path):
    """A researcher records nothing, neither a file nor a basis."""
    lee = Actor("lee", "lee", frozenset({Duty.RESEARCHER}))
    with pytest.raises(RoleError):
        import_rights(registry, tmp_path, registry_key=KEY, received_at=NOW, actor=lee)
    with pytest.raises(RoleError):
        record_dataset_basis(registry, **BASIS | {"actor": lee})
