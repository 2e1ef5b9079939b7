"""Plots: SVG drawn by gnuplot, then freed of its fixed colours.

Every colour is drawn as rgb(1, N, 0), N the place of a class in CLASSES; in its stead the
SVG gets that class, which a style sheet fills in, for light and for dark: that of the
page, or one within the file (standalone).
"""
import math
import re
import statistics
import subprocess

import engines
import results

CLASSES = [*engines.ORDER, *(f"{e}-plain" for e in engines.ORDER), "ink", "soft", "grid", "behind"]
LIGHT = {"ink": "#22262b", "soft": "#5c636c", "grid": "#dfe2e6", "behind": "#b3261e"}
DARK = {"ink": "#e4e7eb", "soft": "#9aa3ad", "grid": "#343a42", "behind": "#ff8a80"}
PAPER = ("#ffffff", "#14171b")
FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"

PERCENTILES = [("p50", "50"), ("p75", "75"), ("p90", "90"), ("p95", None), ("p99", "99"),
	       ("p99.9", "99.9"), ("p99.99", "99.99"), ("max", "max")]


def palette(dark):
	"""class -> colour"""
	colours = dict(DARK if dark else LIGHT)
	for name, both in engines.COLOURS.items():
		colours[name] = colours[f"{name}-plain"] = both[dark]
	return colours


def style(dark):
	"""The rules that fill in the classes; an engine as it comes is paler."""
	return "".join(f".f-{c}{{fill:{v}" + ";fill-opacity:.45" * c.endswith("-plain")
		       + f"}}.s-{c}{{stroke:{v}}}" for c, v in palette(dark).items())


def colour(name):
	return f"rgb '#01{CLASSES.index(name):02x}00'"


def quoted(text):
	return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def draw(commands, width, height, label, standalone=False):
	"""The SVG that gnuplot draws of `commands`."""
	script = f'''set terminal svg size {width},{height} dynamic font "sans-serif,12" noenhanced
set multiplot
unset key
set border 0
unset tics
{commands}
unset multiplot
'''
	done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True)
	if done.returncode or "<svg" not in done.stdout:
		raise RuntimeError(f"gnuplot: {done.stderr.strip()}\n{script}")
	return tidy(done.stdout, width, height, label, standalone)


def tidy_tag(match):
	"""One tag: classes for colours, no fonts or names of gnuplot's, a tenth of a pixel."""
	tag, classes = match[0], []

	def classed(found):
		classes.append(f"{'f' if found[1] == 'fill' else 's'}-{CLASSES[int(found[2])]}")
		return ""

	tag = re.sub(r"""(fill|stroke|color)\s*=\s*['"]rgb\(\s*1,\s*(\d+),\s*0\)['"]""", classed, tag)
	tag = re.sub(r""" (id|class)=["'][^"']*["']| font-family="sans-serif"| color="(black|white)" """.rstrip(),
		     "", tag).replace('stroke="black"', 'stroke="currentColor"')
	# What SVG takes for granted.
	tag = re.sub(r' stroke-linecap="butt"| stroke-linejoin="miter"| stroke-width="1.00"', "", tag)
	tag = re.sub(r"(\.\d)\d+", r"\1", tag).replace(".0 ", " ").replace(".0,", ",")
	if classes:
		tag = re.sub(r"^<(\w+)", rf'<\1 class="{" ".join(dict.fromkeys(classes))}"', tag)
	return tag


def tidy(svg, width, height, label, standalone):
	body = svg[svg.index("</defs>") + len("</defs>"):svg.rindex("</g>\n</svg>")]
	body = re.sub(r"<title>.*?</title>|<use [^>]*/>", "", body)
	body = re.sub(r"<g [^>]*>\s*</g>", "", body)
	body = re.sub(r"<[^>]+>", tidy_tag, body)
	body = re.sub(r"<tspan *>|</tspan>", "", body)
	body = re.sub(r"\s*\n\s*", "\n", body)
	body = re.sub(r"<g fill=\"none\" stroke=\"currentColor\">\s*</g>\s*", "", body)
	head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
		f'role="img" aria-label="{label}"')
	if not standalone:
		return f"{head}>{body}</svg>"
	return (f'{head} width="{width}" height="{height}" font-family="{FONT}">\n<style>'
		f".paper{{fill:{PAPER[0]}}}{style(False)}svg{{color:{LIGHT['ink']}}}"
		f"@media (prefers-color-scheme:dark){{.paper{{fill:{PAPER[1]}}}{style(True)}"
		f"svg{{color:{DARK['ink']}}}}}</style>\n"
		f'<rect class="paper" width="{width}" height="{height}" rx="6"/>{body}</svg>\n')


