"""`scripts/bench service`: how soon `registry serve` answers, and how much memory it keeps under load."""
import asyncio
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import load
import machine
import release
from options import Parser, above_zero

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
TENANT, SECRET = "bench", "bench-signing-secret"
START_BAR, MEMORY_BAR = 1.0, 64.0


class Failure(Exception):
    """What stops the run, in one sentence."""


def parser():
    made = Parser(prog="scripts/bench service", description=__doc__, epilog=(
        "Exit codes: 0 every bar holds, 1 one is missed, 2 it could not be measured, 64 usage."))
    made.add_argument("--seed", type=int, default=1, metavar="N", help="of the order of the requests (1)")
    made.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the checks there, too")
    made.add_argument("--rounds", type=above_zero, default=9, metavar="N", help="how often the service is started (9)")
    made.add_argument("--seconds", type=above_zero, default=20, metavar="S", help="how long the load lasts (20)")
    made.add_argument("--concurrency", type=above_zero, default=64, metavar="N", help="requests at a time (64)")
    made.add_argument("--executable", type=pathlib.Path, metavar="FILE", help="instead of a release build of our own")
    return made


def say(text):
    print(text, file=sys.stderr, flush=True)


class Service:
    """`registry serve` on a private cluster that may be there already; leave it with `stop`."""

    def __init__(self, executable, state):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "REGISTRY_"))}
        self.environment = {**kept, "REGISTRY_STATE_DIR": str(state), "REGISTRY_LOG_LEVEL": "warning"}
        self.executable = str(executable)
        began = time.monotonic()
        self.process = subprocess.Popen(
            [self.executable, "serve", "--port", "0", "--format", "json"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, env=self.environment)
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"registry serve ended with {self.process.wait()} before it listened.")
        self.port = json.loads(line)["port"]
        while asyncio.run(load.once(self.port, "GET", "/readyz")) != 200:
            if self.process.poll() is not None or time.monotonic() - began > 60:
                raise Failure("registry serve did not get ready.")
            time.sleep(0.002)
        #: From the start of the process to the first 200 of /readyz, in seconds.
        self.started_in = time.monotonic() - began

    def command(self, *arguments, **secrets):
        """Runs another command on the same cluster. Returns its JSON."""
        done = subprocess.run([self.executable, *arguments, "--format", "json"], capture_output=True, text=True,
                              env={**self.environment, **secrets})
        if done.returncode:
            raise Failure(f"registry {' '.join(arguments[:2])}: {done.stderr.strip()[-400:]}")
        return json.loads(done.stdout)

    def memory(self, field):
        """VmRSS or VmHWM of the process, in MiB; None where the system does not tell."""
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    return int(line.split()[1]) / 1024
        return None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def starts(executable, state, rounds):
    """Seconds to readiness, with the cluster stopped before and with the cluster running."""
    cold, warm = [], []
    for _ in range(rounds):
        first = Service(executable, state)
        try:
            cold.append(first.started_in)
            second = Service(executable, state)
            warm.append(second.started_in)
            second.stop()
        finally:
            first.stop()
    return cold, warm


def under_load(executable, state, chosen):
    service = Service(executable, state)
    try:
        service.command("tenant", "create", TENANT, "--dev-id", "bench-dev", "--return-url", "https://app.example/",
                        REGISTRY_TENANT_TERRA_API_KEY="bench-key", REGISTRY_TENANT_SIGNING_SECRET=SECRET)
        key = service.command("key", "create", "--tenant", TENANT, "--name", "bench", "--scope",
                              "connections:read")["secret"]
        idle = service.memory("VmRSS")
        figures = asyncio.run(load.run(service.port, TENANT, SECRET, key, chosen.concurrency, chosen.seconds,
                                       chosen.seed))
        return {**figures, "idle_mib": idle, "peak_mib": service.memory("VmHWM")}
    finally:
        service.stop()


def check(name, value, unit, bar, at_most=True):
    holds = None if value is None else value <= bar if at_most else value >= bar
    return {"name": name, "value": None if value is None else round(value, 3), "unit": unit, "bar": bar,
            "holds": holds}


def run(chosen):
    executable = chosen.executable.resolve() if chosen.executable else release.executable()
    if not executable:
        raise Failure("registry could not be built; the reason stands above.")
    # A socket's path has little room, and PostgreSQL's own account must be able to enter the directory above.
    parent = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    parent.chmod(0o755)
    try:
        Service(executable, parent / "s").stop()
        say(f"Starting the service {chosen.rounds} times …")
        cold, warm = starts(executable, parent / "s", chosen.rounds)
        say(f"{chosen.concurrency} requests at a time for {chosen.seconds} s …")
        loaded = under_load(executable, parent / "s", chosen)
    finally:
        shutil.rmtree(parent, ignore_errors=True)
    checks = [
        check("start to ready, its cluster stopped before", statistics.median(cold), "s", START_BAR),
        check("start to ready, its cluster running", statistics.median(warm), "s", START_BAR),
        check(f"peak resident memory at {chosen.concurrency} requests at a time", loaded["peak_mib"], "MiB",
              MEMORY_BAR),
        check("requests that failed under load", loaded["failed"], "requests", 0),
    ]
    document = {
        "machine": machine.described(), "versions": {"registry": machine.revision(REPOSITORY)}, "seed": chosen.seed,
        "rounds": chosen.rounds, "checks": checks, "starts": {"cold_seconds": cold, "warm_seconds": warm},
        "load": loaded,
    }
    if chosen.json:
        chosen.json.write_text(json.dumps(document, indent=2) + "\n")
    width = max(len(entry["name"]) for entry in checks)
    for entry in checks:
        value = "not measured" if entry["value"] is None else f"{entry['value']:g} {entry['unit']}"
        mark = {True: "holds", False: "MISSED", None: "-"}[entry["holds"]]
        print(f"{entry['name']:<{width}}  {value:>16}  bar {entry['bar']:g}  {mark}")
    print(f"under load: {loaded['requests_per_second']:,.0f} requests/s, p50 {loaded['p50_ms']:.1f} ms, "
          f"p99 {loaded['p99_ms']:.1f} ms, idle {loaded['idle_mib'] or 0:.1f} MiB")
    return 1 if any(entry["holds"] is False for entry in checks) else 0


def main(arguments):
    chosen = parser().parse_args(arguments)
    try:
        return run(chosen)
    except Failure as failure:
        say(f"scripts/bench service: {failure}")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
