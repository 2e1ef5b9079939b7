#!/usr/bin/env python3
"""Tests of the suite: what runs the driver, and what makes tables, words and plots."""
import argparse
import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import unittest
import unittest.mock
import xml.etree.ElementTree

sys.dont_write_bytecode = True # the tree stays clean
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import ballast
import docs
import engines
import machine
import page
import plans
import plots
import results
import run
import summary
import terminal
from results import Figure

MACHINE = {"type": "machine", "processor": "Test", "processors": 2, "memory_bytes": 2**34,
	   "kernel": "6.1", "time": "2026-01-02T03:04:05Z", "commit": "abcdef0", "name": "quick",
	   "title": "The usual workloads", "versions": {"shale": "1", "rocksdb": "2"}}


def step(name, engine, round_, ops_per_s, profile="tuned", scenario="main", turn=1, **more):
	record = {"type": "step", "engine": engine, "profile": profile, "scenario": scenario,
		  "variant": "", "round": round_, "durability": "kill", "options": {}, "turn": turn,
		  "step": name, "threads": 1, "ops": 1000, "entries": 1000,
		  "seconds": 1000 / ops_per_s, "cpu_s": 0.001, "device_read": 0,
		  "device_written": 300, "user_written": 100, "live_bytes": 100, "disk_bytes": 200,
		  "peak_bytes": 1 << 20, "cut": False, "gap_ms": 1,
		  "latency": {"p50": 500, "p99": 900, "p99.9": 1000, "max": 2000}, "series": [1000]}
	return {**record, **more}


def settle(engine, round_, **more):
	r = step("settle", engine, round_, 1000, **{"ops": 0, "entries": 0, "user_written": 0,
						     "seconds": 0.5, **more})
	del r["latency"]
	return r


def made(shale, rocksdb, name="fillrandom", **more):
	"""A file with the rates of both, one for each round."""
	records = [MACHINE]
	for i, (s, r) in enumerate(zip(shale, rocksdb)):
		records += [step(name, "rocksdb", i, r, **more), step(name, "shale", i, s, **more)]
	return results.Results(records)


ROCKS, SHALE = ("rocksdb", "tuned"), ("shale", "tuned")


