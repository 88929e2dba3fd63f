"""workflow/imports.py: which files a rule's command depends on."""

from pathlib import Path

import pytest

from tcan.cli import COMMANDS
from workflow.imports import sources_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path):
    files = {
        "pkg/__init__.py": "from pkg.far import away",
        "pkg/a/__init__.py": "",
        "pkg/a/one.py": "import os\nfrom pkg.a import two\ndef f():\n    from pkg.b.three import name\nTABLE = 'data.csv'",
        "pkg/a/two.py": "NAMED = {'x': 'pkg.b.four'}",
        "pkg/a/data.csv": "",
        "pkg/a/other.csv": "",
        "pkg/b/three.py": "from pkg.a import one",
        "pkg/b/four.py": "",
        "pkg/far.py": "away = 1",
        "pkg/public.py": "from pkg import away",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_follows_imports_wherever_they_stand_names_in_strings_and_data_files(tree):
    assert sources_of("pkg.a.one", tree) == ["pkg/a/__init__.py", "pkg/a/data.csv", "pkg/a/one.py", "pkg/a/two.py", "pkg/b/four.py", "pkg/b/three.py"]


def test_a_top_package_counts_only_where_a_name_is_taken_from_it(tree):
    assert sources_of("pkg.public", tree) == ["pkg/__init__.py", "pkg/far.py", "pkg/public.py"]


def test_a_missing_module_is_named(tree):
    with pytest.raises(ValueError, match=r"pkg\.nowhere"):
        sources_of("pkg.nowhere", tree)


@pytest.mark.parametrize(("module", "there", "not_there"), [
    ("tcan.train.stage1", ["tcan/models/attention.py", "tcan/models/lora.py"], ["tcan/generate/", "tcan/train/stage2.py", "tcan/config.py"]),
    ("tcan.generate.rows", ["tcan/generate/pipeline.py", "tcan/models/temperature.py", "tcan/pose/retarget.py", "tcan/baselines/copy.py"], ["tcan/train/"]),
    ("tcan.fetch.command", ["tcan/fetch/sources.py", "tcan/fetch/archives.py"], ["tcan/models/", "tcan/pose/"]),
    ("eval.score_command", ["eval/pixel.py", "eval/frechet.py"], ["eval/tables.py", "eval/strips.py", "tcan/"]),
    ("eval.report", ["eval/tables.py", "eval/paper_tables.csv"], ["eval/score.py", "tcan/"]),
])
def test_this_project(module, there, not_there):
    found = sources_of(module, ROOT)
    assert set(there) <= set(found)
    assert not [path for path in found if path.startswith(tuple(not_there))]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_module(command):
    assert sources_of(COMMANDS[command][0], ROOT)
