"""What Terra's listing must make a reconcile find: the rules of `missing_locally`, `missing_at_provider`, `status_drift`.

From the pages as the stand-in answered them, and what the registry can know; nothing here is shared with the product.
"""
from collections import defaultdict
from dataclasses import dataclass, field

from oracle_rules import RANK, Registers

KINDS = ["missing_locally", "missing_at_provider", "status_drift"]
CLOCK_ERROR = 2.0  # what is recorded so shortly before a question may be newer than its answer
FRESHNESS = 6 * 3600.0  # a listing that was begun longer ago is not gone on with
WRITES = {"auth_success": ("auth", "alive"), "user_reauth": ("auth", "alive"), "permission_change": ("alive",),
          "connection_error": ("degraded", "alive"), "auth_failure": ("failed",), "access_revoked": ("revoked",),
          "deauthentication": ("deauthenticated",)}


@dataclass
class Listing:
    """One reading of the whole listing."""
    started: float
    expects: int = 0
    users: dict = field(default_factory=dict)  # user_id → (reference_id, resource, active)
    asked: dict = field(default_factory=dict)  # user_id → when its page was asked for
    conflicting: set = field(default_factory=set)
    ended: float = 0.0

    def keep(self, page):
        """Takes a page in."""
        for user in page["users"]:
            says = (user["reference_id"], user["resource"], user["active"])
            if self.users.setdefault(user["user_id"], says) != says:
                self.conflicting.add(user["user_id"])
            self.asked.setdefault(user["user_id"], page["at"])


class Known:
    """What the registry knows of a tenant's connections at one moment."""

    def __init__(self, tenant):
        self.registers = Registers(tenant)
        self.recorded = {}
        keys = defaultdict(dict)

        def write(user_id, names, key, at):
            grown = [n for n in names if key > keys[user_id].get(n, (0, 0))]
            for name in grown:
                keys[user_id][name] = key
            if grown and user_id:
                self.recorded[user_id] = max(at, self.recorded.get(user_id, at))

        for event in sorted(tenant.events, key=lambda e: e.recorded):
            carried = [n for n, v in (("reference", event.reference_id), ("resource", event.resource)) if v]
            write(event.user_id, [*WRITES[event.kind], *carried], (event.occurred, RANK[event.kind]), event.recorded)
            if event.kind == "user_reauth" and event.old_user_id not in (None, event.user_id):
                write(event.old_user_id, ["superseded"], (event.occurred, 7), event.recorded)
        for session in tenant.sessions:
            if session.preissued:
                self.recorded.setdefault(session.preissued, session.at)
        for user_id, at in tenant.endings:
            self.recorded[user_id] = max(at, self.recorded.get(user_id, at))
        # Data makes an id known, and says that it lives; it changes nothing that the listing says too.
        for user_id, times in tenant.data.items():
            self.recorded.setdefault(user_id, min(times))
        self.heard = {u: max([at, *tenant.data.get(u, [])]) for u, at in self.recorded.items()}

    def is_live(self, user_id):
        """Whether the registry holds the connection as live."""
        return user_id in self.registers.live

    def differs(self, user_id, says):
        """Whether a listed connection is held otherwise."""
        return not self.is_live(user_id) or says[2] is False or self.names_differ(user_id, says)

    def names_differ(self, user_id, says):
        """Whether app user or resource are others; who names nobody claims nothing."""
        person, provider = self.registers.person(user_id), self.registers.provider(user_id)
        return bool(says[0] and person and says[0] != person or says[1] and provider and says[1] != provider)


def complete_listings(pages, known_at):
    """The complete listings, oldest first. pages: of one tenant. known_at: what the registry knew at a moment."""
    complete, reading = [], None
    for page in sorted(pages, key=lambda p: p["at"]):
        if reading is None or page["at"] - reading.started >= FRESHNESS or page["page"] != reading.expects:
            reading = Listing(page["at"])
        if page["status"] == 429 or page["status"] >= 500:
            continue
        if page["users"] is None:  # an answer that says nothing: what was read before it is gone on with
            reading = reading if reading.expects else None
            continue
        is_short = page["next"] is None and page["last"] is not None and page["last"] > page["page"]
        if page["next"] not in (None, page["page"] + 1) or is_short:
            reading = None
            continue
        reading.keep(page)
        if page["next"] is not None:
            reading.expects = page["next"]
            continue
        reading.ended = page["at"]
        known = known_at(page["at"])
        older = [u for u in known.registers.live if known.recorded[u] < reading.started]
        # One that holds none of them is of strangers: it proves nothing and is compared with nothing.
        if not older or any(u in reading.users for u in older):
            complete.append(reading)
        reading = None
    return complete


def differing_since(listings, known_at):
    """Since when each connection differs, in every complete listing up to the last one."""
    since = {}
    for listing in listings:
        known = known_at(listing.ended)
        differing = {u: listing.asked[u] for u, says in listing.users.items()
                     if u in listing.conflicting or known.differs(u, says)}
        differing |= {u: None for u in known.registers.live if u not in listing.users}
        since = {u: since[u] if since.get(u) else asked for u, asked in differing.items()}
    return since


def expected_of_listing(pages, known_at, grace, now):
    """The findings about the last complete listing that must be open at a moment, as (kind, user_id)."""
    listings = complete_listings(pages, known_at)
    if not listings:
        return set()
    last, before = listings[-1], listings[-2] if len(listings) > 1 else None
    since, known = differing_since(listings, known_at), known_at(now)
    out = set()
    for user_id, says in last.users.items():
        asked = last.asked[user_id]
        settled = (since.get(user_id) or asked) + grace <= now
        if not settled or known.recorded.get(user_id, 0) >= asked - CLOCK_ERROR:
            continue
        if known.is_live(user_id):
            if user_id in last.conflicting or says[2] is False or known.names_differ(user_id, says):
                out.add(("status_drift", user_id))
        elif user_id not in last.conflicting and says[2] is not False:
            out.add(("missing_locally", user_id))
    if before:
        out |= {("missing_at_provider", u) for u in known.registers.live
                if u not in last.users and u not in before.users
                and known.heard[u] < before.started - CLOCK_ERROR}
    return out
