"""The walls of the house: who may import whom, what answers at once, how long a file may be, and what no file may say."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = 450
BINARY = (".png", ".safetensors", ".npz")


def tracked():
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in names.stdout.split("\0") if name and (ROOT / name).is_file()]


def imports(path):
    """Top-level names of all the modules that a file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize(("package", "never"), [("tcan", {"eval", "workflow", "snakemake", "dvc"}), ("eval", {"tcan", "workflow", "snakemake", "dvc"})])
def test_packages_meet_only_in_files(package, never):
    for path in sorted((ROOT / package).rglob("*.py")):
        assert not never & set(imports(path)), path.relative_to(ROOT)


MODULES = ("tcan", "tcan.config", "tcan.cli", "tcan.doctor.command", "tcan.fetch.sources", "eval", "eval.protocol", "eval.cli", "eval.features")


@pytest.mark.parametrize("module", MODULES)
def test_imports_no_torch(module):
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}} & {{'torch', 'torchvision', 'diffusers', 'transformers'}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not done.stdout.split()


def commands():
    from eval import cli as eval_cli
    from tcan import cli

    return [*(("tcan", name) for name in cli.COMMANDS), *(("eval", name) for name in eval_cli.COMMANDS)]


@pytest.mark.parametrize(("package", "command"), commands())
def test_help_imports_no_torch(package, command):
    code = (f"import sys\nfrom {package}.cli import main\n"
            f"try:\n    main(['{command}', '--help'])\nexcept SystemExit as done:\n    assert done.code == 0\n"
            "assert 'torch' not in sys.modules, 'torch'")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    assert command in done.stdout


def test_files_do_one_thing():
    long = {path.relative_to(ROOT).as_posix(): count for path in tracked() if path.suffix in (".py", ".smk")
            and (count := len(path.read_text().splitlines())) > LINES}
    assert not long


def test_nothing_names_a_machine_or_a_registry():
    named = re.compile(r"(^|[^\w.:/}])/(work|opt|root|home|farm)/[\w.]|--(extra-)?index" "-url|--find" "-links"
                       r"|https?://[^\s/]*(pypi|npmjs|pythonhosted)", re.MULTILINE)
    texts = {path: path.read_text(errors="replace") for path in tracked() if path.suffix not in BINARY and path != Path(__file__)}
    assert not [f"{path.relative_to(ROOT)}: {found.group()}" for path, text in texts.items() for found in named.finditer(text)]
