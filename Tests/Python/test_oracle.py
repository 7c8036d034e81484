"""Tests of the demo's oracle against a table of its own.

Run: python3 -m unittest discover -s Tests/Python -p test_oracle.py
"""
import hashlib
import itertools
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))

import oracle  # noqa: E402

GRACE, HORIZON, EXPIRY, START = 5.0, 60.0, 10.0, 1_800_000_000.0
DELAY = {"in grace": 0.2, "late": 20.0, "past the horizon": 80.0}


def sha(text):
    """A hash as the ledger writes it."""
    return hashlib.sha256(text.encode()).hexdigest()


class World:
    """Writes a ledger the way a stand-in would."""

    def __init__(self, slugs=("acme",)):
        self.lines, self.slugs, self.number = [], slugs, 0

    def begin(self, name, kind, reference_id="R", resource="FITBIT", tenant="acme", at=START, multi_auth=False):
        """An attempt at Terra and the session that the registry answered."""
        direct = kind == "direct"
        self.lines += [
            {"record": "attempt", "attempt_id": "a" + name, "tenant": tenant, "kind": kind, "at": at, "fault": None,
             "reference_id": reference_id, "resource": resource if direct else None,
             "terra_session_id": None if direct else "W" + name, "preissued_user_id": "U" + name if direct else None,
             "success_url": f"http://r/callbacks/terra/{tenant}/T{name}/success", "failure_url": "http://r/x"},
            {"record": "session", "tenant": tenant, "session_id": "s" + name, "attempt_token_sha256": sha("T" + name),
             "expires_at": at + EXPIRY, "reference_id": reference_id, "resource": resource if direct else None,
             "multi_auth": multi_auth, "at": at}]

    def emit(self, user_id, kind="auth_success", delay=0.2, tenant="acme", at=START, statuses=(200,), secret="right",
             **more):
        """A webhook and its tries, a second apart."""
        self.number += 1
        name = f"e{self.number}"
        self.lines.append({
            "record": "emission", "emission_id": name, "trace_id": "trace-" + name, "tenant": tenant, "type": "auth",
            "event_kind": kind, "user_id": user_id, "old_user_id": None, "reference_id": "R",
            "old_reference_id": None, "resource": "FITBIT", "widget_session_id": None, "signed_at": int(at),
            "instant": at, "secret": secret, "status_of_event": "success", "body_sha256": sha(name)} | more)
        self.lines += [{"record": "delivery", "emission_id": name, "tenant": tenant, "try": n + 1,
                        "at": at + delay + n, "latency_seconds": 0.01, "status": status, "signed_at": int(at)}
                       for n, status in enumerate(statuses)]
        return "trace-" + name

    def arrive(self, name, user_id, reference_id="R", resource="FITBIT", outcome="success", tenant="acme",
               at=START + 1, status=303):
        """A browser at the registry."""
        self.lines.append({
            "record": "callback", "attempt_id": None, "tenant": tenant, "token_sha256": sha("T" + name),
            "outcome": outcome, "at": at, "status": status, "fault": None,
            "claimed": {"user_id": user_id, "reference_id": reference_id, "resource": resource}})

    def parameters(self, now=START + 120):
        """What the oracle is told."""
        return {"reconciled_at": now, "tenants": {slug: {
            "grace": GRACE, "horizon": HORIZON, "signature_failing_after": 5.0} for slug in self.slugs}}

    def findings(self, now=START + 120, found=None):
        """What the oracle expects."""
        parameters = self.parameters(now)
        return oracle.expected(oracle.read_ledger(self.lines, parameters, found or {}), now)

    def kinds(self, **more):
        """The expected kinds of the first tenant."""
        return {kind for slug, kind, _ in self.findings(**more) if slug == self.slugs[0]}


