"""`scripts/bench reconcile`: what a run costs beside a bare join, and whether it costs more with a longer history."""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import time

import cluster
import machine
import release
from options import Parser, above_zero

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
SQL = REPOSITORY / "sql" / "benchmarks"
TENANT = "bench"
#: How many facts are new for a run since the last one: half of them events, half callbacks.
NEW_FACTS = 10_000
FULL_BAR, HISTORY_BAR, MEMORY_BAR = 1.5, 1.3, 1.2
#: What the bare join may take of the server's memory, so that it stays off the disk.
JOIN_SETTINGS = ("SET work_mem = '512MB'", "SET jit = off")


def thousands(text):
    """A number of attempts; the odd ones among them are one in a thousand of each kind."""
    number = int(text) if text.isdecimal() else 0
    if number < 10_000 or number % 1_000:
        raise argparse.ArgumentTypeError(f"takes whole thousands from 10000 on, not {text!r}")
    return number


def parser():
    made = Parser(prog="scripts/bench reconcile", description=__doc__, epilog=(
        "Exit codes: 0 every bar holds, 1 one is missed, 2 it could not be measured, 64 usage."))
    made.add_argument("--seed", type=int, default=1, metavar="N", help="of the order within a round (1)")
    made.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the checks there, too")
    made.add_argument("--rounds", type=above_zero, default=5, metavar="N", help="how often each is measured (5)")
    made.add_argument("--facts", type=thousands, default=1_000_000, metavar="N",
                      help="events, and callbacks, of the whole pass (1000000)")
    made.add_argument("--history", type=thousands, metavar="N",
                      help="events, and callbacks, of the long history (ten times --facts)")
    made.add_argument("--executable", type=pathlib.Path, metavar="FILE", help="instead of a release build of our own")
    return made


def say(text):
    print(text, file=sys.stderr, flush=True)