def area(x, y, w, h, width, height, left, right=0, top=0, bottom=0):
	"""A part of the canvas, in pixels from its upper left corner, with margins."""
	return (f"set lmargin at screen {(x + left) / width:.5f}\n"
		f"set rmargin at screen {(x + w - right) / width:.5f}\n"
		f"set tmargin at screen {1 - (y + top) / height:.5f}\n"
		f"set bmargin at screen {1 - (y + h - bottom) / height:.5f}\n")


# ---- bars ------------------------------------------------------------------------

def bar_rows(res, key, measure):
	"""[(name, class, figure, text, verdict)] of the engines that have the figure."""
	rows, several = [], res.several_profiles()
	for who in res.rows(key):
		f = res.figure(key, who, measure)
		if f is None:
			continue
		compared = res.compare(key, who, measure)
		text = results.text(res, key, who, measure, True) + "  " + res.ratio_text(key, who, measure)
		rows.append((engines.who(*who, several), who[0] + "-plain" * (who[1] != "tuned"),
			     f, text.strip(), compared[0] if compared else ""))
	return rows


ROW, NAME_WIDTH = 20, 84


def bars_height(rows):
	return ROW * len(rows) + 6


def bars(rows, x, y, w, width, height):
	"""Bars to the right, the range across their ends, figures behind them."""
	name_width = max([NAME_WIDTH] + [7 * len(name) + 8 for name, *_ in rows])
	most = max((f.most for _, _, f, _, _ in rows), default=1) or 1
	lines = []
	for i, (name, class_, f, text, verdict) in enumerate(rows):
		lines.append(f"{len(rows) - i} {f.median} {f.least} {f.most} "
			     f"{0x10000 + 256 * CLASSES.index(class_)} {quoted(name)} {quoted(text)} "
			     f"{0x10000 + 256 * CLASSES.index('behind' if verdict == 'slower' else 'ink')}")
	data = "\n".join(lines)
	# Room for the longest text, about 6.6 pixels a letter.
	room = 6.6 * max((len(r[3]) for r in rows), default=0) + 14
	plot = max(w - name_width - room, 40)
	return area(x, y, w, bars_height(rows), width, height, name_width, 2) + f'''
$d << EOD
{data}
EOD
set xrange [0:{most * (w - name_width) / plot}]
set yrange [0.35:{len(rows) + 0.65}]
plot $d using 2:1:(0):2:($1-0.34):($1+0.34):5 with boxxyerror fc rgb variable fs solid noborder, \\
 $d using 2:1:3:4 with xerrorbars pt 0 lw 1.2 lc {colour("ink")}, \\
 $d using (0):1:6 with labels right offset -0.6,0 tc {colour("ink")}, \\
 $d using 4:1:7:8 with labels left offset 0.8,0 tc rgb variable
'''


def bars_svg(res, key, measure, width=360):
	rows = bar_rows(res, key, measure)
	if not rows or not any(r[2].most for r in rows):
		return ""
	height = bars_height(rows)
	return draw(bars(rows, 0, 0, width, width, height), width, height,
		    f"{results.title(key)}: {measure.name}")


def heading(text, more, x, y, width, height):
	return (f"set label 1 {quoted(text)} at screen {x / width:.5f},{1 - y / height:.5f} left "
		f"tc {colour('ink')} font 'monospace,12'\n"
		f"set label 2 {quoted(more)} at screen {(x + 7.3 * len(text) + 10) / width:.5f},"
		f"{1 - y / height:.5f} left tc {colour('soft')} font ',11'\n")


def bars_sheet(res, keys, label, columns=2, width=860):
	"""A file of its own: bars of several steps, each with what it does; tuned engines."""
	panels = [(k, [r for r in bar_rows(res, k, results.main_measure(res, k))
		       if not r[1].endswith("-plain")]) for k in keys]
	w, tall = (width - 24) // columns, max(bars_height(r) for _, r in panels) + 40
	height = math.ceil(len(panels) / columns) * tall + 10
	commands = ""
	for i, (key, rows) in enumerate(panels):
		x, y = 16 + i % columns * w, 10 + i // columns * tall
		commands += heading(results.title(key), about(res, key), x, y + 10, width, height)
		commands += bars(rows, x, y + 24, w - 16, width, height)
	return draw(commands, width, height, label, True)


