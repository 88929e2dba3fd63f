"""Small folders of frames, shared by the tests of eval."""

import h5py
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


@pytest.fixture
def tiny_hdf5(tmp_path):
    """A file in the layout of Keras' .weights.h5, and its arrays."""
    arrays = {"dsn1/vars/0": np.full(1, 7, np.float32), "block1/layers/conv2d_1/vars/0": np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2)}
    path = tmp_path / "tiny.weights.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path, arrays
