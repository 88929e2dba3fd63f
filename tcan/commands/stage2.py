"""`tcan stage2`: see tcan/train/stage2.py."""

from pathlib import Path


def add_arguments(parser):
    parser.add_argument("name", help="a model of params.yaml")
    parser.add_argument("--latents", type=Path, required=True, help="the encoded train split")
    parser.add_argument("--foundation", type=Path, required=True)
    parser.add_argument("--stage1", type=Path, required=True, help="folder of the stage-1 training that the model stands on")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of the resumable checkpoint")


def run(args, config):
    from tcan.train import stage2

    stage2.run(args, config)
