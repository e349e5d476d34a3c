"""The Homebrew formula, read by Ruby, and what cargo-binstall is told."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tomllib
import unittest

from scene import HERE, PROGRAM, ROOT, TARGETS, VERSION, Scene, run

ADDRESS = "https://github.com/mlc-package/mlc-package/releases/download"
MACHINES = {
    ("macos", "arm"): "aarch64-apple-darwin",
    ("macos", "intel"): "x86_64-apple-darwin",
    ("linux", "arm"): "aarch64-unknown-linux-musl",
    ("linux", "intel"): "x86_64-unknown-linux-musl",
}


class Formula(Scene):
    def setUp(self):
        super().setUp()
        if not shutil.which("ruby"):
            self.fail("the formula is read by ruby: install it")

    def formula(self, version, good=True):
        # Standard output alone, as the release writes it.
        done = subprocess.run(
            [ROOT / "scripts/package-formula.sh", version, self.releases / f"v{version}"],
            check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.assertEqual(done.returncode == 0, good, done.stderr)
        path = self.root / "mlc-package.rb"
        path.write_text(done.stdout)
        return path

    def test_each_machine_gets_the_program_of_the_release(self):
        directory = self.release("1.2.3")
        path = self.formula("1.2.3")
        self.assertEqual(run("ruby", "-wc", path), "Syntax OK\n")
        taken = set()
        for (system, kind), target in MACHINES.items():
            said = json.loads(run("ruby", ROOT / "tests/install/formula.rb", path, system, kind))
            archive = directory / f"mlc-package-1.2.3-{target}.tar.gz"
            self.assertEqual(said["url"], f"{ADDRESS}/v1.2.3/{archive.name}")
            self.assertEqual(said["sha256"], hashlib.sha256(archive.read_bytes()).hexdigest())
            self.assertEqual((said["version"], said["license"]), ("1.2.3", "Apache-2.0"))
            # `brew audit`: at most 80 characters, without an article or a full stop.
            self.assertLessEqual(len(said["desc"]), 80)
            self.assertIsNone(re.match(r"(?i)an? |the |mlc-package", said["desc"]))
            self.assertFalse(said["desc"].endswith("."))
            self.assertEqual(said["calls"][0], ["install", "mlc-package"])
            taken.add(target)
        self.assertEqual(taken, set(TARGETS))

    def test_what_it_calls_is_there(self):
        self.release("1.2.3")
        said = json.loads(run("ruby", ROOT / "tests/install/formula.rb", self.formula("1.2.3"), "linux", "arm"))
        [[_, _, *words]] = [call for call in said["calls"] if call[0] == "completions"]
        for shell in ("bash", "zsh", "fish"):
            self.assertIn("mlc-package", run(PROGRAM, *words, shell))
        [[_, command]] = [call for call in said["calls"] if call[0] == "shell"]
        self.assertEqual(command, "bin/mlc-package --version")

    def test_a_release_that_lacks_a_program_has_no_formula(self):
        self.release("1.2.3", TARGETS[:3])
        self.formula("1.2.3", good=False)


class Binstall(unittest.TestCase):
    """What cargo-binstall makes of its templates is what a release has."""

    def setUp(self):
        self.package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
        self.told = self.package["metadata"]["binstall"]

    def expanded(self, template, target):
        values = {
            "repo": self.package["repository"], "version": VERSION, "target": target,
            "name": "mlc-package", "bin": "mlc-package", "binary-ext": "",
        }
        return re.sub(r"\{ *([a-z-]+) *\}", lambda match: values[match[1]], template)

    def test_the_addresses_are_those_of_the_archives(self):
        for target in TARGETS:
            address = self.expanded(self.told["pkg-url"], target)
            self.assertEqual(address, f"{ADDRESS}/v{VERSION}/mlc-package-{VERSION}-{target}.tar.gz")
        self.assertEqual(self.told["pkg-fmt"], "tgz")


class Archive(Scene):
    def test_the_program_is_where_cargo_binstall_looks(self):
        told = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["metadata"]["binstall"]
        archive = self.archive(HERE, PROGRAM, VERSION, self.root)
        self.assertIn(told["bin-dir"].replace("{ bin }{ binary-ext }", "mlc-package"), run("tar", "-tzf", archive))


class Tap(Scene):
    """`release.sh tap` with a tap that is a bare repository."""

    def git(self, *arguments, at):
        return run("git", "-C", at, "-c", "user.name=a", "-c", "user.email=a@b", *arguments)

    def tap(self, version):
        directory = self.release(version)
        with open(directory / "mlc-package.rb", "w") as file:
            subprocess.run(
                [ROOT / "scripts/package-formula.sh", version, directory], check=True, stdout=file
            )
        clone = self.root / f"clone-{version}"
        run("git", "clone", "--quiet", self.bare, clone)
        variables = {**os.environ, "GITHUB_REPOSITORY": "o/r", "GIT_CONFIG_GLOBAL": "/dev/null"}
        return run(ROOT / "scripts/release.sh", "tap", version, directory, clone, env=variables)

    def test_the_tap_gets_each_release_once(self):
        self.bare = self.root / "tap.git"
        run("git", "init", "--quiet", "--bare", "--initial-branch=main", self.bare)
        first = self.root / "first"
        run("git", "clone", "--quiet", self.bare, first)
        self.git("commit", "--quiet", "--allow-empty", "-m", "a tap", at=first)
        self.git("push", "--quiet", "origin", "HEAD:main", at=first)
        self.assertIn("the tap has 1.2.3 now", self.tap("1.2.3"))
        self.assertIn('version "1.2.3"', self.git("show", "main:Formula/mlc-package.rb", at=self.bare))
        head = self.git("rev-parse", "main", at=self.bare)
        shutil.rmtree(self.root / "clone-1.2.3")
        self.assertIn("the tap has 1.2.3\n", self.tap("1.2.3"))
        self.assertIn("a prerelease is not in the tap", self.tap("1.3.0-rc.1"))
        self.assertEqual(self.git("rev-parse", "main", at=self.bare), head)
        self.assertIn("the tap has 1.2.4 now", self.tap("1.2.4"))
        self.assertEqual(self.git("log", "-1", "--format=%s", "main", at=self.bare), "mlc-package 1.2.4\n")


if __name__ == "__main__":
    unittest.main()
