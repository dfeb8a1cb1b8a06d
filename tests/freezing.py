"""Imported last by the server that forks processes: what is there already is never swept again.

Else every fork would copy it, page by page, as the collector writes into each object that it looks
at: more than half of what a small build in a fresh fork touches.
"""

import gc

gc.collect()
gc.freeze()
