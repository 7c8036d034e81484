#!/usr/bin/env python3
"""Works out what a reconcile must find, from the ledger of what happened, and holds it against what was found.

    oracle.py --ledger LEDGER --parameters PARAMETERS --found DIRECTORY [--json FILE]

LEDGER is the stand-in's account, one JSON object a line. PARAMETERS is
`{"reconciled_at": seconds, "tenants": {slug: {"grace", "horizon", "signature_failing_after"}}}`, all in seconds.
DIRECTORY holds `<slug>/findings.json`, and if there are any `events.json`, `receipts.json`, `callbacks.json`,
`sessions.json`, `connections.json`: what `registry … list --format json --all` prints.

No code is shared with the product, and the faults' names are not read: only what arrived, when, and how it was
answered. The registry's own lists serve for three things only: which event an id stands for, whether a try that
broke off was recorded nevertheless, and on which side of a threshold a try fell that was under way as it passed.

Exit: 0 everything agrees, 1 something differs, 2 the input cannot be read.
"""
import argparse
import datetime
import hashlib
import json
import pathlib
import sys
import urllib.parse
from collections import defaultdict

from oracle_rules import KINDS, RANK, Callback, Event, Registers, Session, Tenant, expected, quarantine_subject

CLOCK = 0.25  # seconds by which the ledger's clock readings may stand beside the registry's


def seconds(text):
    """An RFC 3339 time as seconds since 1970; numbers pass."""
    if isinstance(text, (int, float)):
        return float(text)
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def read_ledger(lines, parameters, found):
    """Gathers what reached the registry, tenant by tenant.

    lines: the ledger's records in any order. parameters: see the module. found: {slug: {list name: items}}.
    """
    by = defaultdict(list)
    for line in lines:
        by[line["record"]].append(line)
    tenants = {slug: Tenant(slug, p["grace"], p["horizon"], p["signature_failing_after"])
               for slug, p in parameters["tenants"].items()}
    for tenant in tenants.values():
        lists = found.get(tenant.slug, {})
        read_sessions(tenant, by)
        read_webhooks(tenant, by, lists)
        read_callbacks(tenant, by, lists)
        read_endings(tenant, by)
    return tenants


def read_sessions(tenant, by):
    """Gathers the sessions. Session and attempt meet at the token in the redirect URL; the last attempt counts."""
    attempts = {}
    for attempt in sorted(by["attempt"], key=lambda a: a["at"]):
        if attempt["tenant"] == tenant.slug and attempt.get("success_url"):
            attempts[token_sha256(attempt["success_url"])] = attempt
    seen = set()
    for line in by["session"]:
        if line["tenant"] != tenant.slug or line["session_id"].lower() in seen:
            continue
        seen.add(line["session_id"].lower())
        attempt = attempts.get(line["attempt_token_sha256"], {})
        tenant.sessions.append(Session(
            line["session_id"].lower(), line["attempt_token_sha256"], line.get("reference_id"), line.get("resource"),
            line["expires_at"], line["at"], attempt.get("preissued_user_id"), attempt.get("terra_session_id"),
            line["multi_auth"]))


def token_sha256(url):
    """The hash of the attempt token in a redirect URL, whose path ends in /<token>/success."""
    parts = urllib.parse.urlsplit(url).path.split("/")
    return hashlib.sha256(parts[-2].encode()).hexdigest() if len(parts) > 2 else ""


def read_webhooks(tenant, by, lists):
    """Events, quarantined deliveries and rejections. Tries are one event where the body and `t` or the trace agree."""
    emissions = {e["emission_id"]: e for e in by["emission"] if e["tenant"] == tenant.slug}
    kept = defaultdict(list)
    quarantined = [r for r in lists.get("receipts", []) if r["disposition"] == "quarantined"]
    for row in lists.get("events", []) + quarantined:
        kept[row.get("trace_id")].append(seconds(row["recorded_at"]))
    known = {}
    for delivery in sorted(by["delivery"], key=lambda d: d["at"]):
        emission = emissions.get(delivery["emission_id"])
        if emission is None:
            continue
        status, at = delivery["status"], delivery["at"]
        right = emission["secret"] == "right"
        begun = at - delivery.get("latency_seconds", 0.0)
        if status == 401:
            tenant.rejected.append(at)
            if right:
                tenant.broken_rules.append(("authentic_webhook_refused", emission["emission_id"]))
            continue
        accepted = status is not None and 200 <= status < 300
        if accepted and not right:
            tenant.broken_rules.append(("forged_webhook_accepted", emission["emission_id"]))
        if emission["event_kind"] == "data" and accepted and right:
            tenant.data[emission["user_id"]].append(at)
        if emission["event_kind"] not in RANK or not right:
            continue
        within = [r for r in kept[emission["trace_id"]] if begun - CLOCK <= r <= at + CLOCK]
        if not accepted:
            if not within:
                continue
            tenant.unsure += 1
        signed = delivery.get("signed_at", emission["signed_at"])
        keys = [(emission["body_sha256"], "t", signed), (emission["body_sha256"], "trace", emission["trace_id"])]
        instant = occurred(emission, signed)
        event = next((known[key] for key in keys if key in known), None)
        if event is None:
            event = Event(
                emission["event_kind"], emission["user_id"], instant, at, emission["body_sha256"], set(),
                emission.get("old_user_id"), emission.get("reference_id"), emission.get("old_reference_id"),
                emission.get("resource"), emission.get("widget_session_id"), instant)
            # A threshold that passed while the try was under way: only the registry knows which side it took.
            thresholds = (instant + tenant.grace, signed + tenant.horizon)
            if within and any(begun - CLOCK <= limit <= at + CLOCK for limit in thresholds):
                tenant.unsure += 1
                event.recorded = within[0]
            past = event.recorded - signed > tenant.horizon
            (tenant.quarantined if past else tenant.events).append(event)
        event.traces.add(emission["trace_id"])
        event.greatest = max(event.greatest, instant)
        known.update(dict.fromkeys(keys, event))


