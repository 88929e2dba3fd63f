"""Figures like the paper's, a module for each kind, drawn by `python -m eval figure N` from what the pipeline made."""
