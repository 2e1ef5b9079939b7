#!/usr/bin/env python3
"""Planted bugs: do the tests find what they are there to find?

Each tests/planted/NAME.patch puts one bug into the library. It begins with

    Class: what kind of bug it is, of those that other stores have had
    Breaks: what goes wrong
    Caught-by: the test program that must fail (crash.image is tests/crash/image_test.c)
    Build: the build it must fail in (release, debug, asan, tsan)
    Hangs: yes, where the bug shows as a test that does not end (optional)

The tree is never touched. The patched files are made in a scratch directory,
compiled as the build compiles them, and linked in front of its library, so a
bug costs one compilation and one link. The program then runs until its first
failure or the time limit.

    run.py                    all bugs
    run.py NAME...            these
    run.py --rotate N         N of them, another choice for each commit
    run.py --apply            only: does every patch apply, is every program there?
    run.py --matrix           each bug against each program of MATRIX as well
                              (--among TEST,... some of them)
    run.py --doc FILE         write the table to FILE

Exit status 0: every bug was caught by the program that must.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import random
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SCRATCH = os.path.join(ROOT, "build", "planted", str(os.getpid()))
# What takes the whole store to its limits; unit tests see only their own part.
MATRIX = ["model.model", "metamorphic.metamorphic", "crash.image_log", "crash.image_work",
          "crash.fault_env", "crash.fault_heap", "db.damage", "history.simulated", "kill.kill",
          "stress.stress", "golden.format"]


class Bug:
    def __init__(self, path):
        self.name = os.path.basename(path)[:-len(".patch")]
        self.path = path
        head = {}
        with open(path) as f:
            text = f.read()
        for line in text.splitlines():
            if line.startswith("--- "):
                break
            key, _, value = line.partition(": ")
            head[key] = value.strip()
        self.kind = head.get("Class", "")
        self.breaks = head.get("Breaks", "")
        self.test = head.get("Caught-by", "")
        self.build = head.get("Build", "release")
        self.hangs = head.get("Hangs") == "yes"
        self.files = re.findall(r"^\+\+\+ b/(\S+)", text, re.M)
        if not self.kind or not self.breaks or not self.test or not self.files:
            raise SystemExit(f"{path}: the head is incomplete")


def bugs_of(names):
    found = {}
    for entry in sorted(os.listdir(HERE)):
        if entry.endswith(".patch"):
            bug = Bug(os.path.join(HERE, entry))
            found[bug.name] = bug
    for name in names:
        if name not in found:
            raise SystemExit(f"there is no planted bug '{name}'")
    return [found[n] for n in names] if names else list(found.values())


def run(command, cwd=ROOT):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, shell=isinstance(command, str))
    return done.returncode, done.stdout


def plant(bug, into):
    """Copy the files that the bug is in and patch the copies; what went wrong, or None."""
    for name in bug.files:
        to = os.path.join(into, name)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        try:
            shutil.copy(os.path.join(ROOT, name), to)
        except FileNotFoundError:
            return f"{name} is not there any more"
    rc, out = run(["patch", "-p1", "-F1", "-s", "-f", "--no-backup-if-mismatch", "-i", bug.path],
                  into)
    return out.strip() or "does not apply" if rc else None


def is_test(test):
    path = os.path.join(ROOT, "tests", test.replace(".", "/"))
    return os.path.exists(path + "_test.c") or os.path.exists(path + ".c")


# The library of most tests, and the one in which atomic steps are points of the scheduler.
LIBRARIES = {"shale_internal": "shale_objects", "shale_yields": "shale_yields"}


# ---- building ----------------------------------------------------------------

class Build:
    """One build directory and what it takes to put a changed file in."""
    lock = threading.Lock()
    known = {}

    def __init__(self, name):
        self.dir = os.path.join(ROOT, "build", name)
        if not os.path.exists(os.path.join(self.dir, "build.ninja")):
            rc, out = run(["cmake", "--preset", name])
            if rc:
                raise SystemExit(out)
        self.ready = set()
        self.compile = {}
        self.links = {}
        self.lock = threading.Lock()

    @classmethod
    def of(cls, name):
        with cls.lock:
            if name not in cls.known:
                cls.known[name] = Build(name)
            return cls.known[name]

    def prepare(self, test):
        """Bring the program up to date as it is; what went wrong, or None."""
        with self.lock:
            if test in self.ready:
                return None
            rc, out = run(["ninja", "test." + test], self.dir)
            if rc:
                return out[-400:]
            with open(os.path.join(self.dir, "compile_commands.json")) as f:
                for entry in json.load(f):
                    for objects in LIBRARIES.values():
                        if f"/{objects}.dir/" in entry["command"]:
                            self.compile[objects, entry["file"]] = entry["command"]
            rc, out = run(["ninja", "-t", "commands", "test." + test], self.dir)
            link = out.strip().splitlines()[-1]
            library = re.search(r" (\S*lib(shale_internal|shale_yields)\.a)", link)
            self.links[test] = (link, library.group(1), LIBRARIES[library.group(2)])
            self.ready.add(test)
            return None

    def sources(self, files):
        """The C files that must be compiled anew when these files change."""
        headers = [f for f in files if f.endswith(".h")]
        sources = {f for f in files if f.endswith(".c")}
        if headers:
            _, out = run(["ninja", "-t", "deps"], self.dir)
            for part in out.split("\n\n"):
                if "shale_objects.dir/" not in part.split(":")[0]:
                    continue
                names = {os.path.relpath(os.path.join(self.dir, line.strip()), ROOT)
                         for line in part.splitlines()[1:]}
                if names & set(headers):
                    sources |= {n for n in names if n.startswith("src/") and n.endswith(".c")}
        return sorted(sources)

    def objects(self, into, files, test):
        """Compile what changed, as it is in `into`: (objects, what went wrong or None)."""
        library = self.links[test][2]
        objects = []
        for name in self.sources(files):
            original = os.path.join(ROOT, name)
            source = os.path.join(into, name)
            if (library, original) not in self.compile:
                return objects, f"{name} is no part of the library"
            if not os.path.exists(source):
                shutil.copy(original, source)
            obj = os.path.join(into, library + "_" + name.replace("/", "_") + ".o")
            words = shlex.split(self.compile[library, original])
            words = [source if w == original else w for w in words]
            words[words.index("-o") + 1] = obj
            if "-MF" in words:
                words[words.index("-MF") + 1] = obj + ".d"
            words[1:1] = ["-I" + os.path.join(into, "src")]
            if words[0].endswith("ccache"):  # the compiler is the next word
                words[1], words[2] = words[2], words[1]
            rc, out = run(words + ["-w"], self.dir)
            if rc:
                return objects, out[-1000:]
            objects.append(obj)
        return objects, None

    def link(self, objects, test, program):
        """The program with these objects in place of the library's."""
        link, library, _ = self.links[test]
        link = re.sub(rf" -o \S*test\.{re.escape(test)} ", f" -o {program} ", link)
        link = link.replace(" " + library, " " + " ".join(objects) + " " + library, 1)
        rc, out = run(link, self.dir)
        return out[-1000:] if rc else None


