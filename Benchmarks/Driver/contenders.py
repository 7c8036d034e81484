"""Who takes part, and in which cells: a cell is a workload with a number of concurrent tasks."""
from dataclasses import dataclass, field

SELECT, UPSERT, READ, INTAKE = "select", "upsert", "read", "intake"
WORKLOADS = {
    SELECT: "bare SELECT by key",
    UPSERT: "bare durable upsert",
    READ: "real read under row-level security",
    INTAKE: "real intake transaction",
}


@dataclass(frozen=True)
class Contender:
    """One line of the tables. `peer` says whose program it is; `options` go to it as they stand."""
    key: str
    title: str
    peer: str
    connections: int
    cells: dict = field(hash=False)
    options: tuple = ()
    note: str = ""


CONTENDERS = (
    Contender("lane", "registry, lane", "registry", 2,
              {SELECT: (1, 8, 64, 256), UPSERT: (1, 8, 64, 256), READ: (1, 64), INTAKE: (1, 64)},
              ("--mode", "lane"), "2 connections; the real intake has 2 for its writes"),
    Contender("pool", "registry, pool", "registry", 16, {SELECT: (1, 64), UPSERT: (1, 64)}, ("--mode", "pool")),
    Contender("threads", "libpq, a thread per connection", "registry", 0, {SELECT: (1, 64), UPSERT: (1, 64)},
              ("--mode", "threads"), "as many connections as tasks"),
    Contender("pgbench", "pgbench -M prepared", "pgbench", 0,
              {SELECT: (1, 8, 64, 256), UPSERT: (1, 8, 64, 256), INTAKE: (1, 64)}, (),
              "1, 8 and 32 clients; 32 also beside 256 tasks"),
    Contender("pgbench-pipeline", "pgbench, 16 in a pipeline", "pgbench", 0, {SELECT: (256,)}, (),
              "16 clients, so 256 statements under way; its latency is that of a pipeline"),
    Contender("tokio-2", "tokio-postgres, 2 connections", "tokio", 2, {SELECT: (1, 8, 64, 256), UPSERT: (1, 64)}),
    Contender("tokio-16", "tokio-postgres, 16 connections", "tokio", 16,
              {SELECT: (8, 64, 256), UPSERT: (8, 64, 256)}),
    Contender("pgx", "pgx, pool of 16", "pgx", 16, {SELECT: (1, 8, 64, 256), UPSERT: (1, 64)}),
    Contender("asyncpg", "asyncpg, pool of 16, reset off", "asyncpg", 16, {SELECT: (1, 64), UPSERT: (64,)},
              ("--reset", "off")),
    Contender("asyncpg-default", "asyncpg, pool of 16, default", "asyncpg", 16, {SELECT: (64,)}, ("--reset", "on")),
    Contender("psycopg", "psycopg 3 async, pool of 16", "psycopg", 16, {SELECT: (1, 64), UPSERT: (64,)}),
    Contender("postgresnio", "PostgresNIO, pool of 16", "postgresnio", 16, {SELECT: (1, 8, 64), UPSERT: (64,)}),
)
BY_KEY = {contender.key: contender for contender in CONTENDERS}


def clients(tasks):
    """How many clients of pgbench stand beside so many tasks."""
    return min(tasks, 32)


def cell_name(workload, tasks):
    return f"{workload}@{tasks}"


def entries(available, pattern=None):
    """The (workload, tasks, contender) to measure; `pattern` is looked for in `workload@tasks/contender`."""
    found = []
    for workload in WORKLOADS:
        for tasks in (1, 8, 64, 256):
            for contender in CONTENDERS:
                name = f"{cell_name(workload, tasks)}/{contender.key}"
                if (contender.peer in available and tasks in contender.cells.get(workload, ())
                        and (pattern is None or pattern.search(name))):
                    found.append((workload, tasks, contender))
    return found


def order(found, generator):
    """The order of one round: contenders of one cell stand beside each other, because they are compared with each
    other; the real read stands with the SELECT that it is compared with."""
    groups = {}
    for entry in found:
        groups.setdefault((SELECT if entry[0] == READ else entry[0], entry[1]), []).append(entry)
    cells = list(groups)
    generator.shuffle(cells)
    ordered = []
    for cell in cells:
        generator.shuffle(groups[cell])
        ordered += groups[cell]
    return ordered
