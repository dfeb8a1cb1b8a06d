"""Whether bytes are one Zstandard frame (RFC 8878): neither a second one nor a word is behind it.

Readers pass over frames that are meant to be skipped, and what follows the last block.
"""

from typing import Final

from pipelines.verify.thrift import MalformedError

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_REPEATED, _RESERVED = 1, 3
"""Types of blocks."""


def demand_one_frame(data: bytes, *, content: int) -> None:
    """Refuse what is not one frame, without a checksum, of so many bytes of content.

    Raises:
        MalformedError: it is not.
    """
    if not _is_one_frame(data, content):
        raise MalformedError("with pages that hold more than their rows")


def _is_one_frame(data: bytes, content: int) -> bool:
    if len(data) < 6 or not data.startswith(_MAGIC) or data[4] & 31:
        return False
    single, size = data[4] >> 5 & 1, data[4] >> 6
    width = (single, 2, 4, 8)[size]
    at = 6 - single + width
    told = int.from_bytes(data[at - width : at], "little") + (256 if size == 1 else 0)
    last = 0
    while not last and at + 3 <= len(data):
        block = int.from_bytes(data[at : at + 3], "little")
        last, kind = block & 1, block >> 1 & 3
        at += 3 + (1 if kind == _REPEATED else block >> 3)
        if kind == _RESERVED:
            return False
    return bool(last) and at == len(data) and told == content
