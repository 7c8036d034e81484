"""`scripts/bench driver`: the registry's driver beside its peers, on a private cluster, in one run."""
import argparse
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys

import bars
import cluster
import contenders
import machine
import peers
import report
import rounds

USAGE = 64


class Parser(argparse.ArgumentParser):
    """Wrong usage ends with 64 and says in one line what would be right."""

    def error(self, message):
        self.print_usage(sys.stderr)
        print(f"scripts/bench driver: {message}", file=sys.stderr)
        raise SystemExit(USAGE)


def positive(kind):
    """A number above nothing."""
    def read(text):
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"takes a number, not {text!r}") from None
        if not (value > 0 and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"takes a number above 0, not {text!r}")
        return value
    return read


def pattern(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"takes a regular expression; {text!r} is none: {error}") from None


def parser():
    made = Parser(prog="scripts/bench driver", description=__doc__, epilog=(
        "A whole run takes about 25 minutes after the builds. Exit codes: 0 every bar that was measured holds, 1 a bar "
        "is missed, 2 it could not be measured, 64 usage."))
    made.add_argument("--seed", type=int, default=1, metavar="N", help="of keys and order (1)")
    made.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the checks and figures there, too")
    made.add_argument("--rounds", type=positive(int), metavar="N", help="how often each contender runs each cell (5)")
    made.add_argument("--seconds", type=positive(float), metavar="S", help="how long one measurement takes (3)")
    made.add_argument("--output", type=pathlib.Path, metavar="DIR", help="for driver.md, .json and .svg (.build/bench)")
    made.add_argument("--only", type=pattern, metavar="PATTERN",
                      help="only what matches, of names such as select@64/tokio-16")
    made.add_argument("--quick", action="store_true", help="one round of 1 s on 100,000 rows: to see that it works")
    made.add_argument("--rows", type=positive(int), metavar="N", help=argparse.SUPPRESS)
    made.add_argument("--list", action="store_true", help="print what would be measured, and end")
    return made


def read(arguments):
    """The options with their defaults filled in."""
    made = parser()
    chosen = made.parse_args(arguments)
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or (1.0 if chosen.quick else 3.0)
    chosen.rows = chosen.rows or (100_000 if chosen.quick else 1_000_000)
    chosen.warmup = 0.5 if chosen.quick else 1.0
    chosen.output = (chosen.output or rounds.REPOSITORY / ".build" / "bench").resolve()
    if chosen.json and not chosen.json.absolute().parent.is_dir():
        made.error(f"--json: there is no folder {chosen.json.parent}")
    chosen.entries = contenders.entries(set(peers.MAKERS), chosen.only)
    if not chosen.entries:
        made.error(f"--only {chosen.only.pattern!r} matches nothing; --list shows the names")
    return chosen


def run(chosen):
    wanted = {contender.peer for _, _, contender in chosen.entries} | {"registry"}
    folder = rounds.REPOSITORY / ".build" / "bench" / "peers"
    # Before the long run, not after it.
    chosen.output.mkdir(parents=True, exist_ok=True)
    commands, left_out = peers.make(folder, wanted)
    if "registry" not in commands:
        raise cluster.Failure("The registry's own driver could not be built; the reason stands above.")
    found = [entry for entry in chosen.entries if entry[2].peer in commands]
    with cluster.Cluster() as database:
        peers.say(f"Preparing {chosen.rows:,} connections on a private cluster in {database.root} …")
        described = prepare(database, commands["registry"], chosen)
        measuring = rounds.Measuring(database, commands, chosen, described)
        raw = [measuring.round(number, found) for number in range(chosen.rounds)]
    measured = bars.Rounds(raw)
    checks = bars.checks(measured)
    context = {
        "machine": machine.described(),
        "versions": {"registry": machine.revision(rounds.REPOSITORY), **peers.versions(folder, commands)},
        "seed": chosen.seed, "rounds": chosen.rounds, "left_out": left_out, "failed": measuring.failures,
        "settings": {"seconds": chosen.seconds, "warmup": chosen.warmup, "rows": chosen.rows,
                     "only": chosen.only.pattern if chosen.only else None, "server": database.settings},
    }
    text = report.write(chosen.output, measured, raw, checks, context)
    if chosen.json:
        chosen.json.write_text(text)
    print(report.terminal(measured, checks, context))
    peers.say(f"Written: {chosen.output}/driver.md, driver.json, driver.svg")
    return outcome(checks, measuring.failures)


def outcome(checks, failures):
    """The exit code: 2 where a contender of our own could not be measured, 1 where a bar is missed, else 0."""
    if any(contenders.BY_KEY[name.rpartition("/")[2]].peer == "registry" for name in failures):
        return 2
    return 1 if any(check["holds"] is False for check in checks) else 0


def prepare(database, program, chosen):
    """The registry's schema and a million connections. Returns what its intake sends, for pgbench to send too."""
    done = subprocess.run([*program, "prepare", "--connection", database.connection], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, env=database.environment())
    if done.returncode:
        raise cluster.Failure(f"The schema could not be made: {done.stderr.strip()[-400:]}")
    database.ask(file=rounds.SQL / "driver_prepare.sql", variables={"rows": chosen.rows})
    return json.loads(done.stdout) if done.stdout.strip() else None


def stop(number, _):
    raise SystemExit(128 + number)


def main(arguments):
    chosen = read(arguments)
    if chosen.list:
        for workload, tasks, contender in chosen.entries:
            print(f"{contenders.cell_name(workload, tasks)}/{contender.key}")
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        return run(chosen)
    except (cluster.Failure, OSError) as failure:
        print(failure, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; the private cluster is gone.", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(sys.argv[1:]))