class Figures(unittest.TestCase):
	def test_a_figure_is_the_median_with_least_and_most(self):
		self.assertEqual(results.figure([5, 1, 3]), Figure(3, 1, 5, 3))
		self.assertEqual(results.figure([1, 2, 3, 10]), Figure(2.5, 1, 10, 4))
		self.assertIsNone(results.figure([]))

	def test_a_verdict_needs_ranges_that_do_not_overlap(self):
		low, high = Figure(2, 1, 3, 3), Figure(5, 4, 6, 3)
		self.assertEqual(results.verdict(high, low), "faster")
		self.assertEqual(results.verdict(low, high), "slower")
		self.assertEqual(results.verdict(Figure(5, 3, 6, 3), low), "even")
		self.assertEqual(results.verdict(Figure(5, 2, 6, 3), low), "even")

	def test_one_round_gives_no_verdict(self):
		self.assertEqual(results.verdict(Figure(9, 9, 9, 1), Figure(1, 1, 1, 3)), "even")

	def test_of_latency_less_is_better(self):
		res = results.Results([MACHINE] + [
			step("readrandom", e, i, 1000, latency={"p50": v, "p99.9": v + i})
			for e, v in (("shale", 100), ("rocksdb", 400)) for i in range(3)])
		key = res.order[0]
		verdict, ratio = res.compare(key, ROCKS, results.P50)
		self.assertEqual((verdict, ratio), ("faster", 4))
		self.assertEqual(res.compare(key, ROCKS, results.P999)[0], "faster")

	def test_keys_of_batches_are_counted(self):
		r = step("fillbatch", "shale", 0, 1, ops=10, entries=1000, seconds=2)
		self.assertEqual(results.rate(r), 500)
		self.assertEqual(results.rate({**r, "step": "seek10"}), 5)

	def test_processor_time_is_shared_with_the_writer_beside(self):
		r = step("readwhilewriting", "shale", 0, 1, ops=100, cpu_s=1e-6, side_ops=100)
		self.assertEqual(results.cpu(r), 5)

	def test_write_amplification_includes_the_settle_that_follows(self):
		res = results.Results([MACHINE, step("overwrite", "shale", 0, 1),
				       settle("shale", 0, device_written=200, disk_bytes=150),
				       step("readrandom", "shale", 0, 1)])
		first, _, last = res.order
		self.assertEqual(res.figure(first, SHALE, results.WRITE_AMP).median, 5)
		self.assertEqual(res.figure(first, SHALE, results.SPACE_AMP).median, 1.5)
		self.assertIsNone(res.figure(last, SHALE, results.WRITE_AMP))

	def test_what_earlier_steps_put_off_is_not_counted_to_the_last_one(self):
		res = results.Results([MACHINE, step("ycsba", "shale", 0, 1),
				       step("overwrite", "shale", 0, 1), settle("shale", 0)])
		self.assertIsNone(res.figure(res.order[1], SHALE, results.WRITE_AMP))

	def test_a_settle_is_taken_of_its_own_round_engine_and_turn(self):
		res = results.Results([MACHINE, step("overwrite", "shale", 0, 1),
				       settle("shale", 0, device_written=200),
				       step("overwrite", "shale", 1, 1),
				       settle("shale", 1, device_written=700)])
		self.assertEqual(res.figure(res.order[0], SHALE, results.WRITE_AMP),
				 Figure(7.5, 5, 10, 2))

	def test_read_amplification_is_over_what_was_asked_for(self):
		r = step("readrandom", "shale", 0, 1, user_written=0, device_read=116000)
		self.assertEqual(results.read_amp(r), 1)
		self.assertIsNone(results.read_amp({**r, "user_written": 116000}))
		gets = {**r, "step": "readwhilewriting", "side_ops": 500, "user_written": 58000}
		self.assertEqual(results.read_amp(gets), 1)
		self.assertEqual(results.read_amp({**gets, "step": "readwhilewriting@70"}), 1)

	def test_reads_of_the_device_are_counted_for_what_asks_for_single_entries(self):
		r = step("readrandom", "shale", 0, 1, user_written=0, device_reads=1020)
		self.assertAlmostEqual(results.device_reads(r), 1.02)
		self.assertIsNone(results.device_reads({**r, "device_reads": 90}))
		self.assertIsNone(results.device_reads({**r, "user_written": 1}))
		self.assertIsNone(results.device_reads({**r, "step": "scanback"}))
		del r["device_reads"] # of an older file
		self.assertIsNone(results.device_reads(r))

	def test_merges_beside_are_no_entries_that_were_asked_for(self):
		r = step("putwhilemerging", "shale", 0, 1, side_ops=3, user_written=116000,
			 device_read=5 << 20)
		self.assertIsNone(results.read_amp(r))
		self.assertEqual(results.cpu({**r, "cpu_s": 1e-6}), 1)

	def test_a_gap_too_short_to_be_seen_is_the_shortest_that_can(self):
		res = results.Results([MACHINE] + [step("multiget", e, i, 1, gap_ms=ms)
						   for i in range(2)
						   for e, ms in (("shale", 4), ("rocksdb", 0))])
		self.assertEqual(res.compare(res.order[0], ROCKS, results.GAP), ("slower", 0.25))
		self.assertIn(("longest gap", ROCKS, 1, 1, "multiget", "4 ms", "≤ 1 ms"),
			      summary.behind_beside(res))

	def test_waits_too_short_to_tell_apart_are_even(self):
		res = results.Results([MACHINE] + [settle(e, i, seconds=s) for i in range(3)
						   for e, s in (("shale", 0.001), ("rocksdb", 0.05))])
		self.assertEqual(res.compare(res.order[0], ROCKS, results.TIME)[0], "even")

	def test_what_settling_takes_belongs_to_the_puts_before(self):
		res = results.Results([MACHINE, step("fillrandom", "shale", 0, 2000, cpu_s=0.004),
				       settle("shale", 0, cpu_s=0.001, device_written=500)])
		key = res.order[0]
		figure = lambda measure: res.figure(key, SHALE, measure).median
		self.assertEqual(figure(results.SPEED), 2000)
		self.assertEqual(figure(results.SETTLED), 1000) # half a second each
		self.assertEqual(figure(results.WRITTEN), 800)
		self.assertAlmostEqual(figure(results.CPU), 5000)

	def test_an_open_loop_has_no_processor_time(self):
		res = made([10], [10], "ycsba@95", rate=95000.0)
		self.assertIsNone(res.figure(res.order[0], SHALE, results.CPU))

	def test_a_step_beside_other_work_is_compared_with_the_same_alone(self):
		latency = lambda p99: {"p50": 1, "p99": p99, "p99.9": p99, "max": p99}
		res = results.Results([MACHINE] + [
			step(name, "shale", i, rate, latency=latency(p99), side_ops=7)
			for i in range(2) for name, rate, p99 in (("readrandom", 1000, 100),
								  ("readwhilewriting", 600, 150))])
		self.assertEqual(summary.beside(res),
				 [("readwhilewriting", "readrandom", SHALE, 0.6, 1.5)])
		self.assertIn("| `readwhilewriting` | `readrandom` | Shale | 60 % | ×1.50 |",
			      docs.beside_table(res))

	def test_variants_of_shale_are_no_rivals(self):
		res = results.Results([MACHINE] + [step("fillrandom", e, i, v + i) for i in range(2)
						   for e, v in (("shale", 10), ("shale-tiered", 90),
								("rocksdb", 50))])
		self.assertEqual(list(summary.counts(res)), [ROCKS])
		self.assertEqual(res.compare(res.order[0], ("shale-tiered", "tuned"),
					     results.SPEED)[0], "slower")

	def test_a_row_is_compared_with_shale_of_its_profile(self):
		res = results.Results([MACHINE] + [
			step("scan", e, i, v + i, profile=p) for i in range(2) for e, p, v in (
				("shale", "tuned", 800), ("shale", "default", 400),
				("rocksdb", "default", 200))])
		verdict, ratio = res.compare(res.order[0], ("rocksdb", "default"), results.SPEED)
		self.assertEqual(verdict, "faster")
		self.assertAlmostEqual(ratio, 400.5 / 200.5)

	def test_an_open_loop_is_judged_by_its_tail(self):
		res = made([10], [10], "ycsba@95")
		self.assertIs(results.main_measure(res, res.order[0]), results.P999)

	def test_beside_the_latency_of_an_open_loop_is_its_rate(self):
		res = made([95000, 94500], [95000, 94500], "ycsba@95", rate=95000.0)
		self.assertEqual(results.text(res, res.order[0], SHALE, results.P999),
				 "1.0 µs at 95.0 k/s")

	def test_an_open_loop_that_did_not_reach_its_rate_says_so(self):
		res = made([86000, 87000, 95000], [95000] * 3, "ycsba@95", rate=95000.0)
		key = res.order[0]
		self.assertEqual(results.text(res, key, SHALE, results.P999),
				 "1.0 µs at 95.0 k/s, of which 92 % were reached")
		self.assertEqual(results.text(res, key, SHALE, results.P999, True),
				 "1.0 µs at 95.0 k/s (92 %)")
		self.assertEqual(results.text(res, key, SHALE, results.P99), "900 ns")

	def test_the_rate_of_the_thread_beside_is_seen(self):
		res = results.Results([MACHINE] + [
			step(name, e, i, 1000, side_ops=ops) for i in range(2)
			for name in ("readwhilewriting", "fillseq")
			for e, ops in (("shale", 500), ("rocksdb", 2000))])
		key, other = res.order
		self.assertEqual(res.figure(key, SHALE, results.SIDE).median, 500)
		self.assertEqual(res.compare(key, ROCKS, results.SIDE), ("slower", 0.25))
		self.assertIsNone(res.figure(other, SHALE, results.SIDE))
		self.assertEqual(results.beside_rate(step("readwhilewriting@70", "shale", 0, 1)), 0)
		text = docs.run_block(res)
		self.assertIn("Operations a second of the thread beside:\n\n| step | Shale | RocksDB |\n"
			      "|---|---:|---:|\n| `readwhilewriting` | 500 | 2.00 k **×0.25** |", text)
		out = io.StringIO()
		terminal.print_tables(res, out)
		self.assertRegex(out.getvalue(), r"beside\n  Shale .* 500\n")
		self.assertIn("beside<small>ops/s</small>", page.all_figures(res, [key]))
		self.assertEqual(results.any_rate(0.0213), "0.021") # merges

	def test_speed_to_the_end_of_settling_is_better_when_there_is_more(self):
		records = [MACHINE]
		for i in range(2):
			for e, seconds in (("shale", 3), ("rocksdb", 1)):
				records += [step("overwrite", e, i, 1000), settle(e, i, seconds=seconds)]
		lines = summary.behind_beside(results.Results(records))
		self.assertIn(("speed to the end of settling", ROCKS, 1, 1, "overwrite", "250", "500"),
			      lines)

	def test_who_reads_more_from_the_device_is_behind_even_if_others_read_nothing(self):
		read = lambda bytes_: results.Results([MACHINE] + [
			step("readrandom", e, i, 1, user_written=0, device_read=b)
			for i in range(2) for e, b in (("shale", bytes_), ("rocksdb", 0))])
		self.assertIn(("read amplification", ROCKS, 1, 1, "readrandom", "1.00", "0.00"),
			      summary.behind_beside(read(116000)))
		res = read(100)
		self.assertEqual(res.compare(res.order[0], ROCKS, results.READ_AMP), ("even", 1))
		self.assertNotIn("Read amplification", docs.run_block(res))
		self.assertIn("Read amplification", docs.run_block(read(116000)))


