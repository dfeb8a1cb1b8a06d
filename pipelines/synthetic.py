"""A synthetic world, from its preset to where a source can be read: part by part, never whole."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.sources.tables import did_you_mean
from pipelines.worlds.destinations import Destination, Files
from pipelines.worlds.places import Sink, appearing, refuse_overlap, translated
from synth.consent import make_rights
from synth.parts import Part
from synth.presets import PRESETS, Preset, named_preset, parse_preset, rights_of, world_parts
from synth.traps import Traps, make_traps, plant


@dataclass(frozen=True, slots=True)
class Order:
    """A world to be made.

    Attributes:
        preset: what it is like.
        learners: how many.
        courses: how many.
        seed: where chance comes from.
        trapped: whether known difficulties are planted, see `synth.traps`: in the shape of the
            Coursera export alone.
    """

    preset: Preset
    learners: int
    courses: int
    seed: int
    trapped: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A world that was written.

    Attributes:
        location: what to read it from, as `kohort init --source` takes it; of a database its URL
            without the password.
        rows: table -> how many; records of rights count as `rights`.
        late: the records that reach the registry during a build; None without traps.
        expected: what must come of the traps; None without traps.
    """

    location: str
    rows: Mapping[str, int]
    late: Path | None
    expected: Path | None


def read_preset(named: str | Path) -> Preset:
    """A preset by its name, or from a file.

    Args:
        named: the name of one that comes with kohort; or the path of a file, which ends in `.toml`.

    Raises:
        ValueError: there is none of that name, or the file is not UTF-8.
        SchemaError: the file breaks a rule; the message lists every violation.
        OSError: the file can't be read.
    """
    name = str(named)
    if name.endswith(".toml"):
        return parse_preset(Path(name).read_text(encoding="utf-8-sig"), subject=name)
    if name not in PRESETS:
        raise ValueError(
            f"none of {', '.join(PRESETS)}{did_you_mean(name, PRESETS)}; or name a file that ends "
            "in .toml"
        )
    return named_preset(name)


def make_raw(
    order: Order, to: Destination, *, rights_file: Path | None, progress: Callable[[str], None]
) -> Made:
    """Make a world and write it, and what its learners permitted.

    With traps there are two more files. What must come of them lies beside the world, as
    `WORLD.expected.json`, or, where that is in a database, beside the rights; records that reach
    the registry during a build lie beside the rights, as `RIGHTS.late.csv`.

    Args:
        order: the world; the same order gives the same world, whatever it is written as.
        to: where.
        rights_file: a new file for `kohort rights import`; needed for traps.
        progress: told how many rows are written, after each part.

    Raises:
        OutputError: something is there already, or it can't be written, or one file would lie where
            another does. Then no world is there.
        ValueError: traps without a rights file, or in a world of another shape; more courses than
            `synth.presets.most_courses`.
    """
    traps = make_traps(seed=order.seed) if order.trapped else None
    late = expected = None
    if traps is not None:
        if rights_file is None:
            raise ValueError("traps: what becomes of them depends on rights; name a file")
        late = rights_file.with_name(f"{rights_file.stem}.late.csv")
        expected = _expected_file(to, rights_file)
    beside = [file for file in (rights_file, late, expected) if file is not None]
    world = to.path if isinstance(to, Files) else to.file
    refuse_overlap(beside if world is None else [*beside, world])
    rows: Counter[str] = Counter()
    with _opened(to, beside) as (write, places), ExitStack() as opened:
        if traps is not None and late is not None and expected is not None:
            with _records(late, places[late]) as record_late:
                record_late(traps.late)
            with translated(expected):
                places[expected].write_text(traps.expected.to_json(), encoding="utf-8")
        record: Callable[[pl.DataFrame], None] | None = None
        if rights_file is not None:
            record = opened.enter_context(_records(rights_file, places[rights_file]))
        for part, rights in _portions(order, traps):
            write(part)
            rows.update({name: table.height for name, table in part.items()})
            if record is not None:
                record(rights)
                rows["rights"] += rights.height
            progress(f"{rows.total():,} rows")
    return Made(to.location, rows, late, expected)


def write_world(world: Part, out: Path, *, fmt: str) -> Path:
    """Write a world that is in memory into a new folder or file.

    Args:
        world: table name -> table.
        out: a new or empty folder; or, as `coursera-zip`, a new file.
        fmt: a format, see `Files`.

    Returns:
        The folder or file that holds it.

    Raises:
        OutputError: something is there already, or it can't be written.
    """
    to = Files(out, fmt)
    with to.opened() as write:
        write(world)
    return to.holder


def write_rights(world: Part, file: Path, *, seed: int) -> int:
    """Write what the learners of a world permitted, as a file for `kohort rights import`.

    Args:
        world: the tables of a world of the preset `small`.
        file: a new file.
        seed: the seed of the world.

    Returns:
        How many records were written.

    Raises:
        OutputError: the file exists already, or can't be written.
    """
    rights = make_rights(world["users"], seed=seed)
    with appearing(file) as (place,), _records(file, place) as record:
        record(rights)
    return rights.height


def _portions(order: Order, traps: Traps | None) -> Iterator[tuple[Part, pl.DataFrame]]:
    """The parts of a world, each with what its learners permitted."""
    said: deque[pl.DataFrame] = deque()

    def heard() -> Iterator[Part]:
        parts = world_parts(
            order.preset, learners=order.learners, courses=order.courses, seed=order.seed
        )
        for number, part in enumerate(parts):
            said.append(rights_of(order.preset, part, seed=order.seed, number=number))
            yield part

    if traps is None:
        yield from ((part, said.popleft()) for part in heard())
        return
    for part in plant(heard(), traps):
        # The part after all of the world's own is the planted one.
        yield part, said.popleft() if said else traps.rights


def _expected_file(to: Destination, rights_file: Path) -> Path:
    if isinstance(to, Files):
        return to.path.with_name(f"{to.path.name}.expected.json")
    return rights_file.with_name(f"{rights_file.stem}.expected.json")


@contextmanager
def _opened(to: Destination, beside: Sequence[Path]) -> Iterator[tuple[Sink, Mapping[Path, Path]]]:
    """Where the parts of a world go, and a place for each file beside it.

    All appear together once everything is written, the world last.
    """
    if isinstance(to, Files):
        with appearing(*beside, to.path) as places, to.written(places[-1]) as write:
            yield write, dict(zip(beside, places[:-1], strict=True))
        return
    with ExitStack() as back:
        with to.opened() as write:
            with appearing(*beside) as places:
                yield write, dict(zip(beside, places, strict=True))
            # What follows is the commit. If it fails, they go again.
            for file in beside:
                back.callback(file.unlink)
        back.pop_all()


@contextmanager
def _records(file: Path, place: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """A new rights file at the place that it is lent, to which records are added."""
    with translated(file), place.open("xb") as stream:
        header = True

        def record(rights: pl.DataFrame) -> None:
            nonlocal header
            rights.write_csv(stream, include_header=header)
            header = False

        yield record
