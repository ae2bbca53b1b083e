"""The rules of the house that neither the linter nor the type checker holds."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ("sslctrl", "envs", "vision", "agents")
MAX_LINES = 400

# Opening anyone's file must run no code, and these unpickle or execute what they are given.
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}
UNSAFE_CALLS = {"torch.load", "torch.save", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "joblib.load"}
BUILTINS = {"eval", "exec", "print"}
# Constructors of generators that a caller owns; all else under numpy.random draws from or seeds the global one.
OWN_RANDOM = {"default_rng", "Generator", "BitGenerator", "SeedSequence", "PCG64", "PCG64DXSM", "Philox", "SFC64"}


def sources(*folders: str) -> list[Path]:
    """Every Python file under these folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def full_names(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: `np` -> `numpy`, `load` -> `torch.load`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                names[alias.asname or name] = name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """`np.random.rand` -> `numpy.random.rand`; empty for what is not a chain that begins with an import."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (head := dotted(node.value, names)):
        return f"{head}.{node.attr}"
    return ""


def is_banned(name: str) -> bool:
    """Whether a full name unpickles, executes, or shares one global random state."""
    if name.startswith("numpy.random."):
        return name.split(".")[2] not in OWN_RANDOM
    return name in UNSAFE_CALLS or name.partition(".")[0] in UNSAFE_MODULES | {"random"}


def banned(source: str) -> Iterator[str]:
    """Name each banned import, call and argument in a module's text, with its line."""
    tree = ast.parse(source)
    names = full_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = full_names(node).values()
            yield from (f"{node.lineno}: imports {name}" for name in found if is_banned(name))
        elif isinstance(node, ast.Attribute) and is_banned(name := dotted(node, names)):
            yield f"{node.lineno}: {name}"
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in BUILTINS - names.keys():
                yield f"{node.lineno}: {node.func.id}()"
            for given in node.keywords:
                refused = isinstance(given.value, ast.Constant) and given.value.value is False
                if given.arg == "allow_pickle" and not refused:
                    yield f"{node.lineno}: allow_pickle is not False"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load('x')",
        "from torch import load as read",
        "import yaml as y\ny.load('x', None)",
        "import numpy as np\nnp.random.rand(3)",
        "import numpy as np\nnp.random.seed(0)",
        "from numpy import random as r\nr.shuffle([])",
        "from numpy.random import uniform",
        "import random",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "def f(x, ok):\n    return x.load(allow_pickle=ok)",
        "eval('1')",
        "exec('1')",
        "print('x')",
    ],
)
def test_the_rules_find_what_they_ban(source: str) -> None:
    assert list(banned(source))


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nrng = np.random.default_rng(0)\nrng.random(3)",
        "import numpy as np\ndef f(rng: np.random.Generator) -> None:\n    rng.shuffle([])",
        "import numpy as np\nnp.load('x', allow_pickle=False)",
        "def f(model):\n    model.eval()\n    model.load('x')",
        "import yaml\nyaml.safe_load('x')",
    ],
)
def test_the_rules_leave_the_rest_alone(source: str) -> None:
    assert not list(banned(source))


def test_the_library_calls_nothing_banned() -> None:
    files = sources(*LIBRARY)
    assert files
    assert [f"{path.relative_to(ROOT)}:{what}" for path in files for what in banned(path.read_text())] == []


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources(*LIBRARY, "scripts", "tests")}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > MAX_LINES} == {}


def test_every_module_says_what_it_is() -> None:
    files = sources(*LIBRARY, "scripts")
    assert [str(path.relative_to(ROOT)) for path in files if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_worlds_are_imported_without_torch() -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources("envs")]
    code = f"""
import importlib, sys
for name in {names}: importlib.import_module(name.removesuffix(".__init__"))
heavy = {{"torch", "stable_baselines3", "lightning_fabric"}} & set(sys.modules)
assert not heavy, heavy
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
