#!/usr/bin/env python3
"""Writes the two tiny models. Needs NumPy only; the same bytes every time.

python generate_models.py [--output DIR]
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # the tree beside this file stays as it is in git

from generator import gpt_neox, llama  # noqa: E402


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write the two tiny models.", allow_abbrev=False)
    parser.add_argument("--output", type=Path, default=HERE / "models", metavar="DIR")
    output = parser.parse_args().output
    for model in (llama, gpt_neox):
        directory = output / model.NAME
        directory.mkdir(parents=True, exist_ok=True)
        model.write(directory)
        print(f"wrote {directory}")


if __name__ == "__main__":
    main()
