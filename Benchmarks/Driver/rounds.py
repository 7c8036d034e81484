"""Measures: every contender once per cell and round, in an order shuffled by the seed."""
import json
import pathlib
import random
import subprocess
import sys

import contenders
import pgbench
from bars import SHARED
from cluster import Failure
from contenders import INTAKE, READ, SELECT, UPSERT

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
SQL = REPOSITORY / "sql" / "benchmarks"
STATEMENTS = {SELECT: SQL / "driver_select.sql", READ: SQL / "driver_select.sql", UPSERT: SQL / "driver_upsert.sql",
              INTAKE: SQL / "driver_select.sql"}


def say(text):
    print(text, file=sys.stderr, flush=True)


def connections(contender, workload, tasks):
    """How many connections a contender has in a cell: an intake goes through one lane, as in the service."""
    if contender.key == "lane" and workload == INTAKE:
        return 1
    return contender.connections or (tasks if contender.peer == "registry" else contenders.clients(tasks))


def command(program, contender, workload, tasks, connection, chosen, seed):
    """How a contender's program is started."""
    line = [*program, "--connection", connection, "--statement", str(STATEMENTS[workload]), "--workload", workload,
            "--tasks", str(tasks), "--connections", str(connections(contender, workload, tasks)), "--seconds",
            str(chosen.seconds), "--warmup", str(chosen.warmup), "--seed", str(seed), "--rows", str(chosen.rows),
            *contender.options]
    if workload in (READ, INTAKE):
        line += ["--role", "registry_service"]
    return line


def sample(line):
    """The one line of JSON that a contender prints."""
    try:
        read = json.loads(line)
        return {**read, "queries": int(read["queries"]), "seconds": float(read["seconds"])}
    except (ValueError, KeyError, TypeError):
        raise Failure(f"it printed no measurement but {line.strip()[:200]!r}") from None


class Measuring:
    """The cells of one run on one cluster."""

    def __init__(self, cluster, commands, chosen, described):
        self.cluster, self.commands, self.chosen, self.described = cluster, commands, chosen, described
        self.failures = {}

    def one(self, workload, tasks, contender, seed):
        """One measurement, with how many statements shared a transaction by the server's own count."""
        before = self.cluster.counters()
        if contender.peer == "pgbench":
            measured = pgbench.run(self.cluster, contender, workload, tasks, STATEMENTS[workload].read_text(),
                                   self.chosen, self.described)
        else:
            line = command(self.commands[contender.peer], contender, workload, tasks, self.cluster.connection,
                           self.chosen, seed)
            done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  env=self.cluster.environment(),
                                  timeout=self.chosen.seconds + self.chosen.warmup + 120)
            if done.returncode:
                raise Failure(f"exit code {done.returncode}: {done.stderr.strip()[-400:]}")
            measured = sample(done.stdout.strip().rpartition("\n")[2])
        if not measured["queries"]:
            raise Failure("it made no query in the measured time")
        after = self.cluster.counters()
        transactions = after["transactions"] - before["transactions"]
        calls = after[workload] - before[workload]
        measured[SHARED] = round(calls / transactions, 2) if transactions > 0 else None
        return measured

    def round(self, number, found):
        """All cells once. A contender that fails is left out of the round, by name."""
        self.cluster.ask(file=SQL / "driver_round.sql")
        samples = {}
        ordered = contenders.order(found, random.Random(f"{self.chosen.seed}/{number}"))
        for index, (workload, tasks, contender) in enumerate(ordered):
            key = (workload, tasks, contender.key)
            name = f"{contenders.cell_name(workload, tasks)}/{contender.key}"
            try:
                measured = self.one(workload, tasks, contender, self.chosen.seed + 1000 * number + index)
            except (Failure, subprocess.TimeoutExpired) as error:
                self.failures.setdefault(name, str(error))
                say(f"  {name}: failed: {error}")
                continue
            samples[key] = measured
            say(f"  round {number + 1}, {index + 1} of {len(ordered)}: {name:<30} "
                f"{measured['queries'] / measured['seconds']:>11,.0f} /s")
        return samples
