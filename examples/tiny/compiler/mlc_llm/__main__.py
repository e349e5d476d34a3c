"""`python -m mlc_llm <verb>`: the one verb here is `compile`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
