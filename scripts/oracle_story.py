#!/usr/bin/env python3
"""Judges a whole simulated story: what was found at several moments, what ended, and what lives in the end.

    oracle_story.py --ledger LEDGER --story STORY --json FILE

LEDGER as for `oracle.py`, with the pages and answers of Terra's API. STORY is `{"tenants": {slug: parameters}, "moments":
[{"purpose", "reconciled_at", "found": {slug: {list: items}}}]}`. A moment's purpose is `compare` (findings by kind),
`look` (nothing that lives at Terra has ended here), `settle` (what lives here is what lives there) or `end` (nothing has
ever ended here while it lived there, by the list `changes`).

Exit: 0 everything agrees, 1 something differs, 2 the input cannot be read.
"""
import argparse
import json
import pathlib
import sys
from collections import Counter, defaultdict

import oracle
import oracle_provider
from oracle_rules import KINDS, expected

EDGE = 5.0  # seconds around a moment within which a deadline may count or not
LIVE, ENDED = {"active", "degraded"}, {"failed", "revoked", "deauthenticated", "superseded"}


class Moment:
    """One moment of the story, with what the ledger says up to then."""

    def __init__(self, lines, story, moment):
        self.at = moment["reconciled_at"]
        self.found = moment["found"]
        self.lines = [line for line in lines if line["at"] <= self.at]
        self.story = story
        self.pages = defaultdict(list)
        for line in self.lines:
            if line["record"] == "page":
                self.pages[line["tenant"]].append(line)
        self.memory = {}

    def tenants(self, up_to):
        """The tenants as the registry knew them at a moment."""
        parameters = {"tenants": self.story["tenants"], "reconciled_at": up_to}
        return oracle.read_ledger([line for line in self.lines if line["at"] <= up_to], parameters, self.found)

    def known_at(self, slug):
        """What the registry knew of a tenant's connections, by moment."""
        def known(at):
            if at not in self.memory:
                self.memory[at] = {s: oracle_provider.Known(t) for s, t in self.tenants(at).items()}
            return self.memory[at][slug]
        return known

    def expected(self, now):
        """All findings that must be open."""
        tenants = self.tenants(self.at)
        want = expected(tenants, now)
        for slug, tenant in tenants.items():
            found = oracle_provider.expected_of_listing(self.pages[slug], self.known_at(slug), tenant.grace, now)
            want |= {(slug, kind, subject) for kind, subject in found}
        return want

    def compare(self):
        """Expected against found."""
        low, high = self.expected(self.at - EDGE), self.expected(self.at + EDGE)
        result = oracle.judged(self.tenants(self.at), self.found, low & high, low ^ high,
                               KINDS + oracle_provider.KINDS)
        return result["kinds"], result["breaches"], len(low ^ high)

    def alive_at_terra(self, slug):
        """The live connections as (user_id, resource, reference_id), by user_id."""
        alive = {}
        for line in self.lines:
            if line["record"] == "connection" and line["tenant"] == slug:
                alive.pop(line["user_id"], None)
                if line["state"] == "live":
                    alive[line["user_id"]] = (line["user_id"], line["resource"], line["reference_id"])
        return alive

    def wrong_endings(self):
        """What has ended here and lives at Terra."""
        return [{"check": "live_connection_ended", "tenant": slug, "subject": c["user_id"]}
                for slug, lists in self.found.items() for c in lists["connections"]
                if c["status"] in ENDED and c["user_id"] in self.alive_at_terra(slug)]

    def ended_while_alive(self):
        """What ended here at a moment at which it lived at Terra, whatever has become of it since."""
        out = []
        for slug, lists in self.found.items():
            lives = defaultdict(list)
            for line in self.lines:
                if line["record"] == "connection" and line["tenant"] == slug:
                    lives[line["user_id"]].append((line["at"], line["state"] == "live"))
            for change in lists["changes"]:
                if change.get("from_status") not in LIVE or change["to_status"] not in ENDED:
                    continue
                at = oracle.seconds(change["recorded_at"])
                states = [state for since, state in lives[change["user_id"]] if since <= at - oracle.CLOCK]
                changed = any(abs(since - at) <= oracle.CLOCK for since, _ in lives[change["user_id"]])
                if states and states[-1] and not changed:
                    out.append({"check": "live_connection_ended", "tenant": slug,
                                "subject": f"{change['user_id']} by {change['cause_type']}"})
        return out

    def unsettled(self):
        """Where what lives here is not what lives at Terra, and how many of these are left to people.

        A person decides where Terra says `active: false`, or names another app user or resource: then the drift must
        stand as a finding.
        """
        out, left = [], 0
        for slug, lists in self.found.items():
            here = {(c["user_id"], c.get("resource"), c.get("reference_id")) for c in lists["connections"]
                    if c["status"] in LIVE}
            # Where Terra names nobody, whom the session or the replaced connection names is the app user.
            person = self.known_at(slug)(self.at).registers.person
            there = {(u, resource, name or person(u)) for u, resource, name in self.alive_at_terra(slug).values()}
            drifting = {f["subject"]["id"] for f in lists["findings"] if f["kind"] == "status_drift"}
            listed = {u["user_id"]: u for page in self.pages[slug] for u in page["users"] or []}
            for one in there ^ here:
                says = listed.get(one[0])
                mine = next((c for c in lists["connections"] if c["user_id"] == one[0]), {})
                if one[0] in drifting and says and (
                        says["active"] is False or says["reference_id"] != mine.get("reference_id")
                        or says["resource"] != mine.get("resource")):
                    left += one in here
                    continue
                side = "dead_connection_lives_here" if one in here else "live_connection_not_here"
                out.append({"check": side, "tenant": slug, "subject": one[0]})
        return out, left

    def blind_spots(self):
        """How often the two blind spots of the design lay in what happened, for the report."""
        tenants, spots = self.tenants(self.at), Counter()
        users, resources = defaultdict(set), {}
        attempts = {line["attempt_id"]: line for line in self.lines if line["record"] == "attempt"}
        for line in self.lines:
            if line["record"] == "outcome" and line["user_id"]:
                users[attempts[line["attempt_id"]]["terra_session_id"]].add(line["user_id"])
            if line["record"] == "connection":
                resources[line["user_id"]] = line["resource"]
        for tenant in tenants.values():
            named = {e.widget_session_id for e in tenant.events if e.kind == "auth_success"}
            for session in tenant.sessions:
                if not session.terra_session_id or session.terra_session_id in named:
                    continue
                claims = [c for c in tenant.callbacks if c.token == session.token and c.success and c.user_id]
                made = users[session.terra_session_id]
                if made and {c.user_id for c in claims} - made and len({c.user_id for c in claims}) == 1:
                    spots["stolen_token_is_the_only_claim"] += 1
                if any(c.user_id in made and c.resource not in (None, resources[c.user_id]) for c in claims):
                    spots["altered_resource_without_an_event"] += 1
        return spots


