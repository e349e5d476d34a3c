"""The images at work: `tool` with what the runner gives a container, and the action that runs
its compiler in an image. Run by scripts/test-container.sh, as several users."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import tomllib
import unittest

from scene import DATA, PROGRAM, ROOT, Scene, make_kit

IMAGES = os.environ["MLC_PACKAGE_TEST_IMAGES"]
DOCKER = os.environ["MLC_PACKAGE_TEST_DOCKER"]


class Container(Scene):
    def docker(self, *arguments, user=None, check=True, image="tool", **variables):
        """`docker run` of an image that has the program, with the directories that a job has."""
        job = self.job
        ids = user or f"{os.getuid()}:{os.getgid()}"
        command = [
            DOCKER, "run", "--rm", "--user", ids, "--workdir", str(job.workspace),
            "--volume", f"{job.workspace}:{job.workspace}", "--volume", f"{job.temp}:{job.temp}",
        ]
        for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "GITHUB_OUTPUT"):
            value = {**job.variables(), "GITHUB_OUTPUT": str(job.temp / "output")}[name]
            command += ["--env", f"{name}={value}"]
        for name, value in variables.items():
            command += ["--env", f"{name}={value}"]
        done = subprocess.run(
            [*command, f"{IMAGES}/{image}", *arguments], text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        if check:
            self.assertEqual(done.returncode, 0, done.stdout)
        return done

    def assert_mine(self, directory):
        files = [directory, *directory.rglob("*")]
        self.assertGreater(len(files), 3)
        foreign = [str(path) for path in files if path.lstat().st_uid != os.getuid()]
        self.assertEqual(foreign, [])

    def prepared(self):
        """The config with libraries that are compiled already: `tool` has no compiler."""
        self.config["model_lib_path_for_prepare_libs"] = {}
        for name, kind in (("one", ""), ("other", "other-")):
            shutil.copy(DATA / f"libraries/{kind}android.tar", self.app / f"{name}.tar")
            self.config["model_lib_path_for_prepare_libs"][f"{name}_layer"] = f"{name}.tar"
        self.configure()

    def test_what_tool_writes_belongs_to_the_caller(self):
        self.prepared()
        done = self.docker("build", "--no-binding", "--format", "github")
        self.assertIn("2 models for android", done.stdout)
        self.assert_mine(self.app / "dist")
        self.assertIn("libs-compiled", (self.job.temp / "output").read_text())

    def test_any_user_may_run_tool(self):
        self.prepared()
        self.app.chmod(0o777)
        for user in ("65532:65532", "4711:4711"):
            with self.subTest(user):
                shutil.rmtree(self.app / "dist", ignore_errors=True)
                self.docker("check", "--format", "github", user=user)
                self.docker("plan", user=user)

    def test_tool_checks_a_config_and_says_where_the_compiler_is_not(self):
        done = self.docker("plan", check=False)
        self.assertEqual(done.returncode, 12, done.stdout)
        self.assertIn("no Python", done.stdout)

    def test_tool_has_git_and_certificates(self):
        command = [DOCKER, "run", "--rm", "--entrypoint", "/usr/bin/git", f"{IMAGES}/tool", "--version"]
        self.assertIn("git version", subprocess.check_output(command, text=True))
        create = [DOCKER, "create", f"{IMAGES}/tool"]
        container = subprocess.check_output(create, text=True).strip()
        self.addCleanup(subprocess.run, [DOCKER, "rm", container], stdout=subprocess.DEVNULL)
        copied = self.root / "certificates.crt"
        source = f"{container}:/etc/ssl/certs/ca-certificates.crt"
        subprocess.run([DOCKER, "cp", source, str(copied)], check=True, stdout=subprocess.DEVNULL)
        self.assertIn("BEGIN CERTIFICATE", copied.read_text())

    def test_android_has_the_tools_that_toolchain_toml_pins(self):
        pinned = tomllib.loads((ROOT / "toolchain.toml").read_text())["tools"]
        script = (
            '"$JAVA_HOME/bin/javac" -version 2>&1; /opt/venv/bin/python --version;'
            "/opt/venv/bin/pip --version; ccache --version; g++ --version; git --version"
        )
        command = [
            DOCKER, "run", "--rm", "--user", "4711:4711", f"{IMAGES}/android-tools",
            "/bin/bash", "-euc", script,
        ]
        said = subprocess.check_output(command, text=True)
        self.assertRegex(said, rf"(?m)^javac {pinned['jdk']}\.")
        self.assertRegex(said, rf"(?m)^Python {re.escape(pinned['python'])}\.")
        self.assertRegex(said, r"(?m)^pip \d")

    def use_image(self, **inputs):
        # The compiler of this machine must not be the one that answers.
        for name in ("MLC_PACKAGE_PYTHON", "PYTHONPATH"):
            self.variables[name] = str(self.root / "no-compiler")
        self.variables["PATH"] = f"{pathlib.Path(DOCKER).parent}:{os.environ['PATH']}"
        self.variables["DOCKER_HOST"] = os.environ.get("DOCKER_HOST", "")
        return self.good(image=f"{IMAGES}/compiler", **inputs)

    def test_the_action_compiles_in_the_image(self):
        first = self.use_image()
        self.assertEqual(first.outputs["libs-compiled"], "2")
        self.assert_mine(self.app / "dist")
        self.assert_mine(self.job.temp / "mlc-package")
        manifest = json.loads((self.app / first.outputs["manifest"]).read_text())
        self.assertEqual(manifest["compiler"]["tvm"]["version"], "0.26.0")
        self.job.begin()
        second = self.use_image()
        self.assertEqual(second.outputs["cache-hit"], "true")

    def test_a_runner_may_keep_the_files_of_outputs_where_no_container_sees_them(self):
        self.job.file_commands = self.root / "elsewhere"
        self.job.begin()
        made = self.use_image()
        self.assertEqual(made.outputs["libs-compiled"], "2")
        self.assertEqual(made.outputs["device"], "android")

    def test_a_directory_that_outlives_jobs_is_in_the_container_too(self):
        kept = self.root / "kept"
        self.assertEqual(self.use_image(cache_dir=str(kept)).outputs["libs-compiled"], "2")
        self.job.begin()
        self.assertEqual(self.use_image(cache_dir=str(kept)).outputs["libs-compiled"], "0")
        self.assert_mine(kept)

    def bare(self, *arguments, **variables):
        """The program on this machine, which has an engine and no compiler."""
        environment = {
            "HOME": str(self.root / "home"),
            "PATH": f"{pathlib.Path(DOCKER).parent}:{os.environ['PATH']}",
            "DOCKER_HOST": os.environ.get("DOCKER_HOST", ""),
            "MLC_PACKAGE_PYTHON": str(self.root / "no-python"),
            "MLC_PACKAGE_COMPILER_IMAGE": f"{IMAGES}/compiler",
            "MLC_PACKAGE_CONTAINER_ENGINE": "docker",
            "MLC_PACKAGE_CHECK_KERNELS": "never",
            **variables,
        }
        return subprocess.Popen(
            [PROGRAM, *arguments], env=environment, cwd=self.app, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def finished(self, process, code=0):
        said, _ = process.communicate(timeout=300)
        self.assertEqual(process.returncode, code, said)
        return said

    def test_the_program_starts_the_compiler_in_the_image(self):
        build = ("build", "--no-binding", "--jobs", "2")
        self.assertIn("2 compiled", self.finished(self.bare(*build)))
        self.assert_mine(self.app / "dist")
        self.assert_mine(self.root / "home/.cache/mlc-package")
        self.assertIn("2 cached", self.finished(self.bare(*build)))
        self.assertEqual(self.containers(), [])

    def containers(self):
        listed = subprocess.check_output([DOCKER, "ps", "--all", "--format", "{{.Names}}"], text=True)
        return [name for name in listed.split() if name.startswith("mlc-package-")]

    def test_ctrl_c_ends_the_container(self):
        process = self.bare("compile", "models/one", "--device", "android", "-o", "one.tar",
                            "--system-lib-prefix", "one_layer_",
                            MLC_PACKAGE_COMPILER_IMAGE=f"{IMAGES}/waiting")
        for _ in range(600):
            if self.containers() or process.poll() is not None:
                break
            time.sleep(0.1)
        self.assertEqual(len(self.containers()), 1)
        process.send_signal(signal.SIGINT)
        self.finished(process, 130)
        self.assertEqual(self.containers(), [])

    def test_what_an_engine_refuses_has_its_remedy(self):
        said = self.finished(self.bare("plan", MLC_PACKAGE_COMPILER_IMAGE="mlc-package-test.invalid/n:1"), 12)
        self.assertIn("could not be pulled", said)
        said = self.finished(self.bare("plan", DOCKER_HOST=f"unix://{self.root}/no.sock"), 12)
        self.assertIn("does not answer", said)
        said = self.finished(self.bare("plan", MLC_PACKAGE_COMPILER_IMAGE=f"{IMAGES}/tool"), 12)
        self.assertIn("has no `python` that can be run", said)

    def test_tvm_itself_compiles_in_the_image(self):
        shutil.rmtree(self.app)
        shutil.copytree(ROOT / "examples/tiny", self.app, ignore=shutil.ignore_patterns("dist"))
        config = "android/mlc-package-config.json"
        said = self.finished(self.bare(
            "build", "--no-binding", "--package-config", config,
            MLC_PACKAGE_COMPILER_IMAGE=f"{IMAGES}/tiny",
        ))
        self.assertIn("2 compiled", said)
        said = self.finished(self.bare(
            "try", "models/tiny-llama-q4f16_1", "--tokens", "4", "--max-perplexity", "10000",
            MLC_PACKAGE_COMPILER_IMAGE=f"{IMAGES}/tiny",
        ))
        self.assertIn("perplexity", said)

    def test_a_kit_travels_between_an_engine_and_the_machine(self):
        """Both link by the image's lld: another version of it says so in the library."""
        self.prepared()
        kit, back = self.job.workspace / "kit.tar.zst", self.job.workspace / "back.tar.zst"
        make_kit(self.root / "kit", "android", kit)
        library = self.app / "dist/lib/mlc4j/output/arm64-v8a/libtvm4j_runtime_packed.so"
        home = self.job.temp / "inside"
        home.mkdir()
        inside = {"image": "linking", "HOME": str(home)}
        self.docker("kit", "import", str(kit), **inside)
        self.docker("build", **inside)
        linked = library.read_bytes()
        self.docker("kit", "export", "--output", str(back), **inside)
        self.assertEqual(back.read_bytes(), kit.read_bytes())

        tools = self.root / "linker"
        tools.mkdir()
        (tools / "ld.lld").write_text(
            f"#!/bin/sh\nexec {DOCKER} run --rm --user {os.getuid()}:{os.getgid()} "
            f'--volume {self.root}:{self.root} --entrypoint /usr/bin/ld.lld {IMAGES}/linking "$@"\n'
        )
        (tools / "ld.lld").chmod(0o755)
        for arguments in (("kit", "import", str(back)), ("build",)):
            shutil.rmtree(self.app / "dist", ignore_errors=True)
            self.finished(self.bare(
                *arguments, PATH=f"{tools}:{os.environ['PATH']}", HOME=str(self.root / "machine"),
                MLC_PACKAGE_COMPILER_IMAGE="", TMPDIR=str(self.job.temp),
            ))
        self.assertEqual(library.read_bytes(), linked)
        self.assert_mine(self.app / "dist")

    def test_an_image_that_is_not_there_names_the_way_round(self):
        self.variables["DOCKER_HOST"] = os.environ.get("DOCKER_HOST", "")
        self.refused("`container: never`", image="mlc-package-test.invalid/none:1")


if __name__ == "__main__":
    unittest.main()
