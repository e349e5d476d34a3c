"""The scripts that install what the tests take."""

import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
APT = """#!/bin/sh
echo "$*" >>"$CALLS"
[ "$(wc -l <"$CALLS")" -gt 1 ] && exit 0
echo "$SAYS" >&2
exit 100
"""


class AptInstall(unittest.TestCase):
    def install(self, says):
        """Installs with an apt-get whose first call fails and says this."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        root = pathlib.Path(directory.name)
        for name, text in (("apt-get", APT), ("sudo", '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n')):
            (root / name).write_text(text)
            (root / name).chmod(0o755)
        calls = root / "calls"
        path = f"{root}:{os.environ['PATH']}"
        done = subprocess.run(
            [ROOT / "scripts/apt-install.sh", "llvm"], check=False, text=True,
            env={**os.environ, "PATH": path, "CALLS": str(calls), "SAYS": says},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        return done, [line.split()[3] for line in calls.read_text().splitlines()]

    def test_another_apt_get_is_waited_for(self):
        done, calls = self.install("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7")
        self.assertEqual((done.returncode, calls), (0, ["update", "update", "install"]), done.stdout)

    def test_any_other_failure_is_shown(self):
        done, calls = self.install("E: Unable to locate package llvm")
        self.assertEqual((done.returncode, calls), (1, ["update"]), done.stdout)
        self.assertIn("Unable to locate", done.stdout)


if __name__ == "__main__":
    unittest.main()
