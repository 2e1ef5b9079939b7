#!/usr/bin/env python3
"""Writes what README.md and docs/benchmarks.md say of results, from results files.

    docs.py [TITLE=]RESULTS...   keep these files in docs/benchmarks, then write all
    docs.py                      write all again, from the files that are kept
    docs.py --check              is what is written what the kept files give?

What is written stands between <!-- generated: NAME --> and <!-- end: NAME -->; the first
of the files is the one that README.md shows. A file of `kill` makes the table of classes.
--check also wants a word, by hand, on every step where Shale is behind.
"""
import argparse
import gzip
import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True # the tree stays clean

import engines
import plots
import results
import summary

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
README_STEPS = ["fillrandom", "fillseq", "fillbatch", "overwrite", "readrandom", "readmissing",
		"readzipf", "multiget", "seek10", "seek100", "scan", "ycsba", "ycsbe",
		"readwhilewriting"]
LATENCY_STEPS = ["fillrandom", "readrandom", "seek10", "overwrite"]
WHY = "## Why it is not ahead there"
MOST_BYTES = 60 << 10 # of a plot
MOST_STEPS = 24 # of another file, in the README


class Kept:
	"""The results files in docs/benchmarks, and their titles."""

	def __init__(self, root):
		self.folder = root / "docs/benchmarks"
		self.list = self.folder / "runs.json"
		self.runs = json.loads(self.list.read_text()) if self.list.exists() else []

	def replace(self, files):
		"""files: [(title or None, path)]"""
		runs, contents, some = [], [], False
		for title, path in files:
			res = results.load(path, title)
			name = pathlib.Path(path).name.split(".")[0]
			runs.append({"file": f"{name}.jsonl.gz", "title": res.title})
			opener = gzip.open if str(path).endswith(".gz") else open
			with opener(path, "rb") as f:
				contents.append(f.read())
			some = some or not res.is_kill()
		if not some:
			sys.exit("none of the files has results of steps, which the README shows")
		if len({r["file"] for r in runs}) != len(runs):
			sys.exit("two of the files are of the same name")
		self.folder.mkdir(parents=True, exist_ok=True)
		for run in self.runs:
			(self.folder / run["file"]).unlink(missing_ok=True)
		for run, content in zip(runs, contents):
			(self.folder / run["file"]).write_bytes(gzip.compress(content, 9, mtime=0))
		self.list.write_text(json.dumps(runs, indent="\t") + "\n")
		self.runs = runs

	def all(self):
		return [results.load(self.folder / run["file"], run["title"]) for run in self.runs]

	def load(self):
		"""Those with steps; those of `kill` have a table of their own."""
		return [res for res in self.all() if not res.is_kill()]

	def kills(self):
		return [res for res in self.all() if res.is_kill()]

	def paths(self):
		"""For the page, which shows steps."""
		return [f"{run['title']}={self.folder / run['file']}"
			for run, res in zip(self.runs, self.all()) if not res.is_kill()]


# ---- tables ----------------------------------------------------------------------

def table(head, rows):
	"""The first column to the left, the others to the right."""
	lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
	return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def columns(res):
	"""Who has a column: Shale, the others, each as tuned and as it comes."""
	return sorted({who for step in res.steps.values() for who in step}, key=engines.rank)


def cell(res, key, who, measure):
	if who not in res.steps[key]:
		return "–"
	f = res.figure(key, who, measure)
	if f is None:
		return "–"
	compared, text = res.compare(key, who, measure), res.ratio_text(key, who, measure)
	if compared and compared[0] == "slower":
		text = f"**{text}**"
	return f"{results.text(res, key, who, measure)} {text}".strip()


def measure_table(res, keys, measure=None):
	"""Steps down, engines across; of each step its main measure, if none is given."""
	who, several = columns(res), res.several_profiles()
	rows = [[label(res, key, measure)] + [cell(res, key, w, measure or results.main_measure(res, key))
				     for w in who] for key in keys]
	# What nobody has a figure of is no row.
	rows = [row for row in rows if any(c != "–" for c in row[1:])]
	return table(["step"] + [engines.who(*w, several) for w in who], rows)


