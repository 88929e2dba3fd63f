"""The process's heap, kept from growing with the number of frames: for glibc (Linux), whose allocator otherwise keeps in pieces what the networks free."""

import ctypes

# mallopt's parameters (malloc.h), and what they are set to. Setting one switches glibc's own moving thresholds off: blocks that were mapped once it would
# take from the heap from then on, where what outlives a forward lies between them and nothing is given back. (65536 mappings are glibc's own limit; said
# since the environment may say another, as the pipeline does for trainings.)
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX = (-1, 128 << 20), (-2, 32 << 20), (-3, 4 << 20), (-4, 65536)
EVERY = 64      # frames, after which what lies free between what stays is given back too


def bounded(progress=None):
    """Bound the heap, and -> a `progress` for eval.evaluate that gives back what is free now and then, and calls `progress` if there is one.

    Memory is the process's, so a program does this, no library function: `tcan-eval` does. Numbers: bench/results/evaluate.md.
    """
    bound()
    trim, given = getattr(_library(), "malloc_trim", None), 0

    def call(done, total, clip):
        nonlocal given
        if trim and done - given >= EVERY:
            given = done
            trim(0)
        if progress:
            progress(done, total, clip)
    return call


def bound():
    """Map each block of 4 MiB or more by itself, so that freeing it gives it back; keep up to 128 MiB free at the heap's end, so that the rest is as fast
    as it was. Returns whether the allocator took all of it; elsewhere than with glibc nothing is done."""
    mallopt = getattr(_library(), "mallopt", None)
    return mallopt is not None and all([mallopt(*option) == 1 for option in (TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX)])


def _library():
    """The C library of this process; None where it can't be opened so (Windows). Its functions are missing where it isn't glibc."""
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
