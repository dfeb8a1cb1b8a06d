"""Keys: random bytes in files that only their owner can read, apart from everything else.

Only this package knows where keys lie, and reads master keys from the environment.
"""

from pipelines.keys.envelope import KEY_BYTES, key_id
from pipelines.keys.named import (
    NEXT_REGISTRY,
    REGISTRY,
    create_keys,
    destroy_release_key,
    make_project_key,
    project_key,
    project_secret,
    registry_key,
    release_key,
    release_secret,
    remove_new_keys,
    store_release_key,
)
from pipelines.keys.stored import (
    Rewrapped,
    StoredSecret,
    read_secret,
    remove_secret,
    seal_secrets,
    stored_secrets,
    sweep_secrets,
    unseal_secrets,
    write_secret,
)

__all__ = [
    "KEY_BYTES",
    "NEXT_REGISTRY",
    "REGISTRY",
    "Rewrapped",
    "StoredSecret",
    "create_keys",
    "destroy_release_key",
    "key_id",
    "make_project_key",
    "project_key",
    "project_secret",
    "read_secret",
    "registry_key",
    "release_key",
    "release_secret",
    "remove_new_keys",
    "remove_secret",
    "seal_secrets",
    "store_release_key",
    "stored_secrets",
    "sweep_secrets",
    "unseal_secrets",
    "write_secret",
]