def label(res, key, measure=None):
	"""A step, with what it is judged by, if that is what the table shows and no rate."""
	first = next(iter(res.steps[key].values()))[0]
	main = results.main_measure(res, key)
	name, _, rest = results.title(key).partition(" ")
	name, comma, more = name.partition(",")
	text = f"`{name}`" + comma + more + (f" {rest}" if rest else "")
	if first["durability"] != "kill":
		text += f", {engines.CLASSES[first['durability']]}"
	return text + ("" if measure or main is results.SPEED else f" ({main.name})")


LEGEND = ("×4.4 beside an engine: Shale's median is 4.4 times as good as its; **×0.50**: half as "
	  "good; ~: the ranges of the rounds overlap, so neither is called ahead; (×0.50), in "
	  "brackets: of a single round, which proves nothing. Times below 0.1 s are compared as "
	  "0.1 s.")


def not_ahead(res):
	behind, worse, even = summary.behind(res), summary.behind(res, "worse"), summary.even(res)
	lines = [f"- `{step}`: {text}" for step, text in behind]
	if not lines and summary.rounds(res) > 1:
		lines = ["- Shale is proven to be behind no other engine in any step."]
	if even:
		lines.append("- Neither ahead nor behind: " + "; ".join(
			f"`{step}` ({', '.join(names)})" for step, names in even) + ".")
	parts = ["\n".join(lines)] if lines else []
	if worse:
		parts.append(summary.SINGLE + "\n\n"
			     + "\n".join(f"- `{step}`: {text}" for step, text in worse))
	elif summary.rounds(res) < 2:
		parts.append("A single round, which proves nothing; Shale is behind in no step of it.")
	return "\n\n".join(parts)


def beside_table(res):
	rows = [[f"`{step}`", f"`{alone}`", engines.who(*who, res.several_profiles()),
		 f"{100 * share:.0f} %", f"×{results.times(times)}"]
		for step, alone, who, share, times in summary.beside(res)]
	return table(["step", "beside", "engine", "rate", "p99"], rows) if rows else ""


def needs_more(res):
	parts = []
	for how, lead in (("slower", ""), ("worse", summary.SINGLE + "\n\n")):
		rows = [[measure, engines.who(*who, res.several_profiles()), f"{more} of {of}",
			 f"`{step}`", mine, other]
			for measure, who, more, of, step, mine, other in summary.behind_beside(res, how)]
		if rows:
			parts.append(lead + table(["measure", "behind", "in steps", "most so in",
						   "Shale", "other"], rows))
	return "\n\n".join(parts) or "In none that was measured."


# ---- what is generated -------------------------------------------------------------

def readme_keys(res):
	"""Those of other durability than most come last."""
	keys = {}
	for k in res.order: # the first of each name
		if k[2] in README_STEPS and results.main_measure(res, k) is results.SPEED:
			keys.setdefault((k[2], usual(res, k)), k)
	return sorted(keys.values(), key=lambda k: (not usual(res, k), README_STEPS.index(k[2])))


def usual(res, key):
	return next(iter(res.steps[key].values()))[0]["durability"] == "kill"


def counts_table(res):
	"""How many steps of each verdict; those of a single round only where there are some."""
	counted = summary.counts(res)
	kinds = [("faster", "ahead"), ("even", "even"), ("slower", "behind")]
	kinds += [(kind, f"{kind} in a single round") for kind in ("better", "worse")
		  if any(c[kind] for c in counted.values())]
	return table(["Shale against"] + [name for _, name in kinds],
		     [[engines.who(*who, res.several_profiles())] + [str(c[kind]) for kind, _ in kinds]
		      for who, c in counted.items()])


def other_measures(res):
	"""needs_more() in short: measures down, engines across, and where it is worst."""
	parts = []
	for how, lead in (("slower", ""), ("worse", summary.SINGLE + "\n\n")):
		found, several = summary.beside_worst(res, how), res.several_profiles()
		who = sorted({w for _, w, *_ in found}, key=engines.rank)
		rows = []
		for measure in summary.BESIDE:
			mine = {w: more for m, w, *more in found if m is measure}
			if not mine:
				continue
			worst = min(mine, key=lambda w: mine[w][3])
			key = mine[worst][2]
			shale, other = summary.figures(res, key, worst, measure)
			rows.append([measure.name]
				    + [f"{mine[w][0]} of {mine[w][1]}" if w in mine else "–" for w in who]
				    + [f"`{summary.place(res, key)}`: {shale}; "
				       f"{engines.who(*worst, several)} {other}"])
		if rows:
			parts.append(lead + table(["behind in this"] + [engines.who(*w, several) for w in who]
						  + ["most so"], rows))
	return "\n\n".join(parts) or "In none that was measured."


