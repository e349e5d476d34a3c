"""install.sh in every shell and with every client that is here, from a server of its own."""

import os
import shutil
import subprocess
import unittest

from scene import HERE, PROGRAM, ROOT, VERSION, Scene, run

SHELLS = {
    "bash": ["bash", "--posix"], "dash": ["dash"], "sh": ["sh"], "busybox": ["busybox", "sh"],
    "ksh": ["ksh"], "zsh": ["zsh", "--emulate", "sh"],
}
SHELLS = {name: command for name, command in SHELLS.items() if shutil.which(command[0])}
# What install.sh calls, besides a client and a program for digests.
TOOLS = [
    "awk", "cat", "chmod", "cmp", "cut", "grep", "gzip", "mkdir", "mktemp", "mv", "rm", "sed", "sh", "tail",
    "tar", "tr", "uname",
]


class Install(Scene):
    def setUp(self):
        super().setUp()
        self.release("1.2.3")
        self.home = self.root / "a home"
        self.home.mkdir()
        self.address = self.serve(self.releases)
        self.tools = self.root / "tools"
        self.tools.mkdir()
        self.provide(*TOOLS, "curl", "sha256sum")
        self.script = self.root / "install.sh"
        text = (ROOT / "install.sh").read_text()
        self.assertIn("\nreleased=''\n", text)
        self.script.write_text(text.replace("\nreleased=''\n", "\nreleased='1.2.3'\n"))

    def provide(self, *names):
        for name in names:
            found = shutil.which(name)
            self.assertTrue(found, f"{name} is not installed")
            (self.tools / name).symlink_to(found)

    def stand_in(self, name, text):
        path = self.tools / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def install(self, *arguments, good=True, shell="sh", **variables):
        command = [shutil.which(SHELLS[shell][0]), *SHELLS[shell][1:]]
        environment = {
            "HOME": str(self.home), "PATH": str(self.tools), "TMPDIR": str(self.root), "LC_ALL": "C",
            "MLC_PACKAGE_RELEASES_URL": self.address, **variables,
        }
        before = {path.name for path in self.root.iterdir()}
        said = run(*command, self.script, *arguments, good=good, env=environment, cwd=self.root)
        # Nothing is left behind, whatever became of it.
        self.assertEqual({path.name for path in self.root.iterdir()} - before, set())
        return said

    @property
    def installed(self):
        return self.home / ".local/bin/mlc-package"

    def test_in_every_shell(self):
        self.assertGreaterEqual(set(SHELLS), {"bash", "sh"})
        for shell in SHELLS:
            with self.subTest(shell):
                shutil.rmtree(self.home / ".local", ignore_errors=True)
                said = self.install(shell=shell)
                self.assertIn(f"installed mlc-package 1.2.3 in {self.home}/.local/bin", said)
                self.assertEqual(run(self.installed), "mlc-package 1.2.3\n")
                self.assertEqual(os.listdir(self.installed.parent), ["mlc-package"])
                # The shell can do what it says.
                [export] = [line.strip() for line in said.splitlines() if "export" in line]
                found = run("sh", "-c", f"{export}; command -v mlc-package")
                self.assertEqual(found.strip(), str(self.installed))
                # Once more changes nothing.
                stamp = self.installed.stat()
                self.assertIn("is already installed", self.install(shell=shell))
                self.assertEqual(self.installed.stat(), stamp)
                wrong = self.install("--version", "9.9.9", shell=shell, good=False)
                self.assertIn("is 9.9.9 a release?", wrong)

    def test_by_wget(self):
        for client in ("wget", "busybox"):
            if not shutil.which(client):
                continue
            with self.subTest(client):
                (self.tools / "curl").unlink(missing_ok=True)
                (self.tools / "wget").unlink(missing_ok=True)
                shutil.rmtree(self.home / ".local", ignore_errors=True)
                self.stand_in("wget", f'exec {shutil.which(client)} {"wget" * (client != "wget")} "$@"')
                self.install()
                self.assertEqual(run(self.installed), "mlc-package 1.2.3\n")
                said = self.install("--version", "9.9.9", good=False)
                self.assertIn("is 9.9.9 a release?", said)

    def test_by_each_program_for_digests(self):
        (self.tools / "sha256sum").unlink()
        self.assertIn("none of sha256sum, shasum and openssl", self.install(good=False))
        for name in ("shasum", "openssl"):
            with self.subTest(name):
                self.provide(name)
                self.install("--to", self.root / "a home" / name)
                (self.tools / name).unlink()

    def test_another_version_another_place_another_source(self):
        self.release("2.0.0-rc.1")
        nowhere = {"MLC_PACKAGE_RELEASES_URL": "http://127.0.0.1:1"}
        options = ("--version", "v2.0.0-rc.1", "--to", "a home/here", "--from", f"{self.address}/")
        said = self.install(*options, **nowhere)
        self.assertIn(f"installed mlc-package 2.0.0-rc.1 in {self.home}/here", said)
        self.assertEqual(run(self.home / "here/mlc-package"), "mlc-package 2.0.0-rc.1\n")
        self.assertFalse(self.installed.exists())

    def test_the_program_itself(self):
        directory = self.releases / f"v{VERSION}"
        self.archive(HERE, PROGRAM, VERSION, directory)
        self.sums(directory)
        self.install("--version", VERSION)
        self.assertEqual(run(self.installed, "--version"), f"mlc-package {VERSION}\n")
        self.assertEqual(self.installed.read_bytes(), PROGRAM.read_bytes())

    def test_an_older_one_that_runs_is_replaced(self):
        self.installed.parent.mkdir(parents=True)
        shutil.copy(shutil.which("sleep"), self.installed)
        running = subprocess.Popen([self.installed, "600"])
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        self.install()
        self.assertEqual(run(self.installed), "mlc-package 1.2.3\n")
        self.assertIsNone(running.poll())

    def test_what_the_shell_finds(self):
        for shell, said in (("/bin/zsh", 'export PATH="'), ("/usr/bin/fish", "fish_add_path '")):
            self.assertIn(f"    {said}{self.installed.parent}", self.install(SHELL=shell))
        path = f"{self.installed.parent}:{self.tools}"
        self.assertNotIn("PATH", self.install(PATH=path))
        # Another one that the shell finds first.
        self.stand_in("mlc-package", "echo 0.1")
        said = self.install(PATH=f"{self.tools}:{self.installed.parent}")
        self.assertIn(f"{self.tools}/mlc-package comes first in PATH", said)

    def test_the_program_for_this_machine(self):
        for system, machine, target in (
            ("Linux", "x86_64", "x86_64-unknown-linux-musl"),
            ("Linux", "aarch64", "aarch64-unknown-linux-musl"),
            ("Darwin", "arm64", "aarch64-apple-darwin"),
            ("Darwin", "x86_64", "x86_64-apple-darwin"),
        ):
            with self.subTest(target):
                shutil.rmtree(self.releases / "v3.0.0", ignore_errors=True)
                self.release("3.0.0", [target])
                self.stand_in("uname", f"case $1 in -s) echo {system} ;; -m) echo {machine} ;; esac")
                self.install("--version", "3.0.0", "--to", self.home / target)
        # A shell under Rosetta.
        shutil.rmtree(self.releases / "v3.0.0")
        self.release("3.0.0", ["aarch64-apple-darwin"])
        self.stand_in("sysctl", '[ "$*" = "-n hw.optional.arm64" ] && echo 1')
        self.install("--version", "3.0.0", "--to", self.home / "rosetta")
        for system, machine in (("Linux", "riscv64"), ("FreeBSD", "amd64"), ("MINGW64_NT", "x86_64")):
            self.stand_in("uname", f"case $1 in -s) echo {system} ;; -m) echo {machine} ;; esac")
            said = self.install(good=False)
            self.assertIn(f"there is no program for {system} on {machine}: build it with `cargo install", said)

    def test_a_program_that_does_not_run_is_not_installed(self):
        self.install()
        self.release("1.2.4", text="#!/bin/sh\necho too new >&2\nexit 1\n")
        said = self.install("--version", "1.2.4", good=False)
        self.assertIn("does not run on this machine, and nothing was installed: too new", said)
        self.assertEqual(os.listdir(self.installed.parent), ["mlc-package"])
        self.assertEqual(run(self.installed), "mlc-package 1.2.3\n")

    def test_arguments_that_are_wrong(self):
        for arguments, said in (
            (["--to"], "--to needs a value"),
            (["--to", ""], "--to needs a value"),
            (["--to="], "--to needs a value"),
            (["--version", "--to", "x"], "--version needs a value"),
            (["--version=latest"], "not a version: latest"),
            (["--force"], "unknown argument --force"),
            (["--version", "../1"], "not a version: ../1"),
        ):
            done = self.install(*arguments, good=False)
            self.assertIn(said, done)
            self.assertIn("usage: install.sh", done)
        self.assertIn("HOME is not set", self.install(good=False, HOME=""))
        # The script of a checkout belongs to no release.
        shutil.copy(ROOT / "install.sh", self.script)
        self.assertIn("name a release with --version", self.install(good=False))

    def test_places_that_cannot_be(self):
        (self.home / "file").write_text("")
        said = self.install("--to", self.home / "file/bin", good=False)
        self.assertIn(f"{self.home}/file/bin could not be made", said)
        (self.home / "bin/mlc-package").mkdir(parents=True)
        said = self.install("--to", self.home / "bin", good=False)
        self.assertIn(f"{self.home}/bin/mlc-package is a directory", said)

    def test_no_client(self):
        (self.tools / "curl").unlink()
        self.assertIn("neither curl nor wget is installed", self.install(good=False))

    def test_a_script_that_breaks_off_does_nothing(self):
        text = self.script.read_text()
        for share in range(1, 20):
            self.script.write_text(text[: len(text) * share // 20])
            self.install(good=None)
            self.assertFalse(self.installed.exists())

    def test_a_wrong_digest_installs_nothing(self):
        self.install()
        directory = self.release("1.2.4")
        archive = directory / f"mlc-package-1.2.4-{HERE}.tar.gz"
        archive.write_bytes((self.releases / "v1.2.3" / f"mlc-package-1.2.3-{HERE}.tar.gz").read_bytes())
        said = self.install("--version", "1.2.4", good=False)
        self.assertIn("is not the file that was released, and nothing was installed", said)
        self.assertEqual(run(self.installed), "mlc-package 1.2.3\n")

    def test_what_a_release_lacks(self):
        directory = self.release("1.2.4")
        archive = directory / f"mlc-package-1.2.4-{HERE}.tar.gz"
        archive.unlink()
        said = self.install("--version", "1.2.4", good=False)
        self.assertIn(f"there is no {self.address}/v1.2.4/{archive.name}: the release is not complete", said)
        self.sums(directory)
        said = self.install("--version", "1.2.4", good=False)
        self.assertIn(f"{archive.name} is not in its SHA256SUMS", said)
        self.assertFalse(self.installed.exists())

    def test_a_server_that_is_not_there(self):
        said = self.install("--from", "http://127.0.0.1:1", good=False)
        self.assertIn("http://127.0.0.1:1/v1.2.3/SHA256SUMS could not be downloaded: curl:", said)


if __name__ == "__main__":
    unittest.main()