def occurred(emission, signed):
    """The instant of a delivery: the ordering timestamp, which outlives a new signature, else the end of second `t`."""
    if abs(emission["instant"] - emission["signed_at"] - 0.999999) < 0.0000015:
        return signed + 0.999999
    return emission["instant"]


def read_callbacks(tenant, by, lists):
    """Arrivals that were answered; one that broke off counts where the registry lists it."""
    listed = {(c.get("attempt_sha256"), c.get("outcome"), c.get("user_id"), c.get("reference_id"),
               c.get("resource")) for c in lists.get("callbacks", [])}
    for line in by["callback"]:
        if line["tenant"] != tenant.slug:
            continue
        claim = line["claimed"]
        if line["status"] is None or line["status"] >= 500:
            if (line["token_sha256"], line["outcome"], claim["user_id"], claim["reference_id"],
                    claim["resource"]) not in listed:
                continue
            tenant.unsure += 1
        tenant.callbacks.append(Callback(line["token_sha256"], line["outcome"] == "success", line["at"],
                                         claim["user_id"], claim["reference_id"], claim["resource"]))


def read_endings(tenant, by):
    """What the tenant ended through the registry. One that Terra does not know is noted only where the registry did."""
    known = {s.preissued: s.at for s in tenant.sessions}
    for event in tenant.events:
        for user_id in (event.user_id, event.old_user_id):
            known[user_id] = min(known.get(user_id, event.recorded), event.recorded)
    answers = [line for line in by["answer"] if line["tenant"] == tenant.slug]
    for place, line in enumerate(answers):
        if not line["ending"]:
            continue
        is_noted = known.get(line["user_id"], line["at"]) < line["at"] and not is_doubted(line, answers[place + 1:])
        if line["status"] == 200 or is_noted:
            tenant.endings.append((line["user_id"], line["at"]))


def is_doubted(ending, answers):
    """Whether Terra, asked about others right after it did not know one, knew none: then it is not believed."""
    asked = []
    for line in answers[:3]:
        if line["ending"] or line["at"] > ending["at"] + 2:
            break
        asked.append(line["status"])
    return bool(asked) and 200 not in asked


def named_apart(findings, tenant, lists):
    """Found findings as (kind, subject), with the ids of quarantined events in the oracle's words."""
    traces = {}
    for event in tenant.quarantined:
        traces.update(dict.fromkeys(event.traces, quarantine_subject(event)))
    ids = {r["receipt_id"].lower(): traces.get(r.get("trace_id")) for r in lists.get("receipts", [])}
    out = defaultdict(int)
    for finding in findings:
        subject = finding["subject"]["id"]
        if finding["subject"]["type"] in ("session", "event"):
            subject = subject.lower()  # a UUID, which Foundation writes in capitals
        if finding["kind"] == "quarantined_event":
            subject = ids.get(subject) or "event:" + subject
        out[finding["kind"], subject] += 1
    return out


