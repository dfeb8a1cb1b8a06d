"""The slow obvious twin of `anonymizer.pseudonyms`: HMAC written out after RFC 2104."""

import hashlib

_BLOCK = 64


def hmac_sha256(key, message):
    """H(K xor opad, H(K xor ipad, text))."""
    padded = key.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in padded) + message).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in padded) + inner).digest()


def course_pseudonym(key, item, learner):
    """The pseudonym of one learner in one item."""
    size = len(item.encode("utf-8")).to_bytes(8, "big")
    message = b"kohort pseudonym: course\0" + size + item.encode("utf-8") + learner.encode("utf-8")
    return hmac_sha256(key, message)[:16].hex()


def release_pseudonym(key, learner):
    """The pseudonym of one learner in one release."""
    return hmac_sha256(key, b"kohort pseudonym: release\0" + learner.encode("utf-8"))[:16].hex()


def linked_pseudonym(key, learner):
    """The pseudonym of one learner in all releases of a project."""
    return hmac_sha256(key, b"kohort pseudonym: linked\0" + learner.encode("utf-8"))[:16].hex()
