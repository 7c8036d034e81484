"""The rules by which the oracle judges: from what reached the registry to the findings that it must have open.

The table of the design in a form of its own; nothing here is shared with the product. `oracle.py` reads the ledger.
"""
from collections import defaultdict
from dataclasses import dataclass, field

LIFE = {"auth_success", "user_reauth", "permission_change", "connection_error"}
ENDING = {"deauthentication", "access_revoked"}
RANK = {"permission_change": 1, "connection_error": 2, "auth_failure": 3, "auth_success": 4, "user_reauth": 4,
        "access_revoked": 5, "deauthentication": 6}
KINDS = ["callback_without_event", "event_without_callback", "stale_session", "outcome_mismatch", "reference_mismatch",
         "resource_mismatch", "unknown_attempt", "replayed_attempt", "cross_tenant_claim", "reference_conflict",
         "duplicate_active", "shared_account", "unattributed", "orphan_reauth", "late_event", "quarantined_event",
         "signature_failing"]
UNKNOWN_ATTEMPTS_AN_HOUR = 100


@dataclass
class Session:
    """A session that the registry answered, with what Terra gave for it."""
    id: str
    token: str
    reference_id: str | None
    resource: str | None
    expires_at: float
    at: float = 0.0
    preissued: str | None = None
    terra_session_id: str | None = None
    multi_auth: bool = False


@dataclass
class Event:
    """An authentic webhook as it stands after its first recorded delivery."""
    kind: str
    user_id: str | None
    occurred: float
    recorded: float
    body: str = ""
    traces: set = field(default_factory=set)
    old_user_id: str | None = None
    reference_id: str | None = None
    old_reference_id: str | None = None
    resource: str | None = None
    widget_session_id: str | None = None
    greatest: float = 0.0


@dataclass
class Callback:
    """A browser's arrival that the registry recorded."""
    token: str
    success: bool
    at: float
    user_id: str | None = None
    reference_id: str | None = None
    resource: str | None = None


@dataclass
class Tenant:
    """All that reached the registry for one tenant."""
    slug: str
    grace: float
    horizon: float
    failing_after: float
    sessions: list = field(default_factory=list)
    events: list = field(default_factory=list)
    quarantined: list = field(default_factory=list)
    callbacks: list = field(default_factory=list)
    rejected: list = field(default_factory=list)
    #: When data webhooks about each user_id were taken.
    data: dict = field(default_factory=lambda: defaultdict(list))
    endings: list = field(default_factory=list)
    broken_rules: list = field(default_factory=list)
    unsure: int = 0


def judge_session(session, events, callbacks, grace, now):
    """The kinds of finding about one session. events: the tenant's accepted ones, or those that can matter."""
    named = {session.preissued} - {None}
    if session.terra_session_id:
        named |= {e.user_id for e in events
                  if e.kind == "auth_success" and e.widget_session_id == session.terra_session_id} - {None}
    arrivals = [c for c in callbacks if c.token == session.token]
    claimed = {c.user_id for c in arrivals if c.success and c.user_id}
    tied = named or (claimed if len(claimed) == 1 else set())
    firsts, successes = {}, []
    for event in sorted(events, key=lambda e: e.recorded):
        told = event.kind in ("auth_success", "user_reauth") and event.user_id in tied
        if told and (named or event.widget_session_id is None):
            successes.append(event)
            firsts.setdefault(event.user_id, event)
    # Of several connections of one session each has an event of its own, which may come after the browser.
    told_of = {e.user_id for e in events if e.kind in ("auth_success", "user_reauth")}
    first = {c.user_id: c.at for c in sorted(arrivals, key=lambda c: -c.at) if c.success}
    awaited = {user_id for user_id, at in first.items() if session.multi_auth and user_id not in told_of
               and at + grace > now and at <= session.expires_at + grace}
    own = [c for c in arrivals if not (c.success and c.user_id) or c.user_id in tied | awaited or not tied]
    back = [c.at for c in own if c.success and c.user_id]
    failed = [c.at for c in own if not c.success]

    kinds = set()
    if claimed - tied - awaited:
        kinds.add("replayed_attempt")
    for reference_id, resource, event in (
            [(c.reference_id, c.resource, firsts.get(c.user_id)) for c in own]
            + [(e.reference_id, e.resource, e) for e in successes]):
        person = session.reference_id or (event.reference_id if event else None)
        provider = session.resource or (event.resource if event else None)
        if reference_id and person and reference_id != person:
            kinds.add("reference_mismatch")
        elif resource and provider and resource != provider:
            kinds.add("resource_mismatch")
    if any(e.recorded > e.occurred + grace for e in firsts.values()):
        kinds.add("late_event")
    if firsts:
        happened = max(e.occurred for e in firsts.values())
        if not back and failed and now >= max(happened, min(failed)) + grace:
            kinds.add("outcome_mismatch")
        if not back and not failed and now >= happened + grace:
            kinds.add("event_without_callback")
    elif back:
        if now >= min(back) + grace:
            kinds.add("callback_without_event")
    elif not failed and now >= session.expires_at + grace:
        kinds.add("stale_session")
    return kinds


