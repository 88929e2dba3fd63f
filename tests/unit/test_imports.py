"""tcan/imports.py: which files a rule's command depends on."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tcan.cli import COMMANDS
from tcan.imports import PLUMBING, sha256_of_code, sources_of

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


def test_folders_may_be_left_out(tree):
    assert sources_of("pkg.a.one", tree, ["pkg/a/"]) == ["pkg/b/four.py", "pkg/b/three.py"], "though what they import is not"


def test_packages_beside_this_one_are_not_read(tree):
    """As where it is installed."""
    (tree / "pkg/a/two.py").write_text("import other\nfrom other import part\nNAMED = 'other.part'")
    (tree / "other").mkdir()
    for name in ("__init__.py", "part.py"):
        (tree / "other" / name).write_text("no Python")
    assert not [path for path in sources_of("pkg.a.one", tree) if path.startswith("other")]


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


# --- the digest ---------------------------------------------------------------------------------------------------------

@pytest.fixture
def digest(tmp_path):
    """A function: edits in a copy of the package, {file: text to append} -> the digest of a training's code there, as another process sees it."""
    shutil.copytree(ROOT / "tcan", tmp_path / "tcan", ignore=shutil.ignore_patterns("__pycache__"))

    def found(**edits):
        for name, text in edits.items():
            with open(tmp_path / "tcan" / f"{name.replace('.', '/')}.py", "a") as stream:
                stream.write(text)
        code = "from tcan.imports import sha256_of_code\nprint(sha256_of_code('tcan.train.stage2', ('tcan/generate/',)))"
        return subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    return found


@pytest.mark.parametrize("module", ["train.stage2", "train.loop", "models.attention", "pose.draw", "seeds"])
def test_code_that_trains_is_in_the_digest(digest, module):
    before = digest()
    assert before.strip() == sha256_of_code("tcan.train.stage2", ("tcan/generate/",)), "wherever it lies"
    assert digest(**{module: "EDITED = True\n"}) != before


def test_nothing_else_is_in_the_digest(digest):
    plumbing = [name.removeprefix("tcan.") for name in PLUMBING if name.startswith("tcan.")]
    others = ["generate.pipeline", "data.tiktok", "fetch.download", "train.stage1", "doctor.command", *plumbing]
    before = digest()
    assert digest(**{module: "EDITED = True\n" for module in others}) == before


@pytest.mark.parametrize("module", ["tcan.train.foundation", "tcan.train.denoiser", "tcan.train.motion_modules", "tcan.train.keypoint_network",
                                    "tcan.train.stage1", "tcan.train.stage2"])
def test_the_loop_is_part_of_every_training(module):
    assert "tcan/train/loop.py" in sources_of(module, ROOT)
