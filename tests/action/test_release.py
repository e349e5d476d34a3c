"""The release, played against a bare repository and a GitHub of our own: every step twice, broken
after each of them, and from another commit than the one that began."""

import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse

from ruamel.yaml import YAML

from release_github import ReleaseGitHub

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ["MLC_PACKAGE_TEST_PROGRAM"])
IMAGE = "ghcr.io/o/r@sha256:" + "c" * 64
TARGETS = [
    f"{machine}-{system}"
    for system in ("unknown-linux-musl", "apple-darwin")
    for machine in ("x86_64", "aarch64")
]
PLATFORMS = [
    "macosx_13_0_arm64",
    "macosx_13_0_x86_64",
    "manylinux2014_aarch64.manylinux_2_17_aarch64.musllinux_1_1_aarch64",
    "manylinux2014_x86_64.manylinux_2_17_x86_64.musllinux_1_1_x86_64",
]
KITS = ["android", "iphone", "macabi-arm64"]
# Stand-ins for what packs a release, which take no time; the real ones are in tests/install.
PACKING = {
    "maturin": """[ "$1 $2" = "sdist --out" ] || exit 9
version=$(sed -n 's/^version = "\\(.*\\)"/\\1/p' Cargo.toml | sed 's/-rc\\./rc/')
work=$(mktemp -d)
mkdir "$work/mlc_package-$version"
cp LICENSE "$work/mlc_package-$version"
echo "Version: $version" >"$work/mlc_package-$version/PKG-INFO"
tar -czf "$3/mlc_package-$version.tar.gz" -C "$work" "mlc_package-$version"
rm -r "$work"
""",
    "python": """[ "$1 $2 $3 $4" = "-m wheel pack --dest-dir" ] || exit 9
version=$(cat "$6"/*.dist-info/METADATA)
tags=$(sed -n 's/^Tag: py3-none-//p' "$6"/*.dist-info/WHEEL | LC_ALL=C sort | paste -s -d . -)
cp "$6"/*.data/scripts/mlc-package "$5/mlc_package-${version#Version: }-py3-none-$tags.whl"
""",
}


