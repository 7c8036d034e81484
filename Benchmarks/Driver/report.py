"""What a run leaves behind: a table for people, Markdown, and JSON in the house's form."""
import json
import os

import chart
from bars import SHARED, THROUGHPUT
from contenders import BY_KEY, CONTENDERS, WORKLOADS, cell_name

SHARING = """\
**How many statements share a transaction** stands beside each figure, as the server counted it (calls over committed
transactions). Most of the lead of the lane at 64 and 256 tasks comes from that: it puts the statements of many callers
into one transaction with one sync and, for writes, one commit to the disk, where a pool pays for each statement by
itself. With one task there is nobody to share with: what shows there is the driver alone."""

METHOD = """\
- A ratio is taken within each round, between what ran beside each other, and the median of the rounds' ratios is
  quoted; it need not be the ratio of the two medians in the table. Every other figure is the median over the rounds.
- Every contender runs the same statement text on the same private cluster (`fsync=on`, `synchronous_commit=on`, unix
  socket), once per cell and round, in an order shuffled by the seed. Client and server share the machine's cores.
- A task sends its next query when it has the answer to the one before, with keys drawn uniformly. Latencies are those
  of every query, for pgbench of a sample of 10 %; a pipeline of pgbench has one latency for its 16 statements.
- The intake's statements and parameters are those that the registry itself sends; what differs from event to event is
  made in pgbench's script from one random number, by a few functions of SQL that the registry does not need.
- CPU is the client's user and system time in the measured window, pgbench's from its start to its end.
- Bare statements are sent as the owner of the tables, whom no policy binds; real ones as `registry_service`, which
  every policy binds. An intake counts as one query, and so does a real read."""


def cells(rounds):
    """Every cell's figures as plain data."""
    found = []
    for workload, tasks, keys in chart.cells(rounds):
        for key in keys:
            entry = (workload, tasks, key)
            figures = {figure: rounds.value(entry, figure)
                       for figure in (THROUGHPUT, "p50_us", "p99_us", "cpu_us", SHARED)}
            found.append({"workload": workload, "tasks": tasks, "contender": key, "title": BY_KEY[key].title, **figures,
                          "ratio_to_pgbench": rounds.ratio(entry, ((workload, tasks, "pgbench"),))})
    return found


def document(rounds, raw, checks, context):
    """The JSON of a run. `context` holds machine, versions, seed, settings and who was left out or failed."""
    return {
        "machine": context["machine"], "versions": context["versions"], "seed": context["seed"],
        "rounds": len(raw), "settings": context["settings"], "left_out": context["left_out"],
        "failed": context["failed"], "checks": checks, "cells": cells(rounds),
        "samples": [{"round": number + 1, "cell": cell_name(workload, tasks), "contender": key, **sample}
                    for number, samples in enumerate(raw) for (workload, tasks, key), sample in samples.items()],
    }


def counted(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def verdict(check):
    if check["holds"] is None:
        return "not measured"
    return "goal reached" if check["reaches_goal"] else "holds" if check["holds"] else "MISSED"


def sign(check, limit):
    return f"{'≤' if check['at_most'] else '≥'} {limit:g}"


def bar_rows(checks):
    return [(check["name"], sign(check, check["bar"]), sign(check, check["goal"]),
             "–" if check["value"] is None else f"{check['value']:.2f}", verdict(check)) for check in checks]


def table(head, rows, left=1):
    """A Markdown table; the columns from `left` on are numbers."""
    marks = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, marks, *rows])


def aligned(head, rows):
    """A table for a terminal."""
    widths = [max(len(row[index]) for row in [head, *rows]) for index in range(len(head))]
    lines = []
    for row in [head, *rows]:
        lines.append("  ".join(text.ljust(width) if index == 0 else text.rjust(width)
                               for index, (text, width) in enumerate(zip(row, widths))).rstrip())
    return "\n".join(lines)


BAR_HEAD = ("bar", "must be", "goal", "value", "")
CELL_HEAD = ("contender", *(title for title, _ in chart.COLUMNS))


def cell_rows(rounds, workload, tasks, keys):
    return [(BY_KEY[key].title, *(text(rounds, (workload, tasks, key)) for _, text in chart.COLUMNS)) for key in keys]


def terminal(rounds, checks, context):
    """What is printed at the end."""
    parts = []
    for workload, tasks, keys in chart.cells(rounds):
        parts.append(f"{WORKLOADS[workload]}, {counted(tasks, 'task')}")
        parts.append(aligned(CELL_HEAD, cell_rows(rounds, workload, tasks, keys)) + "\n")
    parts.append(aligned(BAR_HEAD, bar_rows(checks)))
    parts += [f"Left out: {name}. {reason}" for name, reason in context["left_out"].items()]
    parts += [f"Failed: {name}: {reason}" for name, reason in context["failed"].items()]
    return "\n".join(parts)


def markdown(rounds, checks, context):
    """The report."""
    settings = context["settings"]
    lines = ["# The driver beside its peers", "",
             f"One run of `scripts/bench driver`: {counted(context['rounds'], 'round')}, {settings['seconds']:g} s for each "
             f"measurement after {settings['warmup']:g} s of warm-up, {settings['rows']:,} rows, seed "
             f"{context['seed']}.", "", "![Throughput, latency, processor time](driver.svg)", "", "## Bars", "",
             table(BAR_HEAD, bar_rows(checks)), "", SHARING, "", "## Figures", ""]
    for workload, tasks, keys in chart.cells(rounds):
        lines += [f"### {WORKLOADS[workload]}, {counted(tasks, 'task')}", "",
                  table(CELL_HEAD, cell_rows(rounds, workload, tasks, keys)), ""]
    lines += ["*× pgbench*: throughput over that of `pgbench -M prepared` in the same table. *CPU/query*: the "
              "client's. *statements/tx*: how many statements share one transaction.", "", "## Who took part", ""]
    measured = {key[2] for key in rounds.keys()}
    lines += [f"- {contender.title}{': ' + contender.note if contender.note else ''}" for contender in CONTENDERS
              if contender.key in measured]
    lines += [f"- Left out: {name}. {reason}" for name, reason in context["left_out"].items()]
    lines += [f"- Failed: {name}: {reason}" for name, reason in context["failed"].items()]
    lines += ["", "## How it was measured", "", METHOD, "", "## On what", ""]
    lines += [f"- {name}: {value}" for part in ("machine", "versions") for name, value in context[part].items()]
    return "\n".join(lines) + "\n"


def write(folder, rounds, raw, checks, context):
    """Puts the three files in place. Returns the JSON's text."""
    text = json.dumps(document(rounds, raw, checks, context), indent=1, ensure_ascii=False) + "\n"
    subtitle = (f"{counted(context['rounds'], 'round')} of {context['settings']['seconds']:g} s; medians; "
                f"{context['machine'].get('cores')} cores shared by client and server; "
                "statements/tx: how many share one transaction")
    for name, content in (("driver.md", markdown(rounds, checks, context)), ("driver.json", text),
                          ("driver.svg", chart.draw(rounds, subtitle))):
        (folder / name).write_text(content)
    return text
