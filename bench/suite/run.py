#!/usr/bin/env python3
"""Runs the comparison: every scenario of a plan, for every engine, in rounds.

    run.py PROGRAM quick|full|open|durable|sustained|sizes|merging|rated|hot|queue|kill [OPTION]...
    run.py PROGRAM SCENARIO|STEP [OPTION]...    one scenario of full, or a single step

In each round all engines have their turn, the first one changing. Each line of the
results file is one step of one round, as shale_bench printed it, with who and what.
"""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True # the tree stays clean

import ballast
import engines
import machine
import page
import plans
import results
import terminal

UNSUPPORTED = 3
LATE = 1000 # no exit status: the driver had more than --patience and was ended
# Plans about writes of many times the memory: what they write passes through the page cache,
# and how much of that a limit leaves would be what is measured.
UNLIMITED = ("sustained", "hot", "merging", "rated", "durable", "kill")


class Group:
	"""A control group with a limit of memory, where the system lets us make one."""

	def __init__(self, mb, root=pathlib.Path("/sys/fs/cgroup")):
		self.path, self.why = None, "no limit was asked for"
		if not mb:
			return
		v2 = (root / "cgroup.controllers").exists()
		base = root if v2 else root / "memory"
		path = base / f"shale-bench-{os.getpid()}"
		if v2:
			# If that is not permitted, it may be so already; the limit will tell.
			with contextlib.suppress(OSError):
				(base / "cgroup.subtree_control").write_text("+memory")
		try:
			path.mkdir()
			self.file = path / ("memory.max" if v2 else "memory.limit_in_bytes")
			self.limit(mb)
			# What is swapped out would be memory beyond the limit.
			swap = path / "memory.swap.max"
			if swap.exists():
				swap.write_text("0")
			self.path = path
		except OSError as error:
			self.why = f"no control group: {error}"
			with contextlib.suppress(OSError):
				path.rmdir()

	def limit(self, mb):
		self.file.write_text(str(mb << 20))

	def enter(self):
		"""In the child, before it becomes the driver."""
		if self.path:
			(self.path / "cgroup.procs").write_text(str(os.getpid()))

	def close(self):
		if self.path:
			self.path.rmdir()


def command(a):
	"""What to type to repeat this."""
	text = f"./dev bench {a.name}"
	for option in ("engines", "profiles", "rounds", "num", "memory_mb", "limit_mb", "threads",
		       "value_size", "keys", "seconds", "only", "patience"):
		if getattr(a, option) != a.customary[option]:
			value = getattr(a, option)
			text += f" --{option.replace('_', '-')} " + shlex.quote(
				",".join(value) if isinstance(value, list) else str(value))
	return text + (" --cold-memory" if a.cold_memory else "")


class Ended(SystemExit):
	"""Of SIGTERM, by way of what cleans up."""


def end(*_):
	raise Ended("ended")


@contextlib.contextmanager
def held_back():
	"""Signals that end this wait, until a child that has been started is known: it would be
	left behind."""
	ending = {signal.SIGINT, signal.SIGTERM}
	signal.pthread_sigmask(signal.SIG_BLOCK, ending)
	try:
		yield lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ending) # in the child
	finally:
		signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)