def nothing_is_lost(tenant, lists):
    """Everything that was answered with success must be listed, and nothing may be listed that never happened.

    Returns (check, subject) for each breach. A list that was not given is not checked.
    """
    out = list(tenant.broken_rules)
    if "events" in lists:
        listed = {e.get("trace_id") for e in lists["events"]}
        known = set().union(*(e.traces for e in tenant.events)) if tenant.events else set()
        out += [("acknowledged_event_missing", min(e.traces)) for e in tenant.events if not e.traces & listed]
        out += [("event_never_delivered", str(trace)) for trace in listed - known]
        if len(lists["events"]) != len(tenant.events):
            out.append(("number_of_events", f"{len(lists['events'])} listed, {len(tenant.events)} delivered"))
    if "receipts" in lists:
        kept = {r.get("trace_id") for r in lists["receipts"] if r["disposition"] == "quarantined"}
        out += [("quarantined_event_missing", min(e.traces)) for e in tenant.quarantined if not e.traces & kept]
    if "callbacks" in lists:
        def claims(rows):
            return {tuple(row) for row in rows}
        listed = claims((c["attempt_sha256"], c["outcome"], c.get("user_id"), c.get("reference_id"), c.get("resource"))
                        for c in lists["callbacks"])
        known = claims((c.token, "success" if c.success else "failure", c.user_id, c.reference_id, c.resource)
                       for c in tenant.callbacks)
        out += [("answered_callback_missing", " ".join(map(str, c))) for c in known - listed]
        out += [("callback_never_made", " ".join(map(str, c))) for c in listed - known]
    if "sessions" in lists:
        listed = {s["session_id"].lower() for s in lists["sessions"]}
        out += [("answered_session_missing", s.id) for s in tenant.sessions if s.id not in listed]
    if "connections" in lists:
        registers = Registers(tenant)
        listed = {(c["user_id"], c.get("resource"), c.get("reference_id"))
                  for c in lists["connections"] if c["status"] in ("active", "degraded")}
        known = {(u, registers.provider(u), registers.person(u)) for u in registers.live}
        out += [("live_connection_missing", " ".join(map(str, c))) for c in known - listed]
        out += [("live_connection_unfounded", " ".join(map(str, c))) for c in listed - known]
    return sorted(set(out))


def compare(lines, parameters, found, edge=0.0):
    """Expected against found, kind by kind, and everything that got lost. Returns what `--json` writes.

    edge: what is due within so many seconds of the moment may be found or not.
    """
    tenants = read_ledger(lines, parameters, found)
    now = parameters["reconciled_at"]
    want = expected(tenants, now)
    unsure = expected(tenants, now - edge) ^ expected(tenants, now + edge) if edge else set()
    return judged(tenants, found, want - unsure, unsure, KINDS)


def judged(tenants, found, want, unsure, kinds_known):
    """What was found, held against what is wanted; `unsure` is left out on both sides."""
    have, twins = set(), []
    for slug, tenant in tenants.items():
        lists = found.get(slug, {})
        for (kind, subject), times in named_apart(lists.get("findings", []), tenant, lists).items():
            have.add((slug, kind, subject))
            if times > 1:
                twins.append({"check": "finding_twice", "tenant": slug, "subject": f"{kind} {subject}"})
    have -= unsure
    kinds = []
    for kind in kinds_known + sorted({k for _, k, _ in have} - set(kinds_known)):
        wanted, got = ({(t, s) for t, k, s in side if k == kind} for side in (want, have))
        kinds.append({
            "kind": kind, "expected": len(wanted), "found": len(got),
            "missing": [{"tenant": t, "subject": s} for t, s in sorted(wanted - got)],
            "surplus": [{"tenant": t, "subject": s} for t, s in sorted(got - wanted)]})
    breaches = twins + [{"check": check, "tenant": slug, "subject": subject} for slug, tenant in tenants.items()
                        for check, subject in nothing_is_lost(tenant, found.get(slug, {}))]
    agrees = not breaches and not any(k["missing"] or k["surplus"] for k in kinds)
    return {"agrees": agrees, "kinds": kinds, "breaches": breaches,
            "decided_by_the_registry": sum(t.unsure for t in tenants.values()),
            "events": sum(len(t.events) for t in tenants.values()),
            "callbacks": sum(len(t.callbacks) for t in tenants.values()),
            "sessions": sum(len(t.sessions) for t in tenants.values())}


def read_found(directory):
    """The lists of each tenant below a directory: bare arrays, or objects with the array under `items`."""
    found = defaultdict(dict)
    for path in sorted(pathlib.Path(directory).glob("*/*.json")):
        rows = json.loads(path.read_text())
        found[path.parent.name][path.stem] = rows["items"] if isinstance(rows, dict) else rows
    return found


def report(result):
    """The comparison as text for people."""
    rows = [f"{'kind':<24}{'expected':>9}{'found':>7}  agrees"]
    for row in result["kinds"]:
        same = not row["missing"] and not row["surplus"]
        rows.append(f"{row['kind']:<24}{row['expected']:>9}{row['found']:>7}  {'yes' if same else 'NO'}")
        for side in ("missing", "surplus"):
            rows += [f"    {side}: {r['tenant']} {r['subject']}" for r in row[side][:5]]
    rows += [f"{b['check']}: {b['tenant']} {b['subject']}" for b in result["breaches"][:20]]
    return "\n".join(rows)


def main():
    """Reads the arguments and prints the comparison."""
    parser = argparse.ArgumentParser(description="hold the findings of a reconcile against what happened")
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--parameters", required=True)
    parser.add_argument("--found", required=True)
    parser.add_argument("--json", help="write the comparison to this file")
    arguments = parser.parse_args()
    try:
        with open(arguments.ledger, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.strip()]
        parameters = json.loads(pathlib.Path(arguments.parameters).read_text())
        result = compare(lines, parameters, read_found(arguments.found))
    except (OSError, ValueError, KeyError) as error:
        print(f"oracle: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(result, indent=1) + "\n")
    print(report(result))
    return 0 if result["agrees"] else 1


if __name__ == "__main__":
    sys.exit(main())
