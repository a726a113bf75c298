"""What the scripts share: where the gateway is, and how a check tells what came of it."""

import asyncio
import inspect
import json
import os

URL = os.environ["CLIENT_URL"]
KEY = os.environ["CLIENT_KEY"]
CHAT_MODELS = os.environ["CLIENT_CHAT_MODELS"].split()
"""The scripted model, and the real one where it is installed."""
ASK = [{"role": "user", "content": "What is 2+2?"}]


def check(name):
    """Runs a function at once, and prints what came of it as a line of JSON."""

    def run(function):
        try:
            asyncio.run(function()) if inspect.iscoroutinefunction(function) else function()
        except Exception as error:  # noqa: BLE001  whatever it is, it is the result
            print(json.dumps({"check": name, "failed": f"{type(error).__name__}: {error}"[:400]}), flush=True)
        else:
            print(json.dumps({"check": name}), flush=True)
        return function

    return run


def raised(error_class, function):
    """The error that a call must raise, of one class or one of several."""
    try:
        function()
    except error_class as error:
        return error
    raise AssertionError(f"it did not raise {error_class}")