class Runner:
	at = "its beginning" # what is under way

	def __init__(self, args, group):
		self.args, self.group = args, group
		self.versions = {engine: version(args.program, engine) for engine in args.engines}
		self.ballast = (None if args.cold_memory else ballast.Touched() if group.path
				else ballast.Files(args.dir))
		self.out = open(args.json, "w")
		self.write({**machine.record(args.program, args.engines, args.dir),
			    "versions": self.versions, "name": args.name,
			    "engines": args.engines, "profiles": args.profiles,
			    "title": plans.TITLES.get(args.name, args.name),
			    "command": command(args), "rounds": args.rounds,
			    "memory_mb": args.memory_mb,
			    "limit_mb": args.limit_mb if group.path else 0,
			    "ballast": self.ballast.kind if self.ballast else False})

	def close(self):
		"""Leave nothing but the results. They come last: where the disk is full, what was
		not written yet finds room now."""
		for engine in self.args.engines:
			shutil.rmtree(os.path.join(self.args.dir, engine), ignore_errors=True)
		pathlib.Path(self.args.dir, "ack").unlink(missing_ok=True)
		if self.ballast:
			self.ballast.drop()
		self.out.close()

	def write(self, record):
		try:
			self.out.write(json.dumps(record) + "\n")
			self.out.flush()
		except OSError as error:
			sys.exit(f"\n{self.args.json}: {error.strerror}")

	def drive(self, engine, profile, durability, options, steps, where, on_line=None, until=None):
		"""The driver's exit status, or LATE after the moment `until`; its lines go to on_line."""
		command = [self.args.program, "--engine", engine, "--dir", where,
			   "--durability", durability, "--memory-mb", str(self.args.memory_mb)]
		command += ["--tuned"] if profile == "tuned" else []
		for name, value in options.items():
			command += [f"--{name}", str(value)]
		# A file, which never is full, for what it says when it fails.
		with tempfile.TemporaryFile("w+", errors="replace") as said:
			late, child = threading.Event(), None
			clock = threading.Timer(max((until or 0) - time.monotonic(), 0),
						lambda: (late.set(), child.kill()))
			try:
				with held_back() as heed:
					child = subprocess.Popen(
						command + steps, text=True, stdout=subprocess.PIPE,
						stderr=said, preexec_fn=lambda: (self.group.enter(), heed()))
				if until:
					clock.start()
				for line in child.stdout:
					if on_line:
						on_line(json.loads(line))
				status = child.wait()
			finally:
				clock.cancel()
				if child:
					child.kill()
					child.wait()
			said.seek(0)
			error = said.read().strip()
		if late.is_set():
			print(f"\n{engine}: not done after {self.args.patience} s", file=sys.stderr)
			return LATE
		if status not in (0, UNSUPPORTED) and not (status == -9 and "die" in steps):
			if status == -9 and self.group.path:
				error = "killed, as by the system where the limit of memory is too low"
			print(f"\n{engine}: failed with status {status}: {error[-2000:]}",
			      file=sys.stderr)
		return status

	def limited(self, options):
		"""Options of a scenario under a limit of memory. The keys of its steps, 17 bytes each,
		are no engine's memory: they are held throughout, and the limit is that much higher.
		Those of an open loop come on top, since nobody knows its rate before: they are taken
		from what the engine has."""
		if not self.group.path:
			return options
		num = int(options.get("num", 1000000)) # and what the driver makes of it
		reads = int(options.get("reads", min(num, 1000000)))
		# Who reads may have a writer beside.
		keys = max(num, int(options.get("writes", num))) + reads
		mb = (keys * 17 >> 20) + 1
		self.group.limit(self.args.limit_mb + mb)
		return {**options, "key-memory-mb": mb}

	def scenario(self, round_, engine, profile, s, variant, progress):
		options = self.limited({**s["options"], **s["more"][variant], **self.args.options})
		about = {"engine": engine, "profile": profile, "scenario": s["name"],
			 "variant": variant, "round": round_}
		where = os.path.join(self.args.dir, engine)
		shutil.rmtree(where, ignore_errors=True)
		os.makedirs(where)
		os.sync() # what an earlier engine left to be written is not this one's
		if self.ballast and int(options.get("num", ballast.FROM_ENTRIES)) >= ballast.FROM_ENTRIES:
			progress.note("making memory ready")
			self.ballast.fill(self.args.limit_mb + options.get("key-memory-mb", 0))
		seen = {}
		until = time.monotonic() + self.args.patience if self.args.patience else None

		def keep(line):
			step = line["step"]
			seen[step] = seen.get(step, 0) + 1
			self.write({"type": "step", **about, "durability": s["durability"],
				    "options": options, "turn": seen[step], **line})
			progress.note(f"{step} in {line['seconds']:.1f} s")

		def drive(steps):
			began, stolen = time.monotonic(), machine.stolen()
			status = self.drive(engine, profile, s["durability"], options, steps, where, keep,
					    until)
			self.write({"type": "steal", **about,
				    "seconds": round(time.monotonic() - began, 3),
				    "steal_s": round(machine.stolen() - stolen, 3)})
			return status

		status = drive(s["steps"])
		if status == (-9 if "die" in s["steps"] else 0) and s["then"]:
			status = drive(s["then"])
		if status not in (0, -9 if "die" in s["steps"] and not s["then"] else 0):
			self.write({"type": "missing", **about, "why": {
				UNSUPPORTED: "not possible", LATE: f"not done after {self.args.patience} s",
				}.get(status, "failed")})
		shutil.rmtree(where, ignore_errors=True)

	def plan(self, scenarios):
		who = [(e, p) for e in self.args.engines for p in self.args.profiles]
		work = []
		for n, (round_, s, variant) in enumerate(
				(r, s, v) for r in range(self.args.rounds) for s in scenarios
				for v in s["more"]):
			work += [(round_, s, variant, *who[(i + n) % len(who)])
				 for i in range(len(who))]
		progress = terminal.Progress([(s["name"], variant, profile, engine)
					      for _, s, variant, engine, profile in work])
		for round_, s, variant, engine, profile in work:
			self.at = (f"round {round_ + 1}/{self.args.rounds} {name_of(s, variant)}: "
				   f"{engine} {profile}")
			progress.begin(self.at)
			self.scenario(round_, engine, profile, s, variant, progress)
			progress.end()


