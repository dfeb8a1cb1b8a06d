"""The slow obvious twin of `pipelines.governance.layers`: one HMAC after the other, by hand."""

from tests.reference.pseudonym import hmac_sha256

_LAYER = 32


def layered(key, message):
    """HMAC(kn, ... HMAC(k2, HMAC(k1, message))), in hex; what is within is raw."""
    for at in range(0, len(key), _LAYER):
        message = hmac_sha256(key[at : at + _LAYER], message)
    return message.hex()
