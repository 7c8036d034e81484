"""Tests of the rules by which a simulated story is judged.

Run: python3 -m unittest discover -s Tests/Python -p test_oracle_story.py
"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))

import oracle_story  # noqa: E402
from test_oracle import GRACE, HORIZON, START, World  # noqa: E402

HOUR = 3600.0


class Story(World):
    """A ledger with Terra's listing, and the moments at which the registry was asked."""

    def __init__(self):
        super().__init__()
        self.moments = []

    def lives(self, user_id, at=START, state="live", reference_id="R", resource="FITBIT"):
        """A connection begins or ends at Terra."""
        self.lines.append({"record": "connection", "tenant": "acme", "user_id": user_id, "state": state,
                           "reference_id": reference_id, "resource": resource, "at": at})

    def page(self, *users, at, number=0, following=None, last=None, status=200):
        """A page of the listing; a user is an id, or (id, reference_id, active)."""
        def shown(user):
            user_id, reference_id, active = user if isinstance(user, tuple) else (user, "R", True)
            return {"user_id": user_id, "reference_id": reference_id, "resource": "FITBIT", "active": active}
        self.lines.append({"record": "page", "tenant": "acme", "page": number, "status": status, "next": following,
                           "last": number if last is None else last, "at": at,
                           "users": [shown(u) for u in users] if status == 200 else None})

    def ask(self, purpose, at, findings=(), connections=(), changes=()):
        """The registry is asked. A change is an id, when, the status before and the one after."""
        self.moments.append({"purpose": purpose, "reconciled_at": at, "found": {"acme": {
            "findings": [{"kind": k, "subject": {"type": "user_id", "id": s}} for k, s in findings],
            "connections": [{"user_id": u, "status": s, "reference_id": "R", "resource": "FITBIT"}
                            for u, s in connections],
            "changes": [{"user_id": u, "recorded_at": at, "from_status": before, "to_status": after, "cause_type": "event"}
                        for u, at, before, after in changes]}}})

    def judged(self):
        """The verdict."""
        return oracle_story.judge([{"at": START} | line for line in self.lines], {"moments": self.moments, "tenants": {"acme": {
            "grace": GRACE, "horizon": HORIZON, "signature_failing_after": 5.0}}})

    def wanted(self, at):
        """What the listing must make a reconcile find at a moment."""
        self.moments = []
        self.ask("compare", at, connections=[(u, "active") for u in ("A", "B", "C")])
        return {(k["kind"], s["subject"]) for k in self.judged()["kinds"] for s in k["missing"]
                if k["kind"] in ("missing_locally", "missing_at_provider", "status_drift")}