def table(kind, event, browser, forgery):
    """What the design's table says, as (kinds about the session, other kinds)."""
    back = browser in ("honest", "reload", "reference", "resource")
    failed = browser == "failure"
    arrival = {"back": back, "failed": failed, "lost": not back and not failed}
    which = next(name for name, holds in arrival.items() if holds)
    about = {
        ("in grace", "back"): "", ("in grace", "lost"): "event_without_callback",
        ("in grace", "failed"): "outcome_mismatch",
        ("late", "back"): "late_event", ("late", "lost"): "late_event event_without_callback",
        ("late", "failed"): "late_event outcome_mismatch",
        ("past the horizon", "back"): "callback_without_event", ("past the horizon", "lost"): "stale_session",
        ("past the horizon", "failed"): "",
        ("never", "back"): "callback_without_event", ("never", "lost"): "stale_session", ("never", "failed"): "",
    }[event, which].split()
    about = set(about)
    blind = kind == "widget" and event in ("past the horizon", "never")
    if browser == "reference":
        about.add("reference_mismatch")
    if browser == "resource" and not blind:
        about.add("resource_mismatch")
    if forgery == "stolen token":
        if blind and not back:  # the thief's claim is the only one, so it passes for the session's
            about = {"callback_without_event"}
        else:
            about.add("replayed_attempt")
    other = {"quarantined_event"} if event == "past the horizon" else set()
    if forgery == "unknown token":
        other.add("unknown_attempt")
    return about, other


class TheTable(unittest.TestCase):
    """The 144 combinations of how event, browser and forger behave."""

    def test_every_combination_in_every_order_of_arrival(self):
        differing, count = [], 0
        for kind, event, browser, forgery in itertools.product(
                ("direct", "widget"), ("in grace", "late", "past the horizon", "never"),
                ("honest", "reload", "lost", "reference", "resource", "failure"),
                ("none", "unknown token", "stolen token")):
            arrivals = {
                "honest": [{}], "reload": [{}, {}], "lost": [], "reference": [{"reference_id": "X"}],
                "resource": [{"resource": "OURA"}], "failure": [{"outcome": "failure"}]}[browser]
            calls = [("1", "U1", more) for more in arrivals]
            calls += {"none": [], "unknown token": [("?", "Z", {})], "stolen token": [("1", "Z", {})]}[forgery]
            about, other = table(kind, event, browser, forgery)
            for order in itertools.permutations(range(len(calls))):
                world = World()
                world.begin("1", kind)
                if event != "never":
                    world.emit("U1", delay=DELAY[event], widget_session_id="W1")
                for moment, index in enumerate(order):
                    name, user_id, more = calls[index]
                    world.arrive(name, user_id, at=START + 1 + moment, **more)
                got = world.findings()
                if ({k for _, k, s in got if s == "s1"}, {k for _, k, s in got if s != "s1"}) != (about, other):
                    differing.append((kind, event, browser, forgery, sorted(got)))
            count += 1
        self.assertEqual(count, 144)
        self.assertEqual(differing, [])

    def test_the_order_of_the_ledger_does_not_matter(self):
        world = World()
        for number in range(40):
            kind = ("direct", "widget")[number % 2]
            world.begin(str(number), kind, reference_id=f"R{number}")
            if number % 3:
                world.emit(f"U{number}", delay=(0.2, 20.0, 80.0)[number % 5 % 3], reference_id=f"R{number}",
                           widget_session_id=f"W{number}")
            if number % 4:
                world.arrive(str(number), f"U{number}", reference_id=f"R{number}")
        want = world.findings()
        seed = 20261121
        generator = random.Random(seed)
        for _ in range(10):
            generator.shuffle(world.lines)
            self.assertEqual(world.findings(), want, f"repeat with random.Random({seed})")