def about(res, key):
	"""What a step does; its unit too, where it is not operations a second."""
	step = engines.STEPS.get(key[2].partition("@")[0], "")
	durability = next(iter(res.steps[key].values()))[0]["durability"]
	if durability != "kill":
		step += f"; {engines.CLASSES[durability]}"
	measure = results.main_measure(res, key)
	return step if measure is results.SPEED else f"{step}; {unit(res, key)}"


def unit(res, key):
	measure = results.main_measure(res, key)
	return {"speed": "operations a second", "time": "seconds, less is better"}.get(
		measure.name, f"{measure.name} under a share of its own speed, less is better"
		if results.is_open_loop(key) else f"{measure.name}, less is better")


KEY_ROW = 8 # names in a row of a legend

# ---- curves ----------------------------------------------------------------------

def line_style(class_):
	engine = class_.removesuffix("-plain")
	dash = engines.DASHES[engine]
	return (f"lc {colour(engine)} lw {2.6 if class_ == 'shale' else 1.5} "
		f"dt {dash if dash == 'solid' else dash}")


def key_box(names, x, y, width, height, per_row=KEY_ROW, step=104):
	"""A legend: a stretch of each line, and its name."""
	out = ""
	for i, (name, class_) in enumerate(names):
		at_x, at_y = x + i % per_row * step, y + i // per_row * 16
		out += (f"set arrow {i + 1} from screen {at_x / width:.5f},{1 - at_y / height:.5f} to "
			f"screen {(at_x + 24) / width:.5f},{1 - at_y / height:.5f} nohead "
			f"{line_style(class_)}\n"
			f"set label {i + 10} {quoted(name)} at screen {(at_x + 30) / width:.5f},"
			f"{1 - at_y / height:.5f} left tc {colour('ink')} font ',11'\n")
	return out


