"""The main path: a package is made, and the next run compiles only what changed."""

import json
import os
import pathlib
import shutil
import sys
import unittest

from scene import PROGRAM, VERSION, Scene
from terminal import shown_at


class Package(Scene):
    def kept(self):
        """The entries of libraries in GitHub's cache."""
        return [key for key in self.job.cache.keys() if "-libs-" in key]

    def test_a_package_is_made_and_the_next_run_hits(self):
        first = self.good()
        self.assertEqual(sorted(self.compilations()), ["one_layer", "other_layer"])
        self.assertEqual(first.outputs["libs-compiled"], "2")
        self.assertEqual(first.outputs["cache-hit"], "false")
        self.assertEqual(first.outputs["dist"], "dist")
        self.assertEqual(first.outputs["version"], VERSION)
        self.assertEqual(first.outputs["device"], "android")
        manifest = json.loads((self.app / first.outputs["manifest"]).read_text())
        self.assertEqual(len(manifest["models"]), 2)
        self.assertEqual(len(self.kept()), 1)

        self.job.begin()
        shutil.rmtree(self.app / "dist")
        second = self.good()
        self.assertEqual(second.outputs["libs-compiled"], "0")
        self.assertEqual(second.outputs["cache-hit"], "true")
        self.assertEqual(len(self.compilations()), 2)
        self.assertTrue((self.app / "dist/lib/libmodel_android.a").is_file())
        self.assertEqual(len(self.kept()), 1)

    def test_one_changed_model_compiles_alone_and_drags_nothing_along(self):
        self.good()
        self.change_model("one")
        self.job.begin()
        changed = self.good()
        self.assertEqual(changed.outputs["libs-compiled"], "1")
        self.assertEqual(len(self.compilations()), 3)
        entry = [entry for _, key, entry in self.job.cache.entries() if "-libs-" in key][-1]
        libraries = [name for name in os.listdir(entry / "0") if not name.startswith(".")]
        self.assertEqual(len(libraries), 2, "the library of before is still in the cache")

    def test_jobs_share_the_work_and_one_puts_it_together(self):
        planned = self.good(mode="plan")
        self.assertEqual(planned.outputs["libs-to-compile"], "2")
        self.assertEqual(planned.outputs["dist"], "")
        jobs = json.loads(planned.outputs["matrix"])["include"]
        self.assertEqual([job["only"] for job in jobs], ["one-q0f16", "other-q0f16"])
        artifacts = self.root / "artifacts"
        for job in jobs:
            self.job.begin()
            made = self.good(mode="libraries", only=job["only"])
            self.assertEqual(made.outputs["libs-compiled"], "1")
            self.assertEqual(len(os.listdir(made.outputs["libs-path"])), 1)
            self.assertFalse((self.app / "dist").exists())
            shutil.copytree(made.outputs["libs-path"], artifacts, dirs_exist_ok=True)
        self.assertEqual(self.kept(), [], "only the whole is saved")
        self.job.begin()
        libraries = self.job.temp / "mlc-package/cache/libs"
        shutil.copytree(artifacts, libraries)
        whole = self.good()
        self.assertEqual(whole.outputs["libs-compiled"], "0")
        self.assertEqual(len(self.compilations()), 2)
        self.job.begin()
        self.assertEqual(json.loads(self.good(mode="plan").outputs["matrix"]), {"include": []})

    def test_a_job_passes_on_only_what_it_compiled(self):
        """And nothing of what the cache had."""
        self.good()
        self.change_model("one")
        self.job.begin()
        made = self.good(mode="libraries", only="one-q0f16")
        self.assertEqual(made.outputs["libs-compiled"], "1")
        self.assertEqual(len(os.listdir(made.outputs["libs-path"])), 1)
        self.assertGreater(len(os.listdir(self.job.temp / "mlc-package/cache/libs")), 1)

    def test_a_job_of_several_libraries_passes_on_those_that_compiled(self):
        self.variables.update(STAND_IN="exit-1", STAND_IN_ONLY="other_layer")
        run = self.use(mode="libraries")
        self.assertTrue(run.failed)
        [compiled] = os.listdir(run.outputs["libs-path"])
        libraries = self.job.temp / "mlc-package/cache/libs"
        self.assertTrue((libraries / compiled / "lib.tar").is_file())

    def test_a_job_that_compiled_nothing_passes_on_nothing(self):
        """And not what the cache had, if the build ends before it says what it compiled."""
        self.good()
        self.change_model("one")
        self.job.begin()
        tools = self.root / "tools"
        tools.mkdir()
        (tools / "cp").write_text("#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n")
        (tools / "cp").chmod(0o755)
        self.variables["PATH"] = f"{tools}:{os.environ['PATH']}"
        run = self.refused("the build failed", mode="libraries")
        self.assertTrue(os.listdir(self.job.temp / "mlc-package/cache/libs"))
        self.assertEqual(run.outputs["libs-path"], "")

    def test_what_compiled_is_saved_where_another_library_fails(self):
        self.variables.update(STAND_IN="exit-1", STAND_IN_ONLY="other_layer")
        run = self.use()
        self.assertTrue(run.failed)
        [error] = run.errors()
        self.assertIn("model other-q0f16: failed to compile `other_layer`", error)
        self.assertIn("ValueError: Cannot find quantization: q5", error)
        [log] = list(pathlib.Path(run.outputs["logs"]).iterdir())
        self.assertTrue(log.read_text().endswith("ValueError: Cannot find quantization: q5\n"))
        [key] = self.kept()
        self.assertIn("-partial-", key)

        # It fails again, and there is nothing more to save.
        self.job.begin()
        self.use()
        self.assertEqual(sorted(self.compilations()), ["one_layer", "other_layer", "other_layer"])
        self.assertEqual(self.kept(), [key])

        # Put right, only that library is compiled, and all are saved as whole.
        del self.variables["STAND_IN"], self.variables["STAND_IN_ONLY"]
        self.job.begin()
        whole = self.good()
        self.assertEqual(whole.outputs["libs-compiled"], "1")
        self.assertEqual(len(self.kept()), 2)
        self.assertTrue(key.startswith(self.kept()[1] + "-partial-"), self.kept())
        self.job.begin()
        self.assertEqual(self.good().outputs["cache-hit"], "true")

    def test_what_compiled_is_not_saved_where_nobody_wants_that(self):
        self.variables.update(STAND_IN="exit-1", STAND_IN_ONLY="other_layer")
        self.assertTrue(self.use(cache_on_failure="false").failed)
        self.assertEqual(self.kept(), [])

    def test_a_run_says_what_there_is_to_compile_once_the_caches_are_back(self):
        self.good()
        self.job.begin()
        self.assertNotIn("to compile", self.good().log)
        self.job.begin()
        planned = self.good(mode="plan").log
        self.assertEqual(planned.count("to compile"), 1, planned)
        self.assertIn("0 to compile", planned)

    @unittest.skipUnless(sys.platform == "linux", "reads the program's variables out of /proc")
    def test_the_jobs_own_token_and_directory_of_the_hub_hold(self):
        own = self.root / "own"
        self.variables.update(HF_HOME=str(own), HF_TOKEN="of-the-job")
        self.variables["MLC_PACKAGE_PYTHON"] = str(self.tell_variables())
        told = self.root / "told"
        self.good()
        self.assertEqual(told.read_text().split("\n")[0], f"{own} of-the-job []")
        told.unlink()
        self.variables["MLC_JIT_POLICY"] = "REDO"
        self.good(hf_token="of-the-input")
        self.assertEqual(told.read_text().split("\n")[0], f"{own} of-the-input []")

    def tell_variables(self):
        """A Python that writes down the Hub's directory and the token that the program has, and
        the token that it was given itself: none."""
        python = self.root / "python"
        python.write_text(
            "#!/bin/sh\n"
            "token=$(tr '\\0' '\\n' </proc/$PPID/environ | sed -n 's/^HF_TOKEN=//p')\n"
            f'echo "$HF_HOME $token [$HF_TOKEN]" >>{self.root}/told\n'
            f'exec {sys.executable} "$@"\n'
        )
        python.chmod(0o755)
        return python

    def test_a_cache_that_does_not_answer_is_a_warning(self):
        self.job.cache.broken = True
        run = self.good()
        self.assertEqual(run.outputs["libs-compiled"], "2")
        warnings = [message for kind, _, message in run.said if kind == "warning"]
        self.assertTrue(any("503" in message for message in warnings))
        self.assertEqual(run.steps["restore-libs"]["outcome"], "failure")

    def test_caches_can_be_left_alone(self):
        self.good(cache="false")
        self.good(save_if="false")
        self.assertEqual(self.kept(), [])

    def test_a_directory_of_a_self_hosted_runner_outlives_jobs(self):
        kept = self.root / "kept"
        other = self.good(cache_dir=str(kept), only="other-q0f16")
        self.assertEqual(other.outputs["libs-compiled"], "1")
        self.job.begin()
        self.good(cache_dir=str(kept), only="one-q0f16")
        self.job.begin()
        self.assertEqual(self.good(cache_dir=str(kept)).outputs["libs-compiled"], "0")
        self.assertEqual(self.kept(), [])

    def test_an_app_in_a_directory_of_its_own(self):
        shutil.move(self.app / "models", self.app / "apps/chat/models")
        self.configure("apps/chat/android.json")
        run = self.good(working_directory="apps/chat", config="android.json", output="out/android")
        self.assertEqual(run.outputs["dist"], "apps/chat/out/android")
        self.assertTrue((self.app / run.outputs["manifest"]).is_file())

    def test_nothing_of_a_job_is_outside_its_directories(self):
        self.good()
        self.assertEqual(os.listdir(self.root / "home"), [])

    def test_every_event_of_a_workflow(self):
        for event in ("push", "pull_request", "fork", "merge_group", "release", "workflow_run"):
            with self.subTest(event):
                self.assertIn(self.good(self.new_job(event)).outputs["libs-compiled"], ("0", "2"))

    def test_an_event_file_that_is_not_there(self):
        job = self.new_job()
        self.assertFalse(job.event_path.exists())
        self.good(job)