def shortened(texts):
	more = len(texts) - MOST_STEPS
	return "; ".join(texts[:MOST_STEPS]) + (f"; and {more} more" if more > 0 else "")


def elsewhere(runs):
	"""Of each file one line: the steps where others are ahead, waits for the background aside."""
	lines = []
	for res in runs:
		listed = lambda how: shortened([f"`{step}` ({', '.join(who)})"
						for step, who in summary.behind_short(res, how)
						if not step.startswith("settle")])
		proven, single = listed("slower"), listed("worse")
		one = ", a single round" if summary.rounds(res) < 2 else ""
		texts = [proven] if proven or not single else []
		if single:
			texts.append(single if one else f"{summary.SINGLE_ROUND}: {single}")
		lines.append(f"- **{res.title}**{one}: " + ("; ".join(filter(None, texts)) or "none"))
	return "\n".join(lines)


def short_block(runs):
	"""For README.md."""
	res = runs[0]
	keys = readme_keys(res)
	little = f"; {summary.LITTLE}" if summary.rounds(res) == 2 else ""
	m = res.machine
	known = "\n".join(f"- {name}: {text}" for name, text in summary.facts(res)
			  if name in ("Cut off", "Load at the start", "Taken by the host", "Memory", "Builds"))
	parts = [f"""{res.title}: medians of {summary.rounds(res)} rounds{little}. {m['time'][:10]}, \
commit {m['commit']}, {summary.machine(res)}.""", known, LEGEND, "Operations a second:",
		 measure_table(res, keys),
		 "Latency that 99.9 % of the operations stay below (of `fillbatch` and `multiget`: "
		 "of a whole batch):",
		 measure_table(res, keys, results.P999),
		 "In how many of all steps, the waits for the background among them, Shale is ahead:",
		 counts_table(res), "Where it is not ahead:", not_ahead(res),
		 "In which other measures it is behind, and in how many of the steps that have them:",
		 other_measures(res)]
	if len(runs) > 1:
		parts += ["Elsewhere, in the other measurements that are kept, others are ahead in these "
			  "steps (with how many times as good they are; a single round proves nothing; "
			  "waits for the background are in the results):",
			  elsewhere(runs[1:])]
	parts += ["All measures of all steps are in [the results](docs/benchmarks.md#results), and "
		  "[why it is not ahead there](docs/benchmarks.md#why-it-is-not-ahead-there), as far "
		  "as that is known.",
		  "![Operations a second](docs/benchmarks/speed.svg)"]
	return "\n\n".join(parts)


def run_block(res):
	facts = "\n".join(f"- {name}: " + (f"`{text}`" if name == "Command" else text)
			  for name, text in summary.facts(res))
	versions = ", ".join(f"{engines.NAMES.get(e, e)} {v}" for e, v in res.machine["versions"].items())
	steps = [k for k in res.order if k[2] not in ("settle", "open")]
	written = [k for k in steps if summary.writes(res, k)]
	parts = [f"### {res.title}", facts + f"\n- Versions: {versions}",
		 "Speed, operations a second unless said otherwise:", measure_table(res, res.order),
		 "Where Shale is not ahead:", not_ahead(res)]
	for name, measure, keys in (
			("Latency, the median", results.P50, steps),
			("Latency, 99 % of operations are quicker", results.P99, steps),
			("Latency, 99.9 % of operations are quicker", results.P999, steps),
			("Latency, 99.99 % of operations are quicker", results.P9999, steps),
			("Longest latency", results.MAX, steps),
			("Longest time without the end of an operation", results.GAP, steps),
			("Processor time of all threads, an operation", results.CPU, steps),
			("Speed to the end of settling, operations a second", results.SETTLED, written),
			("Bytes to the device, until all is settled", results.WRITTEN, written),
			("Write amplification, until all is settled", results.WRITE_AMP, written),
			("Read amplification", results.READ_AMP, [k for k in steps if reads(res, k)]),
			("Reads of the device, an operation", results.READS, steps),
			("Space amplification, when all is settled", results.SPACE_AMP, written),
			("Peak memory", results.PEAK, steps),
			("Operations a second of the thread beside", results.SIDE, steps)):
		rows = measure_table(res, keys, measure)
		parts += [f"{name}:", rows] if rows.count("\n") > 1 else []
	if summary.beside(res):
		parts += ["A step beside other work, over the same alone:", beside_table(res)]
	parts += ["In which other measures Shale is behind:", needs_more(res)]
	missing = summary.missing(res)
	if missing:
		parts.append(f"Missing: {'; '.join(missing)}.")
	return "\n\n".join(parts)


