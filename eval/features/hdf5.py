"""The arrays of an HDF5 file, as Keras 3 writes its `.weights.h5`."""

import h5py

from eval.errors import UserError


def read_arrays(path):
    """All datasets of the file: {"group/.../name": array}. Raises UserError for a broken file."""
    arrays = {}
    try:
        with h5py.File(path, "r") as file:
            file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path}: expected an HDF5 file of weights, got {' '.join(str(error).split())}; fetch it again") from error
    return arrays