class Registers:
    """What the accepted events of a tenant say of each connection, whatever their order."""

    def __init__(self, tenant):
        self.alive_since, self.ended, self.named = {}, set(), defaultdict(set)
        self.successors, self.seen = defaultdict(set), set()
        self.reference, self.resource = {}, {}
        for session in tenant.sessions:
            if session.preissued:
                self.seen.add(session.preissued)
        for event in tenant.events:
            reauth = event.kind == "user_reauth" and event.old_user_id not in (None, event.user_id)
            key = (event.greatest, RANK[event.kind])
            if event.user_id:
                if event.kind in LIFE:
                    since = self.alive_since.get(event.user_id, event.recorded)
                    self.alive_since[event.user_id] = min(since, event.recorded)
                if event.kind in ENDING:
                    self.ended.add(event.user_id)
                person = event.reference_id
                if event.kind == "user_reauth":
                    person = person or event.old_reference_id
                self.tell(event.user_id, key, person, event.resource)
            if reauth:
                self.ended.add(event.old_user_id)
                self.successors[event.old_user_id].add(event.user_id)
                self.tell(event.old_user_id, (event.greatest, 7), event.old_reference_id, event.resource)
        widgets = {s.terra_session_id: s for s in tenant.sessions if s.terra_session_id and s.reference_id}
        for event in tenant.events:
            if event.kind == "auth_success" and event.widget_session_id in widgets:
                self.reference.setdefault(event.user_id, (None, widgets[event.widget_session_id].reference_id))
        for session in tenant.sessions:
            if session.preissued and session.reference_id:
                self.reference.setdefault(session.preissued, (None, session.reference_id))
        for user_id, _ in tenant.endings:
            self.seen.add(user_id)
            self.ended.add(user_id)
        self.live = {u for u in self.alive_since if u not in self.ended}

    def tell(self, user_id, key, reference_id, resource):
        """Joins one fact about one id."""
        self.seen.add(user_id)
        if reference_id:
            self.named[user_id].add(reference_id)
            self.reference[user_id] = max(self.reference.get(user_id, (key, reference_id)), (key, reference_id))
        if resource:
            self.resource[user_id] = max(self.resource.get(user_id, (key, resource)), (key, resource))

    def person(self, user_id):
        """The id's reference_id, or None."""
        return self.reference.get(user_id, (None, None))[1]

    def provider(self, user_id):
        """The id's resource, or None."""
        return self.resource.get(user_id, (None, None))[1]

    def in_cycle(self, user_id):
        """Whether the id is, by way of its successors, its own."""
        todo, seen = list(self.successors[user_id]), set()
        while todo:
            at = todo.pop()
            if at == user_id:
                return True
            if at not in seen:
                seen.add(at)
                todo += self.successors.get(at, ())
        return False


