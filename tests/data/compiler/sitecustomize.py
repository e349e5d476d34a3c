"""Runs at the start of every Python that has this directory on its path: where the one that
is asked for the compiler's identity can be made to misbehave."""

import os
import sys
import time

# The compiler itself is started by `-c` too, where Metal kernels stay source.
probed = sys.argv[:1] == ["-c"] and sys.argv[1:2] != ["compile"]
if probed and "STAND_IN_PROBE_CALLS" in os.environ:
    with open(os.environ["STAND_IN_PROBE_CALLS"], "a", encoding="utf-8") as file:
        file.write("probe\n")
if probed and "STAND_IN_PROBE_WAIT" in os.environ:
    caller = os.getppid()
    with open(os.environ["STAND_IN_WAITING"] + ".new", "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    os.rename(file.name, os.environ["STAND_IN_WAITING"])
    while not os.path.exists(os.environ["STAND_IN_PROBE_WAIT"]) and os.getppid() == caller:
        time.sleep(0.005)