def version(program, engine):
	said = subprocess.run([program, "--engine", engine, "--version"], text=True, capture_output=True)
	if said.returncode != 0:
		sys.exit(f"{engine}: no version: {said.stderr.strip()}")
	return said.stdout.strip()


def kill_test(runner, seconds):
	"""Kill each engine while it writes; is what it acknowledged there afterwards?"""
	bad = 0
	print(f"{'engine':<12} {'settings':<9} {'class':<8} {'kills':>5} {'acknowledged':>13} "
	      f"{'lost':>7} {'flushes a put':>14}")
	for engine in runner.args.engines:
		for profile in runner.args.profiles:
			for durability in ("nothing", "kill", "power"):
				runner.at = f"{engine} {profile}, class {durability}"
				r = kill_one(runner, engine, profile, durability, seconds)
				runner.write({"type": "kill", "engine": engine, "profile": profile,
					      "durability": durability,
					      **(r or {"why": "not possible"})})
				if r is None:
					print(f"{engine:<12} {profile:<9} {durability:<8} not possible")
					continue
				wrong = durability != "nothing" and r["missing"] or \
					durability == "power" and r["flushes_per_put"] < 1
				bad += 1 if wrong else 0
				print(f"{engine:<12} {profile:<9} {durability:<8} {r['kills']:>5} "
				      f"{r['acknowledged']:>13} {r['missing']:>7} "
				      f"{r['flushes_per_put']:>14.2f}{'  NOT OF ITS CLASS' if wrong else ''}")
	return bad


def counted(file):
	"""What the writer has noted so far."""
	path = pathlib.Path(file)
	return int.from_bytes(path.read_bytes(), "little") if path.exists() else 0


def kill_one(runner, engine, profile, durability, seconds, kills=3):
	where, ack = os.path.join(runner.args.dir, engine), os.path.join(runner.args.dir, "ack")
	total = {"kills": kills, "acknowledged": 0, "missing": 0}
	base = [runner.args.program, "--engine", engine, "--dir", where, "--durability", durability,
		"--memory-mb", str(runner.args.memory_mb), "--ack", ack]
	base += ["--tuned"] if profile == "tuned" else []
	for _ in range(kills):
		shutil.rmtree(where, ignore_errors=True)
		os.makedirs(where)
		pathlib.Path(ack).unlink(missing_ok=True)
		status, error = kill_writer(base + ["ack"], ack, seconds)
		if status == UNSUPPORTED:
			return None
		if status != -signal.SIGKILL:
			sys.exit(f"{engine}: the writer ended with status {status}: {error}")
		replay = subprocess.run(base + ["replay"], text=True, capture_output=True)
		lines = [json.loads(line) for line in replay.stdout.splitlines()]
		found = [line for line in lines if line["step"] == "replay"]
		# A store that does not open again has lost everything.
		count = counted(ack)
		total["acknowledged"] += count
		total["missing"] += found[0]["missing"] if found else count
	flushes = []
	shutil.rmtree(where, ignore_errors=True)
	os.makedirs(where)
	runner.drive(engine, profile, durability, {"num": 1000}, ["fillrandom"], where,
		     lambda l: flushes.append(l["flushes"]) if l["step"] == "fillrandom" else None)
	total["flushes_per_put"] = (flushes or [0])[0] / 1000
	shutil.rmtree(where, ignore_errors=True)
	return total