def reads(res, key):
	"""Does anyone's reading from the device amount to anything?"""
	found = [res.figure(key, who, results.READ_AMP) for who in res.rows(key)]
	return any(f and f.median >= results.LEAST_READ for f in found)


def results_block(runs, have):
	pictures = "\n\n".join(f"![{text}](benchmarks/{name})" for name, text in (
		("speed.svg", "Operations a second"),
		("sustained.svg", "Operations of each second"),
		("latency.svg", "Latency by percentile")) if name in have)
	return f"{LEGEND}\n\n{pictures}\n\n" + "\n\n".join(run_block(res) for res in runs)


def settings_block():
	return "\n".join(f"- **{engines.NAMES[e]}** ({engines.KINDS[e]}): {engines.TUNED[e]}."
			 for e in engines.ORDER)


def kill_cell(r):
	"""What became of the puts that had returned; bold where the class was not kept."""
	if "why" in r:
		return r["why"]
	lost, flushes = r["missing"], r["flushes_per_put"]
	text = (f"{r['kills']} kills: {lost:,} of {r['acknowledged']:,} puts lost".replace(",", " ")
		+ f"; {flushes:.2f} flushes a put")
	wrong = r["durability"] != "nothing" and lost or r["durability"] == "power" and flushes < 1
	return f"**{text}**" if wrong else text


def kill_table(res):
	several = len({r["profile"] for r in res.kills}) > 1
	cells = {}
	for r in res.kills:
		cells.setdefault((r["engine"], r["profile"]), {})[r["durability"]] = kill_cell(r)
	return table(["engine"] + [f"`{class_}`" for class_ in engines.CLASSES],
		     [[engines.who(*who, several)] + [row.get(class_, "–") for class_ in engines.CLASSES]
		      for who, row in sorted(cells.items(), key=lambda item: engines.rank(item[0]))])


def classes_block(kills):
	if not kills:
		return ("What came of it is not kept here: `./dev bench kill` makes it, and `./dev bench "
			"docs` takes the file among the others.")
	parts = []
	for res in kills:
		m = res.machine
		cut = f" Cut off during {'; '.join(res.cut)}." if res.cut else ""
		parts += [f"{m['time'][:10]}, commit {m['commit']}, {summary.machine(res)}; puts that had "
			  "returned and were there no more after the writer was killed, and calls of "
			  f"`fsync` and the like. **Bold**: not of its class.{cut}", kill_table(res)]
	return "\n\n".join(parts)


def wrapped(text):
	"""Long lines broken, but not those of tables, headings and pictures."""
	out = []
	for line in text.split("\n"):
		indent = "  " if line.startswith("- ") else ""
		while len(line) > 96 and not re.match(r"[|#!]", line):
			cut = line.rfind(" ", 0, 96)
			if cut <= len(indent):
				break
			out.append(line[:cut])
			line = indent + line[cut + 1:]
		out.append(line)
	return "\n".join(out)


def put(text, name, block):
	"""`text` with the block between its marks."""
	begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
	if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
		raise ValueError(f"no marks, or not one pair of them: {begin}, {end}")
	head, rest = text.split(begin)
	return f"{head}{begin}\n\n{wrapped(block)}\n\n{end}{rest.split(end)[1]}"


