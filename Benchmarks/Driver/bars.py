"""From samples to figures: medians over rounds, ratios within rounds, and the bars that must hold."""
import statistics
from dataclasses import dataclass

from contenders import INTAKE, READ, SELECT, UPSERT

# What a sample holds, as the tables show it.
THROUGHPUT, P50, P99, CPU, TAIL = "throughput", "p50_us", "p99_us", "cpu_us", "tail"
SHARED = "statements_per_transaction"


def figures(sample):
    """One measurement as the figures that are compared, by name; None where it cannot be told."""
    queries, seconds = sample["queries"], sample["seconds"]
    cpu = sample.get("cpu_seconds")
    return {
        THROUGHPUT: queries / seconds if seconds > 0 else None,
        P50: sample.get("p50_us"),
        P99: sample.get("p99_us"),
        CPU: cpu * 1e6 / queries if cpu is not None and queries else None,
        SHARED: sample.get(SHARED),
        TAIL: sample["p99_us"] / sample["p50_us"] if sample.get("p50_us") and sample.get("p99_us") else None,
    }


def median(values):
    """The median of what is there; None of nothing."""
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None


class Rounds:
    """All samples of a run: per round, by (workload, tasks, contender key)."""

    def __init__(self, rounds):
        self.rounds = [{key: figures(sample) for key, sample in samples.items()} for samples in rounds]

    def keys(self):
        return {key for samples in self.rounds for key in samples}

    def value(self, key, figure):
        """The median over the rounds."""
        return median(samples[key][figure] for samples in self.rounds if key in samples)

    def ratio(self, numerator, denominators, figure=THROUGHPUT, best=max):
        """The median of the rounds' ratios, against the best of several where several are named.

        A ratio compares what ran within one round, so a machine that is slower for a while slows both sides.
        """
        ratios = []
        for samples in self.rounds:
            below = [samples[key][figure] for key in denominators if key in samples and samples[key][figure]]
            above = samples.get(numerator, {}).get(figure)
            if above is not None and below:
                ratios.append(above / best(below))
        return median(ratios)


@dataclass(frozen=True)
class Bar:
    """What must hold (`bar`) and where we want to be (`goal`)."""
    name: str
    bar: float
    goal: float
    numerator: tuple
    denominators: tuple = ()
    figure: str = THROUGHPUT
    at_most: bool = False

    def value(self, rounds):
        if self.denominators:
            return rounds.ratio(self.numerator, self.denominators, self.figure)
        return rounds.value(self.numerator, self.figure)

    def check(self, rounds):
        """A check in the house's form. `holds` is None for what was not measured, which is neither held nor missed."""
        value = self.value(rounds)

        def reaches(limit):
            return None if value is None else value <= limit if self.at_most else value >= limit

        return {"name": self.name, "value": None if value is None else round(value, 3), "unit": "ratio",
                "bar": self.bar, "goal": self.goal, "at_most": self.at_most, "holds": reaches(self.bar),
                "reaches_goal": reaches(self.goal)}


def _select(tasks, *contenders):
    return tuple((SELECT, tasks, contender) for contender in contenders)


def _lane(workload, tasks):
    return (workload, tasks, "lane")


BARS = (
    Bar("bare SELECT at 1 task / pgbench -c 1", 1.0, 1.4, _lane(SELECT, 1), _select(1, "pgbench")),
    Bar("bare SELECT at 1 task / tokio-postgres", 0.75, 1.0, _lane(SELECT, 1), _select(1, "tokio-2")),
    Bar("bare SELECT at 8 tasks / tokio-postgres, 2 connections", 0.85, 1.1, _lane(SELECT, 8), _select(8, "tokio-2")),
    Bar("bare SELECT at 64 tasks / the best of tokio-postgres", 1.3, 2.0, _lane(SELECT, 64),
        _select(64, "tokio-2", "tokio-16")),
    Bar("bare SELECT at 256 tasks / the best of tokio-postgres", 1.5, 2.0, _lane(SELECT, 256),
        _select(256, "tokio-2", "tokio-16")),
    Bar("bare durable upsert at 1 task / pgbench -c 1", 0.85, 1.0, _lane(UPSERT, 1), ((UPSERT, 1, "pgbench"),)),
    Bar("bare SELECT at 64 tasks / pgbench -c 32", 2.0, 3.0, _lane(SELECT, 64), _select(64, "pgbench")),
    Bar("bare SELECT at 256 tasks / pgbench pipelined", 0.65, 0.85, _lane(SELECT, 256),
        _select(256, "pgbench-pipeline")),
    Bar("bare durable upsert at 64 tasks / pgbench -c 32", 2.7, 4.0, _lane(UPSERT, 64), ((UPSERT, 64, "pgbench"),)),
    Bar("bare SELECT at 64 tasks / asyncpg, reset off", 6, 10, _lane(SELECT, 64), _select(64, "asyncpg")),
    Bar("bare SELECT at 64 tasks / asyncpg, default", 12, 20, _lane(SELECT, 64), _select(64, "asyncpg-default")),
    Bar("bare SELECT at 64 tasks / PostgresNIO", 4, 6, _lane(SELECT, 64), _select(64, "postgresnio")),
    Bar("real read under row-level security / bare SELECT, 64 tasks, same connections", 0.5, 0.7, _lane(READ, 64),
        _select(64, "lane")),
    Bar("real intake at 64 tasks / pgbench -c 32, the same transaction once per client", 2.0, 3.0, _lane(INTAKE, 64),
        ((INTAKE, 64, "pgbench"),)),
    Bar("p99 / p50 at 64 tasks, bare SELECT", 4.5, 2.5, _lane(SELECT, 64), figure=TAIL, at_most=True),
    Bar("client CPU per query at 64 tasks / a thread per connection", 0.35, 0.25, _lane(SELECT, 64),
        _select(64, "threads"), figure=CPU, at_most=True),
)


def checks(rounds):
    return [bar.check(rounds) for bar in BARS]
