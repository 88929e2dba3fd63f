"""Arguments of the commands whose modules import torch; `--help` answers without it."""