def key_height(names):
	return 44 + 16 * ((len(names) - 1) // KEY_ROW)


def no_key(names):
	return "".join(f"unset arrow {i + 1}\nunset label {i + 10}\n" for i in range(len(names)))


def curves(data, axes, box):
	"""data: [(class, [(x, y)])]"""
	blocks = "".join(f"$c{i} << EOD\n" + "\n".join(f"{x} {y}" for x, y in points) + "\nEOD\n"
			 for i, (_, points) in enumerate(data))
	plots = ", \\\n ".join(f"$c{i} using 1:2 with lines {line_style(class_)}"
			       for i, (class_, _) in enumerate(data))
	return f'''{box}{blocks}set grid xtics ytics lt 1 lw 0.8 lc {colour("grid")}
set tics scale 0 textcolor {colour("soft")} font ',11'
{axes}
plot {plots}
unset tics
unset grid
unset xlabel
unset ylabel
unset logscale
'''


def latency_data(res, key):
	"""Medians over the rounds of each quantile, by engine; x: how many nines."""
	nines = {"p50": 0.30103, "p75": 0.60206, "p90": 1, "p95": 1.30103, "p99": 2, "p99.9": 3,
		 "p99.99": 4, "max": 5}
	data = []
	for who in res.rows(key):
		points = []
		for name, _ in PERCENTILES:
			f = res.figure(key, who, results.Measure("", results.latency(name), False, None))
			if f:
				points.append((nines[name], max(f.median, 1)))
		if points:
			data.append((who[0] + "-plain" * (who[1] != "tuned"), points))
	return data


def latency(data, x, y, w, h, width, height, top=0):
	ys = [v for _, points in data for _, v in points]
	least = 10 ** math.floor(math.log10(min(ys)))
	most = 10 ** math.ceil(math.log10(max(ys) * 1.001))
	names = ["1 ns", "10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s",
		 "10 s", "100 s"]
	tics = ", ".join(f"'{name}' 1e{i}" for i, name in enumerate(names))
	axes = f'''set logscale y
set xrange [0.15:5.05]
set yrange [{least * 0.999}:{most}]
set ytics ({tics})
set xtics ('50' 0.30103, '90' 1, '99' 2, '99.9' 3, '99.99' 4, 'max' 5)
'''
	return curves(data, axes, area(x, y, w, h, width, height, 52, 14, top + 6, 22))


def latency_svg(res, key, width=360, height=220):
	data = [d for d in latency_data(res, key) if not d[0].endswith("-plain")] \
		or latency_data(res, key)
	if not data:
		return ""
	return draw(latency(data, 0, 0, width, height, width, height), width, height,
		    f"{results.title(key)}: latency by percentile")


def legend_of(res):
	return [(engines.NAMES[e], e) for e in res.engines()]


def latency_sheet(res, keys, label, columns=2, width=860):
	panel, w, names = 268, (width - 24) // columns, legend_of(res)
	height = math.ceil(len(keys) / columns) * panel + key_height(names) - 4
	commands = key_box(names, 20, 18, width, height)
	for i, key in enumerate(keys):
		x, y = 16 + i % columns * w, key_height(names) + i // columns * panel
		step = engines.STEPS.get(key[2].partition("@")[0], "")
		commands += heading(results.title(key), f"latency by percentile; {step}", x, y, width,
				    height)
		commands += latency([d for d in latency_data(res, key) if "-plain" not in d[0]],
				    x, y + 4, w - 12, panel - 36, width, height, 12)
		if i == 0:
			commands += no_key(names)
	return draw(commands, width, height, label, True)


# ---- throughput over time --------------------------------------------------------

def series(r):
	"""Operations in each whole second; the last one, if it is most of one, as a rate."""
	per = results.work(r) / r["ops"] if r["ops"] else 1
	values = [v * per for v in r.get("series", [])]
	part = r["seconds"] - (len(values) - 1)
	if values and part < 1:
		last = values.pop()
		if part >= 0.5:
			values.append(last / part)
	return values


def series_data(res, key):
	"""Of each engine, the round whose rate is the median one."""
	data = []
	for who in res.rows(key):
		rounds = sorted(res.steps[key][who], key=lambda r: results.rate(r) or 0)
		values = series(rounds[(len(rounds) - 1) // 2])
		if values and who[1] == "tuned":
			# Flat to the ends of the first and the last second.
			data.append((who[0], [(0, values[0]),
					      *((i + 0.5, v) for i, v in enumerate(values)),
					      (len(values), values[-1])]))
	return data


def has_series(res, key, least=5):
	"""Is there something to see: most engines took some seconds."""
	if results.is_open_loop(key):
		return False
	lengths = sorted(points[-1][0] for _, points in series_data(res, key))
	return bool(lengths) and lengths[len(lengths) // 2] >= least


def throughput(data, x, y, w, h, width, height, top=0):
	"""Logarithmic, so that slow engines are not one line at the bottom. What is less than a
	tenth of the slowest median, a second of standstill too, is drawn there."""
	seconds = max(points[-1][0] for _, points in data)
	most = max(v for _, points in data for _, v in points)
	floor = max(min(statistics.median(v for _, v in points) for _, points in data) / 10, most / 1e4)
	data = [(class_, [(at, max(v, floor)) for at, v in points]) for class_, points in data]
	steps = [m * 10 ** e for e in range(12) for m in (1, 2, 5)]
	tics = ", ".join([f"'less' {floor}"] + [f"'{results.round_text(t)}' {t}" for t in steps
						if 1.5 * floor < t < 1.3 * most])
	axes = f'''set logscale y
set xrange [0:{seconds}]
set yrange [{floor * 0.999}:{most * 1.15}]
set ytics ({tics})
set xtics autofreq
set format x '%g s'
'''
	return curves(data, axes, area(x, y, w, h, width, height, 54, 20, top + 6, 22))


def throughput_svg(res, key, width=860, height=300):
	data = series_data(res, key)
	if not data:
		return ""
	return draw(throughput(data, 0, 0, width, height, width, height), width, height,
		    f"{results.title(key)}: operations of each second")


def throughput_sheet(res, keys, label, width=860):
	panel = 280
	names = legend_of(res)
	height = len(keys) * panel + key_height(names) - 4
	commands = key_box(names, 20, 18, width, height)
	for i, key in enumerate(keys):
		y = key_height(names) + i * panel
		commands += heading(results.title(key), "operations of each second, logarithmic", 16, y, width, height)
		commands += throughput(series_data(res, key), 16, y + 4, width - 28, panel - 24, width,
				       height, 12)
		if i == 0:
			commands += no_key(names)
	return draw(commands, width, height, label, True)
