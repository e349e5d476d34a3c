"""`mlc-package init`, with and without a terminal: what it writes passes `check` and GitHub's own parser of
workflows."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from ruamel.yaml import YAML

from scene import PROGRAM, ROOT
from terminal import shown_at
from test_workflows import parse

NAMES = ("mlc-package-config.json", "mlc-package.yml", ".github/workflows/models.yml")
MODEL = "HF://mlc-ai/Qwen3-0.6B-q4f16_1-MLC"


class Init(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        (self.root / ".git").mkdir()
        (self.root / "home").mkdir()

    def call(self, *arguments, at="."):
        return subprocess.run(
            [PROGRAM, *arguments], cwd=self.root / at, env=self.environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.root / "home"), "TERM": "dumb"}

    def good(self, *arguments, at="."):
        done = self.call(*arguments, at=at)
        self.assertEqual(done.returncode, 0, (done.stdout, done.stderr))
        return done.stdout

    def typed(self, *lines, arguments=()):
        """What a terminal shows, and the exit code, after these lines were typed."""
        shown, code = shown_at(
            [PROGRAM, "init", *arguments], "".join(f"{line}\n" for line in lines),
            cwd=self.root, env=self.environment(),
        )
        return shown.decode().replace("\r\n", "\n"), code

    def config(self, at="."):
        return json.loads((self.root / at / NAMES[0]).read_text())

    def check_all(self, at="."):
        """What was written is good."""
        self.assertIn("ok: 1 package in mlc-package.yml", self.good("check", "--strict", at=at))
        workflow = self.root / NAMES[2]
        self.assertEqual(parse({NAMES[2]: workflow.read_text()}), [])
        return YAML(typ="safe").load(workflow.read_text())

    def test_nothing_is_asked_with_yes(self):
        shown = self.good("init", "--yes", "--model", MODEL, "--device", "android")
        for name in NAMES:
            self.assertIn(f"wrote  {name}\n", shown)
        self.assertIn("next:  mlc-package doctor --device android\n", shown)
        self.assertEqual(self.config(), {"device": "android", "model_list": [{
            "model": MODEL, "model_id": "Qwen3-0.6B-q4f16_1-MLC", "estimated_vram_bytes": 3000000000,
        }]})
        workflow = self.check_all()
        self.assertNotIn("working-directory", workflow["jobs"]["package"]["steps"][1]["with"])
        # The same actions as everywhere in the documentation.
        readme = (ROOT / "README.md").read_text()
        for step in workflow["jobs"]["package"]["steps"]:
            self.assertIn(f"uses: {step['uses']}\n", readme)

    def test_what_is_there_stays(self):
        (self.root / "mlc-package.yml").write_text("packages:\n  - {name: mine, config: other.json}\n")
        (self.root / "other.json").write_text('{"device": "android", "model_list": []}')
        shown = self.good("init", "--yes", "--model", MODEL)
        self.assertIn("kept   mlc-package.yml: it already exists\n", shown)
        before = {name: (self.root / name).read_bytes() for name in NAMES}
        again = self.call("init", "--yes")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertNotIn("wrote", again.stdout)
        self.assertIn("mlc-package.yml lists no package with mlc-package-config.json", again.stderr)
        self.assertEqual(before, {name: (self.root / name).read_bytes() for name in NAMES})
        more = self.call("init", "--yes", "--model", "HF://a/b-MLC")
        self.assertEqual(more.returncode, 2)
        self.assertIn("init changes no file", more.stderr)

    def test_a_config_that_is_there_says_the_device(self):
        config = {"device": "iphone", "model_list": [
            {"model": MODEL, "model_id": "q", "estimated_vram_bytes": 1000000000},
        ]}
        (self.root / NAMES[0]).write_text(json.dumps(config))
        self.assertIn("next:  mlc-package doctor --device iphone\n", self.good("init", "--yes"))
        self.assertEqual(self.config(), config)
        self.check_all()
        (self.root / NAMES[0]).write_text("{")
        wrong = self.call("init", "--yes")
        self.assertEqual(wrong.returncode, 10)
        self.assertIn("error[syntax]", wrong.stderr)

    def test_the_workflow_lies_in_the_repositorys_root(self):
        (self.root / "apps/phone one").mkdir(parents=True)
        at = "apps/phone one"
        shown = self.good("init", "--yes", "--model", MODEL, at=at)
        self.assertIn("wrote  ../../.github/workflows/models.yml\n", shown)
        with_ = self.check_all(at)["jobs"]["package"]["steps"][1]["with"]
        self.assertEqual(with_["working-directory"], at)

    def test_another_workflow_with_the_action_is_enough(self):
        workflows = self.root / ".github/workflows"
        workflows.mkdir(parents=True)
        (workflows / "app.yaml").write_text("steps: [{uses: mlc-package/mlc-package@v1}]")
        shown = self.good("init", "--yes", "--model", MODEL)
        self.assertIn("kept   .github/workflows/app.yaml: it uses the action already", shown)
        self.assertFalse((self.root / NAMES[2]).exists())

    def test_models_and_the_app_are_found(self):
        for place in ("models/tiny", "dist/bundle/not-this"):
            shutil.copytree(ROOT / "examples/tiny/models/tiny-llama-q4f16_1", self.root / place)
        (self.root / "App.xcodeproj").mkdir()
        shown, code = self.typed("", "", "no")
        self.assertEqual(code, 0, shown)
        self.assertIn("Model [models/tiny]: ", shown)
        self.assertIn("Device: android, iphone or macabi [iphone]: ", shown)
        self.assertIn("nothing was written\n", shown)
        self.assertFalse((self.root / NAMES[0]).exists())

    def test_questions_are_asked_at_a_terminal(self):
        other = "HF://mlc-ai/gemma-2-2b-it-q4f16_1-MLC"
        shown, code = self.typed("nonsense", "Qwen/Qwen3-0.6B", other, "", "ios", "android", "")
        self.assertEqual(code, 0, shown)
        self.assertIn("That is neither HF://user/repo nor a directory with a model.\n", shown)
        self.assertIn("did you mean `iphone`?\n", shown)
        self.assertIn("Write mlc-package-config.json, mlc-package.yml, .github/workflows/models.yml? [yes]: ", shown)
        config = self.config()
        self.assertEqual(config["device"], "android")
        raw, converted = config["model_list"]
        # Its name says that it is not converted yet.
        self.assertEqual(raw["model"], "HF://Qwen/Qwen3-0.6B")
        self.assertEqual((raw["model_id"], raw["quantization"]), ("Qwen3-0.6B-q4f16_1-MLC", "q4f16_1"))
        self.assertTrue(raw["bundle_weight"])
        self.assertEqual(converted["model"], other)
        self.assertNotIn("quantization", converted)
        self.check_all()

    def test_two_models_of_one_name_are_refused_before_anything_is_written(self):
        done = self.call("init", "--yes", "--model", MODEL, "--model", MODEL)
        self.assertEqual(done.returncode, 2)
        self.assertIn("two models have the model_id", done.stderr)
        self.assertFalse((self.root / NAMES[0]).exists())
        nowhere = self.call("init", "--yes", "--model", "no/such/model")
        self.assertEqual(nowhere.returncode, 2)
        # A place in a file that is not there helps nobody.
        self.assertNotIn("-->", done.stderr + nowhere.stderr)
        self.assertIn("error: `--model no/such/model`: there is no directory", nowhere.stderr)

    def test_a_revision_is_written_as_a_field(self):
        self.good("init", "--yes", "--model", f"{MODEL}@v1.0", "--device", "android")
        entry, = self.config()["model_list"]
        self.assertEqual((entry["model"], entry["revision"]), (MODEL, "v1.0"))
        self.check_all()

    def test_the_address_of_a_page_is_taken_as_the_revision_that_it_shows(self):
        page = MODEL.replace("HF://", "https://huggingface.co/") + "/tree/v1.0"
        self.good("init", "--yes", "--model", page, "--device", "android")
        entry, = self.config()["model_list"]
        self.assertEqual((entry["model"], entry["revision"]), (MODEL, "v1.0"))

    def test_a_checkpoint_without_a_tokenizer_is_refused_before_anything_is_written(self):
        model = self.root / "raw"
        model.mkdir()
        (model / "config.json").write_text(json.dumps({"model_type": "llama"}))
        (model / "model.safetensors").write_bytes(b"")
        done = self.call("init", "--yes", "--model", "raw")
        self.assertEqual(done.returncode, 2)
        self.assertIn("it has no tokenizer.json", done.stderr)
        self.assertFalse((self.root / NAMES[0]).exists())

    def test_a_checkpoint_that_leaves_its_template_open_gets_a_guess_that_is_told(self):
        model = self.root / "raw"
        model.mkdir()
        (model / "config.json").write_text(json.dumps({
            "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "vocab_size": 50,
            "num_attention_heads": 4, "num_hidden_layers": 1, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 64,
        }))
        (model / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
        (model / "tokenizer.json").write_text("{}")
        done = self.call("init", "--yes", "--model", "raw", "--device", "android")
        self.assertEqual(done.returncode, 0, done.stderr)
        entry, = self.config()["model_list"]
        self.assertIn(f"`{entry['conv_template']}` is a guess", done.stderr)
        self.check_all()

    def test_without_a_terminal_it_says_what_to_write(self):
        done = self.call("init", "--model", MODEL)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"run mlc-package init --yes --model {MODEL} --device android", done.stderr)
        self.assertIn("there is no terminal", done.stderr)
        nothing = self.call("init", "--yes")
        self.assertEqual(nothing.returncode, 2)
        self.assertIn("--model HF://", nothing.stderr)

    def test_the_end_of_the_input_writes_nothing(self):
        shown, code = self.typed("\x04")
        self.assertNotEqual(code, 0)
        self.assertIn("nothing was written", shown)
        self.assertEqual(list(self.root.glob("mlc-*")), [])


if __name__ == "__main__":
    unittest.main()
