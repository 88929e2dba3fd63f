"""`python -m eval score GEN TRUE`: the metrics of a folder of generated frames, as JSON."""

import argparse
import json
import sys
import time
from pathlib import Path

from eval import protocol
from eval.errors import UserError
from eval.features import NETWORKS

SUMMARY = "summary.json"


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "networks, by role (the protocols' own first; any other is a stand-in and its metrics carry its name):\n" + "\n".join(
        f"  {role:<11}{', '.join(sorted((n for n in NETWORKS if role in NETWORKS[n].roles), key=lambda n: n != own))}"
        for role, own in protocol.ROLES.items())
    parser.add_argument("generated", metavar="GEN", type=Path, help="folder of generated frames: one folder for each clip, or DisCo's one folder")
    parser.add_argument("true", metavar="TRUE", type=Path, nargs="+", help="folder(s) of true frames under the same names")
    parser.add_argument("--split", help="score the clips of this split of TRUE's clips.csv (default: every clip)")
    parser.add_argument("--protocol", nargs="+", default=list(protocol.PROTOCOLS), metavar="NAME",
                        help=f"disco-1, corrected-1 or corrected-1@SIZE (default: {' '.join(protocol.PROTOCOLS)})")
    parser.add_argument("--networks", nargs="*", metavar="ROLE=NAME",
                        help="a network for each role; metrics of other roles are left out (default: the protocols' own)")
    parser.add_argument("--weights", type=Path, default=Path("data/raw"), help="folder of the networks' weights (default: %(default)s)")
    parser.add_argument("--window", type=int, default=protocol.WINDOW, help=argparse.SUPPRESS)    # a protocol's, not the user's: checked
    parser.add_argument("--device", default="cpu", help="torch device (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True,
                        help=f"metrics.json: everything. {SUMMARY}, the values alone, is written beside it, for `dvc metrics`")


def run(args):
    """Score, write both files, and print the summary on stdout; people read stderr."""
    if args.window != protocol.WINDOW:
        raise UserError(f"--window {args.window}: expected {protocol.WINDOW}, which is the protocols'; another window is another protocol")
    networks = None if args.networks is None else _networks(args.networks)
    for label in args.protocol:
        protocol.get(label)
    from eval.files import write_json
    from eval.score import evaluate, summary

    result = evaluate(args.generated, args.true, args.protocol, networks, args.weights, split=args.split, device=args.device,
                      seed=args.seed, progress=Progress())
    for warning in result["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    write_json(args.out.with_name(SUMMARY), summary(result))
    write_json(args.out, result)        # last: where it stands, the other does
    print(json.dumps(summary(result), indent=1, sort_keys=True))


def _networks(words):
    """ROLE=NAME words as a dict, checked."""
    from eval.features import check

    networks = {}
    for word in words:
        role, equals, name = word.partition("=")
        if not equals or role not in protocol.ROLES:
            raise UserError(f"--networks {word}: expected ROLE=NAME with a role of {', '.join(protocol.ROLES)}; write fid=efficientnet-lite0")
        check(name, role)
        networks[role] = name
    return networks


class Progress:
    """A bar with the time left on a terminal; elsewhere a line when a clip begins."""

    def __init__(self):
        self.bar, self.clip, self.started = None, None, time.monotonic()

    def __call__(self, done, total, clip):
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = self.bar or tqdm(total=total, unit="frame", file=sys.stderr)
            self.bar.set_postfix_str(clip, refresh=False)
            self.bar.update(done - self.bar.n)
            if done == total:
                self.bar.close()
        elif clip != self.clip or done == total:
            print(f"score: {done}/{total} frames, {clip}, {time.monotonic() - self.started:.1f} s", file=sys.stderr, flush=True)
        self.clip = clip