class Repository(unittest.TestCase):
    def setUp(self):
        if not shutil.which("jq"):
            self.fail("scripts/release.sh takes jq: install it")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name).resolve()
        self.bare = self.root / "origin.git"
        self.clone = self.root / "clone"
        self.bin = self.root / "bin"
        self.bin.mkdir()
        self.git("init", "--quiet", "--bare", "--initial-branch=main", self.bare, at=self.root)
        self.git("init", "--quiet", "--initial-branch=main", self.clone, at=self.root)
        self.git("remote", "add", "origin", self.bare)
        shutil.copytree(ROOT / "action", self.clone / "action")
        shutil.copytree(ROOT / ".github", self.clone / ".github")
        (self.clone / "scripts").mkdir()
        for name in ("release.sh", "record-release.sh", "package-wheel.sh", "package-formula.sh"):
            shutil.copy(ROOT / "scripts" / name, self.clone / "scripts")
        for name in ("install.sh", "LICENSE"):
            shutil.copy(ROOT / name, self.clone)
        self.packing = self.root / "packing"
        self.packing.mkdir()
        for name, text in PACKING.items():
            (self.packing / name).write_text(f"#!/bin/sh\nset -eu\n{text}")
            (self.packing / name).chmod(0o755)
        self.version("1.0.0")
        self.github = ReleaseGitHub(self.bare)
        self.addCleanup(self.github.close)
        self.github.program(self.bin, sys.executable)
        self.runs = 0

    def git(self, *arguments, at=None):
        names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": "/dev/null"}
        names |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        return subprocess.run(
            ["git", *map(str, arguments)], cwd=at or self.clone, env={**os.environ, **names},
            check=True, text=True, stdout=subprocess.PIPE,
        ).stdout.strip()

    def version(self, version):
        """A commit on main with this version."""
        (self.clone / "Cargo.toml").write_text(f'[package]\nversion = "{version}"\n')
        (self.clone / "CHANGELOG.md").write_text(f"# Changelog\n\n## {version}\n\n- new\n")
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", f"begin {version}")
        self.git("push", "--quiet", "origin", "main")

    def step(self, step, version="1.0.0", *arguments, good=True, **variables):
        output = self.root / "output"
        output.write_text("")
        environment = {
            **os.environ,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "GH_TOKEN": "token",
            "GITHUB_TOKEN": "token",
            "GITHUB_API_URL": self.github.url,
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(output),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "PACKING": str(self.packing),
            "PROGRAM": str(PROGRAM),
            **variables,
        }
        for name in ("GITHUB_STEP_SUMMARY", "GITHUB_EVENT_PATH", "GITHUB_REF", "GITHUB_SHA"):
            environment.pop(name, None)
        done = subprocess.run(
            ["scripts/release.sh", step, version, *map(str, arguments)], cwd=self.clone,
            env=environment, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self.assertEqual(done.returncode == 0, good, done.stdout)
        self.outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done.stdout

    def built(self, directory, version, targets):
        """What the jobs of the matrix build. No two builds give the same bytes."""
        for target in targets:
            self.runs += 1
            (self.root / "mlc-package").write_text(f"{target} {self.runs}")
            archive = directory / f"mlc-package-{version}-{target}.tar.gz"
            subprocess.run(["tar", "-czf", archive, "-C", self.root, "mlc-package"], check=True)

    def kits(self, directory, version, kits):
        for kit in kits:
            self.runs += 1
            (directory / f"mlc-package-{version}-kit-{kit}.tar.zst").write_text(f"{kit} {self.runs}")

    def compiler(self):
        """What `doctor` says of the image's compiler."""
        path = self.root / "compiler.json"
        package = {"distribution": "x", "version": "1"}
        path.write_text(json.dumps({
            "python": "/opt/venv/bin/python3", "mlc_llm": package, "tvm": package,
            "tvm_ffi": package, "libraries": {"transformers": "5.24.0"},
        }))
        return path

    def release(self, version="1.0.0", until=None, image=IMAGE, **variables):
        """One run of the workflow on a fresh runner, as far as to a step."""
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.root))
        said = self.step("begin", version, directory, **variables)
        missing = [row["target"] for row in json.loads(self.outputs["missing"])]
        missing_kits = [row["kit"] for row in json.loads(self.outputs["missing-kits"])]
        if until == "begin":
            return said
        self.built(directory, version, missing)
        if until != "programs":
            self.kits(directory, version, missing_kits)
        elif missing:
            return said + self.step("keep", version, directory)
        steps = (
            ("pack", directory), ("keep", directory), ("tag", directory, image, self.compiler()),
            ("publish", directory), ("move",),
        )
        for step, *more in steps:
            said += self.step(step, version, *more)
            if step == until:
                break
        return said

    def tags(self):
        lines = self.git("ls-remote", "--tags", "origin").splitlines()
        return {line.split("/")[-1]: line.split("\t")[0] for line in lines}

    def assert_released(self, version="1.0.0", count=1):
        [release] = [r for r in self.github.releases if r["tag_name"] == f"v{version}"]
        self.assertEqual(len(self.github.releases), count)
        self.assertFalse(release["draft"])
        names = {f"mlc-package-{version}-{target}.tar.gz" for target in TARGETS}
        names |= {f"mlc-package-{version}-kit-{kit}.tar.zst" for kit in KITS}
        recorded_names = set(names)
        python = version.replace("-rc.", "rc")
        names |= {f"mlc_package-{python}-py3-none-{platform}.whl" for platform in PLATFORMS}
        names |= {f"mlc_package-{python}.tar.gz", "install.sh", "mlc-package.rb"}
        self.assertEqual({asset["name"] for asset in release["assets"]}, names | {"SHA256SUMS"})
        self.assertEqual({asset["state"] for asset in release["assets"]}, {"uploaded"})
        self.git("fetch", "--quiet", "--force", "--tags", "origin")
        self.assertEqual(self.show(version, "action/version.txt"), version)
        self.assertEqual(self.show(version, "action/images.txt"), f"{version} {IMAGE}")
        compilers = json.loads(self.show(version, "action/compilers.json"))
        self.assertEqual(compilers, {IMAGE: json.loads(self.compiler().read_text())})
        recorded = dict(
            reversed(line.split()) for line in self.show(version, "action/checksums.txt").splitlines()
        )
        digests = {asset["name"]: asset["digest"].removeprefix("sha256:") for asset in release["assets"]}
        del digests["SHA256SUMS"]
        sizes = {asset["name"]: asset["size"] for asset in release["assets"]}
        self.assertEqual(recorded, {name: digests[name] for name in recorded_names})
        kits = json.loads(self.show(version, "action/kits.json"))[version]
        self.assertEqual(
            kits, {kit: {"file": f"mlc-package-{version}-kit-{kit}.tar.zst",
                         "sha256": digests[f"mlc-package-{version}-kit-{kit}.tar.zst"],
                         "bytes": sizes[f"mlc-package-{version}-kit-{kit}.tar.zst"]} for kit in KITS}
        )
        [sums] = [asset["id"] for asset in release["assets"] if asset["name"] == "SHA256SUMS"]
        self.assertEqual(
            dict(reversed(line.split()) for line in self.github.data[sums].decode().splitlines()), digests
        )

    def show(self, version, path):
        return self.git("show", f"v{version}:{path}")


