"""The lock, the Makefile, CI and the import contracts do what they are there for."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import find_packages

from scripts import _cli

ROOT = Path(__file__).parents[1]
LIBRARY = ("sslctrl", "envs", "vision", "agents")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = dict(
    line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")
)


def test_the_lock_pins_what_the_project_asks_for() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    for text in (*PROJECT["project"]["dependencies"], *extras["dev"], *extras["bench"]):
        asked = Requirement(text)
        pinned = LOCK.get(canonicalize_name(asked.name))
        assert pinned and asked.specifier.contains(pinned), text
    assert not [pin for pin in LOCK.values() if "+" in pin]  # a local version is on one machine's disk only


def test_the_lock_is_whole() -> None:
    missing = []
    for name in LOCK.keys() - {"torch"}:  # what its wheel asks for differs with the kind of GPU
        try:
            asked = [Requirement(text) for text in importlib.metadata.requires(name) or []]
        except importlib.metadata.PackageNotFoundError:
            continue
        always = [item for item in asked if item.marker is None or item.marker.evaluate({"extra": ""})]
        missing += [f"{name} asks for {item}" for item in always if canonicalize_name(item.name) not in LOCK]
    assert missing == []


def test_every_folder_is_installed() -> None:
    found = set(find_packages(str(ROOT), include=PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]))
    folders = {path.parent.relative_to(ROOT) for name in LIBRARY for path in (ROOT / name).rglob("*.py")}
    assert {".".join(folder.parts) for folder in folders} - found == set()


def test_the_lines_of_the_readme_are_those_of_the_scripts() -> None:
    lines = re.findall(r"python (scripts/\w+\.py)(.*)", (ROOT / "README.md").read_text().replace("\\\n", " "))
    assert lines
    for script, flags in lines:
        text = (ROOT / script).read_text()
        given = set(re.findall(r"--[a-z][a-z.-]*", flags))
        found = re.search(r"^from (\S+) import (\w+Config)$", text, re.M)
        assert found or not given, script
        known = _cli.flags(getattr(importlib.import_module(found[1]), found[2])) if found else ()
        assert given - {*known, "--config"} == set(), script


def make(*args: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *args], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing installed."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_an_old_python_is_refused_in_one_line(checkout: Path) -> None:
    old = checkout / "old-python"
    old.write_text('#!/bin/sh\ntest "$1" = --version && echo "Python 3.8.10" && exit 0\nexit 1\n')
    old.chmod(0o755)
    refused = make("setup", f"PYTHON={old}", cwd=checkout)
    assert refused.returncode != 0
    assert f"error: {old} is Python 3.8.10; allowed is Python 3.11 or newer" in refused.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("target", ["setup", "demo", "check", "test", "bench"])
def test_every_target_installs_from_the_lock_where_that_is_due(target: str, checkout: Path) -> None:
    install = "install --disable-pip-version-check --quiet -r requirements.lock"
    assert install in make("-n", target, cwd=checkout).stdout
    (checkout / ".venv").mkdir()
    (checkout / ".venv/.stamp").touch()
    assert install not in make("-n", target, cwd=checkout).stdout
    later = (checkout / ".venv/.stamp").stat().st_mtime + 10
    os.utime(checkout / "requirements.lock", (later, later))
    assert install in make("-n", target, cwd=checkout).stdout


def test_ci_checks_and_tests_from_any_folder(tmp_path: Path) -> None:
    fake = tmp_path / "bin/make"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "$PWD: $*"\nexit 3\n')
    fake.chmod(0o755)
    environment = os.environ | {"PATH": f"{fake.parent}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", str(ROOT / ".ci/run")], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout == f"{ROOT}: check test\n"
    assert ran.returncode == 3  # a failure is a failure


@pytest.mark.slow
def test_the_import_contracts_find_what_they_forbid(tmp_path: Path) -> None:
    for name in LIBRARY:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    broken = {
        "sslctrl/_x.py": "import envs, pybullet, stable_baselines3",
        "envs/_x.py": "import torch, vision",
    }
    for path, text in broken.items():
        (tmp_path / path).write_text(text)
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(lint, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    names = [contract["name"] for contract in PROJECT["tool"]["importlinter"]["contracts"]]
    kept = [name for name in names if f"{name} BROKEN" not in " ".join(ran.stdout.split())]
    assert kept == [], ran.stdout + ran.stderr
