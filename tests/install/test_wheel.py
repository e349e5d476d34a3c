"""The wheels: pip, pipx and uv install them, PyPI's own checks read them."""

import email
import http.server
import os
import pathlib
import shutil
import sys
import threading
import unittest
import zipfile

from ruamel.yaml import YAML

from scene import HERE, PACKING, PROGRAM, ROOT, TARGETS, VERSION, Scene, program, run

JUDGES = ROOT / "target/install-venv/bin"
# A machine that each released program is for, as pip calls it, and one that it is not for.
PLATFORMS = {
    "x86_64-unknown-linux-musl": (["manylinux_2_17_x86_64", "manylinux2014_x86_64", "musllinux_1_1_x86_64"], ["manylinux1_x86_64"]),
    "aarch64-unknown-linux-musl": (["manylinux2014_aarch64", "musllinux_1_1_aarch64"], ["linux_armv7l"]),
    "x86_64-apple-darwin": (["macosx_13_0_x86_64"], ["macosx_12_0_x86_64"]),
    "aarch64-apple-darwin": (["macosx_13_0_arm64", "macosx_26_0_arm64"], ["macosx_12_0_arm64"]),
}


class Wheels(Scene):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sources = ROOT / "target/install-test-sdist"
        shutil.rmtree(cls.sources, ignore_errors=True)
        run(PACKING / "maturin", "sdist", "--out", cls.sources, cwd=ROOT)
        [cls.sdist] = cls.sources.iterdir()

    def setUp(self):
        super().setUp()
        self.wheels = self.root / "wheels"
        self.environment = {
            **os.environ,
            "PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1",
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "UV_NO_CONFIG": "1", "UV_OFFLINE": "1",
            "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(self.wheels), "UV_CACHE_DIR": str(self.root / "uv"),
            "UV_TOOL_DIR": str(self.root / "tools"), "PIPX_HOME": str(self.root / "pipx"),
            "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never",
        }
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"):
            self.environment.pop(name, None)

    def wheel(self, target, source, directory=None):
        archive = self.archive(target, source, VERSION, self.root / "archives")
        directory = directory or self.wheels
        before = set(directory.iterdir()) if directory.exists() else set()
        run(ROOT / "scripts/package-wheel.sh", target, archive, self.sdist, directory)
        [wheel] = set(directory.iterdir()) - before
        return wheel

    def small(self, target, directory=None):
        source = self.root / "small"
        source.write_text(program(VERSION))
        return self.wheel(target, source, directory)

    def test_pip_installs_runs_and_uninstalls_the_program(self):
        self.wheel(HERE, PROGRAM)
        run(sys.executable, "-m", "venv", self.root / "venv")
        binaries = self.root / "venv/bin"
        run(binaries / "pip", "install", "mlc-package", env=self.environment)
        installed = binaries / "mlc-package"
        self.assertEqual(installed.read_bytes(), PROGRAM.read_bytes())
        self.assertEqual(run(installed, "--version"), f"mlc-package {VERSION}\n")
        config = self.root / "mlc-package-config.json"
        config.write_text('{"device": "android", "model_list": []}')
        said = run(installed, "check", config, good=None, env=self.environment)
        self.assertIn("model_list", said)
        shown = run(binaries / "pip", "show", "--files", "mlc-package", env=self.environment)
        self.assertIn("bin/mlc-package", shown)
        run(binaries / "pip", "uninstall", "--yes", "mlc-package", env=self.environment)
        self.assertFalse(installed.exists())
        self.assertEqual([path for path in self.root.glob("venv/lib/*/site-packages/mlc*")], [])

    def test_uvx_and_pipx_run_it(self):
        self.small(HERE)
        said = run(PACKING / "uvx", "mlc-package", "--version", env=self.environment)
        self.assertIn(f"mlc-package {VERSION}\n", said)
        # pip's backend would look for a newer pip.
        path = f"{PACKING}:{os.environ['PATH']}"
        said = run(
            JUDGES / "pipx", "run", "--backend", "uv", "mlc-package", "--version",
            env={**self.environment, "PATH": path},
        )
        self.assertIn(f"mlc-package {VERSION}\n", said)

    def test_the_checks_of_pypi_accept_them(self):
        wheels = [self.small(target) for target in TARGETS]
        said = run(JUDGES / "twine", "check", "--strict", *wheels, self.sdist)
        self.assertEqual(said.count("PASSED"), len(TARGETS) + 1, said)
        for wheel in wheels:
            # It has no module: the program is all there is.
            run(JUDGES / "check-wheel-contents", "--ignore", "W007,W008", wheel)
            with zipfile.ZipFile(wheel) as archive:
                [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
                fields = email.message_from_bytes(archive.read(metadata))
            self.assertEqual((fields["Name"], fields["Version"]), ("mlc-package", VERSION))
            self.assertEqual(fields["License-Expression"], "Apache-2.0")
            self.assertIsNone(fields["Requires-Dist"])

    def test_each_machine_gets_its_own_wheel_and_others_none(self):
        wheels = {target: self.small(target) for target in TARGETS}
        self.assertEqual(set(wheels), set(PLATFORMS))
        taken = self.root / "taken"

        def download(platform, good):
            shutil.rmtree(taken, ignore_errors=True)
            run(
                sys.executable, "-m", "pip", "download", "--only-binary", ":all:", "--platform", platform,
                "--dest", taken, "mlc-package", good=good, env=self.environment,
            )

        for target, (good, bad) in PLATFORMS.items():
            for platform in good:
                download(platform, True)
                self.assertEqual(os.listdir(taken), [wheels[target].name], platform)
            for platform in bad:
                download(platform, False)
        download("win_amd64", False)

    def test_the_oldest_system_of_macs_is_the_one_that_the_program_is_built_for(self):
        jobs = YAML(typ="safe").load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
        [oldest] = [
            step["env"]["MACOSX_DEPLOYMENT_TARGET"] for step in jobs["programs"]["steps"]
            if "MACOSX_DEPLOYMENT_TARGET" in step.get("env", {})
        ]
        for target in ("x86_64-apple-darwin", "aarch64-apple-darwin"):
            self.assertIn(f"-macosx_{oldest.replace('.', '_')}_", self.small(target).name)

    def test_the_same_program_gives_the_same_bytes(self):
        first = self.small(TARGETS[0])
        second = self.small(TARGETS[0], self.root / "again")
        self.assertEqual((first.name, first.read_bytes()), (second.name, second.read_bytes()))
        with zipfile.ZipFile(first) as wheel:
            modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in wheel.infolist()}
        [script] = [name for name in modes if name.endswith("/scripts/mlc-package")]
        self.assertEqual(modes.pop(script), 0o755)
        self.assertNotIn(0o755, modes.values())

    def test_a_target_that_is_not_released_has_no_wheel(self):
        archive = self.archive(TARGETS[0], PROGRAM, VERSION, self.root / "archives")
        said = run(
            ROOT / "scripts/package-wheel.sh", "riscv64-unknown-linux-musl", archive, self.sdist, self.wheels,
            good=False,
        )
        self.assertIn("no wheel is made for riscv64-unknown-linux-musl", said)

    def test_the_source_distribution_is_whole_and_always_the_same(self):
        again = self.root / "sdist"
        run(PACKING / "maturin", "sdist", "--out", again, cwd=ROOT)
        [second] = again.iterdir()
        self.assertEqual((second.name, second.read_bytes()), (self.sdist.name, self.sdist.read_bytes()))
        # What a build reads is in it.
        shutil.unpack_archive(second, self.root / "unpacked", filter="data")
        [sources] = (self.root / "unpacked").iterdir()
        run(
            "cargo", "check", "--quiet", "--locked", "--bin", "mlc-package", cwd=sources,
            env={**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target")},
        )


class Index(http.server.BaseHTTPRequestHandler):
    """As much of a package index as an upload needs."""

    def do_GET(self):
        links = "".join(
            f'<a href="/files/{name}#sha256={digest}">{name}</a>' for name, digest in self.server.files.items()
        )
        self.answer(200, f"<html><body>{links}</body></html>")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode("utf-8", "replace")
        self.server.keys.add(self.headers.get("Authorization"))
        name = body.split('filename="', 1)[1].split('"', 1)[0]
        digest = body.split('name="sha256_digest"', 1)[1].split("\r\n\r\n", 1)[1].split("\r\n", 1)[0]
        self.server.uploads.append(name)
        self.server.files[name] = digest
        self.answer(200, "")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Upload(Scene):
    """`release.sh pypi` with uv and an index of ours."""

    def test_what_is_there_already_is_passed_over(self):
        self.release(VERSION)
        directory = self.releases / f"v{VERSION}"
        pack = {**os.environ, "GITHUB_REPOSITORY": "o/r", "PACKING": str(PACKING)}
        run(ROOT / "scripts/release.sh", "pack", VERSION, directory, env=pack)
        names = sorted(path.name for path in directory.iterdir() if path.name.startswith("mlc_package-"))
        self.assertEqual(len(names), len(TARGETS) + 1)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
        server.files, server.uploads, server.keys = {}, [], set()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        upload = {
            **pack, "UV_PUBLISH_URL": f"{address}/legacy/", "UV_PUBLISH_CHECK_URL": f"{address}/simple/",
            "UV_PUBLISH_TOKEN": "a-token", "UV_NO_CONFIG": "1", "UV_CACHE_DIR": str(self.root / "uv"),
        }
        for _ in range(2):
            run(ROOT / "scripts/release.sh", "pypi", VERSION, directory, env=upload)
            self.assertEqual(sorted(server.uploads), names)
        self.assertEqual(len(server.keys), 1)
        # Packing once more makes nothing new.
        before = {path.name: path.read_bytes() for path in directory.iterdir()}
        run(ROOT / "scripts/release.sh", "pack", VERSION, directory, env=pack)
        self.assertEqual({path.name: path.read_bytes() for path in directory.iterdir()}, before)
        # Without programs there is nothing to pack.
        empty = self.root / "empty"
        empty.mkdir()
        for step, said in (("pack", "not all programs of"), ("pypi", "no wheels of")):
            done = run(ROOT / "scripts/release.sh", step, VERSION, empty, good=False, env=pack)
            self.assertIn(said, done)


if __name__ == "__main__":
    unittest.main()