class Release(Repository):
    def test_a_first_release_leaves_main_alone(self):
        main = self.git("rev-parse", "origin/main")
        self.release()
        self.assert_released()
        self.assertEqual(self.tags()["v1"], self.tags()["v1.0.0"])
        self.assertEqual(self.git("ls-remote", "origin", "refs/heads/main").split()[0], main)
        self.assertEqual(self.git("rev-parse", "v1.0.0^"), main)
        self.assertEqual(self.git("show", "origin/main:action/version.txt"), "source")
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertEqual(self.git("worktree", "list").count("\n"), 0)

    def test_workflows_of_a_release_name_the_action_by_its_tag(self):
        self.release()
        self.git("fetch", "--quiet", "--tags", "origin")
        callable_, uses = 0, 0
        for path in self.git("ls-tree", "--name-only", "v1.0.0", ".github/workflows/").splitlines():
            text = self.git("show", f"v1.0.0:{path}")
            before = self.git("show", f"origin/main:{path}")
            if "workflow_call:" not in text:
                self.assertEqual(text, before)
                continue
            callable_ += 1
            named = [
                line.split("@")[1].split()[0] for line in text.splitlines()
                if "uses: mlc-package/mlc-package" in line and not line.lstrip().startswith("#")
            ]
            uses += len(named)
            self.assertEqual(set(named) - {"v1.0.0"}, set(), path)
            self.assertEqual(before.count("\n"), text.count("\n"))
        self.assertGreaterEqual(callable_, 2)
        self.assertGreaterEqual(uses, 5)

    def test_the_second_run_changes_nothing(self):
        self.release()
        tags, changes = self.tags(), list(self.github.changes)
        said = self.release()
        self.assertIn("1.0.0 is out", said)
        self.assertIn("v1 is there", said)
        self.assertEqual(self.tags(), tags)
        self.assertEqual(self.github.changes, changes)
        self.assert_released()

    def test_it_goes_on_after_each_step_that_was_its_last(self):
        for step in ("begin", "programs", "keep", "tag", "publish", "move"):
            with self.subTest(step):
                self.doCleanups()
                self.setUp()
                self.release(until=step)
                tagged = self.tags().get("v1.0.0")
                self.assertEqual("v1" in self.tags(), step == "move")
                self.assertEqual(bool(tagged), step in ("tag", "publish", "move"))
                kept = self.runs
                self.release()
                self.assert_released()
                self.assertEqual(self.tags()["v1"], self.tags()["v1.0.0"])
                if tagged:
                    self.assertEqual(self.tags()["v1.0.0"], tagged)
                if step != "begin":
                    again = kept + len(KITS) if step == "programs" else kept
                    self.assertEqual(self.runs, again, "programs were built again")

    def test_a_job_that_fails_costs_only_its_own_program(self):
        directory = self.root / "first"
        self.step("begin", "1.0.0", directory)
        self.built(directory, "1.0.0", TARGETS[:3])
        self.step("keep", "1.0.0", directory)
        said = self.step("tag", "1.0.0", directory, IMAGE, self.compiler(), good=False)
        self.assertIn(f"there is no mlc-package-1.0.0-{TARGETS[3]}.tar.gz", said)
        self.release(until="begin")
        self.assertEqual([row["target"] for row in json.loads(self.outputs["missing"])], TARGETS[3:])
        self.release()
        self.assert_released()

    def test_a_kit_that_fails_costs_only_itself(self):
        self.release(until="programs")
        directory = self.root / "first"
        self.step("begin", "1.0.0", directory)
        self.kits(directory, "1.0.0", KITS[:2])
        self.step("keep", "1.0.0", directory)
        said = self.step("tag", "1.0.0", directory, IMAGE, self.compiler(), good=False)
        self.assertIn(f"there is no mlc-package-1.0.0-kit-{KITS[2]}.tar.zst", said)
        self.release(until="begin")
        self.assertEqual([row["kit"] for row in json.loads(self.outputs["missing-kits"])], KITS[2:])
        self.assertEqual(self.outputs["missing"], "[]")
        self.release()
        self.assert_released()

    def test_a_kit_of_another_run_is_not_taken_for_that_of_this_one(self):
        directory, other = self.root / "first", self.root / "second"
        self.step("begin", "1.0.0", directory)
        self.step("begin", "1.0.0", other)
        for place in (directory, other):
            self.kits(place, "1.0.0", KITS[:1])
        self.step("keep", "1.0.0", directory)
        self.step("keep", "1.0.0", directory)
        said = self.step("keep", "1.0.0", other, good=False)
        self.assertIn(f"has another mlc-package-1.0.0-kit-{KITS[0]}.tar.zst than this run", self.one_error(said))
        # What an upload left that broke has no bytes, and is sent again.
        self.github.releases[0]["assets"][0].update(state="starter", digest=None, size=0)
        self.step("keep", "1.0.0", other)
        [kit] = self.github.releases[0]["assets"]
        self.assertEqual(self.github.data[kit["id"]], next(other.glob("*kit*")).read_bytes())

    def test_a_kit_is_built_where_its_tools_are(self):
        """Android's in the image, Apple's by the program."""
        log = self.root / "called"
        for name in ("docker", "program"):
            path = self.bin / name
            path.write_text(f'#!/bin/sh\necho "{name} arch=$MLC_MACABI_ARCH $*" >>{log}\n')
            path.chmod(0o755)
        directory = self.root / "kits"
        for kit in KITS:
            said = self.step("kit", "1.0.0", directory, kit, IMAGE, PROGRAM=self.bin / "program")
            self.assertIn(f"mlc-package-1.0.0-kit-{kit}.tar.zst", said)
        android, iphone, macabi = log.read_text().splitlines()
        self.assertIn(f"{IMAGE} kit build --device android --output /kits/", android)
        self.assertIn(f"--volume {directory}:/kits", android)
        self.assertTrue(iphone.startswith("program arch= kit build --device iphone --output "), iphone)
        self.assertTrue(macabi.startswith("program arch=arm64 kit build --device macabi --output "), macabi)
        # The program says why itself.
        (self.bin / "program").write_text("#!/bin/sh\necho '::error title=mlc-package::no Xcode'\nexit 14\n")
        said = self.step("kit", "1.0.0", directory, "iphone", IMAGE, good=False, PROGRAM=self.bin / "program")
        self.assertEqual(said.count("::error"), 1, said)

    def test_the_compiler_of_the_image_is_written_or_one_error_is(self):
        (self.bin / "docker").write_text("#!/bin/sh\n")
        (self.bin / "docker").chmod(0o755)
        program, file = self.bin / "program", self.root / "file.json"
        arguments = ("compiler", "1.0.0", self.root, IMAGE, file)
        for said, good in (('{"compiler": {"python": "x"}}', True), ('{"compiler": null}', False), ("", False)):
            program.write_text(f"#!/bin/sh\necho '{said}'\nexit 1\n")
            program.chmod(0o755)
            done = self.step(*arguments, good=good, PROGRAM=program)
            if good:
                self.assertEqual(json.loads(file.read_text()), {"python": "x"})
            else:
                self.assertIn("did not say which compiler it has", self.one_error(done))

    def test_programs_are_unpacked_for_the_images(self):
        self.release(until="begin")
        directory = self.root / "programs"
        directory.mkdir()
        self.assertIn("the step `unpack`", self.one_error(self.step("unpack", "1.0.0", directory, good=False)))
        for target in TARGETS[:2]:
            (self.root / "mlc-package").write_text(target)
            archive = directory / f"mlc-package-1.0.0-{target}.tar.gz"
            subprocess.run(["tar", "-czf", archive, "-C", self.root, "mlc-package"], check=True)
        self.step("unpack", "1.0.0", directory)
        self.assertEqual(len(self.outputs["digest"]), 64)
        image = self.clone / "target/image"
        self.assertEqual((image / "amd64/mlc-package").read_text(), TARGETS[0])
        self.assertEqual((image / "arm64/mlc-package").read_text(), TARGETS[1])

    def test_what_an_upload_left_when_it_broke_is_no_file(self):
        for name in (f"mlc-package-1.0.0-{TARGETS[0]}.tar.gz", "SHA256SUMS"):
            with self.subTest(name):
                self.doCleanups()
                self.setUp()
                self.github.broken.add(name)
                if name == "SHA256SUMS":
                    self.release(until="publish")
                else:
                    directory = self.root / "first"
                    self.step("begin", "1.0.0", directory)
                    self.built(directory, "1.0.0", TARGETS)
                    self.step("keep", "1.0.0", directory, good=False)
                self.release()
                self.assert_released()

    def test_the_moving_tag_waits_for_the_release(self):
        self.release(until="tag")
        self.assertIn("1.0.0 is not out", self.step("move", good=False))
        self.assertNotIn("v1", self.tags())
        # A release whose file was replaced is not what its commit installs.
        self.release(until="publish")
        [asset] = [a for a in self.github.releases[0]["assets"] if TARGETS[0] in a["name"]]
        asset["digest"] = "sha256:" + hashlib.sha256(b"other").hexdigest()
        self.assertIn("has no mlc-package-1.0.0-", self.step("move", good=False))
        self.assertNotIn("v1", self.tags())

    def test_nothing_is_published_without_its_tag(self):
        self.release(until="keep")
        directory = self.root / "programs"
        self.step("begin", "1.0.0", directory)
        self.assertIn("there is no tag v1.0.0", self.step("publish", "1.0.0", directory, good=False))
        self.assertTrue(self.github.releases[0]["draft"])

    def test_a_version_that_is_out_stays_what_it_is(self):
        self.release()
        tags = self.tags()
        self.version("1.0.0")
        said = self.step("begin", "1.0.0", self.root / "again", good=False)
        self.assertIn("::error title=Release::1.0.0 is out, and was made from", said)
        self.assertIn("Raise the version", said)
        said = self.step("begin", "1.0.0", self.root / "again", good=False, RESTART="true")
        self.assertIn("1.0.0 is out", said)
        self.assertEqual(self.tags(), tags)

    def test_what_another_commit_began_is_dropped_when_asked(self):
        for step in ("begin", "keep", "tag"):
            with self.subTest(step):
                self.doCleanups()
                self.setUp()
                self.release(until=step)
                self.version("1.0.0")
                said = self.step("begin", "1.0.0", self.root / "again", good=False)
                self.assertIn("check `restart` to discard the unfinished release", said)
                self.release(RESTART="true")
                self.assert_released()
                self.assertEqual(self.git("rev-parse", "v1.0.0^"), self.git("rev-parse", "origin/main"))
                self.assertEqual(self.github.tags_of_dropped, set(), "the draft went first")

    def test_what_this_commit_began_is_dropped_when_asked(self):
        """Say that it records an image that is gone."""
        for step in ("begin", "keep", "tag"):
            with self.subTest(step):
                self.doCleanups()
                self.setUp()
                self.release(until=step, image=IMAGE.replace("c" * 64, "d" * 64))
                kept = self.runs
                said = self.release(RESTART="true")
                self.assertIn("discarded the unfinished release", said)
                self.assertEqual(self.runs, kept + len(TARGETS) + len(KITS), "programs of before were kept")
                self.assert_released()
        # What is out stays.
        tags = self.tags()
        self.assertIn("1.0.0 is out", self.release(RESTART="true"))
        self.assertEqual(self.tags(), tags)

    def one_error(self, said):
        [error] = [line for line in said.splitlines() if line.startswith("::error title=Release::")]
        return error

    def test_a_github_that_is_ill_is_one_error(self):
        directory = self.root / "programs"
        self.github.ill = 503
        said = self.step("begin", "1.0.0", directory, good=False)
        error = self.one_error(said)
        self.assertIn("the step `begin` of the release 1.0.0 failed", error)
        self.assertIn("no server is available", error)
        self.github.ill = None
        self.release(until="keep")
        self.github.ill = 500
        for step, *more in (("keep", directory), ("move",)):
            self.assertIn(f"the step `{step}`", self.one_error(self.step(step, "1.0.0", *more, good=False)))

    def test_a_push_that_is_refused_is_one_error(self):
        self.release(until="keep")
        directory = self.root / "programs"
        self.step("begin", "1.0.0", directory)
        hook = self.bare / "hooks/pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho 'protected by a rule' >&2\nexit 1\n")
        hook.chmod(0o755)
        said = self.step("tag", "1.0.0", directory, IMAGE, self.compiler(), good=False)
        self.assertIn("git push --quiet origin", self.one_error(said))
        self.assertIn("protected by a rule", said)
        # Nothing is left of its work.
        self.assertEqual(self.git("worktree", "list").count("\n"), 0)

    def test_another_image_than_the_tag_records_is_refused(self):
        self.release(until="tag")
        directory = self.root / "programs"
        self.step("begin", "1.0.0", directory)
        other = IMAGE.replace("c" * 64, "d" * 64)
        said = self.step("tag", "1.0.0", directory, other, self.compiler(), good=False)
        self.assertIn("records other programs or another image", said)

    def test_the_moving_tag_follows_the_newest_version(self):
        self.release()
        self.version("1.1.0")
        self.release("1.1.0")
        self.assert_released("1.1.0", count=2)
        self.assertEqual(self.tags()["v1"], self.tags()["v1.1.0"])
        # A fix of an older line, and one run more of it.
        self.version("1.0.1")
        self.assertIn("v1 stays where it is: v1.1.0 is out", self.release("1.0.1"))
        self.assertEqual(self.tags()["v1"], self.tags()["v1.1.0"])
        self.version("1.2.0-rc.1")
        self.assertIn("a prerelease moves no tag", self.release("1.2.0-rc.1"))
        self.assertEqual(self.tags()["v1"], self.tags()["v1.1.0"])
        self.assertTrue(self.github.releases[-1]["prerelease"])
        self.version("1.10.0")
        self.release("1.10.0")
        self.assertEqual(self.tags()["v1"], self.tags()["v1.10.0"])
        self.version("2.0.0")
        self.release("2.0.0")
        self.assertEqual(self.tags()["v1"], self.tags()["v1.10.0"])
        self.assertEqual(self.tags()["v2"], self.tags()["v2.0.0"])

    def test_a_version_that_the_sources_do_not_have_is_refused(self):
        directory = self.root / "programs"
        self.assertIn("version of Cargo.toml", self.step("begin", "1.0.1", directory, good=False))
        self.assertIn("not a version: v1", self.step("begin", "v1", directory, good=False))
        (self.clone / "CHANGELOG.md").write_text("# Changelog\n\n## 1.0.01\n")
        self.assertIn("no section `## 1.0.0`", self.step("begin", "1.0.0", directory, good=False))
        self.assertEqual(self.github.releases, [])


