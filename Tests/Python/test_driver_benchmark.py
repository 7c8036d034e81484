"""The pure parts of `scripts/bench driver`: figures, ratios, bars, order, pgbench's scripts, reports, arguments."""
import contextlib
import io
import json
import os
import pathlib
import random
import re
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree

DRIVER = pathlib.Path(__file__).resolve().parent.parent.parent / "Benchmarks" / "Driver"
sys.path[:0] = [str(DRIVER), str(DRIVER.parent)]

import bars  # noqa: E402
import chart  # noqa: E402
import cluster  # noqa: E402
import contenders  # noqa: E402
import driver  # noqa: E402
import peers  # noqa: E402
import pgbench  # noqa: E402
import report  # noqa: E402
import rounds  # noqa: E402


def sample(queries=1000, seconds=1.0, p50=10.0, p99=40.0, cpu=0.5, shared=1.0):
    return {"queries": queries, "seconds": seconds, "p50_us": p50, "p99_us": p99, "cpu_seconds": cpu,
            "statements_per_transaction": shared}


def every(**of):
    """A round in which every cell was measured alike, but for the contenders named."""
    measured = {}
    for workload, tasks, contender in contenders.entries({entry.peer for entry in contenders.CONTENDERS}):
        measured[workload, tasks, contender.key] = sample(**of.get(contender.key.replace("-", "_"), {}))
    return measured


class FigureTests(unittest.TestCase):
    def test_a_sample_as_figures(self):
        found = bars.figures(sample(queries=3000, seconds=1.5, cpu=0.006))
        self.assertEqual(found["throughput"], 2000)
        self.assertAlmostEqual(found["cpu_us"], 2)
        self.assertEqual(found["tail"], 4)

    def test_what_was_not_told_is_none(self):
        found = bars.figures({"queries": 0, "seconds": 0})
        self.assertEqual(set(found.values()), {None})

    def test_median_of_what_is_there(self):
        self.assertEqual(bars.median([3, None, 1, 2]), 2)
        self.assertEqual(bars.median([1, 4]), 2.5)
        self.assertIsNone(bars.median([None]))

    def test_the_median_of_ratios_is_not_the_ratio_of_medians(self):
        above, below = ("select", 1, "lane"), ("select", 1, "pgbench")
        raw = [{above: sample(queries=a), below: sample(queries=b)} for a, b in ((100, 100), (300, 100), (400, 800))]
        measured = bars.Rounds(raw)
        self.assertEqual(measured.ratio(above, (below,)), 1)
        self.assertEqual(measured.value(above, "throughput") / measured.value(below, "throughput"), 3)

    def test_the_best_of_several_is_chosen_in_each_round(self):
        above, one, two = (("select", 64, key) for key in ("lane", "tokio-2", "tokio-16"))
        raw = [{above: sample(1000), one: sample(500), two: sample(250)},
               {above: sample(1000), one: sample(100), two: sample(500)}, {above: sample(1000), one: sample(500)}]
        self.assertEqual(bars.Rounds(raw).ratio(above, (one, two)), 2)

    def test_a_round_without_one_side_does_not_count(self):
        above, below = ("select", 1, "lane"), ("select", 1, "pgbench")
        measured = bars.Rounds([{above: sample()}, {below: sample()}, {above: sample(2000), below: sample(1000)}])
        self.assertEqual(measured.ratio(above, (below,)), 2)
        self.assertIsNone(measured.ratio(above, (("select", 1, "pgx"),)))


