"""Writing files so that the same content always gives the same bytes."""

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any, indent: int = 2) -> None:
    """Keys keep the order they were given in."""
    text = json.dumps(value, indent=indent, ensure_ascii=False) + "\n"
    path.write_bytes(text.encode("utf-8"))
