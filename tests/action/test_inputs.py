"""What people write into inputs by mistake, and others on purpose. Nothing of it is run, becomes
a command or an output, or leaves the workspace."""

import json
import os
import shutil
import unittest

from github import GitHub
from scene import VERSION, Scene

# What a shell, the runner or a path would take for something.
HOSTILE = [
    "a\nb",
    "a\n::set-output name=dist::evil",
    "::set-output name=dist::evil",
    "::error::mine",
    "%0A::error::mine",
    '"; touch "$HOME/pwned" #',
    "$(touch $HOME/pwned)",
    "`touch $HOME/pwned`",
    "'; touch $HOME/pwned; '",
    "--version",
    "a\rb",
    "../outside",
    "/etc/passwd",
]
# Inputs that may be any text, or any that is one of few, or a path.
TEXTS = [
    "config", "working-directory", "mode", "binding", "source-dir", "locked", "strict",
    "version", "container", "image", "cache", "cache-weights", "cache-dir", "prefix-key",
    "save-if", "cache-on-failure", "fail-over-budget", "base-ref", "matrix-jobs", "only", "python", "comment", "check-run", "report", "baseline",
    "draft", "prerelease", "output",
]


class Inputs(Scene):
    def assert_untouched(self, run, value):
        """Nothing foreign was obeyed."""
        self.assertFalse((self.root / "home/pwned").exists(), value)
        for record in run.steps.values():
            self.assertNotIn("evil", record["outputs"].values(), value)
        for kind, properties, message in run.said:
            mine = kind == "error" and message == "mine"
            self.assertFalse(mine, f"{value!r} became a command")

    def test_hostile_values_end_in_a_sentence(self):
        for name in TEXTS:
            for value in HOSTILE:
                if (name, value) in [("cache-dir", "/etc/passwd"), ("python", "../outside")]:
                    continue
                with self.subTest(name, value=value):
                    self.job.begin()
                    run = self.use(**{name: value})
                    self.assert_untouched(run, value)
                    # As a path in the workspace it is odd, but harmless.
                    if name in ("output",) and not run.failed:
                        continue
                    self.assertTrue(run.failed, run.log)

    def test_hostile_names_of_a_release_publish_nothing(self):
        github = GitHub()
        self.addCleanup(github.close)
        self.variables["GITHUB_API_URL"] = github.url
        # What is packed once need not be built again for each.
        for name in ("name", "tag-name", "files"):
            for value in ("$(touch $HOME/pwned)", "--version", "../outside", "::error::mine"):
                with self.subTest(name, value=value):
                    run = self.use(**{"tag-name": "v1", "report": "false", name: value})
                    self.assert_untouched(run, value)
                    self.assertTrue(run.failed, run.log)
                    self.assertEqual(github.releases, [])

    def test_what_is_wrong_is_said(self):
        cases = [
            ("mode", "fast", "`mode` cannot be `fast`: expected one of: package libraries plan report"),
            ("cache", "yes", "`cache` cannot be `yes`: expected one of: true false"),
            ("config", "a\nb", "`config` cannot have line breaks"),
            ("config", "../outside.json", "cannot be absolute or go up"),
            ("config", "/etc/passwd", "cannot be absolute or go up"),
            ("config", "nowhere.json", "actions/checkout"),
            ("working-directory", "nowhere", "names no directory"),
            ("output", "../dist", "cannot be absolute or go up"),
            ("source-dir", "nowhere", "names no directory"),
            ("image", "--privileged", "not the name of an image"),
            ("matrix-jobs", "0", "a number from 1 to 256"),
            ("version", "9.9.9", "knows no release 9.9.9"),
            ("version", "../1", "is a release"),
            ("cache-dir", "relative", "absolute path"),
        ]
        for name, value, expected in cases:
            with self.subTest(name, value=value):
                self.job.begin()
                self.refused(expected, **{name: value})

    def test_links_out_of_the_workspace_are_refused(self):
        secret = self.root / "secret.json"
        secret.write_text("the runner's own")
        (self.app / "linked.json").symlink_to(secret)
        run = self.refused("leads out of the repository", config="linked.json")
        self.assertNotIn("the runner's own", run.log)
        (self.app / "out").symlink_to(self.root)
        self.refused("leads out of the repository", output="out/dist")
        self.refused("leads out of the repository", working_directory="out")
        (self.app / "dangling").symlink_to(self.root / "not-there")
        self.use(output="dangling")
        self.assertFalse((self.root / "not-there").exists())

    def test_a_model_id_that_looks_like_a_command(self):
        self.config["model_list"][0]["model_id"] = "::error::mine"
        self.config["model_list"][1]["model_id"] = "::set-output name=dist::evil"
        self.configure()
        run = self.good()
        self.assert_untouched(run, "model_id")
        self.assertEqual(run.outputs["dist"], "dist")
        planned = self.good(mode="plan", only="::error::mine", cache="false")
        self.assert_untouched(planned, "model_id")
        self.assertEqual(json.loads(planned.outputs["matrix"]), {"include": []})

    def test_a_broken_config_is_annotated(self):
        self.config["device"] = "windows-phone"
        self.configure()
        run = self.use()
        self.assertTrue(run.failed)
        places = [properties for kind, properties, _ in run.said if kind == "error"]
        self.assertTrue(any("file=mlc-package-config.json,line=2" in place for place in places))
        self.assertEqual(run.steps["plan"]["outcome"], "skipped")

    def test_windows_is_refused(self):
        run = self.refused("this one has Windows", self.new_job(runner_os="Windows"))
        self.assertEqual(run.steps["install"]["outcome"], "skipped")

    def test_a_failing_compiler_fails_the_job_and_saves_nothing(self):
        self.variables["STAND_IN"] = "exit-1"
        run = self.use()
        self.assertTrue(run.failed)
        self.assertIn("Cannot find quantization", run.log)
        self.assertEqual(self.job.cache.keys(), [])
        self.assertEqual(run.outputs["dist"], "")
        self.assertFalse((self.app / "dist").exists())