# ---- running -----------------------------------------------------------------

def first_failure(program, limit, log):
    """Run until the first failure: (how it showed or None, seconds)."""
    start = time.monotonic()
    home = tempfile.mkdtemp(dir=SCRATCH)
    env = dict(os.environ, TMPDIR=home, TSAN_OPTIONS="halt_on_error=1")
    env.pop("SHALE_TEST_SEED", None)
    child = subprocess.Popen([program], cwd=ROOT, stdout=subprocess.PIPE, env=env,
                             stderr=subprocess.STDOUT, start_new_session=True)
    expired = threading.Event()

    def expire():
        expired.set()
        stop()

    def stop():
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    timer = threading.Timer(limit, expire)
    timer.start()
    how = None
    with open(log, "wb") as out:
        for line in child.stdout:
            out.write(line)
            if b"[  FAILED  ]" in line:
                how = "failed"
                stop()
                break
    child.stdout.close()
    rc = child.wait()
    timer.cancel()
    stop()
    took = time.monotonic() - start
    shutil.rmtree(home, ignore_errors=True)
    if how is None and expired.is_set():
        how = "hangs"
    elif how is None and rc != 0:
        with open(log, "rb") as f:
            text = f.read()
        how = ("sanitizer" if b"Sanitizer" in text or b"runtime error" in text else
               "aborted" if rc == -signal.SIGABRT else
               "crashed" if rc < 0 else "failed")
    return how, took


