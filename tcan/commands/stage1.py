"""`tcan stage1`: see tcan/train/stage1.py."""

from pathlib import Path


def add_arguments(parser):
    parser.add_argument("name", help="a stage-1 training, as derived from the models' switches: plain, appa, plain_unfrozen, appa_unfrozen")
    parser.add_argument("--latents", type=Path, required=True, help="the encoded train split")
    parser.add_argument("--foundation", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of the resumable checkpoint")


def run(args, config):
    from tcan.train import stage1

    stage1.run(args, config)
