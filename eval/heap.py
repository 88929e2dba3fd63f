"""The process's heap, kept from growing with the number of frames: for glibc (Linux), whose allocator otherwise keeps in pieces what the networks free."""

import ctypes

# mallopt's parameters (malloc.h), and what they are set to. Setting one switches glibc's own moving thresholds off: blocks that were mapped once it would
# take from the heap from then on, where what outlives a forward lies between them and nothing is given back.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = (-1, 128 << 20), (-2, 32 << 20), (-3, 4 << 20)


def bound():
    """Map each block of 4 MiB or more by itself, so that freeing it gives it back; keep up to 128 MiB free at the heap's end, so that the rest is as fast
    as it was. Returns whether the allocator took all of it; elsewhere than with glibc nothing is done.

    Memory is the process's, so a program does this, no library function: `tcan-eval` does. Numbers: bench/results/evaluate.md.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):        # another C library; no dlopen of the program itself (Windows)
        return False
    return all([mallopt(*option) == 1 for option in (TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD)])
