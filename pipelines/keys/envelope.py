"""Envelope encryption: keys lie sealed under a master key that only the environment holds.

A sealed file is `kohort-sealed-1`, a line feed, the id of the master key, a nonce of 12 bytes, and
the AES-256-GCM ciphertext (NIST SP 800-38D). The name of the file is authenticated with it: two
files that are swapped don't open. Its length is never that of a plain key.
"""

import base64
import binascii
import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipelines.errors import SettingsError

KEY_BYTES: Final = 32
MASTER: Final = "KOHORT_MASTER_KEY"
OLD_MASTER: Final = "KOHORT_OLD_MASTER_KEY"

_FORMAT: Final = b"kohort-sealed-1\n"
_ID_DIGITS: Final = 16
_NONCE_BYTES: Final = 12
_ID_END: Final = len(_FORMAT) + _ID_DIGITS
_NONCE_END: Final = _ID_END + _NONCE_BYTES


def key_id(secret: bytes) -> str:
    """What tells a key from others without telling it: 16 hex digits.

    They are of a SHA-256 of the whole secret, all layers where it has several. A key has 256
    random bits, so nobody finds it from its digest; the prefix keeps digests of other uses apart.
    """
    return _short_digest(b"kohort key id 1\n" + secret)


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key that seals keys."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"a master key has {KEY_BYTES} bytes")

    @property
    def id(self) -> str:
        """Tells master keys apart; no key's id is one of these."""
        return _short_digest(b"kohort master key id 1\n" + self.key)

    def seal(self, secret: bytes, file_name: str) -> bytes:
        """What to write into the file of this name."""
        # Slow to import, and most workspaces have no master key.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self.key).encrypt(nonce, secret, _context(file_name))
        return _FORMAT + self.id.encode() + nonce + sealed

    def open(self, sealed: bytes, file_name: str) -> bytes | None:
        """What was sealed into the file of this name; None where it was not that."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        nonce, body = sealed[_ID_END:_NONCE_END], sealed[_NONCE_END:]
        try:
            return AESGCM(self.key).decrypt(nonce, body, _context(file_name))
        except (InvalidTag, ValueError):  # ValueError: too short to be anything
            return None


def master_key(variable: str = MASTER) -> MasterKey | None:
    """The master key of the environment; None where there is none.

    Raises:
        SettingsError: the variable is set, and holds no key.
    """
    text = os.environ.get(variable)
    if text is None:
        return None
    try:
        return MasterKey(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise SettingsError(
            f"{variable}: the base64 of {KEY_BYTES} bytes was expected; make one with `openssl "
            f"rand -base64 {KEY_BYTES}`, or unset it"
        ) from None


def is_sealed(path: Path) -> bool:
    """Whether a file is there and looks like a sealed key; whose, and whether it opens, is open."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(_FORMAT)) == _FORMAT
    return False


def sealed_by(path: Path, data: bytes) -> str | None:
    """The id of the master key that a file is sealed under; None where it lies plain.

    Raises:
        SettingsError: it is neither a sealed key nor a plain one.
    """
    if data.startswith(_FORMAT):
        name = data[len(_FORMAT) : _ID_END].decode("ascii", "replace")
        if re.fullmatch(f"[0-9a-f]{{{_ID_DIGITS}}}", name):
            return name
    elif data and len(data) % KEY_BYTES == 0:
        return None
    raise SettingsError(
        f"{path}: no key; one has {KEY_BYTES} bytes, or is sealed: restore it from your backup"
    )


def wrapped(path: Path, secret: bytes, master: MasterKey | None) -> bytes:
    """What a file shall hold for this secret: the secret sealed, or itself without a master key."""
    return secret if master is None else master.seal(secret, path.name)


def unwrapped(path: Path, data: bytes) -> bytes:
    """The secret that a file holds; of a sealed one under the environment's master keys.

    Raises:
        SettingsError: the master key is missing or another, or the file was changed.
    """
    under = sealed_by(path, data)
    if under is None:
        return data
    at_hand = [master for name in (MASTER, OLD_MASTER) if (master := master_key(name))]
    master = next((one for one in at_hand if one.id == under), None)
    if master is None:
        others = ", ".join(one.id for one in at_hand)
        raise SettingsError(
            f"{path}: sealed under master key {under}; set {MASTER} to that"
            + (f" (it is {others} now)" if others else "")
        )
    secret = master.open(data, path.name)
    if not secret or len(secret) % KEY_BYTES:
        raise SettingsError(
            f"{path}: the sealed key was changed, or is that of another file; restore it from your "
            "backup"
        )
    return secret


def _context(file_name: str) -> bytes:
    return _FORMAT + file_name.encode()


def _short_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_ID_DIGITS]
