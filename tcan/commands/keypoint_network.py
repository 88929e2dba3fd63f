"""`tcan keypoint_network`: see tcan/train/keypoint_network.py."""

from pathlib import Path


def add_arguments(parser):
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="fetched sources (motion capture)")
    parser.add_argument("--run", type=Path, required=True, help="folder of the resumable checkpoint")
    parser.add_argument("--out", type=Path, required=True)


def run(args, config):
    from tcan.train import keypoint_network

    keypoint_network.run(args, config)