class Terminal(Scene):
    """Some services give a job a terminal; its log has no use for what moves there."""

    def build(self, **variables):
        """What `build` writes to a terminal."""
        shutil.rmtree(self.root / "cache", ignore_errors=True)
        environment = {**self.job.variables(), "TERM": "xterm", **variables}
        environment["MLC_PACKAGE_CACHE_DIR"] = str(self.root / "cache")
        for name in ("GITHUB_ACTIONS", "CI"):
            if name not in variables:
                del environment[name]
        command = [PROGRAM, "build", "--no-binding"]
        shown, code = shown_at(command, cwd=self.app, env=environment)
        self.assertEqual(code, 0, shown)
        return shown

    def test_nothing_moves_in_a_job(self):
        # A person sees a spinner, which is drawn over.
        self.assertIn(b"\x1b[2K", self.build())
        for variables in ({"CI": "true"}, {"GITHUB_ACTIONS": "true"}):
            with self.subTest(variables):
                shown = self.build(**variables)
                self.assertIn(b"Compiling", shown)
                self.assertNotRegex(shown, rb"\x1b\[[0-9]*[A-K]|\r(?!\n)")


class Image(Scene):
    def test_a_run_that_compiles_nothing_starts_no_image_and_no_python(self):
        self.assertEqual(self.good(container="never").outputs["libs-compiled"], "2")
        self.release_image()
        run = self.good(self.new_job())
        self.assertEqual((run.outputs["cache-hit"], run.outputs["libs-compiled"]), ("true", "0"))
        run = self.good(self.new_job(), mode="plan")
        self.assertEqual(run.outputs["libs-to-compile"], "0")
        self.assertEqual(self.docker_calls(), [])
        # What is missing is known without it too, and compiled by it alone.
        self.change_model("one")
        run = self.good(self.new_job(), mode="plan")
        self.assertEqual(run.outputs["libs-to-compile"], "1")
        self.assertEqual(self.docker_calls(), [])
        self.refused("the container engine `docker` does not answer", self.new_job())
        self.assertNotEqual(self.docker_calls(), [])


