"""What a scale needs before anything starts: sources, packages, machine, disk, hours; and what of it is there."""
