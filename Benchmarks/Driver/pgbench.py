"""PostgreSQL's own load generator as a contender: scripts from the one SQL text, its log for latencies."""
import glob
import os
import pathlib
import re
import resource
import subprocess
import tempfile

from cluster import Failure
from contenders import INTAKE, clients

TENANT = "018f0000-0000-7000-8000-000000000001"
PIPELINE = 16
# The share of transactions whose latency is written down.
SAMPLED = 0.1


def plain(sql):
    """A statement without comments, on one line, without its semicolon."""
    lines = (re.sub(r"--.*", "", line) for line in sql.splitlines())
    return " ".join(" ".join(lines).split()).rstrip("; ")


def without_colons(literal):
    """A literal in which pgbench sees no variable, such as 'HH24:MI': the same text with its colons escaped."""
    text = literal[0]
    if not re.search(r":\w", text):
        return text
    escaped = text.replace("\\", "\\\\").replace(":", "\\003A")
    return f"U&{escaped}"


def with_parameters(sql, expressions):
    """`$1`, `$2` … replaced by what stands for them in a script."""
    text = re.sub(r"(?<![\w'])'(?:[^']|'')*'", without_colons, plain(sql))
    if found := re.search(r"(?<!:):\w+", text):
        raise Failure(f"pgbench would take {found[0]} in a statement for a variable of its own: {text[:80]} …")
    return re.sub(r"\$(\d+)", lambda found: expressions[int(found[1]) - 1], text)


def script(sql, rows, pipelined=False):
    """One query for each transaction, or sixteen in one pipeline, with keys of their own."""
    if not pipelined:
        return f"\\set user_id random(1, {rows})\n" + with_parameters(sql, (":tenant_id", ":user_id")) + ";\n"
    lines = [f"\\set user_id{number} random(1, {rows})" for number in range(PIPELINE)]
    lines.append("\\startpipeline")
    lines += [with_parameters(sql, (":tenant_id", f":user_id{number}")) + ";" for number in range(PIPELINE)]
    return "\n".join(lines + ["\\endpipeline", ""])


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def expression(text, tokens, literal):
    """A parameter whose text holds tokens, as an SQL expression that puts what they stand for in their place.

    What stands between the tokens is given by `literal`: pgbench would look for variables in a text of the script.
    """
    pattern = "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True))
    parts = re.split(f"({pattern})", text)
    return "(" + " || ".join(tokens[part] if part in tokens else literal(part) for part in parts if part) + ")"


def intake_script(described):
    """The service's whole intake transaction, once per client.

    `described` is what the registry itself would send for one event: statements with their parameters as text, and by
    the texts in them that are others for each event what these are. Returns the script and the
    variables for `-D`: what is the same for each event is a parameter of the session, what is not is made of `:draw`.
    """
    makers = {
        "user_id": ":draw::text",
        "reference_id": "('person-' || :draw::text)",
        "digest": "rpad(:draw::text, 64, '0')",
        "fact": "rpad(:draw::text, 32, '0')",
        # In the order of time, as the registry's own are: else the index would be a burden that it does not have.
        "event_id": "(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7000' || "
                    "lpad(to_hex(:draw::bigint), 16, '0'))::uuid::text",
    }
    tokens = {text: makers[name] for text, name in described["tokens"].items()}
    lines = ["\\set draw random(1000000000000000000, 9000000000000000000)", "BEGIN;",
             f"SET LOCAL registry.tenant_id = {quoted(TENANT)};"]
    variables = {}

    def variable(text):
        name = next((known for known, value in variables.items() if value == text), f"v{len(variables)}")
        variables[name] = text
        return ":" + name

    for statement in described["statements"]:
        expressions = []
        for value in statement["parameters"]:
            if value is None:
                expressions.append("NULL")
            elif any(token in value for token in tokens):
                expressions.append(expression(value, tokens, lambda text: variable(text) + "::text"))
            else:
                expressions.append(variable(value))
        lines.append(with_parameters(statement["sql"], expressions) + ";")
    return "\n".join(lines + ["COMMIT;", ""]), variables


def parse(output):
    """The number of transactions and their rate, from pgbench's report."""
    count = re.search(r"number of transactions actually processed: (\d+)", output)
    rate = re.search(r"tps = ([0-9.]+) \(without initial connection time\)", output)
    failed = re.search(r"number of failed transactions: (\d+)", output)
    if not count or not rate or (failed and int(failed[1])):
        raise Failure(f"pgbench: {' | '.join(output.strip().splitlines()[-3:])}")
    return int(count[1]), float(rate[1])


def latencies(lines):
    """Latencies in microseconds, from the lines of pgbench's log: client, transaction, latency, …"""
    found = []
    for line in lines:
        words = line.split()
        if len(words) > 2 and words[2].isdigit():
            found.append(int(words[2]))
    return sorted(found)


def quantile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def run(cluster, contender, workload, tasks, statement, chosen, described=None):
    """One measurement. `statement` is the text of the workload's statement."""
    pipelined = contender.key == "pgbench-pipeline"
    count = PIPELINE if pipelined else clients(tasks)
    variables, role = {"tenant_id": TENANT}, {}
    if workload == INTAKE:
        text, variables = intake_script(described)
        role = {"PGOPTIONS": "-c role=registry_service"}
    else:
        text = script(statement, chosen.rows, pipelined)
    seconds = chosen.seconds + chosen.warmup
    with tempfile.TemporaryDirectory(prefix="bench-pgbench-") as folder:
        path = pathlib.Path(folder) / "script.sql"
        path.write_text(text)
        command = [
            f"{cluster.folder}/pgbench", "-n", "-M", "prepared", "-f", str(path), "-c", str(count), "-j",
            str(min(2, count)), "-T", str(max(1, round(seconds))), "--random-seed", str(chosen.seed), "--log",
            f"--log-prefix={folder}/log", f"--sampling-rate={SAMPLED}", "-h", f"{cluster.root}/s", "-p",
            str(cluster.port), "-U", cluster.user]
        for name, value in variables.items():
            command += ["-D", f"{name}={value}"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command + [cluster.database], capture_output=True, text=True, cwd=folder,
                              env=cluster.environment(**role), timeout=seconds + 60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise Failure(f"pgbench: {done.stderr.strip()[-400:]}")
        transactions, rate = parse(done.stdout)
        log = []
        for name in glob.glob(os.path.join(folder, "log.*")):
            with open(name) as file:
                log += latencies(file)
    log.sort()
    queries = transactions * (PIPELINE if pipelined else 1)
    return {
        "queries": queries, "seconds": transactions / rate, "p50_us": quantile(log, 0.5), "p99_us": quantile(log, 0.99),
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        # pgbench measures from its start on.
        "measures_warmup": True,
    }