class Workflow(unittest.TestCase):
    def test_each_job_waits_for_what_it_needs_and_the_moving_tag_is_last(self):
        workflow = YAML(typ="safe").load((ROOT / ".github/workflows/release.yml").read_text())
        jobs = workflow["jobs"]

        def before(name):
            needs = jobs[name].get("needs", [])
            needs = [needs] if isinstance(needs, str) else needs
            return set(needs).union(*(before(need) for need in needs))

        self.assertEqual(before("keep"), {"begin", "programs"})
        self.assertEqual(before("image"), {"begin", "programs", "keep"})
        self.assertEqual(before("keep-packages"), {"begin", "programs", "keep", "packages"})
        # What other services offer is what was published.
        self.assertEqual(before("publish"), set(jobs) - {"publish", "pypi", "tap"})
        self.assertEqual(before("pypi"), before("tap"))
        self.assertEqual(before("pypi"), set(jobs) - {"pypi", "tap"})
        runs = [step["run"] for step in jobs["publish"]["steps"] if "run" in step]
        steps = [run.split()[1] for run in runs if run.startswith("scripts/release.sh ")]
        self.assertEqual(steps, ["compiler", "tag", "publish", "move"])
        self.assertEqual(len(runs), 4)
        # A kit is attested by the job that built it.
        self.assertEqual(jobs["kits"]["permissions"]["attestations"], "write")
        self.assertEqual(before("keep-kits"), {"begin", "programs", "keep", "image", "public", "kits"})
        # The tags are the deploy key's, and so is deleting one.
        for name in ("begin", "publish"):
            [checkout] = [s for s in jobs[name]["steps"] if s.get("uses", "").startswith("actions/checkout@")]
            self.assertEqual(checkout["with"], {"ssh-key": "${{ secrets.RELEASE_DEPLOY_KEY }}"}, name)
        # An image is taken again only with the programs that are released.
        labels = [s["with"]["labels"] for s in jobs["image"]["steps"] if "labels" in s.get("with", {})]
        self.assertEqual(len(labels), 2)
        for text in labels:
            self.assertIn("io.github.mlc-package.programs=${{ steps.programs.outputs.digest }}", text)
        # Who builds may not write, and who writes builds nothing.
        for name, job in jobs.items():
            text = json.dumps(job["steps"])
            builds = any(word in text for word in ("cargo build", "build-push-action", "release.sh kit", "release.sh pack"))
            writes = job["permissions"].get("contents") == "write"
            self.assertNotEqual(builds, writes or name in ("public", "pypi", "tap"), name)