def kill_writer(command, ack, seconds):
	"""Kill it after about so long; its status, and what it said."""
	with tempfile.TemporaryFile("w+", errors="replace") as said:
		writer = None
		try:
			with held_back() as heed:
				writer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said,
							  preexec_fn=heed)
			# From the first put that returned; a slow machine takes its time to open a store.
			while writer.poll() is None and not counted(ack):
				time.sleep(0.01)
			time.sleep(seconds * random.uniform(0.5, 1.5) if writer.poll() is None else 0)
		finally:
			if writer:
				writer.kill()
				writer.wait()
		said.seek(0)
		return writer.returncode, said.read().strip()[-2000:]


def arguments(argv=None):
	p = argparse.ArgumentParser(description=__doc__,
				    formatter_class=argparse.RawDescriptionHelpFormatter)
	p.add_argument("program")
	p.add_argument("name", nargs="?", default="quick")
	p.add_argument("--engines", help="of " + ", ".join(engines.ORDER))
	p.add_argument("--profiles", help="tuned, default (as the engine comes), or tuned,default")
	p.add_argument("--rounds", type=int)
	p.add_argument("--num", type=int, help="entries of the store")
	p.add_argument("--memory-mb", type=int, help="of each tuned engine (default: 768, of quick "
		       "256, and three quarters of a limit that is given)")
	p.add_argument("--limit-mb", type=int, help="of a control group, page cache included "
		       "(default: four thirds of the memory; none for " + ", ".join(UNLIMITED)
		       + "); 0: none")
	p.add_argument("--cold-memory", action="store_true",
		       help="do not see to it that the memory engines get was used before "
		       "(ballast.py says what that is for)")
	p.add_argument("--threads", type=int)
	p.add_argument("--value-size", type=int)
	p.add_argument("--keys", choices=["random", "decimal"])
	p.add_argument("--seconds", type=int, help="of each open loop, and at most of a step that "
		       "only reads")
	p.add_argument("--only", help="of the scenarios and their variants those whose name, as the "
		       "progress shows it, contains this")
	p.add_argument("--patience", type=int, metavar="SECONDS", help="end a scenario of an engine "
		       "that takes longer")
	p.add_argument("--dir", default="build/bench/data")
	p.add_argument("--json", default=None)
	a = p.parse_args(argv)
	usual = plans.ENGINES.get(a.name, engines.USUAL)
	a.engines = a.engines.split(",") if a.engines else usual
	if a.num is not None and a.num < 1000:
		p.error("--num: at least 1000")
	if a.num and a.name in ("sizes", "kill"):
		p.error(f"--num: `{a.name}` has its own")
	for engine in a.engines:
		if engine not in engines.ORDER:
			p.error(f"no engine '{engine}'; there are {', '.join(engines.ORDER)}")
	a.customary = {"engines": usual, "num": None, "threads": None,
		       "value_size": None, "keys": None, "seconds": None, "only": None,
		       "patience": None,
		       "profiles": ["tuned", "default"] if a.name in ("full", "kill") else ["tuned"],
		       "rounds": 5 if a.name == "full" else 3}
	a.profiles = a.profiles.split(",") if a.profiles else a.customary["profiles"]
	for profile in a.profiles:
		if profile not in ("tuned", "default"):
			p.error(f"no profile '{profile}'; there are tuned and default, and tuned,default")
	if len(set(a.engines)) < len(a.engines) or len(set(a.profiles)) < len(a.profiles):
		p.error("an engine or profile is named twice")
	a.rounds = a.customary["rounds"] if a.rounds is None else a.rounds
	if a.rounds < 1:
		p.error("--rounds: at least 1")
	if a.patience is not None and a.patience < 1:
		p.error("--patience: at least 1")
	a.json = a.json or f"build/bench/{a.name}.jsonl"
	a.options = {k: v for k, v in (("threads", a.threads), ("value-size", a.value_size),
				       ("keys", a.keys), ("open-seconds", a.seconds),
				       ("limit", a.seconds)) if v}
	share_memory(a, p)
	try:
		a.scenarios = [] if a.name == "kill" else choose(a)
	except KeyError:
		p.error(f"no plan, scenario or step '{a.name}'")
	a.scenarios = only(a.scenarios, a.only or "")
	if not a.scenarios and a.name != "kill":
		p.error(f"nothing is called '{a.only}'")
	return a


