"""How a training's command begins: alone, or shared among several processes (`--config processes=N`)."""

from tcan.errors import UserError


def launcher(count, stages):
    """The words that start `tcan` in `count` processes, one for each GPU.

    stages: (where, options) of the trainings, whose `accumulate` (batches of a step in all processes together) has to be a multiple of count.

    torchrun, not `accelerate launch`: the latter does the same and imports all that it could use, torchvision among it. The two dashes keep
    torchrun from taking tcan's options for its own.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise UserError(f"processes: expected a whole number of at least 1, got {count!r}; pass --config processes=N")
    for where, options in stages:
        if options.accumulate % count:
            raise UserError(f"{where}.accumulate: expected a multiple of processes ({count}), got {options.accumulate}; it counts the batches of a step in all "
                            "processes together: raise it, and lower batch or steps to train as much, or leave --config processes out")
    return "python -m tcan" if count == 1 else f"torchrun --standalone --nproc_per_node {count} -m -- tcan"
