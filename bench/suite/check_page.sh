#!/bin/bash
# Looks at the page in a real browser: check_page.sh PAGE [FOLDER for the screenshots]
#
# At several widths, and in light and dark: is there something to see, and does
# nothing stand out over the edge, neither of the page nor of a plot?
set -u -o pipefail
page=$(realpath "$1") || exit 2
shots=${2:-$(dirname "$page")/shots}
if ! command -v chromium >/dev/null; then
	echo "check_page: skipped: chromium is not installed (Debian package chromium)"
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$shots"

browse()
{
	# Root may not use the sandbox; the page is our own.
	timeout 120 chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars \
		--allow-file-access-from-files --user-data-dir="$work/profile" "$@" 2>"$work/log"
}

# A browser window is never as narrow as a telephone: the page in a frame that is.
frame()
{
	cat >"$work/frame.html" <<END
<!doctype html><meta name="color-scheme" content="light dark"><body style="margin:0">
<iframe id="f" src="page.html" style="border:0;width:$1px;height:$2px"></iframe>
<pre id="out"></pre><script>
document.getElementById("f").onload = e => {
	const d = e.target.contentDocument, bad = [], wide = $1;
	for (const x of d.querySelectorAll("details")) x.open = true;
	const box = x => x.getBoundingClientRect();
	const say = (what, x) => bad.push(what + ": " + x.textContent.trim().slice(0, 40));
	if (d.documentElement.scrollWidth > wide) bad.push("the page is wider than " + wide);
	if (d.body.scrollHeight < 1500) bad.push("the page is nearly empty");
	for (const x of d.querySelectorAll("body *:not(.scroll *):not(pre *):not(svg *)"))
		if (box(x).right > wide + 1) say("beyond the edge", x);
	let drawn = 0;
	for (const s of d.querySelectorAll("figure svg")) {
		if (box(s).width === 0) continue; // of the other width
		if (box(s).height < 20 || !s.querySelector("polygon, path")) say("empty plot", s);
		drawn++;
		for (const t of s.querySelectorAll("text"))
			if (box(t).right > box(s).right + 2 || box(t).left < box(s).left - 2)
				say("beyond its plot", t);
	}
	if (drawn < 5) bad.push("only " + drawn + " plots");
	document.getElementById("out").textContent = bad.length ?
		"FAULT " + bad.slice(0, 20).join("\nFAULT ") : "FINE " + drawn + " plots";
};
</script>
END
}

bad=0
cp "$page" "$work/page.html"
for width in 420 768 1280; do
	frame $width 1000
	found=$(browse --window-size=1400,1000 --virtual-time-budget=5000 --dump-dom \
		"file://$work/frame.html" | tr '\n' ' ' | sed -n 's/.*<pre id="out">\([^<]*\).*/\1/p')
	case $found in
	FINE*) echo "check_page: $width: ${found#FINE }" ;;
	*)
		bad=1
		echo "check_page: $width: ${found:-the browser said nothing}"
		[ -n "$found" ] || tail -3 "$work/log"
		;;
	esac
	for scheme in 1 0; do # as the browser counts them: light, dark
		frame $width 3200
		shot=$shots/$width-$([ $scheme = 0 ] && echo dark || echo light).png
		browse --blink-settings=preferredColorScheme=$scheme --window-size=$((width < 500 ? 500 : width)),3200 \
			--screenshot="$shot" "file://$work/frame.html"
		# One colour makes a small file.
		if [ ! -s "$shot" ] || [ "$(stat -c %s "$shot")" -lt 30000 ]; then
			bad=1
			echo "check_page: $shot: no picture, or nothing in it"
		fi
	done
done
[ $bad -eq 0 ] && echo "check_page: fine; screenshots in $shots"
exit $bad
