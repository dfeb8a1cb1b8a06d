"""The budget of one family as a list of charges, added up anew for every question."""


class Ledger:
    """Charges are dicts; an amount is a pair: millionths, and 1e-18ths of delta."""

    def __init__(self):
        self.charges = []
        self.regime = None
        self.releases = {}  # id of a charge -> "served" or "recalled"

    def reserve(self, charge, policy):
        """What the ledger must answer; a charge that it grants is kept.

        Args:
            charge: id, request, version, purpose, recipient, epsilon (None: no pure one), rho,
                delta.
            policy: regime, and for each of family, purpose and recipient its ceiling or None.
        """
        if (before := self.answered(charge)) is not None:
            return before
        if self.regime not in {None, policy["regime"]}:
            return "regime", self.regime
        micro = charge["rho"] if policy["regime"] == "zcdp" else charge["epsilon"]
        if micro is None:
            return "no pure epsilon", None
        if self.overdrawn(charge, policy):
            return "overdrawn", None
        left = self.left(charge["purpose"], charge["recipient"], policy)
        for micro_left, delta_left in left.values():
            if micro > micro_left or charge["delta"] > delta_left:
                return "refused", min(each for each, _ in left.values())
        self.regime = policy["regime"]
        self.charges.append({**charge, "micro": micro, "state": "reserved"})
        return "reserved", charge["id"]

    def answered(self, charge):
        """What is said of a request that was asked before; None: nothing that holds now."""
        for one in self.charges:
            terms = [(each["purpose"], each["recipient"]) for each in (one, charge)]
            if one["request"] == charge["request"] and terms[0] != terms[1]:
                return "fault", one["id"]
        same = [
            one
            for one in self.charges
            if one["request"] == charge["request"] and one["version"] == charge["version"]
        ]
        for one in same:
            if one["state"] in {"reserved", "reading"}:
                return "under way", one["id"]
        for one in reversed(same):
            if one["state"] == "committed" and self.releases.get(one["id"]) == "served":
                return "stored", one["id"]
        return None

    def left(self, purpose, recipient, policy):
        """What each account that the policy sets has left.

        One that has spent more than it may, of either part, has nothing left of any.
        """
        subjects = {"family": None, "purpose": purpose, "recipient": recipient}
        found = {}
        for scope, subject in subjects.items():
            if policy[scope] is not None:
                micro, delta = policy[scope]
                spent_micro, spent_delta = self.spent(scope, subject)
                found[scope] = (micro - spent_micro, delta - spent_delta)
                if self.is_overdrawn(scope, subject, policy[scope]):
                    found[scope] = (0, 0)
        return found

    def overdrawn(self, charge, policy):
        """Whether any account of a charge is."""
        subjects = {"family": None, "purpose": charge["purpose"], "recipient": charge["recipient"]}
        return any(self.is_overdrawn(*one, policy[one[0]]) for one in subjects.items())

    def is_overdrawn(self, scope, subject, ceiling):
        """Whether more was spent than the policy lets it, of epsilon (or rho), or of delta."""
        if ceiling is None:
            return False
        spent = self.spent(scope, subject)
        return spent[0] > ceiling[0] or spent[1] > ceiling[1]

    def spent(self, scope, subject):
        """By every charge of this purpose or recipient, or by all, that was not refunded."""
        micro = delta = 0
        for one in self.charges:
            if one["state"] == "refunded":
                continue
            if scope == "family" or one[scope] == subject:
                micro += one["micro"]
                delta += one["delta"]
        return micro, delta

    def step(self, charge_id, name):
        """`read`, `commit`, `give up`, `lose`, `settle`: the state afterwards; None: refused."""
        found = [one for one in self.charges if one["id"] == charge_id]
        if not found:
            return "none" if name == "settle" else None
        (one,) = found
        leads = {
            ("reserved", "read"): "reading",
            ("reading", "commit"): "committed",
            ("reserved", "give up"): "refunded",
            ("reading", "give up"): "lost",
            ("reserved", "lose"): "lost",
            ("reading", "lose"): "lost",
            ("reserved", "settle"): "refunded",
            ("reading", "settle"): "lost",
        }
        if (one["state"], name) in leads:
            one["state"] = leads[one["state"], name]
        elif name != "settle":
            return None
        return one["state"]
