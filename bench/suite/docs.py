#!/usr/bin/env python3
"""Writes what README.md and docs/benchmarks.md say of results, from results files.

    docs.py [TITLE=]RESULTS...   keep these files in docs/benchmarks, then write all
    docs.py                      write all again, from the files that are kept
    docs.py --check              is what is written what the kept files give?

What is written stands between <!-- generated: NAME --> and <!-- end: NAME -->; the first
of the files is the one that README.md shows.
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
MOST_BYTES = 60 << 10 # of a plot


class Kept:
	"""The results files in docs/benchmarks, and their titles."""

	def __init__(self, root):
		self.folder = root / "docs/benchmarks"
		self.list = self.folder / "runs.json"
		self.runs = json.loads(self.list.read_text()) if self.list.exists() else []

	def replace(self, files):
		"""files: [(title or None, path)]"""
		runs, contents = [], []
		for title, path in files:
			res = results.load(path, title)
			name = pathlib.Path(path).name.split(".")[0]
			runs.append({"file": f"{name}.jsonl.gz", "title": res.title})
			opener = gzip.open if str(path).endswith(".gz") else open
			with opener(path, "rb") as f:
				contents.append(f.read())
		if len({r["file"] for r in runs}) != len(runs):
			sys.exit("two of the files are of the same name")
		self.folder.mkdir(parents=True, exist_ok=True)
		for run in self.runs:
			(self.folder / run["file"]).unlink(missing_ok=True)
		for run, content in zip(runs, contents):
			(self.folder / run["file"]).write_bytes(gzip.compress(content, 9, mtime=0))
		self.list.write_text(json.dumps(runs, indent="\t") + "\n")
		self.runs = runs

	def load(self):
		return [results.load(self.folder / run["file"], run["title"]) for run in self.runs]

	def paths(self):
		return [f"{run['title']}={self.folder / run['file']}" for run in self.runs]


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


def short_block(runs):
	"""For README.md."""
	res = runs[0]
	keys = readme_keys(res)
	counted = [[engines.who(*who, res.several_profiles()), str(c["faster"]), str(c["even"]),
		    str(c["slower"])] for who, c in summary.counts(res).items()]
	m = res.machine
	return f"""{res.title}, operations a second: medians of {summary.rounds(res)} rounds, \
{m['time'][:10]}, commit {m['commit']}, {summary.machine(res)}.

{LEGEND}

{measure_table(res, keys)}

In how many of all steps, the waits for the background among them, Shale is ahead:

{table(["Shale against", "ahead", "even", "behind"], counted)}

Where it is not ahead:

{not_ahead(res)}

The other measures, latency, amplification and memory among them, are in
[the results](docs/benchmarks.md#results).

![Operations a second](docs/benchmarks/speed.svg)"""


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


def documents(runs, have):
	"""path -> [(mark, block)]"""
	return {"README.md": [("benchmarks", short_block(runs))],
		"docs/benchmarks.md": [("settings", settings_block()),
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
	for path, blocks in documents(runs, set(drawn)).items():
		text = (root / path).read_text()
		for name, block in blocks:
			text = put(text, name, block)
		(root / path).write_text(text)


def check(root, kept):
	"""Messages of what is not as the kept files give it."""
	have = {p.name for p in kept.folder.glob("*.svg")}
	for path, blocks in documents(kept.load(), have).items():
		text = (root / path).read_text()
		for name, block in blocks:
			if put(text, name, block) != text:
				yield f"{path}: `{name}` is not what the results files give: ./dev bench docs"


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