def expected(tenants, now):
    """The findings that a reconcile at `now` must have open, as a set of (tenant, kind, subject)."""
    out = set()
    registers = {slug: Registers(tenant) for slug, tenant in tenants.items()}
    for slug, tenant in tenants.items():
        mine = set()
        mine |= expected_of_sessions(tenant, now)
        mine |= expected_of_connections(tenant, registers[slug], now)
        for user_id in {c.user_id for c in tenant.callbacks if c.success} - {None}:
            if user_id not in registers[slug].seen and any(
                    user_id in other.seen for name, other in registers.items() if name != slug):
                mine.add(("cross_tenant_claim", user_id))
        mine |= {("quarantined_event", quarantine_subject(e)) for e in tenant.quarantined}
        authentic = [e.recorded for e in tenant.events + tenant.quarantined]
        later = [at for at in tenant.rejected if at > max(authentic, default=0)]
        if later and now - min(later) >= tenant.failing_after:
            mine.add(("signature_failing", slug))
        out |= {(slug, kind, subject) for kind, subject in mine}
    return out


def quarantine_subject(event):
    """The name of a quarantined event in the oracle's own words: its least trace id."""
    return "trace:" + min(event.traces)


def expected_of_sessions(tenant, now):
    """Findings about sessions and tokens."""
    by_token, by_user, by_widget = defaultdict(list), defaultdict(list), defaultdict(list)
    for callback in tenant.callbacks:
        by_token[callback.token].append(callback)
    for event in tenant.events:
        by_user[event.user_id].append(event)
        if event.widget_session_id:
            by_widget[event.widget_session_id].append(event)
    out, tokens = set(), set()
    for session in tenant.sessions:
        tokens.add(session.token)
        arrivals = by_token[session.token]
        near = {id(e): e for e in by_widget.get(session.terra_session_id, [])}
        for user_id in {session.preissued, *(c.user_id for c in arrivals), *(e.user_id for e in near.values())}:
            near |= {id(e): e for e in by_user[user_id]} if user_id else {}
        kinds = judge_session(session, list(near.values()), arrivals, tenant.grace, now)
        out |= {(kind, session.id) for kind in kinds}
    unknown = {token for token in by_token if token not in tokens}
    if len(unknown) > UNKNOWN_ATTEMPTS_AN_HOUR:
        raise ValueError(f"{tenant.slug}: {len(unknown)} unknown tokens; the summary beyond 100 is not modelled")
    return out | {("unknown_attempt", token) for token in unknown}


def expected_of_connections(tenant, registers, now):
    """Findings about connections."""
    out = {("reference_conflict", u) for u, names in registers.named.items() if len(names) > 1}
    groups = defaultdict(list)
    for user_id in registers.live:
        if now - registers.alive_since[user_id] <= tenant.grace:
            continue
        person = registers.person(user_id)
        if person is None:
            out.add(("unattributed", user_id))
        elif registers.provider(user_id):
            groups[person, registers.provider(user_id)].append(user_id)
    out |= {("duplicate_active", min(ids, key=str.encode)) for ids in groups.values() if len(ids) > 1}
    for event in tenant.events:
        old = event.old_user_id
        if event.kind != "user_reauth" or old in (None, event.user_id):
            continue
        before, after = event.old_reference_id or registers.person(old), registers.person(event.user_id)
        if before and after and before != after:
            out.add(("shared_account", event.user_id))
        # An id that the tenant has ended through the registry is not unknown any more.
        is_ended = any(user_id == old and at <= now for user_id, at in tenant.endings)
        unknown = old not in registers.alive_since and not is_ended and now >= event.recorded + tenant.grace
        if unknown or len(registers.successors[old]) > 1 or registers.in_cycle(old):
            out.add(("orphan_reauth", old))
    return out