def judge(lines, story):
    """Judges the whole story. Returns what `--json` writes."""
    kinds = {k: {"kind": k, "expected": 0, "found": 0, "missing": [], "surplus": []}
             for k in KINDS + oracle_provider.KINDS}
    breaches, edge, left, alive, comparisons, spots = [], 0, 0, 0, 0, Counter()
    for number, given in enumerate(story["moments"]):
        moment = Moment(lines, story, given)
        broken = moment.wrong_endings()
        if given["purpose"] == "compare":
            comparisons += 1
            found, more, unsure = moment.compare()
            broken += more
            edge += unsure
            spots = moment.blind_spots()
            for kind in found:
                total = kinds.setdefault(kind["kind"], dict(kind, expected=0, found=0, missing=[], surplus=[]))
                for name in ("expected", "found", "missing", "surplus"):
                    more = kind[name]
                    total[name] += more if isinstance(more, int) else [dict(m, moment=number) for m in more]
        if given["purpose"] == "end":
            broken += moment.ended_while_alive()
        if given["purpose"] == "settle":
            more, left = moment.unsettled()
            broken += more
            alive = sum(len(moment.alive_at_terra(slug)) for slug in moment.found)
        breaches += [dict(b, moment=number) for b in broken]
    agrees = not breaches and not any(k["missing"] or k["surplus"] for k in kinds.values())
    return {"agrees": agrees, "kinds": list(kinds.values()), "breaches": breaches, "on_the_edge": edge,
            "comparisons": comparisons, "left_to_people": left, "alive": alive, "blind_spots": dict(spots)}


def main():
    """Reads the arguments and judges."""
    parser = argparse.ArgumentParser(description="judge a simulated story")
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--story", required=True)
    parser.add_argument("--json", required=True)
    arguments = parser.parse_args()
    try:
        with open(arguments.ledger, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.strip()]
        result = judge(lines, json.loads(pathlib.Path(arguments.story).read_text()))
    except (OSError, ValueError, KeyError) as error:
        print(f"oracle: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    pathlib.Path(arguments.json).write_text(json.dumps(result, indent=1) + "\n")
    return 0 if result["agrees"] else 1


if __name__ == "__main__":
    sys.exit(main())
