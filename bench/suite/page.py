#!/usr/bin/env python3
"""One HTML file of results files: plots, tables, what is not ahead, how it was measured.

    page.py [--out FILE] [TITLE=]RESULTS...

Nothing in it is fetched and nothing runs: plots are SVG within the file.
"""
import argparse
import html
import pathlib
import re
import sys

sys.dont_write_bytecode = True # the tree stays clean

import engines
import plots
import results
import summary

CSS = """
:root{color-scheme:light dark;--paper:#fff;--ink:#22262b;--soft:#5c636c;--line:#dfe2e6;
--tint:#f5f6f8;--bad:#b3261e;--link:#0060b0}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e4e7eb;--soft:#9aa3ad;
--line:#343a42;--tint:#1c2026;--bad:#ff8a80;--link:#58aefc}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 FONT}
main{max-width:1180px;margin:0 auto;padding:0 20px 80px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.02em;margin:44px 0 6px;font-weight:650}
h2{font-size:21px;margin:56px 0 4px;padding-top:18px;border-top:1px solid var(--line);
letter-spacing:-.01em;font-weight:650}
h3{font-size:16px;margin:34px 0 4px;font-weight:650}
h4{font-size:13px;margin:0;font-weight:600}
h4 code{font-size:13px}
h4 span{display:block;font-weight:400;color:var(--soft)}
h4.part{font-size:14px;margin:26px 0 0}
.narrow{display:none}
p{margin:6px 0;max-width:76ch}
a{color:var(--link)}
.soft{color:var(--soft)}
.lead{font-size:17px;color:var(--soft);max-width:72ch}
code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
pre{background:var(--tint);padding:12px 14px;border-radius:6px;overflow-x:auto}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr));
gap:22px 28px;margin:14px 0 8px}
.wide{margin:14px 0}
figure{margin:0;min-width:0}
svg{display:block;width:100%;height:auto;overflow:visible;color:var(--ink)}
svg text{font-family:FONT}
.legend{display:flex;flex-wrap:wrap;gap:4px 22px;margin:10px 0;padding:0;list-style:none;
font-size:13px}
.legend li{display:flex;align-items:center;gap:7px}
.legend svg{width:28px;height:10px;flex:none}
.scroll{overflow-x:auto;width:fit-content;max-width:100%;margin:10px 0;border:1px solid var(--line);border-radius:6px}
table{border-collapse:collapse;font-size:12.5px;min-width:100%;font-variant-numeric:tabular-nums}
th,td{padding:4px 7px;text-align:right;white-space:nowrap}
th:first-child,td:first-child,.left{text-align:left}
thead th{color:var(--soft);font-weight:600;border-bottom:1px solid var(--line);
background:var(--tint)}
thead th small{display:block;font-weight:400}
tbody tr.first td{border-top:1px solid var(--line)}
tbody:first-of-type tr.first:first-child td{border-top:0}
tr.shale td{font-weight:600}
td.behind{color:var(--bad);font-weight:600}
td.prose{white-space:normal;min-width:300px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;margin:10px 0;font-size:14px}
dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
ul{margin:6px 0;padding-left:20px}li{margin:3px 0}
ul.plain{list-style:none;padding:0;font-size:14px}
ul.plain b{font-weight:600}
details{margin:12px 0}summary{cursor:pointer;color:var(--link);font-size:14px}
footer{margin-top:60px;padding-top:14px;border-top:1px solid var(--line);color:var(--soft);
font-size:13px}
@media (max-width:560px){main{padding:0 14px 60px}h1{font-size:25px;margin-top:26px}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:6px}.roomy{display:none}.narrow{display:block}}
""".replace("FONT", plots.FONT)


def esc(text):
	return html.escape(str(text))


def prose(text):
	"""Text with `code`."""
	return re.sub(r"`([^`]*)`", r"<code>\1</code>", esc(text))


def td(cell, kind):
	text, class_ = cell if isinstance(cell, tuple) else (cell, "")
	return f'<{kind} class="{class_}">{text}</{kind}>' if class_ else f"<{kind}>{text}</{kind}>"


def table(head, rows, classes=None):
	"""Cells are text or (text, class); a row's class tells where a group begins."""
	out = ['<div class="scroll"><table><thead><tr>']
	out += [td(cell, "th") for cell in head]
	out.append("</tr></thead><tbody>")
	for i, row in enumerate(rows):
		out.append(f'<tr class="{classes[i] if classes else ""}">')
		out += [td(cell, "td") for cell in row]
		out.append("</tr>")
	return "".join(out) + "</tbody></table></div>"


# ---- the parts of one results file -------------------------------------------------