class Result:
    def __init__(self, bug, test):
        self.bug, self.test = bug, test
        self.how = None       # how it showed; None: not at all
        self.trouble = None   # why it could not be tried
        self.made = self.took = 0.0

    def caught(self):
        return self.how is not None and (self.how != "hangs" or self.bug.hangs)

    def text(self):
        if self.trouble:
            return "not tried"
        return self.how if self.how else "missed"


def try_bug(bug, tests, limit):
    """One bug against some programs: a list of results."""
    into = os.path.join(SCRATCH, bug.name)
    shutil.rmtree(into, ignore_errors=True)
    os.makedirs(into)
    build, objects, results = Build.of(bug.build), {}, []
    unfit = plant(bug, into)
    for test in tests:
        result = Result(bug, test)
        results.append(result)
        result.trouble = unfit or build.prepare(test)
        start = time.monotonic()
        if not result.trouble:
            library = build.links[test][2]
            if library not in objects:
                objects[library], result.trouble = build.objects(into, bug.files, test)
        program = os.path.join(into, test)
        if not result.trouble:
            result.trouble = build.link(objects[library], test, program)
        result.made = time.monotonic() - start
        if not result.trouble:
            log = os.path.join(SCRATCH, f"{bug.name}.{test}.log")
            result.how, result.took = first_failure(program, limit, log)
            if result.caught():
                os.remove(log)
            os.remove(program)
    shutil.rmtree(into, ignore_errors=True)
    return results


def sound(pairs, limit):
    """The programs that fail even without a bug."""
    bad = set()
    for build, test in sorted(pairs):
        trouble = Build.of(build).prepare(test)
        program = os.path.join(ROOT, "build", build, "tests",
                               "history" if test.startswith("history.") else "", "test." + test)
        how = trouble or first_failure(program, limit, os.path.join(SCRATCH, "sound.log"))[0]
        if how:
            print(f"{build} {test}: fails without any bug ({how})", flush=True)
            bad.add((build, test))
    return bad


# ---- telling -----------------------------------------------------------------

def commit():
    rc, out = run(["git", "rev-parse", "--short", "HEAD"])
    if rc == 0:
        return out.strip()
    try:
        with open(os.path.join(ROOT, "COMMIT")) as f:
            return f.read().strip()
    except FileNotFoundError:
        return "unknown"


def write_doc(path, results, others):
    caught = [r for r in results if r.caught()]
    times = [r.took for r in caught]
    rows = []
    for r in results:
        build = "" if r.bug.build == "release" else f" ({r.bug.build})"
        rows.append(f"| `{r.bug.name}` | {r.bug.kind} | {r.bug.breaks} | {r.test}{build} "
                    f"| {r.text()} | {r.took:.1f} |")
    text = f"""# Planted bugs

Does a test find what it is there to find? When this page was written, `tests/planted/`
held {len(results)} bugs, each a small patch, of the kinds that storage engines have had. The runner
puts one at a time into a copy of the library, runs the test that must find it, and tells
after how many seconds it failed. `./dev planted` runs all of them; `./dev test` runs ten,
others for each commit.

This page is written by `tests/planted/run.py --doc`, on
{datetime.date.today().isoformat()}, at commit `{commit()}`:
**{len(caught)} of {len(results)} caught, after {statistics.median(times):.1f} s in the median,
{max(times):.1f} s at most.**

| bug | kind | what it breaks | must be caught by | shows as | seconds |
|---|---|---|---|---|---|
""" + "\n".join(rows) + "\n"
    if others:
        tests = sorted({t for _, t in others}, key=MATRIX.index)
        text += """
## Which program catches which

Each bug against the programs that run the whole store, in the build of its own line; `x`: caught
within some seconds. Unit tests are not in this table: they see only their own part.

"""
        text += "| bug | " + " | ".join(tests) + " |\n|---|" + "---|" * len(tests) + "\n"
        count = dict.fromkeys(tests, 0)
        for r in results:
            cells = []
            for t in tests:
                other = others.get((r.bug.name, t))
                hit = other is not None and other.caught()
                count[t] += hit
                cells.append("x" if hit else "")
            text += f"| `{r.bug.name}` | " + " | ".join(cells) + " |\n"
        text += "| **sum** | " + " | ".join(str(count[t]) for t in tests) + " |\n"
    with open(path, "w") as f:
        f.write(text)