class Registry:
    """A registry that gives anybody a token, and with it what is public. `token`: the status of
    what it answers who asks for one; none: it hangs up."""

    def __init__(self, public, anonymous=True, token=200):
        self.tokens = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path.startswith("/token?"):
                    outer.tokens.append(self.path)
                    if token is None:
                        return
                    if token != 200:
                        self.send_response(token)
                        self.end_headers()
                        return
                    body = json.dumps({"token": "anybody"} if anonymous else {"errors": []}).encode()
                    self.send_response(200 if anonymous else 403)
                    self.end_headers()
                    self.wfile.write(body)
                    return
                assert self.path.startswith("/v2/o/r/manifests/sha256:"), self.path
                if self.headers.get("Authorization") != "Bearer anybody":
                    self.send_response(401)
                    realm = f'realm="{outer.url}/token",service="ghcr.io",scope="repository:o/r:pull"'
                    self.send_header("WWW-Authenticate", f"Bearer {realm}")
                elif public is None:
                    return
                else:
                    self.send_response(public)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.name}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class PublicImage(unittest.TestCase):
    def check(self, registry):
        self.addCleanup(registry.server.server_close)
        self.addCleanup(registry.server.shutdown)
        reference = f"{registry.name}/o/r@sha256:{'c' * 64}"
        environment = {**os.environ, "GITHUB_ACTIONS": "true"}
        return subprocess.run(
            [ROOT / "scripts/check-public-image.sh", reference], env=environment, text=True,
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def test_a_public_image_passes(self):
        registry = Registry(200)
        done = self.check(registry)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("scope=repository:o/r:pull", urllib.parse.unquote(registry.tokens[0]))

    def test_a_private_image_stops_the_release(self):
        for registry in (Registry(200, anonymous=False), Registry(403), Registry(404)):
            done = self.check(registry)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertEqual(done.stdout.count("::error title=Release::"), 1, done.stdout)
            self.assertIn("::error title=Release::the image", done.stdout)
            self.assertIn("is private", done.stdout)

    def test_a_registry_that_is_ill_is_not_called_private(self):
        for registry, said in (
            (Registry(418), "answered 418"),
            (Registry(200, token=418), "answered 418"),
            (Registry(None), "Empty reply from server: run this again"),
            (Registry(200, token=None), "Empty reply from server: run this again"),
        ):
            with self.subTest(said):
                done = self.check(registry)
                self.assertEqual(done.returncode, 1, done.stdout)
                [error] = [line for line in done.stdout.splitlines() if line.startswith("::error title=Release::")]
                self.assertIn(said, error)
                self.assertNotIn("private", done.stdout)

    def test_what_is_no_image_is_one_error_too(self):
        done = subprocess.run(
            [ROOT / "scripts/check-public-image.sh", "ghcr.io/o/r@"], text=True, check=False,
            env={**os.environ, "GITHUB_ACTIONS": "true"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertEqual(done.stdout.count("::error title=Release::"), 1, done.stdout)

    def test_the_remedy_names_the_page_to_click_on(self):
        text = (ROOT / "scripts/check-public-image.sh").read_text()
        self.assertIn("https://github.com/orgs/$owner/packages/container/", text)


DOCKER = """#!/bin/sh
[ "$*" = "buildx imagetools inspect $IMAGE --format {{json .}}" ] || exit 9
if [ -n "$SAID" ]; then printf '%s' "$SAID"; else printf 'ERROR: %s\\n' "$ERROR" >&2; exit 1; fi
"""


class PushedImage(unittest.TestCase):
    """The image of an earlier run is taken if it is of the same commit."""

    def ask(self, said="", error=""):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        root = pathlib.Path(directory.name)
        (root / "docker").write_text(DOCKER)
        (root / "docker").chmod(0o755)
        environment = {
            **os.environ, "PATH": f"{root}:{os.environ['PATH']}", "IMAGE": "ghcr.io/o/r:1.0.0",
            "GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(root / "output"), "SAID": said and json.dumps(said), "ERROR": error,
        }
        done = subprocess.run(
            [ROOT / "scripts/pushed-image.sh", "android", "ghcr.io/o/r:1.0.0", "a" * 40, "p" * 64],
            env=environment, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        output = root / "output"
        return done, output.read_text() if output.exists() else ""

    def image(self, *commits, programs="p" * 64):
        """As BuildKit describes an image, or an index of several platforms."""
        def config(commit):
            labels = {"org.opencontainers.image.revision": commit}
            if programs:
                labels["io.github.mlc-package.programs"] = programs
            return {"architecture": "amd64", "config": {"Labels": labels}, "created": None}

        images = [config(commit) for commit in commits]
        image = images[0] if len(images) == 1 else {"linux/amd64": images[0], "linux/arm64": images[1]}
        return {"name": "ghcr.io/o/r:1.0.0", "manifest": {"digest": "sha256:" + "d" * 64}, "image": image}

    def test_an_image_of_this_commit_is_taken(self):
        for commits in (["a" * 40], ["a" * 40] * 2):
            done, output = self.ask(self.image(*commits))
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertEqual(output, "android=sha256:" + "d" * 64 + "\n")

    def test_an_image_of_another_commit_is_built_again(self):
        for commits in (["b" * 40], ["a" * 40, "b" * 40]):
            done, output = self.ask(self.image(*commits))
            self.assertEqual((done.returncode, output), (0, ""), done.stdout)
        # After a restart the same commit has other programs.
        for programs in ("q" * 64, None):
            done, output = self.ask(self.image("a" * 40, programs=programs))
            self.assertEqual((done.returncode, output), (0, ""), done.stdout)
            self.assertIn("has other programs", done.stdout)
        bare = self.image("a")
        bare["image"]["config"]["Labels"] = None
        self.assertEqual(self.ask(bare)[1], "")

    def test_none_is_no_error_and_a_registry_that_is_ill_is_one(self):
        # As registries answer for a package that was never pushed.
        for error in (
            "ghcr.io/o/r:1.0.0: not found",
            "failed to authorize: failed to fetch oauth token: denied: requested access to the resource is denied",
            "failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token: 403 Forbidden",
            "unexpected status: 401 Unauthorized",
            "NAME_UNKNOWN: repository name unknown to registry, name unknown",
        ):
            done, output = self.ask(error=error)
            self.assertEqual((done.returncode, output), (0, ""), done.stdout)
            self.assertNotIn("::error", done.stdout)
        for error in ("unexpected status: 503 Service Unavailable", "dial tcp: i/o timeout"):
            done, _ = self.ask(error=error)
            self.assertEqual(done.returncode, 1, done.stdout)
            [said] = [line for line in done.stdout.splitlines() if line.startswith("::error title=Release::")]
            self.assertIn(error, said)

    def test_an_answer_that_is_no_image_is_one_error(self):
        done, output = self.ask({"image": [], "manifest": {"digest": None}})
        self.assertEqual(output, "")
        bad = self.image("a" * 40)
        del bad["manifest"]
        done, output = self.ask(bad)
        self.assertEqual((done.returncode, output), (1, ""), done.stdout)
        self.assertEqual(done.stdout.count("::error"), 1, done.stdout)


if __name__ == "__main__":
    unittest.main()
