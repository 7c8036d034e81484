"""The chart: an SVG written by hand, readable on light and on dark ground, that needs nothing from outside."""
from xml.sax.saxutils import escape

from bars import CPU, P50, P99, SHARED, THROUGHPUT
from contenders import BY_KEY, CONTENDERS, WORKLOADS, cell_name

WIDTH, ROW, HEAD, LABEL, BAR = 1000, 20, 46, 210, 200
STYLE = """
  .ground { fill: #ffffff } text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 17px; font-weight: 600 } .cell { font-size: 13px; font-weight: 600 }
  .quiet { fill: #6e7781 } .number { text-anchor: end; font-variant-numeric: tabular-nums }
  .ours { fill: #0969da } .other { fill: #a8b1bb } .ours-text { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #8d96a0 }
    .ours { fill: #4493f8 } .other { fill: #57606a }
  }
"""


def compact(value):
    """A figure in three digits or so: 812, 12.3 k, 1.20 M."""
    if value is None:
        return "–"
    if value >= 999_500:
        return f"{value / 1_000_000:.2f} M"
    if value >= 9_995:
        return f"{value / 1000:.0f} k" if value >= 99_950 else f"{value / 1000:.1f} k"
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.1f}"


def duration(microseconds):
    """Microseconds as µs or ms."""
    if microseconds is None:
        return "–"
    return f"{microseconds / 1000:.1f} ms" if microseconds >= 9_995 else f"{microseconds:,.0f} µs"


def ratio(value):
    return "–" if value is None else f"{value:.2f}"


COLUMNS = (
    ("queries / s", lambda rounds, key: compact(rounds.value(key, THROUGHPUT))),
    ("× pgbench", lambda rounds, key: ratio(rounds.ratio(key, ((key[0], key[1], "pgbench"),)))),
    ("p50", lambda rounds, key: duration(rounds.value(key, P50))),
    ("p99", lambda rounds, key: duration(rounds.value(key, P99))),
    ("CPU/query", lambda rounds, key: cpu(rounds.value(key, CPU))),
    ("statements/tx", lambda rounds, key: shared(rounds.value(key, SHARED))),
)


def cpu(microseconds):
    return "–" if microseconds is None else f"{microseconds:.1f} µs"


def shared(statements):
    return "–" if statements is None else f"{statements:.2g}" if statements < 0.95 else f"{statements:.1f}"


def cells(rounds):
    """The cells that were measured, each with its contenders, in the order of the tables."""
    measured = rounds.keys()
    for workload in WORKLOADS:
        for tasks in sorted({key[1] for key in measured if key[0] == workload}):
            yield workload, tasks, [contender.key for contender in CONTENDERS
                                    if (workload, tasks, contender.key) in measured]


def row(rounds, key, top, most):
    """One contender's line: its name, its bar and its figures."""
    ours = BY_KEY[key[2]].peer == "registry" and key[2] != "threads"
    value = rounds.value(key, THROUGHPUT) or 0
    width = BAR * value / most if most else 0
    parts = [f'<text class="number{" ours-text" if ours else ""}" x="{LABEL}" y="{top + 14}">'
             f"{escape(BY_KEY[key[2]].title)}</text>",
             f'<rect class="{"ours" if ours else "other"}" x="{LABEL + 10}" y="{top + 3}" width="{max(1, width):.1f}" '
             f'height="{ROW - 6}" rx="2"/>']
    step = (WIDTH - LABEL - BAR - 30) / len(COLUMNS)
    for index, (_, text) in enumerate(COLUMNS):
        parts.append(f'<text class="number" x="{LABEL + BAR + 10 + step * (index + 1):.0f}" y="{top + 14}">'
                     f"{escape(text(rounds, key))}</text>")
    return parts


def draw(rounds, subtitle):
    """The whole picture, as text."""
    top, body = 64, []
    step = (WIDTH - LABEL - BAR - 30) / len(COLUMNS)
    for workload, tasks, keys in cells(rounds):
        title = f"{WORKLOADS[workload]}, {tasks} task{'' if tasks == 1 else 's'}"
        body.append(f'<text class="cell" x="20" y="{top + 26}">{escape(title)}</text>')
        for index, (column, _) in enumerate(COLUMNS):
            body.append(f'<text class="number quiet" x="{LABEL + BAR + 10 + step * (index + 1):.0f}" y="{top + 26}">'
                        f"{escape(column)}</text>")
        top += HEAD - 12
        most = max((rounds.value((workload, tasks, key), THROUGHPUT) or 0) for key in keys)
        body.append(f'<g id="{cell_name(workload, tasks)}">')
        for key in keys:
            body += row(rounds, (workload, tasks, key), top, most)
            top += ROW
        body.append("</g>")
        top += 8
    height = top + 20
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-label="Throughput, latency and processor time of PostgreSQL drivers">',
        f"<style>{STYLE}</style>", f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        '<text class="title" x="20" y="32">The driver beside its peers</text>',
        f'<text class="quiet" x="20" y="52">{escape(subtitle)}</text>', *body, "</svg>", ""])
