#!/usr/bin/env python3
"""Checks the documentation against the tree.

  - relative links in *.md lead to a file, and to a heading of it where they say so
  - a decision has a number of its own, and its heading says it
  - a C program in README.md (a block with main) is, letter for letter, a file of
    examples/, which the tests compile and run

    check_docs.py [ROOT]
"""
import pathlib
import re
import sys

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.M)
SKIPPED = {"build", ".git"}


def slug(heading):
    """The anchor that a heading gets: lower case, words joined by hyphens."""
    text = re.sub(r"[`*]", "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def documents(root):
    for path in sorted(root.rglob("*.md")):
        if not SKIPPED.intersection(path.relative_to(root).parts):
            yield path


def link_faults(root):
    for path in documents(root):
        text = FENCE.sub("", path.read_text())
        for target in LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            other = (path.parent / name).resolve() if name else path
            where = path.relative_to(root)
            if not other.exists():
                yield f"{where}: link to {target}: no such file"
            elif anchor and other.suffix == ".md":
                headings = HEADING.findall(FENCE.sub("", other.read_text()))
                if anchor not in map(slug, headings):
                    yield f"{where}: link to {target}: no such heading"


def example_faults(root):
    examples = {path.read_text() for path in (root / "examples").glob("*.c")}
    programs = [body for language, body in FENCE.findall((root / "README.md").read_text())
                if language == "c" and "main(" in body]
    if not programs:
        yield "README.md: shows no C program"
    for body in programs:
        if body not in examples:
            yield f"README.md: no file of examples/ is the program beginning {body[:40]!r}"


def decision_faults(root):
    seen = {}
    for path in sorted((root / "docs" / "decisions").glob("[0-9]*.md")):
        number = path.name.partition("-")[0]
        if number in seen:
            yield f"{path.relative_to(root)}: has the number of {seen[number]}"
        seen[number] = path.name
        if not path.read_text().startswith(f"# {int(number)}. "):
            yield f"{path.relative_to(root)}: its heading does not begin with {int(number)}"


def main():
    default = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    found = [*link_faults(root), *decision_faults(root), *example_faults(root)]
    for fault in found:
        print(fault)
    print(f"check_docs: {len(found)} faults")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
