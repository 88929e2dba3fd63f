"""`tcan latents`: see tcan/train/latents.py."""

from pathlib import Path


def add_arguments(parser):
    parser.add_argument("--data", type=Path, required=True, help="data/<scale>")
    parser.add_argument("--foundation", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of the clips done so far")


def run(args, config):
    from tcan.train import latents

    latents.run(args, config)
