"""A package, so that this one is found before the `tests` that torch-fidelity leaves among the installed packages."""