COLUMNS = [("settled", "ops/s", results.SETTLED), ("p50", "", results.P50), ("p99", "", results.P99), ("p99.9", "", results.P999),
	   ("max", "", results.MAX), ("gap", "longest", results.GAP),
	   ("processor", "an operation", results.CPU), ("written", "settled", results.WRITTEN),
	   ("write amp.", "settled", results.WRITE_AMP),
	   ("read amp.", "", results.READ_AMP), ("device reads", "an operation", results.READS),
	   ("space amp.", "settled", results.SPACE_AMP), ("peak memory", "", results.PEAK),
	   ("beside", "ops/s", results.SIDE)]


def all_figures(res, keys):
	head = ["step", ("engine", "left"), "median<small>ops/s</small>",
		"range", "Shale<small>over it</small>"]
	head += [name + (f"<small>{more}</small>" if more else "") for name, more, _ in COLUMNS]
	rows, classes, several = [], [], res.several_profiles()
	for key in keys:
		measure = results.main_measure(res, key)
		shown = results.SPEED if measure is results.P999 else measure
		for i, who in enumerate(res.rows(key)):
			f, compared = res.figure(key, who, shown), res.compare(key, who, measure)
			span = f"{shown.text(f.least)} – {shown.text(f.most)}" if f and f.count > 1 else ""
			row = ["" if i else f"<code>{esc(results.title(key))}</code>",
			       (esc(engines.who(*who, several)), "left"),
			       shown.text(f.median) if f else "–", span,
			       (res.ratio_text(key, who, measure),
				"behind" if compared and compared[0] == "slower" else "")]
			for _, _, column in COLUMNS:
				f = res.figure(key, who, column)
				row.append(column.text(f.median) if f else "–")
			rows.append(row)
			classes.append(" ".join((["first"] if i == 0 else [])
						+ (["shale"] if who[0] == "shale" else [])))
	return table(head, rows, classes)


def figure_html(name, more, svg):
	return (f"<figure><h4>{name}<span>{esc(more)}</span></h4>{svg}</figure>" if svg else "")


def grid(figures):
	figures = [f for f in figures if f]
	return f'<div class="grid">{"".join(figures)}</div>' if figures else ""


def bars(res, keys, measure=None):
	out = []
	for key in keys:
		of = measure or results.main_measure(res, key)
		more = plots.about(res, key) if measure is None else ""
		out.append(figure_html(f"<code>{esc(results.title(key))}</code>", more,
				       plots.bars_svg(res, key, of)))
	return grid(out)


def legend(res):
	items = []
	for engine in res.engines():
		dash = engines.DASHES[engine]
		dashes = "" if dash == "solid" else f' stroke-dasharray="{dash.strip("()")}"'
		items.append(f'<li><svg viewBox="0 0 28 10" aria-hidden="true"><path class="s-{engine}" '
			     f'd="M0 5H28" fill="none" stroke-width="{3 if engine == "shale" else 1.8}"'
			     f'{dashes}/></svg>{engines.NAMES[engine]}</li>')
	return f'<ul class="legend">{"".join(items)}</ul>'


def costs(res, keys):
	steps = [k for k in keys if k[2] not in ("settle", "open")]
	written = [k for k in steps if summary.writes(res, k)]
	out = ""
	for measure, chosen, text in (
			(results.SETTLED, written, "operations a second, the wait for the background "
			 "included; more is better"),
			(results.WRITTEN, written, "until all is settled; less is better"),
			(results.WRITE_AMP, written, "bytes to the device, until all is settled, "
			 "over bytes put; less is better"),
			(results.SPACE_AMP, written, "bytes on the disk, when all is settled, over those of "
			 "the entries; less is better"),
			(results.CPU, steps, "of all threads, for each operation; less is better"),
			(results.PEAK, largest(res, steps), "the step of the scenario that took most; "
			 "less is better")):
		shown = bars(res, chosen, measure)
		if shown:
			out += (f'<h4 class="part">{measure.name.capitalize()}<span>{text}</span></h4>{shown}')
	return f"<details><summary>What it costs: amplification, processor time, memory</summary>{out}" \
		"</details>" if out else ""


def largest(res, keys):
	"""The step in which Shale, or else anyone, took most memory."""
	def most(key):
		return max((res.figure(key, who, results.PEAK).median for who in res.rows(key)
			    if who[0] == "shale"), default=0)
	return [max(keys, key=most)] if keys else []