def show(r):
    build = "" if r.bug.build == "release" else r.bug.build + " "
    print(f"{r.bug.name:26} {build + r.test:28} {r.text():10} {r.made:5.1f} s made "
          f"{r.took:6.1f} s run", flush=True)
    if r.trouble:
        print("    " + r.trouble.replace("\n", "\n    "), flush=True)


def check_apply(bugs):
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        for bug in bugs:
            trouble = plant(bug, os.path.join(scratch, bug.name))
            if trouble is None and not is_test(bug.test):
                trouble = f"there is no test {bug.test}"
            if trouble:
                bad += 1
                print(f"{bug.name}: {trouble}")
    print(f"{len(bugs) - bad} of {len(bugs)} planted bugs apply")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description="planted bugs; see the head of this file")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rotate", type=int, default=0)
    parser.add_argument("--seed", help="of the rotation; default: the commit")
    parser.add_argument("--apply", action="store_true")
    parser.add_argument("--matrix", action="store_true")
    parser.add_argument("--among", help="programs of the matrix, with commas")
    parser.add_argument("--sound", action="store_true", help="see first that all tests pass")
    parser.add_argument("--test", help="try this program in place of the one that must")
    parser.add_argument("--doc")
    parser.add_argument("--limit", type=float, default=60, help="seconds a program may run")
    parser.add_argument("--matrix-limit", type=float, default=10,
                        help="the same for the matrix")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()

    bugs = bugs_of(args.names)
    if args.apply:
        return check_apply(bugs)
    if args.rotate:
        seed = args.seed or commit()
        bugs = sorted(random.Random(seed).sample(bugs, min(args.rotate, len(bugs))),
                      key=lambda b: b.name)
        print(f"a choice of {len(bugs)} planted bugs; again: --rotate {args.rotate} --seed {seed}")
    os.makedirs(SCRATCH, exist_ok=True)
    bad = set()
    if args.sound:
        bad = sound({(b.build, args.test or b.test) for b in bugs}, 10 * args.limit)

    results, others = [], {}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        futures = [pool.submit(try_bug, b, [args.test or b.test], args.limit) for b in bugs]
        for future in futures:
            r = future.result()[0]
            if (r.bug.build, r.test) in bad:
                r.trouble = "the program fails without the bug too"
            results.append(r)
            show(r)
        if args.matrix:
            tests = args.among.split(",") if args.among else \
                [t for t in MATRIX if is_test(t)]
            futures = [pool.submit(try_bug, b, [t for t in tests if t != b.test],
                                   args.matrix_limit) for b in bugs]
            for future in futures:
                for r in future.result():
                    others[(r.bug.name, r.test)] = r
                    show(r)
            for r in results:
                if r.test in tests:
                    others[(r.bug.name, r.test)] = r
    shutil.rmtree(SCRATCH, ignore_errors=True) if not [r for r in results if not r.caught()] else 0

    caught = [r for r in results if r.caught() and not r.trouble]
    if caught:
        print(f"{len(caught)} of {len(results)} planted bugs caught; "
              f"median {statistics.median(r.took for r in caught):.1f} s, "
              f"longest {max(r.took for r in caught):.1f} s")
    if args.doc and caught:
        write_doc(args.doc, results, others)
    return 0 if len(caught) == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