class Install(Scene):
    def test_another_program_than_the_released_one_is_refused(self):
        checksums = self.action / "action/checksums.txt"
        checksums.write_text(checksums.read_text().replace(checksums.read_text()[:4], "0000", 1))
        run = self.refused("is not the file that was released")
        self.assertFalse((self.job.temp / "mlc-package/bin/mlc-package").exists())
        self.assertEqual(run.steps["plan"]["outcome"], "skipped")

    def test_a_download_that_fails_names_the_way_round(self):
        self.variables["MLC_PACKAGE_RELEASES_URL"] = f"file://{self.root}/nothing"
        self.refused("MLC_PACKAGE_RELEASES_URL")

    def test_the_source_is_built_by_cargo(self):
        """With a cargo that only writes down what it is asked."""
        tools = self.root / "tools"
        tools.mkdir()
        cargo = tools / "cargo"
        program = self.released / "mlc-package"
        cargo.write_text(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$HOME/cargo-arguments\"\n"
            f'mkdir -p "$RUNNER_TEMP/mlc-package/target/release"\n'
            f'cp {program} "$RUNNER_TEMP/mlc-package/target/release/"\n'
        )
        cargo.chmod(0o755)
        self.variables["PATH"] = f"{tools}:{os.environ['PATH']}"
        run = self.good(version="source")
        self.assertEqual(run.outputs["version"], "source")
        arguments = (self.root / "home/cargo-arguments").read_text().split("\n")
        for expected in ("build", "--release", "--locked"):
            self.assertIn(expected, arguments)

    def test_another_processor_takes_no_image_of_this_one(self):
        tools = self.root / "arm"
        tools.mkdir()
        (tools / "uname").write_text(
            f'#!/bin/sh\nif [ "$1" = -m ] && [ -n "$PRETEND" ]; then echo aarch64; else '
            f'exec {shutil.which("uname")} "$@"; fi\n'
        )
        (tools / "uname").chmod(0o755)
        docker = tools / "docker"
        docker.write_text("#!/bin/sh\nexit 125\n")
        docker.chmod(0o755)
        images = self.action / "action/images.txt"
        images.write_text(f"{VERSION} example.invalid/image@sha256:{'0' * 64}\n")
        self.variables["PATH"] = f"{tools}:{os.environ['PATH']}"
        run = self.refused("the container engine `docker` does not answer")
        self.assertEqual(run.steps["plan"]["exit"], 12)
        # Built from source, so that there is a program for the machine that is pretended.
        self.variables["PRETEND"] = "yes"
        images.write_text(images.read_text().replace(VERSION, "source"))
        cargo = tools / "cargo"
        cargo.write_text(
            '#!/bin/sh\nmkdir -p "$RUNNER_TEMP/mlc-package/target/release"\n'
            f'cp {self.released / "mlc-package"} "$RUNNER_TEMP/mlc-package/target/release/"\n'
        )
        cargo.chmod(0o755)
        self.job.begin()
        run = self.good(version="source")
        self.assertTrue(any("is for x86_64" in text for _, _, text in run.said), run.said)

    def test_without_docker_the_machines_compiler_is_used(self):
        images = self.action / "action/images.txt"
        images.write_text(f"{VERSION} example.invalid/image@sha256:{'0' * 64}\n")
        self.variables["PATH"] = self.tools_without("docker")
        run = self.good()
        self.assertTrue(any("there is no docker here" in text for _, _, text in run.said), run.said)

    def test_without_cargo_the_source_is_refused(self):
        self.variables["PATH"] = self.tools_without("cargo")
        self.refused("there is no cargo", version="source")

    def tools_without(self, missing):
        """A PATH with all of this machine's programs but one."""
        tools = self.root / "some-tools"
        tools.mkdir()
        for directory in os.environ["PATH"].split(":"):
            for name in os.listdir(directory) if os.path.isdir(directory) else []:
                link = tools / name
                if name != missing and not link.is_symlink():
                    link.symlink_to(os.path.join(directory, name))
        return str(tools)


if __name__ == "__main__":
    unittest.main()