class Text(unittest.TestCase):
	def test_figures_have_three_digits_and_a_unit(self):
		for value, text in ((3, "3"), (2.5, "2.5"), (999, "999"), (999.9, "1.00 k"),
				    (34567, "34.6 k"), (123456, "123 k"), (1.5e6, "1.50 M")):
			self.assertEqual(results.short(value), text)
		for value, text in ((12, "12 ns"), (1500, "1.5 µs"), (15000, "15 µs"), (2e9, "2.0 s")):
			self.assertEqual(results.duration(value), text)

	def test_a_ratio_shows_only_where_ranges_do_not_overlap(self):
		self.assertEqual(results.ratio(("faster", 4.44)), "x4.4")
		self.assertEqual(results.ratio(("faster", 23.2)), "x23")
		self.assertEqual(results.ratio(("slower", 0.5)), "x0.50")
		self.assertEqual(results.ratio(("even", 1.2)), "~")
		self.assertEqual(results.ratio(None), "")

	def test_terminal_tables_have_a_row_for_each_engine(self):
		out = io.StringIO()
		terminal.print_tables(made([100, 110, 120], [10, 11, 12]), out)
		rows = out.getvalue().splitlines()
		self.assertIn("main: fillrandom", rows)
		shale, = [r for r in rows if r.startswith("  Shale ")]
		rocks, = [r for r in rows if r.startswith("  RocksDB ")]
		self.assertIn("x10", rocks)
		self.assertEqual(len(shale), len(rocks))

	def test_progress_in_a_file_is_a_line_for_each_part(self):
		now = [0]
		out = io.StringIO()
		p = terminal.Progress([("a", "x"), ("b", "x"), ("a", "x"), ("b", "x")], out, lambda: now[0])
		for took in (10, 30, 10):
			p.begin("part")
			now[0] += took
			p.end()
		self.assertEqual(p.left(), 30) # as b took before
		p.begin("last")
		p.end()
		self.assertNotIn("\r", out.getvalue())
		self.assertEqual(len(out.getvalue().splitlines()), 5)
		self.assertIn("[4/4] last, 30 s left", out.getvalue())


class Words(unittest.TestCase):
	def test_what_is_behind_is_said(self):
		res = made([10, 11, 12], [100, 110, 120])
		(where, text), = summary.behind(res)
		self.assertEqual(where, "fillrandom")
		self.assertIn("RocksDB 110 against 11 (×10.0)", text)
		self.assertEqual(summary.counts(res)[ROCKS]["slower"], 1)

	def test_what_overlaps_is_neither_ahead_nor_behind(self):
		res = made([10, 50, 12], [11, 12, 13])
		self.assertEqual(summary.behind(res), [])
		self.assertEqual(summary.even(res), [("fillrandom", ["RocksDB"])])

	def test_what_is_worse_in_a_single_round_is_told_and_not_called_behind(self):
		res = made([10], [20])
		self.assertEqual(summary.behind(res), [])
		self.assertEqual(summary.even(res), [])
		self.assertEqual(summary.counts(res)[ROCKS], {"worse": 1})
		self.assertEqual(summary.behind_short(res, "worse"), [("fillrandom", ["RocksDB ×2.0"])])
		self.assertEqual(docs.not_ahead(res), summary.SINGLE + "\n\n- `fillrandom`: RocksDB 20 "
				 "against 10 (×2.00), operations a second")
		self.assertEqual(docs.cell(res, res.order[0], ROCKS, results.SPEED), "20 (×0.50)")
		self.assertIn("behind in no step of it", docs.not_ahead(made([20], [10])))
		self.assertIn(summary.SINGLE, page.not_ahead([res]))
		self.assertIn("proven to be behind no other", docs.not_ahead(made([20, 21], [10, 11])))

	def test_other_measures_of_a_single_round_are_told_too(self):
		res = results.Results([MACHINE, step("fillseq", "shale", 0, 1, peak_bytes=8 << 20),
				       step("fillseq", "rocksdb", 0, 1)])
		self.assertEqual(docs.needs_more(res), summary.SINGLE + "\n\n" + docs.table(
			["measure", "behind", "in steps", "most so in", "Shale", "other"],
			[["peak memory", "RocksDB", "1 of 1", "`fillseq`", "8.0 MiB", "1.0 MiB"]]))
		self.assertIn("In which other measures Shale is behind in a single round",
			      page.not_ahead([res]))
		self.assertEqual(docs.needs_more(made([10], [10])), "In none that was measured.")

	def test_of_two_rounds_it_is_said_that_they_prove_little(self):
		for rounds, said in ((1, False), (2, True), (3, False)):
			res = made([10] * rounds, [10] * rounds)
			self.assertEqual(summary.LITTLE in dict(summary.facts(res))["Rounds"], said)

	def test_what_shale_needs_more_of_is_told_with_the_worst_step(self):
		records = [MACHINE]
		for i in range(2):
			for name, peak in (("fillseq", 2 << 20), ("overwrite", 8 << 20)):
				records += [step(name, "shale", i, 100, peak_bytes=peak),
					    step(name, "rocksdb", i, 10)]
		self.assertIn(("peak memory", ROCKS, 2, 2, "overwrite", "8.0 MiB", "1.0 MiB"),
			      summary.behind_beside(results.Results(records)))


	def test_a_machine_that_had_other_work_is_told_of(self):
		res = made([10], [10])
		self.assertNotIn("Load at the start", dict(summary.facts(res)))
		res.machine = {**MACHINE, "load": 1.19}
		self.assertEqual(dict(summary.facts(res))["Load at the start"],
				 "1.2: the machine had other work")


	def test_who_was_asked_for_and_never_came_is_cut_off(self):
		missing = {"type": "missing", "engine": "sqlite", "profile": "tuned",
			   "scenario": "main", "variant": "", "round": 0, "why": "failed"}
		records = [{**MACHINE, "engines": ["shale", "rocksdb", "lmdb", "sqlite"],
			    "profiles": ["tuned"]}, step("fillseq", "shale", 0, 1), missing,
			   step("fillseq", "rocksdb", 0, 1),
			   step("fillseq", "shale", 0, 1, scenario="mixed")]
		self.assertEqual(summary.missing(results.Results(records)), [
			"main: LMDB, cut off", "main: SQLite, failed", "mixed: LMDB, cut off",
			"mixed: RocksDB, cut off", "mixed: SQLite, cut off"])
		old = results.Results([MACHINE, *records[1:2]]) # with versions alone
		self.assertEqual(summary.missing(old), ["main: RocksDB, cut off"])

	def test_a_run_that_was_cut_off_says_where(self):
		res = made([10], [10])
		self.assertNotIn("Cut off", dict(summary.facts(res)))
		res = results.Results([MACHINE, step("fillseq", "shale", 0, 1),
				       {"type": "cut", "at": "round 1/3 main: lmdb tuned"}])
		self.assertEqual(dict(summary.facts(res))["Cut off"], "during round 1/3 main: lmdb tuned")

	def test_libraries_that_could_be_quicker_are_named(self):
		res = made([10], [10])
		self.assertNotIn("Builds", dict(summary.facts(res))) # an older file
		good, bad = {"assertions": False, "crc32": True}, {"assertions": True, "crc32": False}
		res.machine = {**MACHINE, "builds": {"shale": good, "rocksdb": bad, "lmdb": {},
						     "sqlite": {"assertions": False, "crc32": False},
						     "leveldb": {"assertions": True}}}
		self.assertEqual(dict(summary.facts(res))["Builds"],
				 "assertions are checked in RocksDB and LevelDB; checksums without "
				 "the processor's CRC32 instruction in RocksDB: a build of one's own "
				 "may be quicker")

	def test_how_memory_and_files_are_set_up_is_told(self):
		res = made([10], [10])
		self.assertFalse({"Huge pages", "File system"} & set(dict(summary.facts(res))))
		res.machine = {**MACHINE, "huge_pages": "madvise", "tunables": machine.TUNABLES,
			       "file_system": "ext4"}
		facts = dict(summary.facts(res))
		self.assertEqual(facts["Huge pages"], "madvise; malloc asks for them too; "
				 "GLIBC_TUNABLES=glibc.malloc.hugetlb=1")
		self.assertEqual(facts["File system"], "ext4")
		for kind, said in ((False, "not limited"), (True, "cached files"), ("files", "cached files"),
				   ("touched", "had just been in use")):
			res.machine = {**MACHINE, "ballast": kind}
			self.assertTrue(dict(summary.facts(res))["Memory"].endswith(said))

	def test_a_host_that_takes_processor_time_is_told_of(self):
		steal = lambda taken, **more: {"type": "steal", "engine": "rocksdb", "profile": "tuned",
					       "scenario": "main", "variant": "", "round": 1,
					       "seconds": 10, "steal_s": taken, **more}
		some = [MACHINE, steal(0.4), steal(0.1, seconds=0.5)]
		self.assertNotIn("Taken by the host", dict(summary.facts(results.Results(some))))
		self.assertEqual(dict(summary.facts(results.Results([*some, steal(2)])))["Taken by the host"],
				 "up to 10 % of the processors' time (in main, RocksDB, round 2)")


