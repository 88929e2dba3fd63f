"""A killed training goes on from its last checkpoint when the same command is run again, and ends in the same bytes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import differing, environment
from tests.workflow.conftest import set_param

TARGET = "models/lite/appa_tctrln_mm2/run.json"


def long_training(checkout):
    set_param(checkout, "scales.lite.stage2.steps", 24)
    set_param(checkout, "scales.lite.stage2.checkpoint_every", 2)
    return checkout


def weights(checkout):
    folder = checkout / "models/lite/appa_tctrln_mm2"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.safetensors")}


def start(checkout):
    return subprocess.Popen(["snakemake", "--cores", "1", TARGET], cwd=checkout.folder, env=environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)


def wait_for(condition, what, limit=120):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit} s"
        time.sleep(0.05)


def training_of(group):
    """The process of a session that trains."""
    for line in subprocess.run(["ps", "-eo", "pid,sess,args"], capture_output=True, text=True, check=True).stdout.splitlines()[1:]:
        pid, session, args = line.split(None, 2)
        if int(session) == group and args.startswith("python -m tcan stage2"):
            return int(pid)
    return None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("killed", ["the training", "everything"])
def test_goes_on_and_ends_in_the_same_bytes(world, copy_of, whole, killed):
    checkout = long_training(copy_of(world))
    process = start(checkout)
    wait_for((checkout / "runs/lite/appa_tctrln_mm2/checkpoint.safetensors").exists, "the first checkpoint")
    if killed == "everything":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(training_of(process.pid), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not (checkout / TARGET).exists()
    printed = checkout.snakemake("--cores", "1", TARGET)  # the same command
    assert "goes on from step" in (checkout / "logs/lite/stage2/appa_tctrln_mm2.log").read_text(), printed
    assert not differing(weights(checkout), whole)
    assert not (checkout / "runs/lite/appa_tctrln_mm2").exists()


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """The weights of the same training, never killed."""
    checkout = long_training(world.copy(tmp_path_factory.mktemp("whole") / "tcan"))
    checkout.snakemake("--cores", "1", TARGET)
    found = weights(checkout)
    assert found
    return found
