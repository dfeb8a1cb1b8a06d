"""Work that an interrupt may delay, but not cut short."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_POLITE: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back polite signals until this ends: what removes raw rows must not stop half-way.

    Python tells its main thread alone of signals; elsewhere nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {kind: signal.signal(kind, lambda number, _: held.append(number)) for kind in _POLITE}
    try:
        yield
    finally:
        for kind, handler in reversed(before.items()):  # the likeliest to come again goes last
            # None: a handler that Python did not set, and can't set again.
            signal.signal(kind, signal.SIG_DFL if handler is None else handler)
        for number in held:
            signal.raise_signal(number)