class Machine(unittest.TestCase):
	def setUp(self):
		self.folder = tempfile.TemporaryDirectory()
		self.addCleanup(self.folder.cleanup)
		self.file = pathlib.Path(self.folder.name, "file")

	def test_the_file_system_is_that_of_the_innermost_mount(self):
		real = os.path.realpath(self.folder.name)
		inner = os.path.join(real, "a b")
		self.file.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda rw\n"
				     f"2 1 8:2 / {real} rw shared:1 - xfs /dev/sdb rw\n"
				     f"3 2 0:9 / {inner.replace(' ', chr(92) + '040')} rw - tmpfs none rw\n")
		self.assertEqual(machine.file_system(inner, self.file), "tmpfs")
		self.assertEqual(machine.file_system(real, self.file), "xfs")
		self.assertEqual(machine.file_system(real + "x", self.file), "ext4")
		self.assertIsNone(machine.file_system(real, self.file / "none"))

	def test_the_mode_of_huge_pages_is_the_one_in_brackets(self):
		self.file.write_text("always [madvise] never\n")
		self.assertEqual(machine.huge_pages(self.file), "madvise")
		self.assertIsNone(machine.huge_pages(self.file / "none"))

	def test_stolen_time_is_in_seconds(self):
		self.file.write_text(f"cpu 1 2 3 4 5 6 7 {3 * os.sysconf('SC_CLK_TCK')} 0 0\ncpu0 1\n")
		self.assertEqual(machine.stolen(self.file), 3)

	def tools(self, **texts):
		"""Programs of these names, before those of the system."""
		for name, text in texts.items():
			path = pathlib.Path(self.folder.name, name)
			path.write_text("#!/bin/sh\n" + text)
			path.chmod(0o755)
		self.enterContext(unittest.mock.patch.dict(
			os.environ, {"PATH": f"{self.folder.name}:{os.environ['PATH']}"}))
		machine.built.cache_clear()
		self.addCleanup(machine.built.cache_clear)

	def test_libraries_are_looked_at_as_the_program_loads_them(self):
		self.tools(ldd="printf '\\tlibrocksdb.so.7.8 => /r (0x1)\\n\\tliblmdb.so.0 => /l (0x2)\\n'",
			   nm="""case $2 in /r) echo '     U __assert_fail@GLIBC_2.2.5' ;; esac""",
			   objdump="""for last; do :; done
			   case $last in
			   program) printf ' 1f:\\tcrc32q %%rax,%%rbx\\n'; yes ;;
			   *) printf '1 <crc32>:\\n 1f:\\tcall 5 <crc32@plt>\\n' ;;
			   esac""")
		names = ["shale", "shale-tiered", "rocksdb", "rocksdb-universal", "lmdb", "device"]
		shale, rocks = {"assertions": False, "crc32": True}, {"assertions": True, "crc32": False}
		self.assertEqual(machine.builds("program", names), {
			"shale": shale, "shale-tiered": shale, "rocksdb": rocks,
			"rocksdb-universal": rocks, "lmdb": {"assertions": False, "crc32": False}})

	def test_where_tools_fail_or_are_missing_nothing_is_recorded(self):
		self.tools(ldd="exit 1", nm="exit 1", objdump="exit 1")
		self.assertEqual(machine.builds("program", ["shale", "rocksdb"]), {})
		machine.built.cache_clear()
		with unittest.mock.patch.dict(os.environ, {"PATH": "/nowhere"}):
			self.assertEqual(machine.builds("program", ["shale", "rocksdb"]), {})


