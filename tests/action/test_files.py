"""Files that must say the same: toolchain.toml and who reads it, action.yml and its reference."""

import pathlib
import re
import subprocess
import sys
import tomllib
import unittest

from ruamel.yaml import YAML

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What compiling, converting and gen_config import, beside the wheels.
IMPORTED = {
    "ml-dtypes", "numpy", "packaging", "pydantic", "requests", "safetensors", "sentencepiece",
    "tiktoken", "tokenizers", "tqdm", "transformers",
}


def yaml(path):
    return YAML(typ="safe").load((ROOT / path).read_text())


def toolchain(*arguments):
    command = [ROOT / "scripts/toolchain.sh", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


class Toolchain(unittest.TestCase):
    def setUp(self):
        self.values = dict(line.split("=", 1) for line in toolchain().splitlines())

    def test_arguments_of_the_dockerfile_have_its_values(self):
        arguments = re.findall(r"^ARG ([A-Z_]+)=(\S+)$", (ROOT / "Dockerfile").read_text(), re.M)
        own = {"PROGRAM": "source"}
        self.assertGreater(len(arguments), 10)
        for name, default in arguments:
            self.assertEqual(default, self.values.get(name, own.get(name)), name)

    def test_images_are_named_by_digest(self):
        for name in ("IMAGES_DEBIAN", "IMAGES_RUST"):
            self.assertRegex(self.values[name], r"^[a-z]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}$")
        # The crate's own floor, and the compiler of the image.
        self.assertIn(f"rust:{self.values['TOOLS_RUST']}-", self.values["IMAGES_RUST"])

    def test_doctor_finds_nothing_wrong_with_the_set(self):
        text = (ROOT / "src/doctor/required.rs").read_text()
        required = dict(re.findall(r"^pub const ([A-Z_0-9]+): [a-z0-9\[\]; ]+ = ([^;]+);", text, re.M))
        oldest = tuple(int(n) for n in re.findall(r"\d+", required["CMAKE_OLDEST"]))
        cmake = tuple(int(n) for n in self.values["TOOLS_CMAKE"].split("."))
        self.assertGreaterEqual(cmake[:2], oldest)
        self.assertLess(cmake[0], int(required["CMAKE_TOO_NEW"]))
        ndk = int(self.values["ANDROID_NDK"].split(".")[0])
        self.assertGreaterEqual(ndk, int(required["NDK_OLDEST"]))
        self.assertGreaterEqual(int(self.values["TOOLS_JDK"]), int(required["JDK_OLDEST"]))
        self.assertEqual(self.values["ANDROID_API_LEVEL"], required["ANDROID_API"])

    def test_the_reusable_workflow_installs_the_same_and_nothing_else(self):
        steps = yaml(".github/workflows/package.yml")["jobs"]["iphone"]["steps"]
        [command] = [step["run"] for step in steps if "pip install" in step.get("run", "")]
        words = command.split()[4:]
        self.assertEqual(words[:3], ["--no-deps", "--find-links", self.values["WHEELS_INDEX"]])
        wheels = ("mlc-llm-nightly-cpu", "mlc-ai-nightly-cpu", "apache-tvm-ffi")
        expected = [f"{n}=={self.values['WHEELS_' + n.upper().replace('-', '_')]}" for n in wheels]
        packages = tomllib.loads((ROOT / "toolchain.toml").read_text())["python-packages"]
        self.assertEqual(words[3:], expected + [f"{n}=={v}" for n, v in packages.items()])

    def test_documents_name_the_set(self):
        for page in ("docs/toolchains.md", "docs/guide/install.md", "README.md"):
            text = (ROOT / page).read_text()
            for wheel in ("mlc-llm-nightly-cpu", "mlc-ai-nightly-cpu", "apache-tvm-ffi"):
                version = self.values["WHEELS_" + wheel.upper().replace("-", "_")]
                self.assertIn(f"{wheel}=={version}", text, page)
        for page in ("docs/toolchains.md", "docs/guide/binding.md"):
            text = (ROOT / page).read_text()
            self.assertIn(f"checkout {self.values['SOURCE_COMMIT']}\n", text, page)

    def test_the_image_has_exactly_the_packages_that_are_listed(self):
        packages = tomllib.loads((ROOT / "toolchain.toml").read_text())["python-packages"]
        self.assertGreaterEqual(packages.keys(), IMPORTED)
        self.assertFalse([name for name in packages if name == "torch" or name.startswith("nvidia")])
        self.assertEqual(list(packages), sorted(packages))
        for name, version in packages.items():
            self.assertRegex(name, r"^[a-z0-9]+(-[a-z0-9]+)*$")
            self.assertRegex(version, r"^[0-9]+(\.[0-9]+)+(\.post[0-9]+)?$")
        # The command of the Dockerfile, as a shell runs it.
        command = re.search(r"/opt/venv/bin/python -c ('[^']+')", (ROOT / "Dockerfile").read_text())[1]
        listed = subprocess.run(
            f"{sys.executable} -c {command} <toolchain.toml",
            shell=True, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE,
        ).stdout
        self.assertEqual(listed.splitlines(), [f"{n}=={v}" for n, v in packages.items()])
        # Nothing comes with a package unasked.
        installs = re.findall(r"pip install [^&]*", (ROOT / "Dockerfile").read_text())
        self.assertEqual(len(installs), 2)
        self.assertTrue(all("--no-deps" in install for install in installs), installs)

    def test_arguments_for_docker(self):
        lines = toolchain("--build-args").splitlines()
        self.assertEqual(lines, [f"--build-arg={n}={v}" for n, v in self.values.items()])


class Reference(unittest.TestCase):
    def test_inputs_and_outputs_have_one_line_that_the_reference_has_too(self):
        action = yaml("action.yml")
        reference = (ROOT / "docs/action/reference.md").read_text()
        for kind in ("inputs", "outputs"):
            names = list(action[kind])
            for name, spec in action[kind].items():
                self.assertRegex(name, r"^[a-z]+(-[a-z]+)*$")
                self.assertRegex(spec["description"], r"^\S[^\n]*[.]$", name)
                default = r"[^|]*\| " if kind == "inputs" else ""
                row = rf"^\| `{name}` \| {default}{re.escape(spec['description'])} \|$"
                self.assertRegex(reference, re.compile(row, re.MULTILINE))
            section = reference.split(f"## {kind.capitalize()}")[1].split("\n## ")[0]
            self.assertEqual(re.findall(r"^\| `([a-z-]+)` \|", section, re.M), names)

    def test_every_step_that_can_be_slow_or_fail_has_a_name(self):
        for step in yaml("action.yml")["runs"]["steps"]:
            self.assertIn("name", step)


if __name__ == "__main__":
    unittest.main()
