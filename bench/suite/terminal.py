"""What one sees while the suite runs, and the tables at its end."""
import os
import shutil
import sys
import time

import engines
import results
import summary

COLUMNS = [("p50", results.P50), ("p99", results.P99), ("p99.9", results.P999),
	   ("max", results.MAX), ("gap", results.GAP), ("cpu/op", results.CPU),
	   ("settled", results.SETTLED), ("written", results.WRITTEN),
	   ("W amp", results.WRITE_AMP), ("R amp", results.READ_AMP),
	   ("reads/op", results.READS),
	   ("S amp", results.SPACE_AMP), ("peak", results.PEAK), ("beside", results.SIDE)]


def print_tables(res, out=sys.stdout):
	several = res.several_profiles()
	for key in res.order:
		measure = results.main_measure(res, key)
		if measure is results.P999: # the rate was given; the latencies are the columns
			measure = results.SPEED
		unit = "seconds" if measure is results.TIME else "ops/s"
		# What nobody has a figure of is no column.
		columns = [(name, c) for name, c in COLUMNS
			   if any(res.figure(key, who, c) for who in res.rows(key))]
		print(f"\n{key[0]}: {results.title(key)}", file=out)
		print(f"  {'':<23}{unit:>9}{'range':>19}{'Shale':>9}"
		      + "".join(f"{name:>9}" for name, _ in columns), file=out)
		for who in res.rows(key):
			print(row(res, key, who, measure, several, columns), file=out)
	print("\nShale: its median over this row's, where the ranges of the rounds do not "
	      "overlap (of an\nopen loop: the p99.9's, turned round); ~ where they do; in brackets: "
	      "of a single round,\nwhich proves nothing. settled: ops/s with the wait for the "
	      "background; written, W amp,\nS amp: when all is settled; beside: operations, or "
	      "merges, a second of the thread beside.", file=out)
	if summary.rounds(res) == 2:
		print(f"{summary.LITTLE[0].upper()}{summary.LITTLE[1:]}.", file=out)
	print_beside(res, out)
	for text in summary.missing(res):
		print(f"missing: {text}", file=out)


def print_beside(res, out):
	for with_, alone, who, share, times in summary.beside(res):
		print(f"{with_}, {engines.who(*who, res.several_profiles())}: {100 * share:.0f} % of the "
		      f"rate of {alone}, p99 {results.times(times)} times as long", file=out)


def row(res, key, who, measure, several, columns):
	f = res.figure(key, who, measure)
	text = f"  {engines.who(*who, several):<23}"
	text += f"{measure.text(f.median):>9}" if f else f"{'-':>9}"
	span = f"{measure.text(f.least)} .. {measure.text(f.most)}" if f and f.count > 1 else ""
	text += f"{span:>19}{res.ratio_text(key, who, results.main_measure(res, key), 'x'):>9}"
	for _, column in columns:
		f = res.figure(key, who, column)
		text += f"{column.text(f.median) if f else '-':>9}"
	return text


def span(seconds):
	if seconds < 90:
		return f"{seconds:.0f} s"
	return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
	"""One line that is rewritten on a terminal; in a file, a line for each part of work."""

	def __init__(self, work, out=sys.stderr, clock=time.monotonic):
		"""work: a list of tuples that name its parts, what varies least first."""
		self.work, self.out, self.clock = work, out, clock
		self.seen, self.done = {}, 0
		self.start = self.since = clock()
		self.terminal = out.isatty() and os.environ.get("TERM") != "dumb"

	def guess(self, part):
		"""Seconds that a part will take: as it did before, or as those most like it did."""
		for length in range(len(part), -1, -1):
			times = self.seen.get(part[:length])
			if times:
				return sum(times) / len(times)
		return 0

	def left(self):
		return sum(self.guess(part) for part in self.work[self.done:])

	def begin(self, text):
		self.since = self.clock()
		line = f"[{self.done + 1:>{len(str(len(self.work)))}}/{len(self.work)}] {text}"
		if self.done:
			line += f", {span(self.left())} left"
		self.line = line
		if not self.terminal:
			print(time.strftime("%H:%M:%S"), line, file=self.out, flush=True)
		self.note("begins")

	def note(self, text):
		"""How far the part is; on a terminal only."""
		if self.terminal:
			width = shutil.get_terminal_size().columns - 1
			print("\r\033[K" + f"{self.line}: {text}"[:width], end="", file=self.out, flush=True)

	def end(self):
		part, took = self.work[self.done], self.clock() - self.since
		for length in range(len(part) + 1):
			self.seen.setdefault(part[:length], []).append(took)
		self.done += 1
		if self.done == len(self.work):
			print(("\r\033[K" if self.terminal else "")
			      + f"{self.done} parts in {span(self.clock() - self.start)}",
			      file=self.out, flush=True)