class Documents(unittest.TestCase):
	def test_a_block_is_put_between_its_marks_only(self):
		text = "a\n<!-- generated: x -->\nold\n<!-- end: x -->\nb\n"
		once = docs.put(text, "x", "new")
		self.assertEqual(once, "a\n<!-- generated: x -->\n\nnew\n\n<!-- end: x -->\nb\n")
		self.assertEqual(docs.put(once, "x", "new"), once)

	def test_marks_that_are_missing_or_doubled_are_an_error(self):
		for text in ("", "<!-- generated: x -->", "<!-- end: x --><!-- generated: x -->",
			     "<!-- generated: x --><!-- end: x -->" * 2):
			with self.assertRaises(ValueError):
				docs.put(text, "x", "new")

	def test_a_table_shows_what_is_not_ahead_in_bold(self):
		res = made([10, 11, 12], [100, 110, 120])
		self.assertEqual(docs.measure_table(res, res.order).splitlines(),
				 ["| step | Shale | RocksDB |", "|---|---:|---:|",
				  "| `fillrandom` | 11 | 110 **×0.10** |"])

	def test_what_is_missing_is_said(self):
		res = results.Results([{**MACHINE, "versions": {}},
				       step("fillseq", "shale", 0, 1), step("fillseq", "shale", 1, 1),
				       {"type": "missing", "engine": "leveldb", "profile": "tuned",
					"scenario": "no log", "variant": "", "why": "not possible"}])
		self.assertIn("Missing: no log: LevelDB, not possible.", docs.run_block(res))
		self.assertEqual(summary.missing(res), ["no log: LevelDB, not possible"])

	def test_long_lines_are_broken_but_tables_are_not(self):
		long = "- " + "word " * 40
		self.assertTrue(all(len(l) <= 96 for l in docs.wrapped(long).splitlines()))
		row = "| " + "cell | " * 40
		self.assertEqual(docs.wrapped(row), row)

	def test_documents_are_checked_against_the_kept_files(self):
		with tempfile.TemporaryDirectory() as folder:
			root = pathlib.Path(folder)
			(root / "docs").mkdir()
			for path, names in (("README.md", ["benchmarks"]),
					    ("docs/benchmarks.md", ["classes", "settings", "results"])):
				(root / path).write_text("".join(f"<!-- generated: {n} -->\n<!-- end: {n} -->\n"
								 for n in names))
			with open(root / "docs/benchmarks.md", "a") as f:
				f.write(docs.WHY + "\n")
			file = root / "r.jsonl"
			records = [MACHINE] + [step("readrandom", e, i, v + i) for i in range(3)
					       for e, v in (("shale", 900), ("rocksdb", 300))]
			file.write_text("".join(json.dumps(r) + "\n" for r in records))
			docs.Kept(root).replace([("A title", file)])
			kept = docs.Kept(root)
			self.assertEqual(kept.runs, [{"file": "r.jsonl.gz", "title": "A title"}])
			self.assertEqual(len(list(docs.check(root, kept))), 4)
			if shutil.which("gnuplot"):
				docs.write(root, kept)
				self.assertEqual(list(docs.check(root, kept)), [])
				readme = (root / "README.md").read_text()
				self.assertIn("| `readrandom` | 901 | 301 ×3.0 |", readme)
				(root / "README.md").write_text(readme.replace("301", "201"))
				fault, = docs.check(root, kept)
				self.assertIn("README.md", fault)

	def test_a_step_that_is_behind_wants_a_word_on_it(self):
		generated = "<!-- generated: x -->\n<!-- end: x -->\n"
		section = docs.WHY + "\n\n`seek10@70` and `readrandom, 4 of memory`.\n\n## More\n\n`scan`\n"
		self.assertEqual(docs.explained(generated + section), {"seek10", "readrandom"})
		self.assertIsNone(docs.explained(section + generated))
		self.assertIsNone(docs.explained(generated))
		self.assertEqual(docs.explained(generated + docs.WHY), set())
		behind = made([10, 11, 12], [100, 110, 120], "ycsba")
		self.assertEqual(summary.behind_steps(behind), {"ycsba"})
		self.assertEqual(summary.behind_steps(made([10], [100])), set())
		with tempfile.TemporaryDirectory() as folder:
			root = pathlib.Path(folder)
			(root / "docs").mkdir()
			(root / "docs/benchmarks.md").write_text(section)
			kept = unittest.mock.Mock(folder=root, load=lambda: [behind], kills=lambda: [])
			with unittest.mock.patch("docs.documents", return_value={}):
				self.assertEqual(list(docs.check(root, kept)), [
					f"docs/benchmarks.md: `{docs.WHY}` does not tell of `ycsba`"])
				(root / "docs/benchmarks.md").write_text("")
				fault, = docs.check(root, kept)
				self.assertIn("no section", fault)

	def kill_records(self):
		put = {"type": "kill", "engine": "shale", "profile": "tuned", "kills": 3,
		       "acknowledged": 1234567, "missing": 0, "flushes_per_put": 1.004}
		return [{**MACHINE, "name": "kill", "title": "kill"},
			{**put, "durability": "nothing", "missing": 7, "flushes_per_put": 0},
			{**put, "durability": "power"},
			{**put, "engine": "lmdb", "durability": "kill", "missing": 5},
			{**put, "engine": "lmdb", "durability": "power", "flushes_per_put": 0.5},
			{"type": "kill", "engine": "leveldb", "profile": "tuned", "durability": "nothing",
			 "why": "not possible"}]

	def test_kills_make_a_table_of_classes(self):
		res = results.Results(self.kill_records())
		self.assertTrue(res.is_kill())
		self.assertEqual(docs.kill_table(res).splitlines(), [
			"| engine | `nothing` | `kill` | `power` |", "|---|---:|---:|---:|",
			"| Shale | 3 kills: 7 of 1 234 567 puts lost; 0.00 flushes a put | – "
			"| 3 kills: 0 of 1 234 567 puts lost; 1.00 flushes a put |",
			"| LevelDB | not possible | – | – |",
			"| LMDB | – | **3 kills: 5 of 1 234 567 puts lost; 1.00 flushes a put** "
			"| **3 kills: 0 of 1 234 567 puts lost; 0.50 flushes a put** |"])
		self.assertIn("./dev bench kill", docs.classes_block([]))
		self.assertIn("2026-01-02, commit abcdef0", docs.classes_block([res]))

	def test_a_file_of_kill_is_never_among_the_results_of_steps(self):
		with tempfile.TemporaryDirectory() as folder:
			root = pathlib.Path(folder)
			write = lambda name, records: (root / name).write_text(
				"".join(json.dumps(r) + "\n" for r in records)) and root / name
			kills = write("kill.jsonl", self.kill_records())
			steps = write("quick.jsonl", [MACHINE, step("fillseq", "shale", 0, 1)])
			kept = docs.Kept(root)
			with self.assertRaises(SystemExit):
				kept.replace([(None, kills)])
			kept.replace([(None, kills), (None, steps)])
			self.assertEqual([res.machine["name"] for res in kept.load()], ["quick"])
			self.assertEqual([res.machine["name"] for res in kept.kills()], ["kill"])
			self.assertEqual(len(kept.paths()), 1)
			blocks = docs.documents(kept.load(), kept.kills(), set())
			self.assertIn("1 234 567", dict(blocks["docs/benchmarks.md"])["classes"])
			self.assertNotIn("kill", dict(blocks["docs/benchmarks.md"])["results"])
			argv = ["page.py", "--out", str(root / "x.html"), str(kills)]
			with unittest.mock.patch("sys.argv", argv), self.assertRaises(SystemExit):
				page.main()

	def test_the_readme_tells_where_others_are_ahead_in_every_file(self):
		main = made([100, 110, 120], [10, 11, 12])
		proven, single = made([10, 11, 12], [100, 110, 120]), made([10], [20], "readrandom")
		good = made([20, 30], [10, 11])
		proven.title, single.title, good.title = "A", "B", "C"
		both = results.Results([MACHINE] + [step("fillseq", e, i, v) for e, v in (
			("shale", 10), ("rocksdb", 20)) for i in range(2)] + [
			step("scan", "shale", 0, 10), step("scan", "rocksdb", 0, 30)], "D")
		self.assertEqual(docs.elsewhere([proven, single, good, both]).splitlines(), [
			"- **A**: `fillrandom` (RocksDB ×10)",
			"- **B**, a single round: `readrandom` (RocksDB ×2.0)", "- **C**: none",
			"- **D**: `fillseq` (RocksDB ×2.0); by the median of a single round: `scan` "
			"(RocksDB ×3.0)"])
		text = docs.short_block([main, proven])
		self.assertIn("- **A**: `fillrandom`", text)
		self.assertIn("| `fillrandom` | 1.0 µs | 1.0 µs ~ |", text) # p99.9
		self.assertIn("Memory: 768 MiB", text)
		self.assertNotIn("Elsewhere", docs.short_block([main]))

	def test_other_measures_are_one_row_each(self):
		records = [MACHINE]
		for i in range(2):
			for name, peak in (("fillseq", 2 << 20), ("overwrite", 8 << 20)):
				records += [step(name, e, i, 10, peak_bytes=peak if e == "shale" else 1 << 20)
					    for e in ("shale", "rocksdb", "lmdb")]
		self.assertEqual(docs.other_measures(results.Results(records)).splitlines(), [
			"| behind in this | RocksDB | LMDB | most so |", "|---|---:|---:|---:|",
			"| peak memory | 2 of 2 | 2 of 2 | `overwrite`: 8.0 MiB; RocksDB 1.0 MiB |"])


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Pictures(unittest.TestCase):
	def test_bars_are_well_formed_and_of_known_classes(self):
		res = made([100, 110, 120], [10, 11, 12])
		for svg in (plots.bars_svg(res, res.order[0], results.SPEED),
			    plots.bars_sheet(res, res.order, "Bars"),
			    plots.latency_svg(res, res.order[0])):
			xml.etree.ElementTree.fromstring(svg)
			self.assertIn("-shale", svg)
			self.assertNotIn("rgb(", svg)

	def test_the_page_has_plots_tables_and_nothing_to_fetch(self):
		text = page.page([made([100, 110, 120], [10, 11, 12])])
		self.assertIn("<svg", text)
		self.assertIn("<table", text)
		for never in ("<script", "<link", "@import", "src="):
			self.assertNotIn(never, text)
		self.assertEqual(set(__import__("re").findall(r"https?://[^\"' ]+", text)),
				 {"http://www.w3.org/2000/svg"})

	def test_text_in_a_page_is_escaped(self):
		res = made([100, 110], [10, 11])
		res.title = "a < b & c"
		self.assertIn("a &lt; b &amp; c", page.page([res]))
		self.assertNotIn("a < b", page.page([res]))