class Listings(unittest.TestCase):
    """Which listings count, and for what."""

    def setUp(self):
        self.story = Story()
        for user_id in ("A", "B", "C"):
            self.story.emit(user_id)

    def test_absence_counts_in_two_complete_listings(self):
        self.story.page("A", "B", at=START + HOUR)
        self.assertEqual(self.story.wanted(START + 2 * HOUR), set())
        self.story.page("A", "B", at=START + 2 * HOUR)
        self.assertEqual(self.story.wanted(START + 3 * HOUR), {("missing_at_provider", "C")})

    def test_data_since_the_listing_before_says_that_it_lives(self):
        for secret, status, absent in (("right", 200, set()), ("wrong", 200, {"C"}), ("right", 401, {"C"})):
            self.setUp()
            self.story.page("A", "B", at=START + HOUR)
            self.story.emit("C", "data", at=START + HOUR + 60, statuses=(status,), secret=secret)
            self.story.page("A", "B", at=START + 2 * HOUR)
            self.assertEqual(self.story.wanted(START + 3 * HOUR), {("missing_at_provider", c) for c in absent})

    def test_data_makes_an_id_known_and_no_more(self):
        self.story.emit("N", "data", at=START + HOUR - 60)
        self.story.page("A", "B", "C", "N", at=START + HOUR)
        self.story.emit("N", "data", at=START + HOUR + 60)
        self.assertEqual(self.story.wanted(START + 2 * HOUR), {("missing_locally", "N")})
        self.setUp()
        self.story.emit("N", "data", at=START + HOUR - 1)
        self.story.page("A", "B", "C", "N", at=START + HOUR)
        self.assertEqual(self.story.wanted(START + 2 * HOUR), set())

    def test_what_is_no_listing_does_not_count(self):
        for number, broken in enumerate((
                {"status": 500}, {"following": 2, "last": 3}, {"last": 4}, {"following": 1, "last": 1})):
            with self.subTest(number):
                self.setUp()
                for hour in (1, 8):
                    self.story.page("A", "B", at=START + hour * HOUR, **broken)
                self.assertEqual(self.story.wanted(START + 9 * HOUR), set())

    def test_an_answer_that_says_nothing_ends_no_listing_and_begins_none(self):
        def say_nothing(at, number):
            self.story.page(at=at, number=number)
            self.story.lines[-1]["users"] = None
        for hour in (1, 2):
            self.story.page("A", at=START + hour * HOUR, following=1, last=1)
            say_nothing(START + hour * HOUR + 1, 1)
            self.story.page("B", at=START + hour * HOUR + 2, number=1)
        self.assertEqual(self.story.wanted(START + 3 * HOUR), {("missing_at_provider", "C")})
        self.setUp()
        say_nothing(START - 10, 0)
        for hour in (1, 2):
            self.story.page("A", "B", at=START + hour * HOUR)
        self.assertEqual(self.story.wanted(START + 3 * HOUR), {("missing_at_provider", "C")})

    def test_strangers_are_known_though_data_has_come_about_everybody(self):
        for hour in (1, 2):
            self.story.page("X", at=START + hour * HOUR, following=1, last=1)
            for user_id in ("A", "B", "C"):
                self.story.emit(user_id, "data", at=START + hour * HOUR + 1)
            self.story.page("Y", at=START + hour * HOUR + 5, number=1)
        self.assertEqual(self.story.wanted(START + 3 * HOUR), set())

    def test_a_listing_of_strangers_is_none(self):
        for hour in (1, 2):
            self.story.page("X", "Y", at=START + hour * HOUR)
        self.assertEqual(self.story.wanted(START + 3 * HOUR), set())

    def test_pages_that_belong_together_are_one(self):
        for hour in (1, 2):
            self.story.page("A", at=START + hour * HOUR, following=1, last=1)
            self.story.page(at=START + hour * HOUR + 1, number=1, status=429)
            self.story.page("B", "C", at=START + hour * HOUR + 2, number=1)
        self.assertEqual(self.story.wanted(START + 3 * HOUR), set())

    def test_what_is_listed_and_unknown_is_missing_after_the_grace(self):
        self.story.page("A", "B", "C", "N", at=START + HOUR)
        self.assertEqual(self.story.wanted(START + HOUR + GRACE - 1), set())
        self.assertEqual(self.story.wanted(START + HOUR + GRACE + 6), {("missing_locally", "N")})

    def test_inactive_and_another_name_are_drift(self):
        self.story.page(("A", "R", False), "B", ("C", "other", True), at=START + HOUR)
        self.assertEqual(self.story.wanted(START + 2 * HOUR), {("status_drift", "A"), ("status_drift", "C")})


class Endings(unittest.TestCase):
    """What must live, and what may not."""

    def test_a_wrong_ending_is_named(self):
        story = Story()
        story.lives("A")
        story.ask("look", START + HOUR, connections=[("A", "active")])
        self.assertTrue(story.judged()["agrees"])
        story.ask("look", START + HOUR, connections=[("A", "revoked")])
        self.assertEqual([b["check"] for b in story.judged()["breaches"]], ["live_connection_ended"])

    def test_an_ending_is_wrong_though_it_was_taken_back(self):
        story = Story()
        story.lives("A")
        story.lives("A", START + HOUR, "ended")
        for at, after, breaches in (
                (START + 9, "revoked", 1), (START + 9, "failed", 1), (START + 9, "degraded", 0),
                (START + HOUR, "revoked", 0), (START + HOUR + 9, "revoked", 0)):
            story.moments = []
            story.ask("end", START + 2 * HOUR, changes=[("A", at, "active", after)])
            self.assertEqual(len(story.judged()["breaches"]), breaches, (at, after))

    def test_what_lives_here_in_the_end_is_what_lives_there(self):
        for connections, breaches in (
                ([("A", "active")], []), ([], ["live_connection_not_here"]),
                ([("A", "active"), ("B", "degraded")], ["dead_connection_lives_here"])):
            story = Story()
            story.lives("A")
            story.lives("B")
            story.lives("B", START + 1, "ended")
            story.ask("settle", START + HOUR, connections=connections)
            self.assertEqual([b["check"] for b in story.judged()["breaches"]], breaches)

    def test_drift_that_stands_as_a_finding_is_left_to_people(self):
        story = Story()
        story.lives("A", state="ended")
        story.page(("A", "R", False), at=START + 10)
        for findings, left in (((), 0), ((("status_drift", "A"),), 1)):
            story.moments = []
            story.ask("settle", START + HOUR, findings, connections=[("A", "active")])
            verdict = story.judged()
            self.assertEqual((verdict["left_to_people"], len(verdict["breaches"])), (left, 1 - left))


if __name__ == "__main__":
    unittest.main()