@unittest.skipUnless(sys.platform == "linux", "a kit is built as on Linux")
class Kit(Scene):
    """A package with its platform binding, on a machine that has nothing to build one."""

    def built(self, job=None, **inputs):
        return self.good(job, **{"binding": "true", "container": "never", **inputs})

    def library(self):
        return self.app / "dist/lib/mlc4j/output/arm64-v8a/libtvm4j_runtime_packed.so"

    def test_the_kit_of_the_release_is_downloaded_once(self):
        asked = self.release_kit()
        first = self.built()
        self.assertEqual(asked.count("kit-android.tar.zst"), 1)
        self.assertTrue(self.library().is_file())
        whole = self.library().read_bytes()
        self.assertEqual(len([key for key in self.job.cache.keys() if "-kit-" in key]), 1)
        # From here on nothing may start an image: a package is linked on this machine.
        self.release_image()
        shutil.rmtree(self.app / "dist")
        second = self.built(self.new_job(), container="auto")
        self.assertEqual(second.outputs["libs-compiled"], "0")
        self.assertEqual(asked.count("kit-android.tar.zst"), 1, "the kit was in GitHub's cache")
        self.assertEqual(self.docker_calls(), [])
        self.assertEqual(self.library().read_bytes(), whole)
        manifest = json.loads((self.app / first.outputs["manifest"]).read_text())
        self.assertTrue(manifest["binding"]["inputs"]["kit"].startswith("sha256:"))

    def test_a_plan_downloads_no_kit(self):
        asked = self.release_kit()
        self.built(mode="plan")
        self.assertEqual(asked.count("kit-android.tar.zst"), 0)

    def test_a_file_of_the_repository_is_a_kit_too(self):
        self.release_kit()
        [kit] = self.released.glob("releases/v*/kit-android.tar.zst")
        shutil.copy(kit, self.app / "kit.tar.zst")
        (self.action / "action/kits.json").write_text("{}")
        self.built(kit="kit.tar.zst")
        self.assertTrue(self.library().is_file())
        digest = "0" * 64
        self.refused("its SHA-256 is", self.new_job(), binding="true", kit=f"kit.tar.zst#sha256={digest}")

    def test_without_a_kit_sources_are_named(self):
        self.refused("which the platform binding is built, are not named", binding="true")
        self.release_kit()
        self.refused("which the platform binding is built, are not named", self.new_job(), binding="true", kit="source")

    def test_an_iphone_package_is_whole_on_linux(self):
        self.release_kit("iphone")
        self.config["device"] = "iphone"
        self.configure()
        self.built()
        libraries = sorted(path.name for path in (self.app / "dist/lib").iterdir())
        self.assertGreater(len(libraries), 3, libraries)
        self.assertIn("libmodel_iphone.a", libraries)


if __name__ == "__main__":
    unittest.main()