def documents(runs, kills, have):
	"""path -> [(mark, block)]"""
	return {"README.md": [("benchmarks", short_block(runs))],
		"docs/benchmarks.md": [("classes", classes_block(kills)),
				       ("settings", settings_block()),
				       ("results", results_block(runs, have))]}


def pictures(runs):
	"""name -> SVG"""
	main, out = runs[0], {}
	out["speed.svg"] = plots.bars_sheet(main, readme_keys(main), "Operations a second")
	timed = [(res, k) for res in runs for k in res.order
		 if summary.writes(res, k) and plots.has_series(res, k)]
	if timed: # the file that is about it, or that with the longest series; two of its steps
		res = max(timed, key=lambda t: (t[1][0] == "sustained",
						max(p[-1][0] for _, p in plots.series_data(*t))))[0]
		out["sustained.svg"] = plots.throughput_sheet(
			res, [k for r, k in timed if r is res][-2:], "Operations of each second")
	opened = [(res, k) for res in runs for k in res.order if results.is_open_loop(k)]
	res = opened[0][0] if opened else main
	keys = [k for r, k in opened if r is res][:6] or \
		[k for s in LATENCY_STEPS for k in main.order if k[2] == s and usual(main, k)][:4]
	out["latency.svg"] = plots.latency_sheet(res, keys, "Latency by percentile")
	return out


def write(root, kept):
	runs = kept.load()
	drawn = pictures(runs)
	for old in ("speed.svg", "sustained.svg", "latency.svg"):
		(kept.folder / old).unlink(missing_ok=True)
	for name, svg in drawn.items():
		if len(svg.encode()) > MOST_BYTES:
			sys.exit(f"{name}: {len(svg.encode())} bytes, too many for a committed plot")
		(kept.folder / name).write_text(svg)
	for path, blocks in documents(runs, kept.kills(), set(drawn)).items():
		text = (root / path).read_text()
		for name, block in blocks:
			text = put(text, name, block)
		(root / path).write_text(text)


def check(root, kept):
	"""Messages of what is not as the kept files give it."""
	have = {p.name for p in kept.folder.glob("*.svg")}
	for path, blocks in documents(kept.load(), kept.kills(), have).items():
		text = (root / path).read_text()
		for name, block in blocks:
			if put(text, name, block) != text:
				yield f"{path}: `{name}` is not what the results files give: ./dev bench docs"
	told = explained((root / "docs/benchmarks.md").read_text())
	if told is None:
		yield f"docs/benchmarks.md: no section `{WHY}` after the generated blocks"
		return
	for step in sorted(set().union(*map(summary.behind_steps, kept.load())) - told):
		yield f"docs/benchmarks.md: `{WHY}` does not tell of `{step}`"


def explained(text):
	"""The steps that the section about what is not ahead names; None where it is not there, or
	before a generated block."""
	after = re.split(r"^<!-- end: .* -->$", text, flags=re.M)[-1]
	section = re.search(rf"^{re.escape(WHY)}$(.*?)(?=^## |\Z)", after, re.M | re.S)
	return section and {re.split("[@,]", name)[0] for name in re.findall(r"`([^`]+)`", section[1])}


def named(argument):
	title, equals, path = argument.rpartition("=")
	return (title if equals else None), path


def main():
	p = argparse.ArgumentParser(description=__doc__,
				    formatter_class=argparse.RawDescriptionHelpFormatter)
	p.add_argument("--check", action="store_true")
	p.add_argument("--list", action="store_true", help="print the kept files, with titles")
	p.add_argument("--root", type=pathlib.Path, default=ROOT)
	p.add_argument("results", nargs="*")
	a = p.parse_args()
	kept = Kept(a.root)
	if a.list:
		print("\n".join(kept.paths()))
		return 0
	if a.check:
		faults = list(check(a.root, kept))
		print("\n".join(faults + [f"docs: {len(faults)} faults"]))
		return bool(faults)
	if a.results:
		kept.replace([named(r) for r in a.results])
	write(a.root, kept)
	print("written: README.md, docs/benchmarks.md, the plots in docs/benchmarks")
	return 0


if __name__ == "__main__":
	sys.exit(main())
