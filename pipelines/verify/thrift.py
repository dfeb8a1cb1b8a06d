"""Thrift's compact protocol, read strictly: what the footer and the pages of Parquet begin with.

There is one way to write each value, and no other is read: bytes that a lenient reader passes over
are where something could hide.
"""

from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

_T = TypeVar("_T")

_TRUE, _FALSE, _BYTE, _TEXT, _LIST, _STRUCT = 1, 2, 3, 8, 9, 12
_INTEGERS: Final = frozenset({4, 5, 6})
_DEEPEST: Final = 16
_FIELDS: Final = "with fields that no package has"
_LONGEST: Final = 10
"""Bytes of the longest integer, of 64 bits in groups of 7."""

Value: TypeAlias = "bool | int | bytes | list[Value] | Struct"
"""What a field may be; floating-point numbers and maps stand in no footer."""

Shape: TypeAlias = "type | list[Shape] | dict[int, Shape]"
"""What a value must be: of a type, a list of one shape, or a struct of no fields but these."""


class MalformedError(Exception):
    """The bytes are not what they should be; the message is a part of a sentence."""


@dataclass(frozen=True, slots=True)
class Struct:
    """Fields by their number, and where they were read; every reading raises `MalformedError`."""

    fields: dict[int, Value]
    start: int = field(compare=False)
    end: int = field(compare=False)

    def integer(self, number: int) -> int:
        """A field that is an integer."""
        return _is(self.fields.get(number), int)

    def text(self, number: int) -> bytes:
        """A field that is of bytes."""
        return _is(self.fields.get(number), bytes)

    def struct(self, number: int) -> "Struct":
        """A field that is a struct."""
        return _is(self.fields.get(number), Struct)

    def integers(self, number: int) -> list[int]:
        """A field that is a list of integers."""
        return self._each(number, int)

    def texts(self, number: int) -> list[bytes]:
        """A field that is a list of bytes."""
        return self._each(number, bytes)

    def truths(self, number: int) -> list[bool]:
        """A field that is a list of truth values."""
        return self._each(number, bool)

    def structs(self, number: int) -> "list[Struct]":
        """A field that is a list of structs."""
        return self._each(number, Struct)

    def _each(self, number: int, kind: type[_T]) -> list[_T]:
        return [_is(one, kind) for one in _is(self.fields.get(number), list)]


def _fits(value: Value, shape: Shape) -> bool:
    if isinstance(shape, dict):
        return isinstance(value, Struct) and all(
            number in shape and _fits(one, shape[number]) for number, one in value.fields.items()
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(one, shape[0]) for one in value)
    return type(value) is shape


def _is(value: object, kind: type[_T]) -> _T:
    if type(value) is not kind:
        raise MalformedError(_FIELDS)
    return value


def read_struct(data: bytes, at: int, end: int, shape: Shape) -> Struct:
    """The struct of this shape that begins at `at` and ends before `end`.

    Raises:
        MalformedError: there is none.
    """
    found = _Reader(data, at, end).struct(0)
    if not _fits(found, shape):
        raise MalformedError(_FIELDS)
    return found


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int
    end: int

    def struct(self, depth: int) -> Struct:
        start, number, fields = self.at, 0, dict[int, Value]()
        while head := self._byte():
            step = head >> 4
            before, number = number, number + step if step else self._signed()
            # In ascending order no field comes twice, of which only the last one would count.
            if number <= before:
                raise MalformedError("malformed")
            fields[number] = self._value(head & 15, depth)
        return Struct(fields, start, self.at)

    def _value(self, kind: int, depth: int) -> Value:
        if depth > _DEEPEST:
            raise MalformedError("malformed")
        if kind in {_TRUE, _FALSE}:
            return kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind in _INTEGERS:
            return self._signed()
        if kind == _TEXT:
            return self._text(self._unsigned())
        if kind == _LIST:
            return self._list(depth + 1)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise MalformedError("malformed")

    def _list(self, depth: int) -> list[Value]:
        head = self._byte()
        size, kind = head >> 4, head & 15
        if size == 15:  # what four bits can't say follows
            size = self._unsigned()
        if kind in {_TRUE, _FALSE}:  # each in a byte of its own
            return [self._truth() for _ in range(size)]
        return [self._value(kind, depth) for _ in range(size)]

    def _truth(self) -> bool:
        found = self._byte()
        if found not in {_TRUE, _FALSE}:
            raise MalformedError("malformed")
        return found == _TRUE

    def _signed(self) -> int:
        folded = self._unsigned()
        return (folded >> 1) ^ -(folded & 1)

    def _unsigned(self) -> int:
        found = 0
        for place in range(_LONGEST):
            byte = self._byte()
            found |= (byte & 127) << (7 * place)
            if byte < 128:  # the last one
                if place and not byte:
                    break
                return found
        raise MalformedError("malformed")

    def _text(self, size: int) -> bytes:
        start, self.at = self.at, self.at + size
        if self.at > self.end:
            raise MalformedError("malformed")
        return self.data[start : self.at]

    def _byte(self) -> int:
        if self.at >= self.end:
            raise MalformedError("malformed")
        self.at += 1
        return self.data[self.at - 1]
