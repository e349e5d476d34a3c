"""A program at a terminal."""

import os
import subprocess


def shown_at(command, typed="", **options):
    """What a terminal shows of a program, as bytes, and its exit code. `typed`: what is typed; without it
    nothing can be."""
    master, slave = os.openpty()
    with os.fdopen(master, "r+b", buffering=0) as terminal:
        process = subprocess.Popen(
            command, stdin=slave if typed else subprocess.DEVNULL, stdout=slave, stderr=slave, **options
        )
        os.close(slave)
        # A terminal keeps what is typed before it is asked for.
        terminal.write(typed.encode())
        shown = b""
        while True:
            try:
                read = terminal.read(65536)
            except OSError:  # Linux says so that nobody has the other end any more.
                read = b""
            if not read:
                break
            shown += read
    return shown, process.wait()