class Series(unittest.TestCase):
	def test_the_last_part_of_a_second_counts_as_a_rate_or_not_at_all(self):
		r = step("overwrite", "shale", 0, 1, ops=250, entries=250, seconds=2.5,
			 series=[100, 100, 50])
		self.assertEqual(plots.series(r), [100, 100, 100])
		self.assertEqual(plots.series({**r, "seconds": 2.25}), [100, 100])


class Plans(unittest.TestCase):
	def test_every_step_has_words(self):
		for scenarios in (*(plan() for plan in plans.PLANS.values()), plans.sizes(1024)):
			for s in scenarios:
				for name in s["steps"] + s["then"]:
					name = name.partition("@")[0]
					self.assertTrue(name in engines.STEPS or name in ("warm", "die"), name)

	def test_an_open_loop_follows_its_closed_one_and_nothing_is_owed_between(self):
		for s in plans.open_loop(steps=("readrandom", "overwrite")):
			steps = s["steps"]
			self.assertLess(steps.index("overwrite"), steps.index("overwrite@70"))
			for i, name in enumerate(steps):
				if name.startswith("overwrite"):
					self.assertEqual(steps[i + 1], "settle")

	def test_a_scenario_of_full_can_be_named_and_a_step_comes_with_what_it_needs(self):
		self.assertEqual(plans.one("threads")[0]["name"], "threads")
		self.assertEqual(plans.one("readwhilewriting@70")[0]["steps"][-5:],
				 ["readrandom", "readwhilewriting", "settle",
				  "readwhilewriting@70", "settle"])
		self.assertEqual(plans.one("ycsba@70")[0]["steps"][-4:],
				 ["ycsba", "settle", "ycsba@70", "settle"])
		with self.assertRaises(KeyError):
			plans.one("no such thing")

	def test_engines_that_plans_name_are_known(self):
		for names in (engines.USUAL, *plans.ENGINES.values()):
			self.assertLessEqual(set(names), set(engines.ORDER))

	def test_every_engine_has_words_and_a_colour(self):
		for table in (engines.NAMES, engines.KINDS, engines.COLOURS, engines.DASHES,
			      engines.TUNED):
			self.assertEqual(list(table), engines.ORDER)