class Sessions(unittest.TestCase):
    """What the table leaves open."""

    def test_nothing_is_due_before_its_deadline(self):
        world = World()
        world.begin("1", "direct")
        self.assertEqual(world.kinds(now=START + EXPIRY + GRACE - 1), set())
        self.assertEqual(world.kinds(now=START + EXPIRY + GRACE + 1), {"stale_session"})
        world.arrive("1", "U1", at=START + 8)
        self.assertEqual(world.kinds(now=START + 12), set())
        self.assertEqual(world.kinds(now=START + 14), {"callback_without_event"})

    def test_a_null_id_is_a_handing_over_and_claims_nothing(self):
        world = World()
        world.begin("1", "widget")
        world.arrive("1", None)
        self.assertEqual(world.kinds(), {"stale_session"})

    def test_the_only_claimed_id_ties_only_events_that_name_no_session(self):
        for widget_session_id, kinds in ((None, set()), ("W9", {"callback_without_event"})):
            world = World()
            world.begin("1", "widget")
            world.emit("U1", widget_session_id=widget_session_id)
            world.arrive("1", "U1")
            self.assertEqual(world.kinds(), kinds)

    def test_an_event_of_several_that_come_of_one_session_may_come_after_the_browser(self):
        replayed = {"replayed_attempt"}
        for multi_auth, now, kinds in ((True, 4, set()), (True, 6.5, replayed), (False, 4, replayed)):
            world = World()
            world.begin("1", "widget", multi_auth=multi_auth)
            world.emit("U1", widget_session_id="W1")
            world.arrive("1", "U2")
            self.assertEqual(world.kinds(now=START + now) - {"event_without_callback"}, kinds)
        for twice, own, kinds in ((6, None, replayed), (None, "W9", replayed), (None, None, set())):
            world = World()
            world.begin("1", "widget", multi_auth=True)
            world.emit("U1", widget_session_id="W1")
            world.arrive("1", "U2")
            if twice:
                world.arrive("1", "U2", at=START + twice)
            if own:
                world.emit("U2", widget_session_id=own)
            self.assertEqual(world.kinds(now=START + (6.5 if twice else 4)) - {"event_without_callback"}, kinds)

    def test_a_reauth_counts_as_the_success_of_its_new_id(self):
        world = World()
        world.emit("U0")
        world.begin("1", "direct")
        world.arrive("1", "U1")
        world.emit("U1", "user_reauth", old_user_id="U0", old_reference_id="R")
        self.assertEqual(world.kinds(), set())

    def test_the_event_is_compared_with_its_session(self):
        world = World()
        world.begin("1", "direct")
        world.emit("U1", reference_id="X")
        world.arrive("1", "U1")
        self.assertEqual(world.kinds(), {"reference_mismatch"})

    def test_a_failure_redirect_beside_a_success_redirect_is_nothing(self):
        world = World()
        world.begin("1", "direct")
        world.emit("U1")
        world.arrive("1", "U1", outcome="failure")
        self.assertEqual(world.kinds(), {"outcome_mismatch"})
        world.arrive("1", "U1", at=START + 2)
        self.assertEqual(world.kinds(), set())

    def test_another_person_outweighs_another_resource(self):
        world = World()
        world.begin("1", "direct")
        world.emit("U1")
        world.arrive("1", "U1", reference_id="X", resource="OURA")
        self.assertEqual(world.kinds(), {"reference_mismatch"})

    def test_an_id_that_two_tenants_have_is_no_claim_across(self):
        world = World(("acme", "other"))
        world.emit("U1", tenant="other")
        world.begin("1", "direct")
        world.emit("U1")
        world.arrive("1", "U1")
        self.assertEqual(world.findings(), set())

    def test_a_claim_of_another_tenants_id_is_for_operators_beside_the_table(self):
        world = World(("acme", "other"))
        world.emit("Z", tenant="other", reference_id="Q")
        world.begin("1", "direct")
        world.emit("U1")
        world.arrive("1", "U1")
        world.arrive("1", "Z")
        self.assertEqual(world.findings(), {("acme", "replayed_attempt", "s1"), ("acme", "cross_tenant_claim", "Z")})


