"""Clicks of synthetic learners, with the devices and addresses that they come from.

Partners get a clickstream apart from the research data export, so a world has one only where its
preset asks for it. No family declares the table: kohort reads nothing of it, and says so.
"""

import json
from typing import Final

import numpy as np
import polars as pl

from synth.behaviour import Log
from synth.codes import LECTURE
from synth.columns import DAY, Ints, chosen, constant, hashes, picked, timestamps
from synth.coursera_preset import Clickstream
from synth.enrolling import Block
from synth.parts import Part
from synth.pools import AGENTS, TIMEZONE, TIMEZONES

_PAGE, _START, _BEAT, _END = range(4)
_KEYS: Final = ("pageview", "start", "heartbeat", "end")
_TIMECODES: Final = 240
"""Seconds of a video that a click may stand at."""
_REFERRERS: Final = (None, "https://www.google.com/", "https://www.bing.com/", "https://t.co/")


def clickstream(log: Log, block: Block, *, preset: Clickstream, rng: np.random.Generator) -> Part:
    """The table `clickstream_events`, under the learner key of the core tables in either mode.

    Whoever starts an item views its page; a video is started, watched, and ends once completed.

    Args:
        log: which items were started when.
        block: who is where.
        preset: how many are recorded, and what they use.
        rng: where chance comes from.

    Returns:
        No table, where nothing is recorded.
    """
    if preset.recorded.value == 0:
        return {}
    seen = rng.random(len(block.enrolments)) < preset.recorded.value
    row = np.flatnonzero(seen[log.entry])
    video = block.catalogue.items.kind[log.item[row]] == LECTURE
    ended = video & log.done[row]
    parts = [
        (_PAGE, row, log.started[row]),
        (_START, row[video], log.started[row[video]] + 1),
        (_BEAT, row[video], log.started[row[video]] + 30),
        (_END, row[ended], log.completed[row[ended]]),
    ]
    rows = np.concatenate([where for _, where, _ in parts])
    second = np.concatenate([when for _, _, when in parts])
    key = np.concatenate([np.full(len(where), key) for key, where, _ in parts])
    order = np.lexsort((key, second))
    events = _events(rows[order], second[order], key[order], log, block, preset=preset, rng=rng)
    return {"clickstream_events": events}


def _events(
    row: Ints,
    second: Ints,
    key: Ints,
    log: Log,
    block: Block,
    *,
    preset: Clickstream,
    rng: np.random.Generator,
) -> pl.DataFrame:
    entry, count = log.entry[row], len(row)
    user, learners = block.enrolments.users[entry], block.learners
    device, cookie = _own(user, second, preset.second_device.value, len(learners), rng)
    _, address = _own(user, second, preset.second_address.value, len(learners), rng)
    agents = pl.DataFrame(AGENTS, schema=["os", "browser", "user_agent"], orient="row")
    shares = {f"{os}/{browser}": 0.0 for os, browser, _ in AGENTS} | dict(preset.devices.value)
    of_device = chosen(rng, shares, 2 * len(learners))[2 * user + device]
    agent = agents[of_device]
    items = block.catalogue.items.ids
    country = picked(learners.countries, user)
    values = [json.dumps({"timecode": n}, separators=(",", ":")) for n in range(_TIMECODES)]
    timecode = picked(pl.Series(values), rng.integers(0, _TIMECODES, count))
    return pl.DataFrame(
        {
            "hashed_user_id": block.users(entry),
            "hashed_session_cookie_id": cookie,
            "server_timestamp": timestamps(second),
            "hashed_ip": address,
            "user_agent": agent["user_agent"],
            "url": "https://synth.example/learn/" + picked(items, log.item[row]),
            "initial_referrer_url": picked(
                pl.Series(_REFERRERS), rng.integers(0, len(_REFERRERS), count)
            ),
            "browser_language": picked(learners.users["browser_language_cd"], user),
            "course_id": block.courses(entry),
            "country_cd": country,
            "region_cd": picked(learners.users["region_cd"], user),
            "timezone": country.replace_strict(
                TIMEZONES, default=TIMEZONE, return_dtype=pl.String()
            ),
            "os": agent["os"],
            "browser": agent["browser"],
            "key": picked(pl.Series(_KEYS), key),
            "value": timecode.zip_with(pl.Series(key != _PAGE), constant(None, 1, pl.String())),
        }
    )


def _own(
    user: Ints, second: Ints, second_share: float, learners: int, rng: np.random.Generator
) -> tuple[Ints, pl.Series]:
    """Which of his two things a learner uses on a day, 0 or 1; and the hash that it is known by.

    Everybody has a first one; a share of them uses the other on every other day.
    """
    both = rng.random(learners) < second_share
    other = (both[user] & (second // DAY % 2 == 1)).astype(np.int64)
    return other, picked(hashes(2 * learners, rng), 2 * user + other)
