"""One call for every package of a mlc-package.yml: they share a check, the caches, a report and a
release."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

from ruamel.yaml import YAML

from github import GitHub
from runner import assignments
from scene import ROOT, Scene, model

DEVICES = {"chat": "android", "extra": "android", "notes": "android", "watch": "iphone"}


class Several(Scene):
    def setUp(self):
        super().setUp()
        (self.app / "mlc-package-config.json").unlink()
        self.project("chat", "notes")
        self.package("chat", "one")
        # Both need the library of `one`, and it is the same.
        self.package("notes", "one", "other")

    def project(self, *names, more=""):
        lines = [f"- {{ name: {name}, config: {name}/config.json }}\n" for name in names]
        (self.app / "mlc-package.yml").write_text("packages:\n" + "".join(lines) + more)

    def package(self, name, *models):
        self.config = {"device": DEVICES[name], "model_list": [model(it) for it in models]}
        for entry in self.config["model_list"]:
            entry["model"] = f"../{entry['model']}"
        self.configure(f"{name}/config.json")

    def kept(self, kind):
        return [key for key in self.job.cache.keys() if f"-{kind}" in key]

    def github(self):
        github = GitHub()
        self.addCleanup(github.close)
        self.variables["GITHUB_API_URL"] = github.url
        return github

    def grow(self, name):
        path = self.app / f"models/{name}/tokenizer.json"
        path.write_text(path.read_text() + " " * 300_000)

    def test_container_never_stands_against_an_image_of_the_project(self):
        (self.app / "mlc-package.yml").write_text(
            "packages:\n- name: chat\n  config: chat/config.json\n"
            "  compiler-image: example.invalid/compiler:1\n"
        )
        run = self.good(container="never")
        self.assertEqual(run.outputs["libs-compiled"], "1")

    def test_all_packages_are_made_and_the_next_run_hits(self):
        first = self.good(self.new_job("push"))
        self.assertEqual(sorted(self.compilations()), ["one_layer", "other_layer"])
        self.assertEqual(first.outputs["packages"], "chat\nnotes")
        self.assertEqual(first.outputs["device"], "android")
        self.assertEqual(first.outputs["libs-compiled"], "2")
        self.assertEqual(first.outputs["cache-hit"], "false")
        self.assertEqual(first.outputs["dist"], "chat/dist\nnotes/dist")
        models = [
            len(json.loads((self.app / manifest).read_text())["models"])
            for manifest in first.outputs["manifest"].splitlines()
        ]
        self.assertEqual(models, [1, 2])
        self.assertEqual((len(self.kept("libs")), len(self.kept("manifest"))), (1, 1))
        self.assertEqual(first.summary.count("### Model package size"), 1)

        for name in ("chat", "notes"):
            shutil.rmtree(self.app / name / "dist")
        second = self.good(self.new_job("push"))
        self.assertEqual(second.outputs["cache-hit"], "true")
        self.assertEqual(len(self.compilations()), 2)
        self.assertTrue((self.app / "notes/dist/lib/libmodel_android.a").is_file())
        self.assertEqual(len(self.kept("libs")), 1)

    def test_a_change_of_one_package_leaves_the_others_libraries(self):
        self.good()
        self.change_model("other")
        self.job.begin()
        self.assertEqual(self.good().outputs["libs-compiled"], "1")
        entry = [entry for _, key, entry in self.job.cache.entries() if "-libs-" in key][-1]
        libraries = [name for name in os.listdir(entry / "0") if not name.startswith(".")]
        self.assertEqual(len(libraries), 2)

    def test_each_package_is_compared_with_its_own_baseline(self):
        """A new one that is like another must not take that one's."""
        pushed = self.good(self.new_job("push"))
        self.assertIn("no baseline", pushed.summary)
        self.project("extra", "notes", "chat")
        self.package("extra", "one")
        run = self.good(self.new_job("pull_request"))
        baselines = run.outputs["baseline"].splitlines()
        self.assertEqual(len(baselines), 2, run.log)
        self.assertTrue(all(pathlib.Path(path).is_file() for path in baselines))
        sections = {part.split("`")[0]: part for part in run.summary.split("#### `")[1:]}
        self.assertEqual(list(sections), ["extra", "notes", "chat"])
        for name, section in sections.items():
            self.assertEqual("no baseline" in section, name == "extra", section)
            self.assertEqual("base `fffffff`" in section, name != "extra", section)
        self.assertEqual(len(self.kept("manifest")), 1, "a pull request is nobody's baseline")

    def test_a_growth_is_told_at_its_package(self):
        self.good(self.new_job("push"))
        self.grow("other")
        github = self.github()
        run = self.good(self.new_job("pull_request"), comment="on-change", token="the-token")
        self.assertNotIn("no baseline", run.summary)
        self.assertIn("+293.0 KiB", run.summary)
        self.assertEqual(len(github.comments), 1, run.log)
        self.assertIn("notes", github.comments[0]["body"])

    def test_a_second_workflow_comments_on_all_packages_of_a_fork(self):
        """With what uploads and downloads of artifacts make of the outputs' paths."""
        self.good(self.new_job("push"))
        self.grow("other")
        built = self.good(self.new_job("fork"))
        sizes = pathlib.Path(built.outputs["sizes"])
        self.assertEqual(sorted(os.listdir(sizes)), ["chat", "notes"])
        for name in ("chat", "notes"):
            shutil.rmtree(self.app / name / "dist")
        untrusted = self.app / "untrusted"
        shutil.copytree(sizes, untrusted)
        found = self.found()
        self.assertEqual(found["base-ref"], "f" * 40)
        self.assertIn("chat=untrusted/chat/manifest.json", found["manifest"].splitlines())
        github = self.github()
        github.pulls = [{"number": 7, "head": "a" * 40}]
        run = self.good(self.new_job("workflow_run"), comment="always", **found)
        self.assertEqual(len(github.comments), 1, run.log)
        body = github.comments[0]["body"]
        for expected in ("+293.0 KiB", "`chat`", "`notes`", "base `fffffff`"):
            self.assertIn(expected, body)
        self.assertNotIn("no baseline", body)
        self.assertNotIn("untrusted", body)

        # However the file is written, and with the names of a config that it does not list.
        for text in (
            '{"packages": [{"name": "chat", "config": "chat/config.json"}, {"name": "notes", "config": "notes/config.json"}]}\n',
            "packages:\r\n- name : chat\r\n  config: chat/config.json\r\n"
            "- config: notes/config.json\r\n  'name':\r\n    notes\r\n",
            "packages:\n- { name: renamed, config: chat/config.json }\n",
        ):
            with self.subTest(text):
                (self.app / "mlc-package.yml").write_bytes(text.encode())
                self.assertEqual(self.found(), found)
                run = self.good(self.new_job("workflow_run"), comment="always", **found)
                body = github.comments[0]["body"]
                self.assertIn("`renamed`" if "renamed" in text else "`chat`", body)
                self.assertIn("`notes`", body)
                self.assertNotIn("no baseline", body)

        # The repository's own budgets hold.
        self.project("chat", "notes", more="budgets:\n  package:\n    shipped: { fail: { max: 1KiB } }\n")
        run = self.good(self.new_job("workflow_run"), comment="always", fail_over_budget="false", **found)
        self.assertIn("over budget", github.comments[0]["body"])

        # Of what a stranger calls a manifest only files that are there are read, under names.
        secret = self.root / "secret.json"
        secret.write_text((untrusted / "chat/manifest.json").read_text())
        (untrusted / "linked").mkdir()
        (untrusted / "linked/manifest.json").symlink_to(secret)
        (untrusted / "elsewhere").symlink_to(self.root)
        (untrusted / "notes/base").write_text("$(touch pwned)\n")
        (untrusted / "chat/base").write_text("END-OF-LIST\n")
        for name in ("x\nEND-OF-LIST", "a b", "--version"):
            (untrusted / name).mkdir()
            (untrusted / name / "manifest.json").write_text("{}")
        hostile = self.found()
        self.assertEqual((hostile["manifest"], hostile["base-ref"]), (found["manifest"], ""))

        # A run that left nothing is nothing to comment on.
        shutil.rmtree(untrusted)
        self.assertEqual(self.found()["manifest"], "")

    def found(self):
        """What the workflow's own step finds."""
        workflow = YAML(typ="safe").load((ROOT / ".github/workflows/comment.yml").read_text())
        steps = workflow["jobs"]["comment"]["steps"]
        script = next(step["run"] for step in steps if step.get("id") == "found")
        outputs = self.root / "outputs"
        outputs.write_text("")
        subprocess.run(
            ["bash", "-e", "-c", script], cwd=self.app, check=True,
            env={"PATH": os.environ["PATH"], "GITHUB_OUTPUT": str(outputs)},
        )
        values = assignments(outputs.read_text())
        return {
            "mode": "report", "manifest": values["manifests"], "baseline": values["baselines"],
            "base-ref": values["base"],
        }

    def test_the_baseline_of_the_time_before_there_were_two(self):
        self.project("chat")
        alone = self.good(self.new_job("push"))
        self.assertEqual((alone.outputs["packages"], alone.outputs["dist"]), ("chat", "chat/dist"))
        self.project("chat", "watch")
        self.package("watch", "other")
        run = self.good(self.new_job("pull_request"))
        self.assertEqual(len(run.outputs["baseline"].splitlines()), 1)
        self.assertNotIn("is of none of the packages", run.log)

    def test_budgets_are_each_packages_own(self):
        self.project("chat", more=(
            "- name: notes\n  config: notes/config.json\n"
            "  budgets: { shipped: { fail: { max: 10KiB } } }\n"
        ))
        run = self.use(self.new_job("push"))
        self.assertTrue(run.failed)
        self.assertEqual([r["exit"] for r in run.steps.values() if r["outcome"] == "failure"], [20], run.log)
        self.assertEqual(run.outputs["dist"], "chat/dist\nnotes/dist")
        places = [properties for kind, properties, _ in run.said if kind == "error"]
        self.assertTrue(any("file=notes/config.json" in place for place in places), places)
        self.assertFalse(any("file=chat/config.json" in place for place in places), places)

    def test_one_release_has_all_packages(self):
        github = self.github()
        run = self.good(self.new_job("release"), tag_name="v1.0.0", token="the-token")
        self.assertTrue(run.outputs["release-url"].endswith("/v1.0.0"))
        self.assertEqual(len(github.releases), 1)
        for name in ("chat", "notes"):
            beginning = f"{name}-android-lib.tar"
            self.assertTrue(any(asset.startswith(beginning) for asset in github.assets), github.assets)
        # Of the same device they would be one file.
        run = self.use(self.new_job("push"), tag_name="v2", name="same", token="the-token")
        self.assertTrue(run.failed)
        self.assertIn("`chat/dist` and `notes/dist` would both be", run.log)
        self.assertIn("names of their own", run.log)
        self.assertNotIn("v2", [release["tag_name"] for release in github.releases])

    def test_packages_can_be_chosen(self):
        self.project("chat", "notes", "watch")
        self.package("watch", "other")
        run = self.good(self.new_job("push"), package="watch\n")
        self.assertEqual((run.outputs["packages"], run.outputs["device"]), ("watch", "iphone"))
        self.assertEqual(run.outputs["dist"], "watch/dist")
        self.assertFalse((self.app / "chat/dist").exists())
        others = self.good(self.new_job("push"), package="chat\nnotes\n")
        self.assertEqual(others.outputs["dist"], "chat/dist\nnotes/dist")
        self.assertEqual(len(self.kept("manifest")), 2)
        # Each job finds what it left, and not what the other did.
        for chosen, count in (("watch", 1), ("chat\nnotes", 2)):
            again = self.good(self.new_job("pull_request"), package=chosen)
            self.assertEqual(again.outputs["cache-hit"], "true")
            self.assertEqual(len(again.outputs["baseline"].splitlines()), count)
        # What is wrong with a package is no matter of those who do not make it.
        (self.app / "watch/config.json").write_text("{}")
        self.good(self.new_job("push"), package="notes")

    def test_jobs_share_the_work_and_one_puts_it_together(self):
        for most, count in ((9, 2), (1, 1)):
            with self.subTest(jobs=most):
                shutil.rmtree(self.root / "github-cache", ignore_errors=True)
                (self.root / "calls").unlink(missing_ok=True)
                self.job.begin()
                planned = self.good(mode="plan", matrix_jobs=most)
                self.assertEqual(planned.outputs["libs-to-compile"], "2")
                self.assertEqual(planned.outputs["packages"], "chat\nnotes")
                jobs = json.loads(planned.outputs["matrix"])["include"]
                self.assertEqual(len(jobs), count)
                artifacts = self.root / f"artifacts-{most}"
                for job in jobs:
                    self.job.begin()
                    made = self.good(mode="libraries", package=job["package"], only=job["only"])
                    self.assertEqual(made.outputs["libs-compiled"], str(2 // count))
                    self.assertEqual(made.outputs["dist"], "")
                    shutil.copytree(made.outputs["libs-path"], artifacts, dirs_exist_ok=True)
                self.job.begin()
                shutil.copytree(artifacts, self.job.temp / "mlc-package/cache/libs")
                self.assertEqual(self.good().outputs["libs-compiled"], "0")
                self.assertEqual(len(self.compilations()), 2)

    def test_every_config_is_annotated(self):
        self.config["device"] = "windows-phone"
        for name in ("chat", "notes"):
            self.configure(f"{name}/config.json")
        run = self.use()
        self.assertTrue(run.failed)
        places = [properties for kind, properties, _ in run.said if kind == "error"]
        for name in ("chat", "notes"):
            self.assertTrue(any(f"file={name}/config.json,line=2" in place for place in places))
        self.assertEqual(run.steps["plan"]["outcome"], "skipped")

    def test_a_failing_package_leaves_no_outputs(self):
        self.variables |= {"STAND_IN": "exit-1", "STAND_IN_ONLY": "other_layer"}
        run = self.use(self.new_job())
        self.assertTrue(run.failed)
        self.assertIn("the package `notes` failed", run.log)
        self.assertEqual((run.outputs["dist"], run.outputs["libs-compiled"]), ("", ""))
        # The other package was made, and its library is there for the next run.
        self.assertTrue((self.app / "chat/dist/mlc-package-manifest.json").is_file())
        self.assertEqual(len(self.kept("libs")), 1)

    def test_a_directory_of_its_own(self):
        inner = self.app / "apps"
        inner.mkdir()
        for name in ("chat", "notes", "models", "mlc-package.yml"):
            shutil.move(self.app / name, inner / name)
        run = self.good(working_directory="apps")
        self.assertEqual(run.outputs["dist"], "apps/chat/dist\napps/notes/dist")
        for manifest in run.outputs["manifest"].splitlines():
            self.assertTrue((self.app / manifest).is_file(), manifest)

    def test_a_project_without_packages_and_a_config_that_is_named(self):
        run = self.good(config="chat/config.json")
        self.assertEqual((run.outputs["packages"], run.outputs["dist"]), ("", "dist"))
        (self.app / "mlc-package.yml").write_text("publish: { draft: true }\n")
        shutil.copytree(self.app / "chat", self.app / "here")
        (self.app / "mlc-package-config.json").write_text(
            (self.app / "chat/config.json").read_text().replace("../models", "models")
        )
        self.job.begin()
        run = self.good()
        self.assertEqual((run.outputs["packages"], run.outputs["dist"]), ("", "dist"))

    def test_what_makes_no_sense_is_refused(self):
        both = "cannot be given together"
        self.refused(both, config="chat/config.json", package="chat")
        run = self.use(package="watch")
        self.assertTrue(run.failed)
        self.assertIn("--package watch: mlc-package.yml has no such package", run.log)
        run = self.use(output="out")
        self.assertTrue(run.failed)
        self.assertIn("--output is of one package, and mlc-package.yml has 2", run.log)
        self.assertEqual(self.good(output="out", package="chat").outputs["dist"], "out")
        self.refused("takes no `package`", mode="report", manifest="out/mlc-package-manifest.json", package="chat")
        (self.app / "mlc-package.yml").unlink()
        self.refused("names packages of mlc-package.yml, and there is none", package="chat")
        self.refused("list packages in mlc-package.yml")
        (self.root / "secret.yml").write_text("secret: of the runner\n")
        (self.app / "mlc-package.yml").symlink_to(self.root / "secret.yml")
        run = self.refused("leads out of the repository")
        self.assertNotIn("of the runner", run.log)
        self.refused("leads out of the repository", config="chat/config.json")

    def test_hostile_names_and_places(self):
        for value in ("::error::mine", "--version", "../chat", "$(touch $HOME/pwned)", "a\rb", "chat\n--help", "a=b"):
            with self.subTest(value):
                run = self.refused("is a list of names" if "\r" not in value else "control characters", package=value)
                self.assertNotIn("mine", run.errors())
                self.assertFalse((self.root / "home/pwned").exists())
        # Where a package goes is a stranger's word in a pull request of a fork.
        for place in ("x=y", "dist<<end", "-v", "::error::mine"):
            with self.subTest(place):
                (self.app / "mlc-package.yml").write_text(
                    f"packages:\n- {{ name: chat, config: chat/config.json, output: '{place}' }}\n"
                    "- { name: notes, config: notes/config.json }\n"
                )
                self.job.begin()
                run = self.use()
                self.assertNotIn("mine", run.errors())
                if not run.failed:
                    self.assertEqual(run.outputs["dist"], f"{place}\nnotes/dist")


class Converted(Scene):
    def test_a_converted_model_is_kept(self):
        shutil.rmtree(self.app / "models/one")
        checkpoint(self.app / "models/one")
        entry = {**model("one"), "quantization": "q0f16", "conv_template": "llama-3"}
        self.config["model_list"] = [entry]
        self.configure()
        # Its libraries have kernels that were cut.
        self.variables.update(STAND_IN="as-asked", MLC_PACKAGE_CHECK_KERNELS="never")
        first = self.good(cache_weights="true")
        self.assertIn("Converting one-q0f16", first.log)
        digest = (self.app / "dist/bundle/one-q0f16/params_shard_0.bin").read_bytes()
        self.job.begin()
        shutil.rmtree(self.app / "dist")
        second = self.good(cache_weights="true")
        self.assertNotIn("Converting", second.log)
        self.assertEqual((self.app / "dist/bundle/one-q0f16/params_shard_0.bin").read_bytes(), digest)
        self.assertEqual(len([key for key in self.job.cache.keys() if "-weights-" in key]), 1)
        # Without the entry it is converted again.
        self.job.begin()
        self.assertIn("Converting one-q0f16", self.good().log)


def checkpoint(directory):
    """A llama of one layer, as Hugging Face has it."""
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
        "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 1,
        "vocab_size": 50, "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
    }))
    (directory / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
        "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"},
    }))
    layer = {
        "self_attn.q_proj": [64, 64], "self_attn.k_proj": [32, 64], "self_attn.v_proj": [32, 64],
        "self_attn.o_proj": [64, 64], "mlp.gate_proj": [96, 64], "mlp.up_proj": [96, 64],
        "mlp.down_proj": [64, 96], "input_layernorm": [64], "post_attention_layernorm": [64],
    }
    shapes = {f"model.layers.0.{name}.weight": shape for name, shape in layer.items()}
    shapes.update({
        "model.embed_tokens.weight": [50, 64], "model.norm.weight": [64], "lm_head.weight": [50, 64],
    })
    header, data = {}, b""
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = struct.pack(f"<{count}f", *((at % 97) / 97 - 0.5 for at in range(count)))
        header[name] = {
            "dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]
        }
        data += values
    text = json.dumps(header).encode()
    (directory / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    unittest.main()
