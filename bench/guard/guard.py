#!/usr/bin/env python3
"""Instructions an operation, as callgrind counts them, against a baseline.

    guard.py PROGRAM                    compare; fails where one costs over 10 % more
    guard.py PROGRAM --update "NOTE"    make what is measured the baseline, noting why
    guard.py PROGRAM --profile CASE     the functions that a case spends them in

The counts are those of one compiler: with another, they are shown, not judged.
"""
import argparse
import datetime
import pathlib
import re
import subprocess
import sys
import tempfile

BASELINE = pathlib.Path(__file__).with_name("baseline.txt")
LIMIT = 1.10
HEAD = """\
# Instructions an operation, counted by ./dev bench guard, which fails at over 10 % more.
# Written by: ./dev bench guard --update "why"; each change adds a line below.
"""


def print_profile(text, operations):
	"""A part's own instructions of each function, without those that it calls."""
	own, function, skip = {}, None, False
	for line in text.splitlines():
		if line.startswith("fn="):
			function = line[3:]
		elif line.startswith("calls="):
			skip = True # the line after it is what the call cost in all
		elif line and line[0] in "0123456789+-*" and function:
			if not skip:
				own[function] = own.get(function, 0) + int(line.split()[1])
			skip = False
	for name, cost in sorted(own.items(), key=lambda item: -item[1])[:30]:
		print(f"{cost / operations:>9.1f}  {name}")


def measure(program, profile=None):
	"""The compiler, and {case: instructions an operation}; prints the case `profile`."""
	with tempfile.TemporaryDirectory(prefix="shale-guard-") as where:
		run = subprocess.run(
			["valgrind", "--tool=callgrind", "--collect-atstart=no",
			 "--toggle-collect=guard_measured", "--toggle-collect=job_run",
			 "--compress-strings=no",
			 f"--callgrind-out-file={where}/out", program, f"{where}/store"],
			capture_output=True, text=True, timeout=280)
		if run.returncode != 0:
			sys.exit(f"guard: {program} failed under valgrind:\n{run.stdout}{run.stderr}")
		compiler = re.search(r"^compiler (.*)$", run.stdout, re.M).group(1)
		cases = {}
		for part in sorted(pathlib.Path(where).glob("out.*"), key=lambda p: int(p.suffix[1:])):
			text = part.read_text()
			label = re.search(r"^desc: Trigger: Client Request: (.*) (\d+)$", text, re.M)
			total = re.search(r"^(?:summary|totals): (\d+)", text, re.M)
			if label and total:
				cases[label.group(1)] = int(total.group(1)) / int(label.group(2))
				if label.group(1) == profile:
					print_profile(text, int(label.group(2)))
	if not cases or not all(cases.values()):
		sys.exit(f"guard: callgrind counted nothing for a case: {cases}")
	return compiler, cases


def read_baseline():
	"""The compiler, {case: instructions}, and the lines that note changes."""
	compiler, cases, notes = None, {}, []
	if BASELINE.exists():
		for line in BASELINE.read_text().splitlines():
			if line.startswith("# 20"):
				notes.append(line)
			elif line.startswith("compiler: "):
				compiler = line.removeprefix("compiler: ")
			elif line and not line.startswith("#"):
				name, number = line.rsplit(":", 1)
				cases[name] = float(number)
	return compiler, cases, notes


def update(compiler, cases, notes, why):
	notes = notes + [f"# {datetime.date.today()}: {why}"]
	lines = [f"compiler: {compiler}"]
	lines += [f"{name}: {number:.1f}" for name, number in cases.items()]
	BASELINE.write_text(HEAD + "\n".join(notes + lines) + "\n")


def main():
	parser = argparse.ArgumentParser(description=__doc__,
					 formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument("program")
	parser.add_argument("--update", metavar="NOTE")
	parser.add_argument("--profile", metavar="CASE")
	args = parser.parse_args()

	compiler, now = measure(args.program, args.profile)
	if args.profile:
		return
	old_compiler, old, notes = read_baseline()
	same = compiler == old_compiler
	worse = []
	print(f"{'instructions an operation':<28} {'baseline':>9} {'now':>9}")
	for name in list(old) + [n for n in now if n not in old]:
		was, number = old.get(name), now.get(name)
		if number is None or was is None:
			change = "not measured any more" if number is None else "not in the baseline"
		else:
			change = f"{100 * (number / was - 1):+6.1f} %"
		bad = same and (number is None or was is None or number > was * LIMIT)
		worse += [name] if bad else []
		print(f"{name:<28} {was or 0:>9.1f} {number or 0:>9.1f}  {change}"
		      f"{'  TOO MUCH' if bad and number and was else ''}")
	if args.update:
		update(compiler, now, notes, args.update)
		print(f"written: {BASELINE.name}")
	elif not same:
		print(f"compiled by {compiler}, the baseline by {old_compiler}: not judged")
	elif worse:
		print(f"guard: over the limit of {LIMIT:.2f} times the baseline: {', '.join(worse)}\n"
		      "guard: if that is right, ./dev bench guard --update \"why\"")
		sys.exit(1)


main()
