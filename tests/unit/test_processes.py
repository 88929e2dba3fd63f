"""A training shared among processes is the training of one: every trained parameter has the gradient of all batches."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import environment
from workflow.processes import launcher

ROOT = Path(__file__).parents[2]
LAUNCHERS = {1: [], 2: ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]}


@pytest.fixture(scope="module")
def results(foundation_folder, tmp_path_factory):
    """{number of processes: folder of what they wrote}."""
    folders = {}
    for count, start in LAUNCHERS.items():
        folders[count] = tmp_path_factory.mktemp(f"processes{count}")
        done = subprocess.run([sys.executable, *start, "-m", "tests.unit.two_processes", str(foundation_folder), str(folders[count])],
                              env=environment() | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    return folders


def compare(results, name, tolerance):
    alone = load_file(results[1] / f"{name}_0.safetensors")
    assert alone.pop("processes") == 1
    for rank in (0, 1):
        shared = load_file(results[2] / f"{name}_{rank}.safetensors")
        assert shared.pop("processes") == 2
        assert shared.keys() == alone.keys()
        for key, value in alone.items():
            assert torch.allclose(shared[key], value, rtol=tolerance, atol=tolerance * value.abs().max().item()), f"{key} of process {rank}"
    return alone


def test_a_whole_training(results):
    alone = compare(results, "uneven", 1e-6)
    assert alone["never"].tolist() == [3, 3, 3] and not torch.equal(alone["odd"], torch.full((3,), 2.0))


def test_every_trained_module_of_stage_1(results):
    alone = compare(results, "stage1", 1e-4)
    assert any(".appa." in key for key in alone) and any(key.startswith("appearance_unet.") for key in alone)
    assert all(value.any() for key, value in alone.items() if ".lora_" in key)


def test_the_command_reaches_every_process(tmp_path):
    """Each says what the command says alone: torchrun takes none of its options for its own."""
    words = ["stage1", "nothing", "--scale", "smoke", "--log", "log", "--latents", "latents", "--foundation", "weights", "--run", "run", "--out", "out"]
    params = ["--params", str(ROOT / "params.yaml")]
    for count in (1, 2):
        done = subprocess.run([*launcher(count, ()).split(), *words, *params], cwd=tmp_path, env=environment(PYTHONPATH=str(ROOT)),
                              capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if "error: stage1: expected one of" in line]
        assert done.returncode != 0 and len(said) == count, done.stderr[-1500:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