class BarTests(unittest.TestCase):
    def test_every_line_of_the_table_is_a_check(self):
        found = bars.checks(bars.Rounds([every()]))
        self.assertEqual(len(found), 16)
        self.assertEqual(len({check["name"] for check in found}), 16)
        self.assertFalse([check["name"] for check in found if check["value"] is None])
        for check in found:
            self.assertLessEqual({"name", "value", "unit", "bar", "holds"}, set(check))

    def test_a_bar_is_held_at_its_limit_and_missed_below(self):
        bar = bars.Bar("x", 2, 3, ("select", 64, "lane"), (("select", 64, "pgbench"),))
        for queries, holds, goal in ((1999, False, False), (2000, True, False), (3000, True, True)):
            raw = [{("select", 64, "lane"): sample(queries), ("select", 64, "pgbench"): sample(1000)}]
            check = bar.check(bars.Rounds(raw))
            self.assertEqual((check["holds"], check["reaches_goal"]), (holds, goal), queries)

    def test_a_bar_from_above(self):
        by_name = {bar.name: bar for bar in bars.BARS}
        tail = by_name["p99 / p50 at 64 tasks, bare SELECT"]
        for p99, holds in ((45, True), (46, False)):
            self.assertEqual(tail.check(bars.Rounds([{("select", 64, "lane"): sample(p99=p99)}]))["holds"], holds)
        cpu = by_name["client CPU per query at 64 tasks / a thread per connection"]
        raw = [{("select", 64, "lane"): sample(cpu=0.2), ("select", 64, "threads"): sample(cpu=1.0)}]
        self.assertEqual(cpu.check(bars.Rounds(raw))["reaches_goal"], True)

    def test_what_was_not_measured_is_neither_held_nor_missed(self):
        self.assertEqual({check["holds"] for check in bars.checks(bars.Rounds([{}]))}, {None})

    def test_bars_compare_what_some_contender_runs(self):
        possible = {(workload, tasks, contender.key) for workload, tasks, contender
                    in contenders.entries({entry.peer for entry in contenders.CONTENDERS})}
        for bar in bars.BARS:
            self.assertLessEqual({bar.numerator, *bar.denominators}, possible, bar.name)


class OrderTests(unittest.TestCase):
    def setUp(self):
        self.found = contenders.entries({entry.peer for entry in contenders.CONTENDERS})

    def test_each_once_and_by_the_seed(self):
        first, again, other = (contenders.order(self.found, random.Random(seed)) for seed in ("1/0", "1/0", "1/1"))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)
        self.assertEqual(len(first), len(self.found))
        self.assertEqual(set(first), set(self.found))

    def test_those_compared_stand_beside_each_other(self):
        seen = []
        for workload, tasks, _ in contenders.order(self.found, random.Random(7)):
            cell = ("select" if workload == "read" else workload, tasks)
            if cell not in seen[-1:]:
                seen.append(cell)
        self.assertEqual(len(seen), len(set(seen)))

    def test_a_pattern_and_peers_narrow_it(self):
        found = contenders.entries({"pgbench"}, re.compile("select@64"))
        self.assertEqual([(workload, tasks, contender.key) for workload, tasks, contender in found],
                         [("select", 64, "pgbench")])


class PgbenchTests(unittest.TestCase):
    SQL = "-- A comment; with $1.\nSELECT a\nFROM t -- more\nWHERE b = $1::uuid AND c = $2::text;\n"

    def test_a_script_from_the_one_text(self):
        self.assertEqual(pgbench.script(self.SQL, 10), (
            "\\set user_id random(1, 10)\nSELECT a FROM t WHERE b = :tenant_id::uuid AND c = :user_id::text;\n"))

    def test_a_pipeline_has_sixteen_with_keys_of_their_own(self):
        text = pgbench.script(self.SQL, 10, pipelined=True)
        self.assertEqual(text.count("SELECT a"), 16)
        self.assertEqual(len(set(re.findall(r"c = (:user_id\d+)::", text))), 16)
        self.assertLess(text.index("\\startpipeline"), text.index("SELECT"))
        self.assertTrue(text.endswith("\\endpipeline\n"))

    def test_the_statements_of_the_run_make_scripts(self):
        for path in rounds.STATEMENTS.values():
            self.assertNotIn("$", pgbench.script(path.read_text(), 10))

    def test_a_literal_that_pgbench_would_take_for_a_variable_is_escaped(self):
        text = pgbench.with_parameters(r"SELECT to_char(now(), 'HH24:MI\x'), 'it''s: ok', x::text", ())
        self.assertEqual(text, r"SELECT to_char(now(), U&'HH24\003AMI\\x'), 'it''s: ok', x::text")

    def test_what_pgbench_would_take_for_a_variable_is_refused(self):
        with self.assertRaisesRegex(cluster.Failure, ":zero"):
            pgbench.script("SELECT :zero", 10)

    def test_intake_has_constants_and_what_is_drawn(self):
        tokens = {"TOKEN-USER": "user_id", "TOKEN-DIGEST": "digest"}
        text, variables = pgbench.intake_script({"tokens": tokens, "statements": [
            {"sql": "INSERT INTO t VALUES ($1::uuid, $2::text, $3, $4::text[])",
             "parameters": ["tenant", "TOKEN-USER", None, "{TOKEN-DIGEST:t:17}"]},
            {"sql": "SELECT $1::uuid", "parameters": ["tenant"]}]})
        self.assertEqual(variables, {"v0": "tenant", "v1": "{", "v2": ":t:17}"})
        self.assertIn("VALUES (:v0::uuid, (:draw::text)::text, NULL, "
                      "(:v1::text || rpad(:draw::text, 64, '0') || :v2::text)::text[]);\nSELECT :v0::uuid;", text)
        self.assertRegex(text, r"^\\set draw .*\nBEGIN;\nSET LOCAL registry.tenant_id = '[-0-9a-f]{36}';\n")
        self.assertTrue(text.endswith("\nCOMMIT;\n"))

    def test_its_report_is_read(self):
        text = ("number of transactions actually processed: 4711\nnumber of failed transactions: 0 (0.000%)\n"
                "latency average = 1.0 ms\ntps = 2355.500000 (without initial connection time)\n")
        self.assertEqual(pgbench.parse(text), (4711, 2355.5))
        with self.assertRaises(cluster.Failure):
            pgbench.parse("pgbench: error: no\n")
        with self.assertRaises(cluster.Failure):
            pgbench.parse(text.replace("failed transactions: 0", "failed transactions: 1"))

    def test_its_log_is_read(self):
        self.assertEqual(pgbench.latencies(["0 1 250 0 17 5\n", "1 1 50 0 17 6\n", "1 2 failed 0 17 6\n"]), [50, 250])
        self.assertEqual(pgbench.quantile([1, 2, 3, 4], 0.99), 4)
        self.assertIsNone(pgbench.quantile([], 0.5))


