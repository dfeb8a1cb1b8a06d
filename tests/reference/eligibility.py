"""The slow obvious twin of `anonymizer.eligibility`: one pair, one record at a time."""

ORDER = [
    "granted",
    "denied",
    "withdrawn",
    "objected",
    "opted_out_sale_share",
    "access_hold",
    "restricted",
    "legal_hold",
    "under_age",
    "erasure_requested",
    "erased",
]


def until_ended(records, cut_off):
    """Each record with its end, or an earlier one that a later record puts to it."""
    found = []
    for old in records:
        ends = [old["effective_to"]]
        for new in records:
            same = all(new[name] == old[name] for name in ("learner", "purpose", "scope"))
            if old["learner"] is None or old["state"] == "erased" or not same:
                continue
            later = new["id"] > old["id"] and new["received_at"] <= cut_off
            begun_before = old["effective_from"] <= new["effective_from"]
            if later and begun_before and new["ends"] == old["state"]:
                keys = ("learner", "purpose", "scope", "ends", "effective_from")
                first = min(
                    one["id"]
                    for one in records
                    if one["received_at"] <= cut_off and all(one[k] == new[k] for k in keys)
                )
                if old["id"] < first or old["received_at"] == new["received_at"]:
                    ends.append(new["effective_from"])
        end = min((end for end in ends if end is not None), default=None)
        found.append(old | {"effective_to": end})
    return found


def in_force(record, cut_off):
    """Whether the record is known, begun and not over at the cut-off."""
    if record["received_at"] > cut_off or record["effective_from"] > cut_off:
        return False
    return record["effective_to"] is None or cut_off < record["effective_to"]


def bears(record, learner, item, purpose, known_purposes, legal_bases, jurisdictions):
    """Whether a record in force says something about the pair; `item` is None for a learner."""
    if record["learner"] is not None and record["learner"] != learner:
        return False
    state, scope = record["state"], record["scope"]
    if state == "no_record":
        return False
    right_purpose = record["purpose"] in (purpose, "*")
    if state == "granted":
        if record["legal_basis"] not in legal_bases:
            return False
        admitted = "*" in jurisdictions or record["jurisdiction"] in (*jurisdictions, "*")
        here = scope == "*" or (item is not None and item != "" and scope == "course:" + item)
        return right_purpose and admitted and here
    means_another = not right_purpose and record["purpose"] in known_purposes
    if state in ("denied", "withdrawn", "objected") and means_another:
        return False
    names_a_course = scope.startswith("course:") and scope != "course:"
    return item is None or not names_a_course or scope == "course:" + item


def deciding_state(
    learner, item, records, *, purpose, known_purposes, cut_off, legal_bases, jurisdictions
):
    """The strictest state that bears on the pair, or no_record."""
    states = [
        r["state"]
        for r in records
        if in_force(r, cut_off)
        and bears(r, learner, item, purpose, known_purposes, legal_bases, jurisdictions)
    ]
    return max(states, key=ORDER.index, default="no_record")