class Registry:
    """The commands of one executable on one database."""

    def __init__(self, executable, database):
        self.executable = str(executable)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "REGISTRY_"))}
        self.environment = {
            **kept, "REGISTRY_DATABASE_URL": database.connection, "REGISTRY_LOG_LEVEL": "warning",
            "REGISTRY_MASTER_KEYS": "YmVuY2htYXJrIGtleSBvZiAzMiBieXRlcyBpbiBhbGw=",
            "REGISTRY_TENANT_TERRA_API_KEY": "bench-key", "REGISTRY_TENANT_SIGNING_SECRET": "bench-secret"}

    def command(self, *arguments):
        """Runs a command. Returns what it printed, and its peak resident memory in MiB."""
        process = subprocess.Popen([self.executable, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=self.environment)
        with process.stdout, process.stderr:
            printed, said = process.stdout.read().decode(), process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise cluster.Failure(f"registry {' '.join(arguments[:2])}: {said.strip()[-400:]}")
        return printed, usage.ru_maxrss / 1024

    def run(self, *options):
        """One run of the tenant: its report, its seconds by the server's clock, the process's memory in MiB."""
        printed, memory = self.command("reconcile", "run", "--tenant", TENANT, "--format", "json", *options)
        (report,) = json.loads(printed)["items"]
        if report["outcome"] != "complete":
            raise cluster.Failure(f"A run ended as {report['outcome']}.")
        began, ended = (datetime.datetime.fromisoformat(report[name].replace("Z", "+00:00"))
                        for name in ("started_at", "finished_at"))
        return report, (ended - began).total_seconds(), memory


class History:
    """The attempts in the database: a history that grows and ends a day ago, and what is new."""

    TABLES = ("auth_session", "auth_event", "redirect_callback", "connection", "connection_change")

    def __init__(self, database):
        self.database = database
        self.attempts = 0

    def grow(self, attempts):
        """Loads the history up to a number of attempts, without indexes, which are made anew after it."""
        say(f"Loading {attempts - self.attempts:,} attempts …")
        names = ", ".join(f"'{table}'" for table in self.TABLES)
        indexes = self.database.ask(
            "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i "
            "JOIN pg_class t ON t.oid = i.indrelid AND t.relnamespace = 'registry'::regnamespace "
            f"WHERE t.relname IN ({names}) AND NOT EXISTS "
            "(SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)")
        self.database.ask(*(f"DROP INDEX {name}" for name, _ in indexes))
        days = 90
        end = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
        self.load(self.attempts + 1, attempts, end - datetime.timedelta(days=days),
                  days * 86_400 / (attempts - self.attempts))
        self.database.ask("SET maintenance_work_mem = '512MB'", *(definition for _, definition in indexes))
        self.database.ask("VACUUM ANALYZE", "CHECKPOINT")
        self.attempts = attempts

    def load(self, first, last, origin, step):
        self.database.ask(file=SQL / "reconcile_load.sql",
                          variables={"first": first, "last": last, "origin": origin.isoformat(), "step": step})

    @contextlib.contextmanager
    def new(self, facts):
        """New facts, for as long as the body runs: half as many attempts, as each has an event and a callback."""
        self.database.ask(file=SQL / "reconcile_forget.sql")
        began = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=3)
        self.load(self.attempts + 1, self.attempts + facts // 2, began, 0.001)
        self.database.ask("ANALYZE", "CHECKPOINT")
        yield
        self.database.ask(file=SQL / "reconcile_forget.sql")


def join(database):
    """The bare join: how many differences it lists, and its seconds."""
    text = (SQL / "reconcile_full_join.sql").read_text()
    began = time.monotonic()
    rows = database.ask(*JOIN_SETTINGS, text)
    return len(rows), time.monotonic() - began


def measure(registry, history, chosen, order):
    """Rounds of the join, of a whole pass and of a run over new facts, in an order of its own each."""
    figures = {"join_seconds": [], "full_seconds": [], "new_seconds": [], "full_mib": [], "new_mib": [], "examined": []}

    def whole():
        report, seconds, memory = registry.run("--full")
        figures["full_seconds"].append(seconds)
        figures["full_mib"].append(memory)
        figures["examined"].append(report["examined"])
        found = report["found_new"] + report["persisting"]
        if found != history.attempts // 1_000 * 4:
            raise cluster.Failure(f"A whole pass found {found} of {history.attempts // 1_000 * 4} disagreements.")

    def bare():
        listed, seconds = join(history.database)
        figures["join_seconds"].append(seconds)
        if listed != history.attempts // 1_000 * 3:
            raise cluster.Failure(f"The bare join lists {listed} of {history.attempts // 1_000 * 3} differences.")

    def new():
        with history.new(NEW_FACTS):
            _, seconds, memory = registry.run()
        figures["new_seconds"].append(seconds)
        figures["new_mib"].append(memory)

    # The first pass writes every finding, later ones see them again: it is not counted.
    whole()
    for name in ("full_seconds", "full_mib", "examined"):
        figures[name].clear()
    for _ in range(chosen.rounds):
        steps = [whole, bare, new]
        order.shuffle(steps)
        for step in steps:
            step()
    return figures


def check(name, value, unit, bar):
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": bar, "holds": value <= bar}


def checks(short, long):
    middle = statistics.median
    return [
        check("whole pass / bare join", middle(full / bare for full, bare in zip(
            short["full_seconds"], short["join_seconds"])), "ratio", FULL_BAR),
        check(f"run over {NEW_FACTS:,} new facts, long history / short", middle(long["new_seconds"]) / middle(
            short["new_seconds"]), "ratio", HISTORY_BAR),
        check("peak memory of a whole pass, long history / short", max(long["full_mib"]) / max(short["full_mib"]),
              "ratio", MEMORY_BAR),
    ]


def run(chosen):
    longer = chosen.history or 10 * chosen.facts
    if longer <= chosen.facts:
        parser().error(f"--history must be more than --facts, {chosen.facts}")
    order = random.Random(chosen.seed)
    executable = chosen.executable.resolve() if chosen.executable else release.executable()
    if not executable:
        raise cluster.Failure("registry could not be built; the reason stands above.")
    with cluster.Cluster() as database:
        registry, history = Registry(executable, database), History(database)
        registry.command("migrate", "apply")
        registry.command("tenant", "create", TENANT, "--dev-id", "bench", "--return-url", "https://app.example/")
        measured = {}
        for attempts in (chosen.facts, longer):
            history.grow(attempts)
            say(f"Measuring {chosen.rounds} rounds on a history of {attempts:,} …")
            measured[attempts] = measure(registry, history, chosen, order)
        settings = database.settings
    short, long = measured[chosen.facts], measured[longer]
    found = checks(short, long)
    if chosen.json:
        chosen.json.write_text(json.dumps({
            "machine": machine.described(), "versions": {"registry": machine.revision(REPOSITORY)},
            "seed": chosen.seed, "rounds": chosen.rounds, "checks": found,
            "settings": {"facts": chosen.facts, "history": longer, "new_facts": NEW_FACTS, "server": settings},
            "measured": {str(attempts): figures for attempts, figures in measured.items()}}, indent=2) + "\n")
    print_table(found, measured)
    return 1 if any(not entry["holds"] for entry in found) else 0


def print_table(found, measured):
    print("medians          " + "".join(f"{attempts:>16,}" for attempts in measured))
    for title, name in (("bare join, s", "join_seconds"), ("whole pass, s", "full_seconds"),
                        ("new facts, s", "new_seconds"), ("memory, MiB", "full_mib"), ("examined singly", "examined")):
        print(f"{title:<17}" + "".join(f"{statistics.median(figures[name]):>16,.2f}" for figures in measured.values()))
    width = max(len(entry["name"]) for entry in found)
    for entry in found:
        print(f"{entry['name']:<{width}}  {entry['value']:>8g}  bar {entry['bar']:g}  "
              f"{'holds' if entry['holds'] else 'MISSED'}")


def stop(number, _):
    raise SystemExit(128 + number)


def main(arguments):
    chosen = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        return run(chosen)
    except (cluster.Failure, OSError) as failure:
        say(f"scripts/bench reconcile: {failure}")
        return 2
    except KeyboardInterrupt:
        say("Interrupted; the private cluster is gone.")
        return 128 + signal.SIGINT


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(sys.argv[1:]))