class PeerTests(unittest.TestCase):
    def make(self, wanted, **constants):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            for name, value in constants.items():
                stack.enter_context(unittest.mock.patch.object(peers, name, value))
            return peers.make(pathlib.Path(folder), {wanted})

    def test_what_is_not_there_is_left_out_by_name(self):
        nowhere = pathlib.Path("/nowhere")
        self.assertEqual(self.make("tokio", CRATES=nowhere), (
            {}, {"tokio-postgres": "Debian's librust-tokio-postgres-dev is not installed"}))
        self.assertEqual(self.make("pgx", GO=nowhere), (
            {}, {"pgx": "Debian's golang-github-jackc-pgx-v4-dev is not installed"}))

    def test_a_checkout_that_is_none_is_named(self):
        with unittest.mock.patch.dict(os.environ, POSTGRES_NIO_PATH="/nowhere"):
            commands, left_out = self.make("postgresnio")
        self.assertEqual((commands, list(left_out)), ({}, ["PostgresNIO"]))
        self.assertIn("/nowhere", left_out["PostgresNIO"])

    def test_a_fingerprint_tells_files_and_texts_apart(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a"
            path.write_text("one")
            first = peers.fingerprint(pathlib.Path(folder), "x")
            self.assertEqual(first, peers.fingerprint(pathlib.Path(folder), "x"))
            self.assertNotEqual(first, peers.fingerprint(pathlib.Path(folder), "y"))
            path.write_text("two")
            self.assertNotEqual(first, peers.fingerprint(pathlib.Path(folder), "x"))

    def test_a_build_that_fails_says_why(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(peers.LeftOut, "sh failed: error: no such"):
            peers.run(["sh", "-c", "echo one; echo error: no such crate; exit 3"], pathlib.Path(folder) / "log")


class SampleTests(unittest.TestCase):
    def test_a_line_of_a_contender(self):
        self.assertEqual(rounds.sample('{"queries": 3, "seconds": 1, "p50_us": 2}')["queries"], 3)
        for line in ("", "no", '{"queries": 3}', "[]"):
            with self.assertRaises(cluster.Failure):
                rounds.sample(line)

    def test_a_contender_is_told_its_cell(self):
        chosen = driver.read(["--quick"])
        lane, threads = contenders.BY_KEY["lane"], contenders.BY_KEY["threads"]
        line = rounds.command(["x"], lane, "read", 64, "host=/s", chosen, 5)
        self.assertEqual(line[line.index("--connections") + 1], "2")
        self.assertIn("registry_service", line)
        self.assertEqual(rounds.connections(lane, "intake", 64), 1)
        self.assertEqual(rounds.connections(threads, "select", 64), 64)
        self.assertNotIn("--role", rounds.command(["x"], lane, "select", 64, "host=/s", chosen, 5))


class ReportTests(unittest.TestCase):
    def setUp(self):
        self.raw = [every(lane={"queries": 4000, "shared": 31.5}), every()]
        self.rounds = bars.Rounds(self.raw)
        self.checks = bars.checks(self.rounds)
        self.context = {"machine": {"cores": 2}, "versions": {"postgresql": "15"}, "seed": 3, "rounds": 2,
                        "left_out": {"PostgresNIO": "no <network> & no checkout"}, "failed": {},
                        "settings": {"seconds": 3.0, "warmup": 1.0, "rows": 1_000_000}}

    def test_json_in_the_form_of_the_house(self):
        found = json.loads(json.dumps(report.document(self.rounds, self.raw, self.checks, self.context)))
        self.assertLessEqual({"machine", "versions", "seed", "rounds", "checks"}, set(found))
        self.assertEqual(len(found["samples"]), 2 * len(self.raw[0]))
        lane = next(cell for cell in found["cells"]
                    if (cell["contender"], cell["workload"], cell["tasks"]) == ("lane", "select", 64))
        self.assertEqual(lane["ratio_to_pgbench"], 2.5)
        self.assertEqual(lane["statements_per_transaction"], 16.25)

    def test_markdown_names_bars_figures_and_who_was_left_out(self):
        text = report.markdown(self.rounds, self.checks, self.context)
        for check in self.checks:
            self.assertIn(f"| {check['name']} |", text)
        self.assertIn("Left out: PostgresNIO. no <network> & no checkout", text)
        self.assertIn("Most of the lead", text)
        self.assertIn("| registry, lane | 2,500 | 2.50 |", text)
        for line in text.splitlines():
            if line.startswith("|"):
                self.assertIn(line.count("|"), (6, 8), line)

    def test_the_chart_is_xml_with_a_bar_for_each_figure(self):
        root = xml.etree.ElementTree.fromstring(chart.draw(self.rounds, "a < b & c"))
        shapes = [element for element in root.iter() if element.tag.endswith("rect")]
        self.assertEqual(len(shapes), 1 + len(self.raw[0]))
        self.assertTrue(all(float(shape.get("width")) <= chart.WIDTH for shape in shapes))
        text = chart.draw(self.rounds, "x")
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertNotRegex(text.replace("http://www.w3.org/2000/svg", ""), "https?:|url\\(|@import|<image|<script")

    def test_figures_are_short(self):
        for value, text in ((None, "–"), (0.5, "0.5"), (812.4, "812"), (9_000, "9,000"), (12_345, "12.3 k"),
                            (198_000, "198 k"), (1_200_000, "1.20 M")):
            self.assertEqual(chart.compact(value), text)
        for value, text in ((12_345, "12.3 ms"), (84.4, "84 µs"), (None, "–")):
            self.assertEqual(chart.duration(value), text)

    def test_all_three_files_are_written(self):
        with tempfile.TemporaryDirectory() as folder:
            report.write(pathlib.Path(folder), self.rounds, self.raw, self.checks, self.context)
            self.assertEqual({path.name for path in pathlib.Path(folder).iterdir()},
                             {"driver.md", "driver.json", "driver.svg"})

    def test_a_terminal_gets_the_same(self):
        text = report.terminal(self.rounds, self.checks, self.context)
        self.assertIn("bare SELECT by key, 64 tasks", text)
        self.assertIn("MISSED", text)
        self.assertIn("Left out: PostgresNIO.", text)


class ArgumentTests(unittest.TestCase):
    def test_defaults_and_quick(self):
        chosen, quick = driver.read([]), driver.read(["--quick", "--rounds", "2"])
        self.assertEqual((chosen.rounds, chosen.seconds, chosen.rows, chosen.seed), (5, 3, 1_000_000, 1))
        self.assertEqual((quick.rounds, quick.seconds, quick.rows), (2, 1, 100_000))

    def test_the_exit_code_says_whether_bars_hold(self):
        held, missed, open_ = ({"holds": value} for value in (True, False, None))
        self.assertEqual(driver.outcome([held, open_], {}), 0)
        self.assertEqual(driver.outcome([held, missed], {"select@1/pgx": "no"}), 1)
        self.assertEqual(driver.outcome([held], {"select@1/lane": "no"}), 2)

    def test_wrong_usage_is_64_and_says_why(self):
        for arguments, said in ((["--rounds", "0"], "above 0"), (["--seconds", "nan"], "above 0"),
                                (["--rounds", "1.5"], "a number"), (["--only", "("], "regular expression"),
                                (["--only", "nothing"], "matches nothing"), (["--wrong"], "--wrong"),
                                (["extra"], "extra"), (["--json", "/nowhere/x.json"], "/nowhere")):
            error = io.StringIO()
            with self.subTest(arguments), contextlib.redirect_stderr(error), self.assertRaises(SystemExit) as end:
                driver.read(arguments)
            self.assertEqual(end.exception.code, 64)
            self.assertIn(said, error.getvalue())


if __name__ == "__main__":
    unittest.main()
