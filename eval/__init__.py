"""Metrics of human image animation under named protocols: `evaluate(GEN, TRUE)` scores a folder of generated frames.

Usable alone: nothing here knows how the frames were made. `python -m eval score --help` is the same from a shell.
"""


def __getattr__(name):
    """Import `evaluate` when it is asked for: reading a protocol needs none of what it imports."""
    if name == "evaluate":
        from eval.score import evaluate

        return evaluate
    raise AttributeError(f"module 'eval' has no attribute {name!r}")