def share_memory(a, p):
	"""The memory of an engine is three quarters of the limit of all it takes; either may be
	given. What is customary is what comes of the other options that command() shows."""
	a.limit_asked = a.limit_mb is not None
	if a.name == "sizes" and a.limit_mb == 0:
		p.error("--limit-mb: `sizes` needs one")
	if min(a.limit_mb or 0, a.memory_mb or 0) < 0:
		p.error("--limit-mb, --memory-mb: at least 0")
	usual = 256 if a.name == "quick" else 192 if a.name == "sizes" else 768
	a.customary["memory_mb"] = a.limit_mb * 3 // 4 if a.limit_mb else usual
	a.memory_mb = a.memory_mb or a.customary["memory_mb"]
	shown = a.memory_mb if a.memory_mb != a.customary["memory_mb"] else usual
	a.customary["limit_mb"] = 256 if a.name == "sizes" else \
		0 if a.name in UNLIMITED else shown * 4 // 3
	if a.limit_mb is None:
		a.limit_mb = a.customary["limit_mb"]


def choose(a):
	count = {"num": a.num} if a.num else {}
	if a.name == "sizes":
		return plans.sizes(a.limit_mb)
	return plans.PLANS[a.name](**count) if a.name in plans.PLANS else plans.one(a.name, **count)


def name_of(s, variant):
	return f"{s['name']}, {variant}" if variant else s["name"]


def only(scenarios, text):
	chosen = [{**s, "more": {v: o for v, o in s["more"].items() if text in name_of(s, v)}}
		  for s in scenarios]
	return [s for s in chosen if s["more"]]


def alone(folder):
	"""Two runs would delete each other's stores, and neither would measure anything."""
	lock = open(os.path.join(folder, "lock"), "w")
	try:
		fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
	except OSError:
		sys.exit(f"another run works in {folder}; wait for it, or give a --dir")
	return lock


def work(runner):
	"""Do what was asked for; the exit status, as far as it is known."""
	try:
		if runner.args.name == "kill":
			return 1 if kill_test(runner, 1.0) else 0
		runner.plan(runner.args.scenarios)
	except (KeyboardInterrupt, Ended) as how:
		runner.write({"type": "cut", "at": runner.at})
		if isinstance(how, Ended):
			raise
		print("\ninterrupted", file=sys.stderr)
		return 130
	return 0


def main():
	a = arguments()
	os.environ.setdefault("GLIBC_TUNABLES", machine.TUNABLES) # for every child
	signal.signal(signal.SIGTERM, end)
	os.makedirs(a.dir, exist_ok=True)
	lock = alone(a.dir) # for as long as this lives
	os.makedirs(os.path.dirname(a.json) or ".", exist_ok=True)
	with contextlib.closing(Group(a.limit_mb)) as group:
		if a.limit_mb and not group.path:
			print(f"memory is not limited: {group.why}", file=sys.stderr)
			if a.name == "sizes":
				sys.exit("skipped: data larger than memory needs a limit of memory")
			if a.limit_asked:
				sys.exit("skipped: that limit was asked for (--limit-mb 0: without one)")
		if os.getloadavg()[0] > 1:
			print(f"the machine is busy (load {os.getloadavg()[0]:.1f}): speed, and bytes "
			      "written, will not be the engines' alone", file=sys.stderr)
		with contextlib.closing(Runner(a, group)) as runner:
			print(*(f"{e} {v}" for e, v in runner.versions.items()), sep="  ", flush=True)
			status = work(runner)
	if a.name != "kill":
		res = results.load(a.json)
		terminal.print_tables(res)
		if status == 0 and res.order:
			write_page(res, pathlib.Path(a.json))
		status = status or int(any(m["why"] == "failed" for m in res.missing))
	print(f"written: {a.json}")
	sys.exit(status)


def write_page(res, file):
	"""Beside the results; what is measured is not lost where that fails."""
	if not shutil.which("gnuplot"):
		print("no page of it: that needs gnuplot (Debian package gnuplot-nox)")
		return
	out = file.with_name(file.name.removesuffix(".jsonl") + ".html")
	try:
		out.write_text(page.page([res]))
		print(f"page: {out}")
	except (OSError, RuntimeError) as error:
		print(f"no page of it: {error}", file=sys.stderr)


if __name__ == "__main__":
	main()
