"""A Snakemake that was killed leaves its lock behind, and the same command would then refuse to go on."""

import fcntl
from pathlib import Path


def release_stale(folder=Path(".snakemake")):
    """Remove Snakemake's lock files below `folder` if no Snakemake runs here. Returns the open file whose lock says that this one does.

    The kernel lets go of a flock when its process ends, however it ends, so whoever can take it is alone. Keep the result for as long as
    the process runs; None if another one runs, and then Snakemake's own lock says so.
    """
    folder.mkdir(exist_ok=True)
    alive = open(folder / "alive", "w")
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        alive.close()
        return None
    for lock in (folder / "locks").glob("*.lock"):
        lock.unlink()
    return alive
