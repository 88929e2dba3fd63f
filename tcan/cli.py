"""`python -m tcan COMMAND`: what the rules call, each usable alone. Modules are imported only when their command runs."""

import argparse
import contextlib
import importlib
import os
import sys
import traceback
from pathlib import Path

from tcan import config as configuration
from tcan.errors import UserError

COMMANDS = {  # name: (module with add_arguments(parser) and run(args, config), what it does)
    "doctor": ("tcan.doctor.command", "say what a scale needs, what of it is there, and what it will take"),
    "fetch": ("tcan.fetch.command", "fetch a declared source into data/raw, verified by sha256"),
    "frames": ("tcan.data.frames", "decode, crop and resize the clips of a video set"),
    "tiktok": ("tcan.data.tiktok", "write the frames of the TikTok set, or of one of its shards"),
    "bizarre": ("tcan.data.bizarre", "write the Bizarre Pose characters and their marked key points"),
    "leakage": ("tcan.data.leakage", "look for test videos among the train clips, by id and by perceptual hash"),
    "gather": ("tcan.data.gather", "bring a set's shards together"),
    "puppets": ("tcan.data.puppet_set", "render the puppet set with its exact key points"),
    "poses": ("tcan.pose.estimate", "find the key points of a set's clips"),
    "weights": ("tcan.commands.weights", "bring published networks into the foundation's layout: vae, denoiser, appearance, mm1 or mm2"),
    "foundation": ("tcan.commands.foundation", "make a foundation part: a pool, autoencoder, draft, sharpened, photographed, decoder, denoiser, mm1 or mm2"),
    "keypoint_network": ("tcan.commands.keypoint_network", "train what finds the key points of generated rendered people again"),
    "latents": ("tcan.commands.latents", "encode the train split once, for both stages"),
    "stage1": ("tcan.commands.stage1", "train the appearance UNet and APPA (section 3.1)"),
    "stage2": ("tcan.commands.stage2", "train the temporal layers of UNet and ControlNet (section 3.2)"),
    "generate": ("tcan.generate.rows", "generate a row's clips of a split"),
    "driving": ("tcan.generate.driving", "write the poses of a split as numbers: the truth, or what a row is driven by"),
    "plan": ("tcan.claims", "say what each row is that `snakemake claims` makes"),
    "attention": ("tcan.generate.attention_maps", "map how a row's temporal layers attend to the frames, with and without the temperature map"),
    "animate": ("tcan.generate.animate", "animate a picture of your own with a video of your own"),
}


def parser(command=None):
    """The argument parser; only the named command's module is imported, so `--help` answers at once."""
    top = argparse.ArgumentParser(prog="tcan", description=__doc__.partition("\n")[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.add_argument("--params", default="params.yaml", help="parameter file (default: %(default)s)")
        sub.add_argument("--scale", help="one of the parameter file's scales (default: its own `scale`)")
        sub.add_argument("--log", type=Path, help="file for progress and tracebacks (default: progress on stderr, no traceback)")
        if name == command:
            importlib.import_module(module).add_arguments(sub)
    return top


def main(arguments=None):
    """Run a command. Exit code 0, 2 for a mistake of the user's (told in one line), 1 for one of ours, 130 for an interrupt."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    command = next((word for word in arguments if word in COMMANDS), None)
    args = parser(command).parse_args(arguments)
    with _stderr_to(args.log) if args.log else contextlib.nullcontext():
        try:
            importlib.import_module(COMMANDS[args.command][0]).run(args, configuration.load(args.params, args.scale))
            return 0
        except KeyboardInterrupt:
            return _fail(args, "interrupted; the same command goes on from the last checkpoint", 130)
        except UserError as error:
            return _fail(args, str(error), 2)
        except OSError as error:
            return _fail(args, _refused(error.filename or args.command, error.strerror or error), 2)
        except Exception as error:
            # safetensors' and sqlite's (dvclive's) ways of saying what the disk refused; their classes are no OSErrors
            if "(os error " in str(error) or "disk I/O error" in str(error) or "disk is full" in str(error):
                return _fail(args, _refused(args.command, error), 2)
            # a bug: named in a line, told in full in the log
            return _fail(args, f"{args.command} failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}", 1)


@contextlib.contextmanager
def _stderr_to(path):
    """Within the block, what goes to stderr goes to this file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rank = int(os.environ.get("RANK", 0))  # of several processes of `torchrun`, each has a file of its own
    log = open(path.with_name(f"{path.name}.{rank}") if rank else path, "w", buffering=1)
    try:
        with contextlib.redirect_stderr(log):
            yield
    finally:
        with contextlib.suppress(OSError):  # a full disk doesn't take the log's last line either; the error was told on the screen
            log.close()


def _refused(what, why):
    return f"{what}: expected to read or write, got {why}; check the disk's space and permissions and run the same command again"


def _fail(args, message, code):
    if args.log or os.environ.get("TCAN_TRACEBACK"):
        with contextlib.suppress(OSError):
            traceback.print_exc()
    where = f" (traceback: {args.log})" if args.log else ""
    print(f"error: {message}{where}", file=sys.__stderr__)
    return code
