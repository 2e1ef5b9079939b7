#!/usr/bin/env python3
"""The checkers must be able to fail: each is shown a small tree with one fault."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


class Checkers(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.tmp.name)
        self.addCleanup(self.tmp.cleanup)
        self.write("src/base/buf.h", "#include <stdint.h>\n")
        self.write("src/table/table.c", '#include "base/buf.h"\n')
        self.write("examples/a.c", "int main(void)\n{\n\treturn 0;\n}\n")
        self.write("README.md", "# A b\n[x](#a-b) [y](examples/a.c)\n"
                   "```c\nint main(void)\n{\n\treturn 0;\n}\n```\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_script(self, script, *arguments):
        done = subprocess.run([SCRIPTS / script, *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout

    def expect(self, script, fault):
        status, output = self.run_script(script, self.root)
        if fault is None:
            self.assertEqual(status, 0, output)
        else:
            self.assertEqual(status, 1, output)
            self.assertIn(fault, output)

    def test_a_clean_tree_passes(self):
        self.expect("check_layers.py", None)
        self.expect("check_docs.py", None)

    def test_an_include_upwards_is_found(self):
        self.write("src/base/buf.h", '#include "table/table.c"\n')
        self.expect("check_layers.py", "src/base/buf.h:1")

    def test_an_include_sideways_is_found(self):
        self.write("src/iter/a.h", "")
        self.write("src/cache/b.h", '\n#include "iter/a.h"\n')
        self.expect("check_layers.py", "src/cache/b.h:2")

    def test_a_system_header_outside_env_is_found(self):
        self.write("src/table/table.c", "#include <unistd.h>\n")
        self.expect("check_layers.py", "<unistd.h>")

    def test_a_system_header_inside_env_is_allowed(self):
        self.write("src/env/posix.c", "#include <unistd.h>\n")
        self.expect("check_layers.py", None)

    def test_a_folder_without_rank_is_found(self):
        self.write("src/misc/a.c", "")
        self.expect("check_layers.py", "src/misc")

    def test_an_inner_header_in_the_program_is_found(self):
        self.write("tools/main.c", '#include "base/buf.h"\n')
        self.expect("check_layers.py", "tools/main.c:1")

    def test_a_link_to_nowhere_is_found(self):
        self.write("docs/a.md", "[x](../gone.md)\n")
        self.expect("check_docs.py", "../gone.md")

    def test_a_link_to_a_missing_heading_is_found(self):
        self.write("docs/a.md", "[x](../README.md#no-such)\n")
        self.expect("check_docs.py", "no such heading")

    def test_a_readme_program_that_differs_is_found(self):
        self.write("examples/a.c", "int main(void)\n{\n\treturn 1;\n}\n")
        self.expect("check_docs.py", "README.md")

    def compile(self, source, name):
        self.write(f"b/CMakeFiles/shale_objects.dir/src/{name}.c", source)
        path = self.root / f"b/CMakeFiles/shale_objects.dir/src/{name}.c"
        subprocess.run(["gcc", "-c", "-fPIC", "-o", f"{path}.o", path], check=True)

    def link(self, source):
        library = self.root / "b/libshale.so"
        self.write("b/lib.c", source)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, self.root / "b/lib.c"],
                       check=True)
        subprocess.run(["gcc", "-c", "-fPIC", "-o", self.root / "b/libshale.a",
                        self.root / "b/lib.c"], check=True)

    def test_pure_objects_pass(self):
        self.compile("#include <string.h>\nint env_x(void);\n"
                     "int a(char *p) { return (int)strlen(p) + env_x(); }", "db/a")
        self.compile("int getpid(void); int env_x(void) { return getpid(); }", "env/x")
        self.link("int shale_x;")
        status, output = self.run_script("check_symbols.sh", self.root / "b")
        self.assertEqual(status, 0, output)

    def test_a_system_call_outside_env_is_found(self):
        self.compile("int getpid(void); int a(void) { return getpid(); }", "db/a")
        self.link("int shale_x;")
        status, output = self.run_script("check_symbols.sh", self.root / "b")
        self.assertEqual(status, 1, output)
        self.assertIn("src/db/a.c calls getpid", output)

    def test_a_foreign_export_is_found(self):
        self.compile("int a;", "db/a")
        self.link("int shale_x, wal_x;")
        status, output = self.run_script("check_symbols.sh", self.root / "b")
        self.assertEqual(status, 1, output)
        self.assertIn("libshale.so exports wal_x", output)


if __name__ == "__main__":
    sys.exit(unittest.main())
