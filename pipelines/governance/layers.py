"""Digests under the registry key, layer by layer.

The key is one or more layers of 32 bytes, k1 to kn; each rotation appends one. A digest is
HMAC(kn, ... HMAC(k2, HMAC(k1, message))) with HMAC-SHA256 (RFC 2104); what a layer takes in is the
32 raw bytes of the digest within, never its hex. So a digest of n layers becomes one of n + 1 by
the new layer alone, and nobody needs to know the message.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from pipelines.keys import KEY_BYTES

_BLOCK: Final = 64
_INNER: Final = 0x36
_OUTER: Final = 0x5C


def folded(key: bytes) -> Callable[[bytes], bytes]:
    """The digest of a message under all layers of a key: 32 bytes.

    Raises:
        ValueError: the key is no row of layers.
    """
    if not key or len(key) % KEY_BYTES:
        raise ValueError(f"key: one or more layers of {KEY_BYTES} bytes were expected")
    layers = [_hmac(key[at : at + KEY_BYTES]) for at in range(0, len(key), KEY_BYTES)]
    if len(layers) == 1:
        return layers[0]

    def digest(message: bytes) -> bytes:
        for layer in layers:
            message = layer(message)
        return message

    return digest


def _hmac(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA256; the key is hashed once, not for each of a million messages."""
    padded = key.ljust(_BLOCK, b"\0")
    inner, outer = (sha256(bytes(byte ^ pad for byte in padded)) for pad in (_INNER, _OUTER))

    def digest(message: bytes) -> bytes:
        within = inner.copy()
        within.update(message)
        whole = outer.copy()
        whole.update(within.digest())
        return whole.digest()

    return digest