def curves(res, keys):
	over_time = [figure_html(f"<code>{esc(results.title(k))}</code>", "operations of each second, logarithmic; "
				 "the round of the median speed",
				 f'<div class="roomy">{plots.throughput_svg(res, k, 1140, 320)}</div>'
				 f'<div class="narrow">{plots.throughput_svg(res, k, 400, 240)}</div>')
		     for k in keys if plots.has_series(res, k)]
	latencies = [figure_html(f"<code>{esc(results.title(k))}</code>", engines.STEPS.get(
			k[2].partition("@")[0], ""), plots.latency_svg(res, k))
		     for k in keys if k[2] not in ("settle", "open")]
	out = ""
	if any(over_time):
		out += f'<h4 class="part">Throughput over time</h4>{legend(res)}'
		out += "".join(f'<div class="wide">{f}</div>' for f in over_time if f)
	if any(latencies):
		out += ('<h4 class="part">Latency by percentile<span>logarithmic; medians over the rounds</span></h4>' + legend(res) + grid(latencies))
	return out


def scenario(res, name, variant):
	keys = [k for k in res.order if k[:2] == (name, variant)]
	first = next(iter(res.steps[keys[0]].values()))[0]
	o = first["options"]
	facts = [f"{o['num']:,} entries".replace(",", " ") if "num" in o else "",
		 f"values of {o.get('value-size', 100)} bytes", f"{first['threads']} "
		 + ("thread" if first["threads"] == 1 else "threads"),
		 engines.CLASSES[first["durability"]]]
	shown = [k for k in keys if k[2] != "settle"
		 or results.figure([r["seconds"] for rs in res.steps[k].values() for r in rs]).most > 0.1]
	head = f"{name}, {variant}" if variant else name
	return (f"<h3>{esc(head[0].upper() + head[1:])}</h3>"
		f'<p class="soft">{", ".join(f for f in facts if f)}</p>'
		f"{bars(res, shown)}{curves(res, keys)}{costs(res, keys)}"
		f"<details><summary>All figures</summary>{all_figures(res, keys)}</details>")


def beside(res):
	rows = [[f"<code>{esc(step)}</code>", (f"<code>{esc(alone)}</code>", "left"),
		 (esc(engines.who(*who, res.several_profiles())), "left"), f"{100 * share:.0f} %",
		 f"×{results.times(times)}"] for step, alone, who, share, times in summary.beside(res)]
	return "<h3>Beside other work</h3>" + table(
		["step", ("over that alone", "left"), ("engine", "left"), "rate", "p99"], rows) \
		if rows else ""


def run(res):
	facts = "".join(f"<dt>{n}</dt><dd>" + (f"<code>{esc(t)}</code>" if n == "Command" else esc(t))
			+ "</dd>" for n, t in summary.facts(res))
	scenarios = dict.fromkeys(k[:2] for k in res.order)
	missing = summary.missing(res)
	absent = f'<p class="soft">Missing: {esc("; ".join(missing))}.</p>' if missing else ""
	return (f"<section><h2>{esc(res.title)}</h2><dl>{facts}</dl>{absent}{beside(res)}"
		+ "".join(scenario(res, *s) for s in scenarios) + "</section>")


# ---- the page ----------------------------------------------------------------------

def short_answer(runs):
	rows = []
	for res in runs:
		for i, (who, counted) in enumerate(summary.counts(res).items()):
			behind = counted["slower"]
			rows.append([esc(res.title) if i == 0 else "",
				     (esc(engines.who(*who, res.several_profiles())), "left"),
				     str(counted["faster"]), str(counted["even"]),
				     (str(behind), "behind" if behind else ""),
				     str(counted["better"] or ""), str(counted["worse"] or "")])
	classes = ["first" if r[0] else "" for r in rows]
	single = "<small>in a single round</small>"
	return table(["measurement", ("Shale against", "left"), "ahead", "even", "behind",
		      f"better{single}", f"worse{single}"], rows, classes)


def words(pairs):
	return '<ul class="plain">' + "".join(
		f"<li><b>{esc(name)}</b>: {esc(text)}</li>" for name, text in pairs) + "</ul>"


def several(runs):
	return any(res.several_profiles() for res in runs)


def needs_more(beside, profiles):
	rows, classes, last = [], [], None
	for measure, who, more, of, step, mine, other in beside:
		rows.append(["" if measure == last else measure,
			     (esc(engines.who(*who, profiles)), "left"), f"{more} of {of}",
			     (f"<code>{esc(step)}</code>", "left"), mine, other])
		classes.append("" if measure == last else "first")
		last = measure
	return table(["measure", ("behind", "left"), "in steps", ("most so in", "left"), "Shale",
		      "other"], rows, classes)


