"""Features of all frames, out of memory: a distance between sets reads them piece by piece, so that what it needs doesn't grow with their number."""

import tempfile

import numpy as np

PIECE = 512     # rows that are in memory at once


class Rows:
    """Rows (n, d) in the order in which they came, in a temporary file that nobody else sees and that goes with the process (TMPDIR says where)."""

    def __init__(self):
        self.file, self.shape, self.dtype = tempfile.TemporaryFile(), (0, None), None

    def append(self, values):
        """values: (k, d), of one d and one type all along."""
        if self.dtype is None:
            self.shape, self.dtype = (0, values.shape[1]), values.dtype
        if (values.shape[1], values.dtype) != (self.shape[1], self.dtype):
            raise ValueError(f"expected rows of {self.shape[1]} {self.dtype}, got {values.shape[1]} {values.dtype}")
        self.file.seek(0, 2)
        self.file.write(np.ascontiguousarray(values).data)
        self.shape = (len(self) + len(values), self.shape[1])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, part):
        """The rows of a slice of consecutive ones, an array."""
        first, last, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"expected consecutive rows, got every {step}th")
        out = np.empty((max(0, last - first), self.shape[1]), self.dtype)
        self.file.seek(first * out.itemsize * self.shape[1])
        if out.size and self.file.readinto(out.data.cast("B")) != out.nbytes:
            raise OSError("the temporary file of features ended early; is its disk full, or was it cleared?")
        return out


def pieces(rows):
    """(first, float64 array) of consecutive rows of an array or of Rows."""
    for first in range(0, len(rows), PIECE):
        yield first, np.asarray(rows[first:first + PIECE], np.float64)
