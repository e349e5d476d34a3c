"""Steps that end where no line of theirs expected it: one `::error` each, and no group left open."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from scene import ROOT, Scene


class Unexpected(Scene):
    def tool(self, name, text):
        """A program that comes first in the PATH."""
        tools = self.root / "tools"
        tools.mkdir(exist_ok=True)
        path = tools / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        self.variables["PATH"] = f"{tools}:{os.environ['PATH']}"

    def one_error(self, *expected, **inputs):
        run = self.use(self.new_job(), **inputs)
        self.assertTrue(run.failed, run.log)
        [error] = run.errors()
        for text in expected:
            self.assertIn(text, error)
        self.assertEqual(run.log.count("::group::"), run.log.count("::endgroup::"), run.log)
        self.assertLess(run.log.rfind("::group::"), run.log.rfind("::endgroup::") + 1)
        return run

    def test_a_build_from_source_that_fails(self):
        self.tool("cargo", "echo 'error: could not compile' >&2; exit 101")
        self.one_error("mlc-package was not installed", "`cargo build", "exit code 101", version="source")

    def test_a_build_from_source_that_leaves_no_program(self):
        self.tool("cargo", "exit 0")
        self.one_error("mlc-package was not installed", "`cp ", version="source")

    def test_a_program_that_cannot_start(self):
        """For another processor, or of a damaged archive."""
        self.tool("cargo", (
            'mkdir -p "$RUNNER_TEMP/mlc-package/target/release"\n'
            'printf "\\177ELF no program" >"$RUNNER_TEMP/mlc-package/target/release/mlc-package"'
        ))
        self.one_error("mlc-package was not installed", "--version", version="source")

    def test_an_archive_that_cannot_be_unpacked(self):
        self.tool("tar", "echo 'tar: write error' >&2; exit 2")
        self.one_error("mlc-package was not installed", "`tar -xzf", "exit code 2")

    def test_manifests_that_cannot_be_kept(self):
        real = shutil.which("cp")
        self.tool("cp", f'case "$*" in *mlc-package-manifest.json*) exit 1 ;; esac; exec {real} "$@"')
        self.one_error("the manifests were not kept", "`cp -- ")

    def test_a_machine_that_is_not_known(self):
        real = shutil.which("uname")
        self.tool("uname", f'if [ "$1" = -s ]; then echo Plan9; else exec {real} "$@"; fi')
        self.one_error("there is no mlc-package for Plan9")

    def test_what_the_program_said_is_not_said_twice(self):
        (self.app / "mlc-package-config.json").write_text("{")
        self.one_error("")

    def test_a_step_that_may_fail_warns(self):
        real = shutil.which("comm")
        self.tool("comm", f'case "$*" in *kept*) exit 7 ;; esac; exec {real} "$@"')
        self.variables.update(STAND_IN="exit-1", STAND_IN_ONLY="other_layer")
        run = self.one_error("failed to compile `other_layer`")
        self.assertEqual(run.steps["keep-libs"]["conclusion"], "success")


class Script(unittest.TestCase):
    """What action/failures.sh does with a script, in the bash of this machine."""

    def run_script(self, text):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                ["bash", "-c", f"set -euo pipefail\nsource {ROOT}/action/failures.sh\n{text}"],
                env={**os.environ, "RUNNER_TEMP": directory}, text=True, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            self.assertEqual(list(pathlib.Path(directory).iterdir()), [], "it left a file")
        said = [line for line in done.stdout.splitlines() if line.startswith("::error")]
        return done.returncode, said, done.stdout

    def test_one_error_wherever_it_fails(self):
        cases = {
            "false": "`false` ended with exit code 1",
            "f() { (exit 7); }; f": "exit code 7",
            "x=$(exit 9)": "`x=$(exit 9)` ended with exit code 9",
            "printf a | (cat >/dev/null; exit 4)": "exit code 4",
            "exit 5": "exit code 5",
            "fail 'for a reason'": "for a reason",
            "x=$(fail 'in a subshell' 3)": "in a subshell",
            "f() { fail deep; }; y=$(f | cat)": "deep",
            "begin_group a; false": "`false`",
            "echo \"$nothing\"": "exit code",
        }
        for text, expected in cases.items():
            with self.subTest(text):
                code, said, log = self.run_script(text)
                self.assertNotEqual(code, 0)
                self.assertEqual(len(said), 1, log)
                self.assertIn(expected, said[0])
                self.assertEqual(log.count("::group::"), log.count("::endgroup::"), log)

    def test_nothing_is_said_where_nothing_failed(self):
        for text in ("true", "false || true", "if false; then :; fi", "x=$(false) || x=a", "exit 0", "exit 143"):
            with self.subTest(text):
                self.assertEqual(self.run_script(text)[1], [])

    def test_no_line_of_it_is_a_command(self):
        _, said, log = self.run_script("fail $'a\\n::error::b%'")
        self.assertEqual(said, ["::error title=mlc-package::a%0A::error::b%25"], log)


if __name__ == "__main__":
    unittest.main()
