"""A gateway at its most talkative: every logger at DEBUG, and asyncio in its debug mode."""

import os
from pathlib import Path

_CODE = """
import logging

_config = logging.basicConfig
logging.basicConfig = lambda **said: _config(**{**said, "level": logging.DEBUG})
"""


def talkative(directory: Path) -> dict[str, str]:
    """The environment of a gateway that logs all that any library wants to log."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "sitecustomize.py").write_text(_CODE)
    path = os.pathsep.join(filter(None, (str(directory), os.environ.get("PYTHONPATH", ""))))
    return {"PYTHONPATH": path, "PYTHONASYNCIODEBUG": "1"}
