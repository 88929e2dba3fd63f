"""Small folders of frames, shared by the tests of eval."""

from pathlib import Path

import numpy as np
import pytest

from tests.golden.made_clips import moving, noisy, write


@pytest.fixture
def clips():
    return {"anna": moving(18, 24, seed=1), "bert": moving(17, 24, seed=2)}


@pytest.fixture
def folders(tmp_path, clips):
    """GEN and TRUE: two clips each; TRUE has a clips.csv."""
    return (write(tmp_path / "gen", {name: noisy(x, 10) for name, x in clips.items()}),
            write(tmp_path / "true", clips, table=dict.fromkeys(clips, "test")))


@pytest.fixture(scope="session")
def tiny_hdf5():
    """A committed file in the layout of Keras' .weights.h5, written by h5py 3.16 (libver="earliest"), and the arrays it was given."""
    arrays, layer = {f"dsn{k}/vars/0": np.full(1, k, np.float32) for k in range(12)}, 0      # 15 groups: more than one leaf of the tree
    for block in (1, 2, 3):
        for name in ("conv2d", "conv2d_1", "conv2d_2"):
            for index, shape in enumerate([(3, 3, block, 2), (2,)]):
                array = np.arange(np.prod(shape), dtype=np.float32) + 1000 * block + 100 * layer
                arrays[f"block{block}/layers/{name}/vars/{index}"] = array.reshape(shape)
            layer += 1
    return Path(__file__).parents[2] / "golden" / "tiny.weights.h5", arrays
