"""README's workflow, run by act on this machine: a program that nobody here wrote loads the action
and runs its steps. scripts/test-container.sh runs every documented workflow in containers."""

import http.server
import threading
import unittest

from act import IMAGE, PINNED, Act, documented


class Ill(http.server.BaseHTTPRequestHandler):
    """A server of caches that answers 500."""

    asked = 0

    def do_GET(self):
        Ill.asked += 1
        self.send_error(500)

    do_POST = do_PATCH = do_GET

    def log_message(self, *_):
        pass


@unittest.skipIf(IMAGE, "act_test.py runs more of it in containers")
class Smoke(Act):
    def setUp(self):
        super().setUp()
        self.package("android/mlc-package-config.json", "one", "other")
        self.workflow(documented("README.md", "name: models", "comment: on-change"))

    def test_the_workflow_of_the_readme_makes_a_package(self):
        done = self.good("push", self.push(self.commit()))
        self.assertEqual(self.compilations(), ["one_layer", "other_layer"])
        outputs = done.outputs("package")
        self.assertEqual(outputs["libs-compiled"], "2")
        self.assertEqual(outputs["over-budget"], "false")
        self.assertEqual(done.commands("error"), [])
        summary = done.summary()
        self.assertIn("### Model package size", summary)
        for name in ("one-q0f16", "other-q0f16"):
            self.assertIn(name, summary)
        files = self.artifact("dist")
        self.assertIn("mlc-package-manifest.json", files)
        self.assertIn("lib/libmodel_android.a", files)

    def test_a_workflow_may_pin_a_commit(self):
        text = documented("README.md", "name: models", "comment: on-change")
        self.workflow(text.replace("mlc-package/mlc-package@v1", f"mlc-package/mlc-package@{PINNED}"))
        done = self.good("push", self.push(self.commit()), cache=False)
        self.assertEqual(done.outputs("package")["version"], "1.2.3")
        # No cache server at all is a miss.
        self.assertEqual(self.compilations(), ["one_layer", "other_layer"])
        self.assertEqual(done.commands("error"), [])

    def test_a_cache_that_answers_500_is_a_miss(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ill)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        head = self.commit()
        done = self.good("push", self.push(head), cache=False, ACTIONS_CACHE_URL=address)
        self.assertGreater(Ill.asked, 0)
        self.assertEqual(done.outputs("package")["libs-compiled"], "2")
        self.assertEqual(done.commands("error"), [])

    def test_a_compiler_that_fails_is_an_annotation(self):
        done = self.bad("push", self.push(self.commit()), cache=False, STAND_IN="exit-1")
        errors = done.commands("error")
        self.assertTrue([error for error in errors if "model one-q0f16: failed to compile" in error], errors)
        # What the compiler itself prints is no command.
        self.assertIn("not a command of ours", done.said())
        self.assertFalse([error for error in errors if "not a command of ours" in error], errors)


if __name__ == "__main__":
    unittest.main()
