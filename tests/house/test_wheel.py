"""The wheel: built, installed elsewhere, run from another folder, complete and with nothing else in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.kit.house import root

CHECKOUT = Path(__file__).parents[2]

ENTRY = """
import sys
from importlib.metadata import entry_points
(program,) = entry_points(group="console_scripts", name="fivefold")
sys.argv[0] = "fivefold"
program.load()()
"""
"""What the script does that an installer would write."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(words, check=True, capture_output=True, cwd=CHECKOUT)
    (built,) = folder.glob("fivefold-*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in an environment of its own, which borrows the libraries of this one."""
    environment = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    target = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True
    ).stdout.strip()
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, str(wheel)]
    subprocess.run(words, check=True, capture_output=True)
    libraries = Path(pytest.__file__).parents[1]
    Path(target, "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")
    return python


def run(program: Path, folder: Path, code: str, *words: str) -> str:
    """What a program prints, run in a folder that holds nothing of ours."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FIVEFOLD_", "DATABASE_URL", "PYTHON"))}
    done = subprocess.run([program, "-c", code, *words], capture_output=True, text=True, cwd=folder, env=clean)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_everything_and_nothing_else(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {path for path in (CHECKOUT / "app").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    wanted = {path.relative_to(CHECKOUT).as_posix() for path in expected}
    for folder in ("sql", "migrations"):
        wanted |= {f"app/{path.relative_to(CHECKOUT).as_posix()}" for path in (CHECKOUT / folder).rglob("*") if path.is_file()}
    assert {name for name in inside if not name.startswith("fivefold-")} == wanted
    assert any(name.endswith(".toml") for name in wanted)
    assert any(name.startswith("app/kit/console/") for name in wanted)


def test_it_runs_from_anywhere(program: Path, tmp_path: Path) -> None:
    assert run(program, tmp_path, ENTRY, "--version").startswith("fivefold, version ")
    planned = {line.split(":")[0] for line in run(program, tmp_path, ENTRY, "migrate", "plan").splitlines()}
    assert planned == {path.name.split(".")[0] for path in (root() / "migrations").glob("*.sql")}
    assert "google" in run(program, tmp_path, ENTRY, "seed", "check")


def test_it_runs_its_own_code(program: Path, tmp_path: Path) -> None:
    found = Path(run(program, tmp_path, "from app.kit.house import root; print(root())").strip())
    assert not found.is_relative_to(CHECKOUT)
    assert (found / "sql").is_dir()
