"""What the gateway's own code never does with anything: run it."""

import ast
from pathlib import Path

import pytest

GATEWAY = Path(__file__).parents[2] / "gateway"

CALLS = ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
         "marshal.loads", "shelve.open", "string.Template", "ctypes.CDLL", "pickle.load", "pickle.loads", "pickle.dumps",
         "subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_output", "subprocess.check_call",
         "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "os.execv", "os.execve", "os.execvp",
         "os.posix_spawn", "importlib.import_module", "input", "breakpoint")  # fmt: skip
MODULES = (
    "jinja2",
    "mako",
    "pickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "code",
    "codeop",
    "pdb",
    "xmlrpc",
    "telnetlib",
)

ALLOWED = {
    ("adapters/dumps.py", "ctypes.CDLL"): "one call of the kernel, by a constant",
    ("adapters/desk.py", "pickle"): "our own process asks another of ours, through a pipe",
    ("adapters/desk.py", "pickle.loads"): "as above",
    ("adapters/desk.py", "ctypes.CDLL"): "one call of the C library, by a constant",
    ("adapters/elsewhere.py", "pickle"): "the other end of that pipe",
    ("adapters/elsewhere.py", "pickle.dumps"): "as above",
    ("adapters/policy_worker.py", "pickle"): "our own process asks another of ours, through a pipe",
    ("adapters/policy_worker.py", "pickle.loads"): "as above",
    ("adapters/policy_worker.py", "pickle.dumps"): "as above",
    ("adapters/worker.py", "asyncio.create_subprocess_exec"): "our own interpreter, with our own code",
    ("adapters/git_tree.py", "subprocess.run"): "git, for the operator who runs a command",
    ("cli/quickstart.py", "subprocess.Popen"): "the demo model and the gateway itself",
    ("cli/quickstart.py", "ctypes.CDLL"): "one call of the kernel, by a constant",
}
"""Where one of them is, and why it gets nothing that a caller or an upstream said."""


def modules() -> list[tuple[str, str]]:
    return [(path.relative_to(GATEWAY).as_posix(), path.read_text()) for path in sorted(GATEWAY.rglob("*.py"))]


def dotted(node: ast.expr) -> str:
    """A name as it is written: `os.system`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def parsed(text: str) -> ast.Module:
    """The tree of a module. CPython 3.11 fails where a collection parses something in between: then once more."""
    try:
        return ast.parse(text)
    except SystemError:
        return ast.parse(text)


def found(name: str, text: str) -> set[tuple[str, str]]:
    """The calls and imports of a module that are banned."""
    hits = set()
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.Call) and (said := dotted(node.func)) in CALLS:
            hits.add((name, said))
        elif isinstance(node, ast.Call) and any(
            keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
            for keyword in node.keywords
        ):
            hits.add((name, "shell="))
        elif isinstance(node, ast.Import):
            hits |= {(name, each.name) for each in node.names if each.name.split(".")[0] in MODULES}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            hits.add((name, node.module or ""))
    return hits


@pytest.mark.assures("threat A1")
def test_nothing_that_runs_what_it_is_given(showed):
    hits = {hit for name, text in modules() for hit in found(name, text)}
    assert sorted(hits - set(ALLOWED)) == []
    assert sorted(set(ALLOWED) - hits) == [], "no longer needed"
    showed(
        f"{len(modules())} modules, {len(CALLS) + len(MODULES)} calls and imports", f"only {len(ALLOWED)} with a reason"
    )


@pytest.mark.parametrize(
    "code", ["eval(x)", "import jinja2", "from pickle import loads", "yaml.load(x)", "f(x, shell=True)"]
)
def test_the_list_finds_what_it_is_for(code):
    assert found("x.py", code)