class Runs(unittest.TestCase):
	"""With programs that are no shale_bench."""

	def setUp(self):
		self.folder = tempfile.TemporaryDirectory()
		self.addCleanup(self.folder.cleanup)
		self.dir = pathlib.Path(self.folder.name)

	def program(self, text):
		path = self.dir / "program"
		path.write_text("#!/bin/sh\n" + text)
		path.chmod(0o755)
		return str(path)

	def args(self, **more):
		return argparse.Namespace(**{"program": "/bin/echo", "dir": str(self.dir),
					     "memory_mb": 768, "limit_mb": 0, "engines": ["shale"],
					     "patience": None,
					     **more})

	def records(self):
		return [json.loads(line) for line in (self.dir / "results.jsonl").read_text().splitlines()]

	def main(self, program, *argv):
		"""The exit status, and what was printed."""
		out = io.StringIO()
		argv = ["run.py", program, *argv, "--engines", "shale", "--dir", str(self.dir),
			"--json", str(self.dir / "results.jsonl")]
		with unittest.mock.patch("sys.argv", argv), unittest.mock.patch("signal.signal"), \
				unittest.mock.patch.dict(os.environ), \
				contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), \
				self.assertRaises(SystemExit) as end:
			run.main()
		return end.exception.code, out.getvalue()

	def test_the_driver_runs_with_huge_pages_for_malloc_unless_it_was_set(self):
		program = self.program("""case $3 in --version) echo 1; exit ;; esac
			echo "{\\"step\\": \\"$GLIBC_TUNABLES\\", \\"seconds\\": 1}"; exit 3""")
		for given, seen in ((None, machine.TUNABLES), ("glibc.malloc.check=3",) * 2):
			with unittest.mock.patch.dict(os.environ, {"GLIBC_TUNABLES": given} if given else {}), \
					unittest.mock.patch("terminal.print_tables"), \
					unittest.mock.patch("run.write_page") as write_page, \
					unittest.mock.patch("terminal.Progress"):
				if not given:
					os.environ.pop("GLIBC_TUNABLES", None)
				self.main(program, "quick", "--only", "sync", "--rounds", "1")
			records = self.records()
			write_page.assert_called_once()
			self.assertEqual(records[0]["tunables"], seen)
			self.assertEqual([r["step"] for r in records if r["type"] == "step"], [seen])
			steal, = [r for r in records if r["type"] == "steal"]
			self.assertEqual((steal["engine"], steal["scenario"]), ("shale", "sync"))

	def test_what_cannot_be_run_is_refused(self):
		for argv in (["--profiles", "both"], ["--profiles", "tuned,tuned"],
			     ["--engines", "shale,shale"], ["--engines", "none"], ["--rounds", "0"],
			     ["--rounds", "-1"], ["--num", "0"], ["--only", "no such scenario"]):
			with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
				run.arguments(["program", "quick", *argv])
		for name in ("sizes", "kill", "no such plan"):
			with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
				run.arguments(["program", name, "--num", "5000"])
		a = run.arguments(["program", "quick", "--profiles", "tuned,default", "--num", "5000"])
		self.assertEqual(a.profiles, ["tuned", "default"])
		self.assertEqual(run.command(a), "./dev bench quick --profiles tuned,default --num 5000")

	def test_the_writer_of_a_kill_test_dies_with_the_suite(self):
		program = self.program("""while [ "$1" != --ack ]; do shift; done
			echo $$ >${0%/*}/pid; echo 1234567 >"$2"; exec sleep 60""")
		sleep = time.sleep

		def end(seconds):
			sleep(seconds)
			if seconds > 0.05: # not while it waits for the first put
				raise SystemExit
		with unittest.mock.patch("time.sleep", end), self.assertRaises(SystemExit):
			run.kill_one(argparse.Namespace(args=self.args(program=program)), "shale",
				     "tuned", "kill", 0.2)
		self.assertFalse(pathlib.Path("/proc", (self.dir / "pid").read_text().strip()).exists())

	def test_what_a_writer_that_fails_says_is_told(self):
		program = self.program("echo the disk is full >&2; exit 1")
		with self.assertRaisesRegex(SystemExit, "the disk is full"):
			run.kill_one(argparse.Namespace(args=self.args(program=program)), "shale",
				     "tuned", "kill", 1)

	def test_a_full_disk_keeps_nothing_from_being_removed(self):
		a = self.args(json="/dev/full", cold_memory=False)
		r = run.Runner.__new__(run.Runner)
		r.args, r.out, r.ballast = a, open(a.json, "w"), unittest.mock.Mock()
		(self.dir / "shale").mkdir()
		(self.dir / "ack").write_text("")
		with self.assertRaisesRegex(SystemExit, "/dev/full: No space left"):
			r.write({"type": "step"})
		with self.assertRaises(OSError):
			r.close()
		self.assertEqual(list(self.dir.iterdir()), [])
		r.ballast.drop.assert_called_once()

	def test_memory_is_used_before_by_what_fits_the_limit(self):
		for cold, group, kind in ((True, "group", None), (False, None, "files"),
					  (False, "group", "touched")):
			a = self.args(json=os.devnull, cold_memory=cold, name="quick", rounds=1,
				      profiles=["tuned"])
			with unittest.mock.patch("machine.record", lambda *_: {}), \
					unittest.mock.patch("run.command", lambda *_: ""), \
					unittest.mock.patch("run.version", lambda *_: "1"):
				r = run.Runner(a, unittest.mock.Mock(path=group))
			self.assertEqual(r.ballast and r.ballast.kind, kind)
			r.close()

	def test_twice_the_limit_is_touched_to_the_last_byte(self):
		class Mapping(bytearray):
			def __init__(self, file, size):
				super().__init__(b"\xff" * size)
				self.file, self.size = file, size
				made.append(self)

			def __enter__(self):
				return self

			def __exit__(self, *_):
				pass

		for limit_mb in (1, 3, 4): # less than a piece, one and a half, two
			made = []
			with unittest.mock.patch("mmap.mmap", Mapping):
				ballast.Touched().fill(limit_mb)
			m, = made
			self.assertEqual((m.file, m.size), (-1, limit_mb * 2**21))
			# One that is mapped would not grow, but refuse what is too long.
			self.assertEqual((len(m), m.count(0)), (m.size, m.size))

	def test_memory_is_limited_by_default_and_the_command_shows_what_is_not(self):
		for typed, memory, limit, shown in (
				("quick", 256, 341, ""), ("full", 768, 1024, ""), ("open", 768, 1024, ""),
				("readrandom", 768, 1024, ""), ("threads", 768, 1024, ""),
				("sizes", 192, 256, ""), ("sustained", 768, 0, ""), ("hot", 768, 0, ""),
				("merging", 768, 0, ""), ("rated", 768, 0, ""), ("durable", 768, 0, ""),
				("kill", 768, 0, ""),
				("quick --limit-mb 0", 256, 0, " --limit-mb 0"),
				("full --limit-mb 0", 768, 0, " --limit-mb 0"),
				("full --memory-mb 512", 512, 682, " --memory-mb 512"),
				("full --limit-mb 400", 300, 400, " --limit-mb 400"),
				("full --limit-mb 1024", 768, 1024, ""),
				("quick --limit-mb 1024", 768, 1024, " --limit-mb 1024"),
				("quick --memory-mb 768 --limit-mb 1024", 768, 1024, " --limit-mb 1024"),
				("quick --memory-mb 100 --limit-mb 1024", 100, 1024,
				 " --memory-mb 100 --limit-mb 1024"),
				("sizes --limit-mb 1024", 768, 1024, " --limit-mb 1024"),
				("sizes --memory-mb 100", 100, 256, " --memory-mb 100"),
				("hot --limit-mb 1024", 768, 1024, " --limit-mb 1024")):
			a = run.arguments(["program", *typed.split()])
			self.assertEqual((a.memory_mb, a.limit_mb), (memory, limit), typed)
			repeated = run.command(a)
			self.assertEqual(repeated, f"./dev bench {typed.split()[0]}{shown}")
			again = run.arguments(["program", *repeated.split()[2:]])
			self.assertEqual((again.memory_mb, again.limit_mb), (memory, limit), typed)

	def test_a_run_goes_on_without_a_limit_unless_that_was_asked_for(self):
		with unittest.mock.patch("run.Group") as group, \
				unittest.mock.patch("run.Runner.plan"), \
				unittest.mock.patch("terminal.print_tables"):
			group().path, group().why = None, "not permitted"
			status, said = self.main("/bin/echo", "quick")
			self.assertEqual(status, 0)
			self.assertIn("memory is not limited: not permitted", said)
			self.assertEqual(self.records()[0]["limit_mb"], 0)
			for argv in (["quick", "--limit-mb", "300"], ["sizes"]):
				status, _ = self.main("/bin/echo", *argv)
				self.assertIn("skipped", status)

	def test_a_control_group_has_no_swap_and_its_controller_is_switched_on(self):
		(self.dir / "cgroup.controllers").touch()
		make = pathlib.Path.mkdir

		def mkdir(path):
			make(path)
			(path / "memory.swap.max").write_text("max")
		with unittest.mock.patch("pathlib.Path.mkdir", mkdir):
			group = run.Group(10, self.dir)
		self.assertEqual((self.dir / "cgroup.subtree_control").read_text(), "+memory")
		self.assertEqual((group.path / "memory.swap.max").read_text(), "0")
		self.assertEqual((group.path / "memory.max").read_text(), str(10 << 20))

	def test_a_control_group_that_cannot_be_had_says_why(self):
		(self.dir / "cgroup.controllers").touch()
		(self.dir / "cgroup.subtree_control").mkdir() # not to be written
		with unittest.mock.patch("run.Group.limit", side_effect=OSError("not permitted")):
			group = run.Group(10, self.dir)
		self.assertEqual((group.path, group.why), (None, "no control group: not permitted"))
		self.assertEqual(list(self.dir.glob("shale-bench-*")), [])

	def test_the_control_group_is_removed_whatever_fails(self):
		with unittest.mock.patch("run.Group") as group:
			status, _ = self.main(self.program("echo no library >&2; exit 127"), "quick")
			self.assertEqual(status, "shale: no version: no library")
			group().close.assert_called_once()
			group.reset_mock()
			def close(runner):
				runner.out.close()
				raise OSError
			with unittest.mock.patch("run.Runner.close", close), \
					unittest.mock.patch("run.Runner.plan", side_effect=SystemExit), \
					self.assertRaises(OSError):
				self.main("/bin/echo", "quick")
			group().close.assert_called_once()

	def test_an_interrupted_run_ends_with_a_status_of_its_own(self):
		for name, what in (("quick", "run.Runner.plan"), ("kill", "run.kill_test")):
			with unittest.mock.patch(what, side_effect=KeyboardInterrupt), \
					unittest.mock.patch("terminal.print_tables") as tables:
				status, _ = self.main("/bin/echo", name)
			self.assertEqual(status, 130)
			self.assertEqual(tables.called, name == "quick")
			self.assertEqual(self.records()[-1], {"type": "cut", "at": "its beginning"})

	def test_a_run_that_is_ended_says_what_was_under_way(self):
		program = self.program("""case $3 in --version) echo 1; exit ;; esac
			kill -TERM $PPID; exec sleep 60""")
		usual = signal.signal(signal.SIGTERM, run.end)
		self.addCleanup(signal.signal, signal.SIGTERM, usual)
		with unittest.mock.patch("terminal.Progress"):
			status, _ = self.main(program, "quick", "--only", "sync", "--rounds", "1")
		self.assertEqual(status, "ended")
		self.assertEqual(self.records()[-1], {"type": "cut", "at": "round 1/1 sync: shale tuned"})

	def test_a_finished_run_writes_its_page_where_it_can(self):
		res, file = made([10, 20], [1, 2]), self.dir / "quick.jsonl"
		out = io.StringIO()
		with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
			with unittest.mock.patch("shutil.which", return_value=None):
				run.write_page(res, file)
			self.assertIn("gnuplot", out.getvalue())
			with unittest.mock.patch("shutil.which", return_value="/usr/bin/gnuplot"):
				with unittest.mock.patch("page.page", side_effect=RuntimeError("it fails")):
					run.write_page(res, file)
				self.assertIn("no page of it: it fails", out.getvalue())
				with unittest.mock.patch("page.page", return_value="a page"):
					run.write_page(res, file)
		self.assertIn(f"page: {self.dir}/quick.html", out.getvalue())
		self.assertEqual((self.dir / "quick.html").read_text(), "a page")

	def test_a_class_that_is_not_possible_is_recorded(self):
		r = unittest.mock.Mock(args=self.args(profiles=["tuned"]))
		with unittest.mock.patch("run.kill_one", return_value=None), \
				contextlib.redirect_stdout(io.StringIO()):
			self.assertEqual(run.kill_test(r, 0), 0)
		self.assertEqual([(c.args[0]["durability"], c.args[0]["why"]) for c in r.write.mock_calls],
				 [(c, "not possible") for c in ("nothing", "kill", "power")])

	def test_what_takes_longer_than_patience_is_ended(self):
		program = self.program("""case $3 in --version) echo 1; exit ;; esac
			echo $$ >${0%/*}/pid; exec sleep 60""")
		with unittest.mock.patch("terminal.Progress"), \
				unittest.mock.patch("terminal.print_tables"):
			status, said = self.main(program, "quick", "--only", "sync", "--rounds", "1",
						 "--patience", "1")
		self.assertEqual(status, 0)
		self.assertIn("shale: not done after 1 s", said)
		last = self.records()[-1]
		self.assertEqual((last["type"], last["scenario"], last["why"]),
				 ("missing", "sync", "not done after 1 s"))
		self.assertFalse(pathlib.Path("/proc", (self.dir / "pid").read_text().strip()).exists())
		a = run.arguments(["program", "quick", "--patience", "60"])
		self.assertEqual(run.command(a), "./dev bench quick --patience 60")

	def test_under_a_limit_the_keys_of_all_steps_are_held(self):
		limit = unittest.mock.Mock()
		r = run.Runner.__new__(run.Runner)
		r.args, r.group = self.args(limit_mb=1000), argparse.Namespace(path="x", limit=limit)
		for scenarios in (plans.full(), plans.hot(), plans.sustained(), plans.merging(),
				  plans.rated(), plans.queue()):
			for s in scenarios:
				for variant in s["more"].values():
					options = {**s["options"], **variant}
					held = r.limited(options)["key-memory-mb"]
					limit.assert_called_with(1000 + held)
					num = options.get("num", 1000000)
					reads = options.get("reads", min(num, 1000000))
					most = {"readwhilewriting": num + reads, "ttlmix": reads,
						"overwritezipf": options.get("writes", num)}
					keys = max(most.get(name, num) for name in s["steps"])
					self.assertGreaterEqual(held << 20, 17 * keys)

	def test_what_only_names_is_chosen(self):
		chosen = run.only(plans.durable(), "16 t")
		self.assertEqual([list(s["more"]) for s in chosen], [["16 threads"]])
		self.assertEqual(run.only(plans.durable(), "none"), [])


if __name__ == "__main__":
	unittest.main()