def not_ahead(runs):
	out = ""
	for res in runs:
		behind, worse, even = summary.behind(res), summary.behind(res, "worse"), summary.even(res)
		out += f"<h3>{esc(res.title)}</h3>"
		if behind:
			out += words(behind)
		elif summary.rounds(res) > 1:
			out += "<p>Proven to be behind no other engine in any step.</p>"
		if worse:
			out += f"<p>{summary.SINGLE}</p>" + words(worse)
		elif summary.rounds(res) < 2:
			out += "<p>One round, which proves nothing; behind in no step of it.</p>"
		if even:
			out += "<p>Neither ahead nor behind, since the ranges overlap: " + "; ".join(
				f"<code>{esc(step)}</code> ({esc(', '.join(names))})" for step, names in even) \
				+ ".</p>"
		for how, more in (("slower", ""), ("worse", " in a single round, which proves nothing")):
			beside = summary.behind_beside(res, how)
			if beside:
				out += (f"<details{' open' * (res is runs[0])}><summary>In which other "
					f"measures Shale is behind{more}</summary>"
					+ needs_more(beside, several(runs)) + "</details>")
	return out


def settings(runs):
	versions = {}
	for res in runs:
		versions |= res.machine["versions"]
	rows = [[NAME, (engines.KINDS[e], "left"), (esc(versions[e]), "left"),
		 (prose(engines.TUNED[e]), "left prose")]
		for e, NAME in engines.NAMES.items() if e in versions]
	return table(["engine", ("kind", "left"), ("version", "left"),
		      ("as tuned", "left")], rows, ["first"] * len(rows))


def page(runs):
	newest = max(runs, key=lambda res: res.machine["time"])
	m = newest.machine
	names = [name for e, name in engines.NAMES.items()
		 if not engines.is_shale(e) and e != "device" and any(e in res.engines() for res in runs)]
	others = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)
	commands = "\n".join(dict.fromkeys(res.machine.get("command", "./dev bench") for res in runs))
	return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Shale benchmarks, {m['time'][:10]}</title>
<style>{CSS}{plots.style(False)}@media (prefers-color-scheme:dark){{{plots.style(True)}}}</style>
</head><body><main>
<h1>Shale, measured</h1>
<p class="lead">Shale {esc(m['versions'].get('shale', ''))} beside {others}, one driver for all.
{m['time'][:10]}, commit {esc(m['commit'])}, {esc(summary.machine(newest))}.</p>
<p>A bar is the median over the rounds, the thin line across its end the range from the least to
the most. ×4.4 beside an engine: Shale's median is 4.4 times as good; ×0.50, in red: half as good;
~: the ranges overlap, so neither is called ahead; in brackets: of a single round, which proves
nothing. Times below 0.1 s are compared as 0.1 s.</p>
<section><h2>In short</h2>{short_answer(runs)}</section>
<section><h2>Where Shale is not ahead</h2>{not_ahead(runs)}</section>
{"".join(run(res) for res in runs)}
<section><h2>How it was measured</h2>
<p>Each engine runs in a process of its own; in each round all have their turn, the first one
changing. Keys are 16 bytes, values half compressible, and no engine compresses. The keys of a step
are drawn before a clock runs, the same for all, and every answer is compared with what was
written. “At 95 % load” is an open loop: operations have their moments, at 95 % of what the same
engine reached in the closed loop, and a latency counts from that moment, however late it starts. So a quick engine stands under a
greater load than a slow one; the rate is beside the latency.</p>
<h3>Engines</h3>{settings(runs)}
<p class="soft">“As it comes” means the engine's own defaults, but for compression, which is off.
Checksums are verified where there are any.</p>
<h3>Repeat it</h3><pre>{esc(commands)}
./dev bench page</pre>
</section>
<footer>Made by bench/suite/page.py from the results files; no figure is typed by hand.</footer>
</main></body></html>
"""


def named(argument):
	"""TITLE=FILE or FILE"""
	title, equals, path = argument.rpartition("=")
	return results.load(path, title if equals else None)


def main():
	p = argparse.ArgumentParser(description=__doc__,
				    formatter_class=argparse.RawDescriptionHelpFormatter)
	p.add_argument("--out", default="build/bench/index.html")
	p.add_argument("results", nargs="+")
	a = p.parse_args()
	runs = [res for res in map(named, a.results) if not res.is_kill()]
	if not runs:
		sys.exit("none of the files has results of steps")
	text = page(runs)
	out = pathlib.Path(a.out)
	out.parent.mkdir(parents=True, exist_ok=True)
	out.write_text(text)
	print(f"{out}: {len(text) / 1024:.0f} KiB")


if __name__ == "__main__":
	main()