class Connections(unittest.TestCase):
    """Findings about ids rather than sessions."""

    def test_two_live_ids_of_one_person_at_one_resource(self):
        world = World()
        world.emit("B")
        world.emit("A")
        self.assertEqual(world.findings(), {("acme", "duplicate_active", "A")})
        world.emit("B", "deauthentication")
        self.assertEqual(world.findings(), set())

    def test_an_ordinary_reauth_is_nothing_in_either_order(self):
        for first, second in itertools.permutations((0.2, 0.4)):
            world = World()
            world.emit("A")
            world.emit("B", delay=first)
            world.emit("B", "user_reauth", delay=second, old_user_id="A", old_reference_id="R")
            self.assertEqual(world.findings(), set())

    def test_reauths_that_do_not_fit(self):
        world = World()
        world.emit("B", "user_reauth", old_user_id="A", old_reference_id="R")
        self.assertEqual(world.findings(), {("acme", "orphan_reauth", "A")})
        world.emit("A", delay=3)
        self.assertEqual(world.findings(), set())
        world.emit("A", "user_reauth", old_user_id="B", old_reference_id="R")
        self.assertEqual(world.findings(), {("acme", "orphan_reauth", "A"), ("acme", "orphan_reauth", "B")})
        world = World()
        world.emit("A")
        world.emit("B", "user_reauth", old_user_id="A", old_reference_id="R")
        world.emit("C", "user_reauth", old_user_id="A", old_reference_id="R", resource="OURA")
        self.assertEqual(world.findings(), {("acme", "orphan_reauth", "A")})
        world = World()
        world.emit("B", "user_reauth", old_user_id="A", old_reference_id="R")
        world.lines.append({"record": "answer", "tenant": "acme", "user_id": "A", "ending": True, "status": 404,
                            "at": START + 1})
        self.assertEqual(world.findings(), set())
        world = World()
        world.emit("B", "user_reauth", old_user_id=None)
        self.assertEqual(world.findings(), set())

    def test_who_a_connection_belongs_to(self):
        world = World()
        world.emit("A", reference_id="P")
        world.emit("B", "user_reauth", old_user_id="A", old_reference_id="P", reference_id="Q")
        self.assertEqual(world.findings(), {("acme", "shared_account", "B")})
        world = World()
        world.emit("A", reference_id="P")
        world.emit("A", "permission_change", reference_id="Q")
        self.assertEqual(world.findings(), {("acme", "reference_conflict", "A")})

    def test_unattributed_only_while_neither_event_nor_session_names_anybody(self):
        world = World()
        world.emit("A", reference_id=None)
        self.assertEqual(world.findings(), {("acme", "unattributed", "A")})
        world.emit("A", "permission_change", reference_id="P")
        self.assertEqual(world.findings(), set())
        world = World()
        world.begin("1", "widget")
        world.emit("U1", reference_id=None, widget_session_id="W1")
        world.arrive("1", "U1", reference_id=None)
        self.assertEqual(world.findings(), set())


