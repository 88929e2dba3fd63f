"""A disk that takes no more: one line says so, and nothing half-made is left. (A limit on a file's size stands in for the disk's end.)"""

import resource
import subprocess
import sys

import pytest

from tests.conftest import environment

LIMIT = 1000  # bytes: less than any artefact, and than the traceback in the log

COMMANDS = {
    "frames": "frames --set human --raw data/raw --out made",
    "puppets": "puppets --set puppets --raw data/raw --out made --exact made-exact",
    "poses": "poses --set puppets --frames data/lite/frames/puppets --exact data/lite/exact/puppets --raw data/raw --out made",
    "latents": "latents --data data/lite --foundation weights/lite --run runs/full --out made",
    "stage1": "stage1 appa --latents models/lite/latents --foundation weights/lite --run runs/full --out made",
    "stage2": "stage2 appa_tctrln_mm2 --latents models/lite/latents --foundation weights/lite --stage1 models/lite/stage1/appa --run runs/full --out made",
    "generate": "generate tcan_mm2 --split test --data data/lite --model models/lite/appa_tctrln_mm2 --run runs/full --out made",
}


@pytest.fixture(scope="module")
def checkout(world, tmp_path_factory):
    return world.copy(tmp_path_factory.mktemp("full") / "tcan")


def only_small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


@pytest.mark.parametrize("name", COMMANDS)
def test_says_so_and_leaves_nothing(checkout, name):
    done = subprocess.run([sys.executable, "-m", "tcan", *COMMANDS[name].split(), "--log", "logs/full.log"], cwd=checkout.folder, env=environment(),
                          text=True, capture_output=True, preexec_fn=only_small_files)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1, done.stderr
    assert "check the disk's space" in done.stderr
    left = {path.name for pattern in ("made*", ".made*", "runs/full/**/*.*") for path in checkout.folder.glob(pattern)}
    assert left <= {"run_of.json"}, "nothing but the small file that says whose clips are to come"
