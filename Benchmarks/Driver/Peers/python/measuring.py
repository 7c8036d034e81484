"""What the two Python contenders share: options, keys, the closed loop and its measurement."""
import argparse
import asyncio
import json
import random
import resource
import time
import uuid

TENANT = uuid.UUID("018f0000-0000-7000-8000-000000000001")


def options():
    parser = argparse.ArgumentParser()
    for name in ("connection", "statement", "workload"):
        parser.add_argument("--" + name, required=True)
    for name, default in (("tasks", 64), ("connections", 16), ("seed", 1), ("rows", 1_000_000)):
        parser.add_argument("--" + name, type=int, default=default)
    for name, default in (("seconds", 3.0), ("warmup", 0.5)):
        parser.add_argument("--" + name, type=float, default=default)
    parser.add_argument("--reset", choices=("on", "off"), default="off")
    return parser.parse_args()


def words(connection):
    """`host=… port=…` as a dictionary."""
    return dict(word.split("=", 1) for word in connection.split())


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measure(chosen, call):
    """Runs `call(key)` in closed loops, and prints what it showed."""
    clock = time.perf_counter
    begin = clock() + chosen.warmup
    end = begin + chosen.seconds

    async def watch():
        await asyncio.sleep(begin - clock())
        before = processor_seconds()
        await asyncio.sleep(end - clock())
        return processor_seconds() - before

    async def caller(index):
        draw, rows, latencies = random.Random(chosen.seed + index * 7919).random, chosen.rows, []
        while True:
            before = clock()
            if before >= end:
                return latencies
            await call(str(1 + int(draw() * rows)))
            after = clock()
            if before >= begin and after <= end:
                latencies.append(after - before)

    watching = asyncio.create_task(watch())
    parts = await asyncio.gather(*(caller(index) for index in range(chosen.tasks)))
    latencies = sorted(latency for part in parts for latency in part)

    def quantile(share):
        return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1e6 if latencies else 0

    print(json.dumps({"queries": len(latencies), "seconds": chosen.seconds, "p50_us": quantile(0.5),
                      "p99_us": quantile(0.99), "cpu_seconds": await watching}))