class Deliveries(unittest.TestCase):
    """How tries become events."""

    def test_tries_of_one_event_are_one_and_the_first_2xx_counts(self):
        world = World()
        world.begin("1", "direct")
        world.arrive("1", "U1")
        world.emit("U1", statuses=(None, 503, 200, 200))
        self.assertEqual(world.findings(), set())
        world.emit("U1", statuses=(503,) * 6 + (200,), body_sha256=sha("e1"), trace_id="trace-e1")
        self.assertEqual(world.findings(), set())
        tenants = oracle.read_ledger(world.lines, world.parameters(), {})
        self.assertEqual(len(tenants["acme"].events), 1)

    def test_rejections_after_the_last_authentic_delivery(self):
        world = World()
        world.emit("A")
        world.emit("B", delay=1, statuses=(401,), secret="wrong", reference_id="Q")
        self.assertEqual(world.findings(), {("acme", "signature_failing", "acme")})
        self.assertEqual(world.findings(now=START + 4), set())
        world.emit("C", delay=80, reference_id="P")
        self.assertEqual(world.kinds(), {"quarantined_event"})

    def test_a_try_that_broke_off_counts_where_the_registry_lists_it(self):
        world = World()
        world.begin("1", "direct")
        world.arrive("1", "U1")
        trace = world.emit("U1", statuses=(None, 503, 503, 503, 503, 503, 200))
        self.assertEqual(world.kinds(), {"late_event"})
        rows = [{"trace_id": trace, "recorded_at": "2027-01-15T08:00:00.195000Z"}]
        self.assertEqual(world.kinds(found={"acme": {"events": rows}}), set())
        rows = [{"trace_id": trace, "recorded_at": "2027-01-15T08:00:00.900000Z"}]
        self.assertEqual(world.kinds(found={"acme": {"events": rows}}), {"late_event"})


    def test_a_try_under_way_as_a_threshold_passed_took_the_side_that_the_registry_says(self):
        for recorded, kinds in ((START + 4.95, set()), (START + 5.05, {"late_event"}), (START + 9, {"late_event"})):
            world = World()
            world.begin("1", "direct")
            world.arrive("1", "U1")
            trace = world.emit("U1", delay=5.1)
            rows = [{"trace_id": trace, "recorded_at": recorded}]
            self.assertEqual(world.kinds(found={"acme": {"events": rows}}), kinds)


class Comparing(unittest.TestCase):
    """Found against expected, and what got lost."""

    def setUp(self):
        self.world = World()
        self.world.begin("1", "direct")
        self.trace = self.world.emit("U1", delay=80)
        self.world.arrive("1", "U1")
        kinds = {"callback_without_event": "s1", "quarantined_event": "receipt-1"}
        self.found = {"acme": {
            "findings": [{"kind": k, "subject": {"type": "event" if k == "quarantined_event" else "session", "id": s}}
                         for k, s in kinds.items()],
            "receipts": [{"receipt_id": "receipt-1", "trace_id": self.trace, "disposition": "quarantined",
                          "recorded_at": "2027-01-15T08:01:20Z"}],
            "events": [], "sessions": [{"session_id": "s1"}], "connections": [{"user_id": "U1", "status": "pending"}],
            "callbacks": [{"attempt_sha256": sha("T1"), "outcome": "success", "user_id": "U1", "reference_id": "R",
                           "resource": "FITBIT"}]}}

    def compare(self):
        return oracle.compare(self.world.lines, self.world.parameters(), self.found)

    def test_agreement(self):
        result = self.compare()
        self.assertEqual(result["breaches"], [])
        self.assertTrue(result["agrees"])
        self.assertIn({"kind": "quarantined_event", "expected": 1, "found": 1, "missing": [], "surplus": []},
                      result["kinds"])

    def test_each_loss_and_each_invention_is_named(self):
        for name, check in (("findings", None), ("receipts", "quarantined_event_missing"),
                            ("callbacks", "answered_callback_missing"), ("sessions", "answered_session_missing")):
            rows, self.found["acme"][name] = self.found["acme"][name], []
            result = self.compare()
            self.assertFalse(result["agrees"], name)
            if check:
                self.assertIn(check, [b["check"] for b in result["breaches"]])
            self.found["acme"][name] = rows
        self.found["acme"]["events"] = [{"trace_id": "?", "recorded_at": START}]
        self.found["acme"]["connections"] = [{"user_id": "?", "status": "active"}]
        self.found["acme"]["findings"] *= 2
        checks = {b["check"] for b in self.compare()["breaches"]}
        self.assertEqual(checks, {"event_never_delivered", "number_of_events", "live_connection_unfounded",
                                  "finding_twice"})

    def test_what_the_signature_must_have_decided(self):
        self.world.emit("U7", statuses=(200,), secret="wrong")
        self.world.emit("U8", statuses=(401,), secret="right")
        checks = {b["check"] for b in self.compare()["breaches"]}
        self.assertEqual(checks, {"forged_webhook_accepted", "authentic_webhook_refused"})


if __name__ == "__main__":
    unittest.main()
