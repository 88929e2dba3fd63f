"""`tcan-eval GEN TRUE`: the metrics of generated frames or videos, as JSON, and as a page to read."""

import argparse
import json
import os
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
    parser.add_argument("generated", metavar="GEN", type=Path,
                        help="generated frames: a folder with a folder or video for each clip, DisCo's one folder of all frames, or one video")
    parser.add_argument("true", metavar="TRUE", type=Path, nargs="+", help="true frames under the same names, likewise; several add up")
    parser.add_argument("--split", action="append", help="score the clips of this split of TRUE's clips.csv; may be given again (default: every clip)")
    parser.add_argument("--gaps", action="store_true", help="frame numbers may have gaps, as DisCo's test set has them; no window spans one")
    parser.add_argument("--protocol", nargs="+", default=list(protocol.PROTOCOLS), metavar="NAME",
                        help=f"disco-1, corrected-1 or corrected-1@SIZE (default: {' '.join(protocol.PROTOCOLS)})")
    parser.add_argument("--networks", nargs="*", metavar="ROLE=NAME",
                        help="a network for each role; metrics of other roles are left out (default: the protocols' own)")
    parser.add_argument("--weights", type=Path, default=Path("data/raw"), help="folder of the networks' weights (default: %(default)s)")
    parser.add_argument("--window", type=int, default=protocol.WINDOW, help=argparse.SUPPRESS)    # a protocol's, not the user's: checked
    parser.add_argument("--device", default="cpu", help="torch device; auto: a GPU if there is one (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="threads that decode ahead (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR",
                        help="features kept between evaluations, by content: a second system pays for its own frames only (default: %(default)s)")
    parser.add_argument("--no-cache", dest="cache", action="store_const", const=None, help="keep no features")
    parser.add_argument("--out", type=Path,
                        help=f"metrics.json: everything; {SUMMARY}, the values alone, is written beside it, and printed. Without: everything is printed")
    parser.add_argument("--html", type=Path, help="a page to read: values, intervals, each video, frames side by side")


def default_cache():
    """Where features are kept unless --cache says otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcan-eval"


def run(args):
    """Score, write the files, and print JSON on stdout; people read stderr."""
    if args.window != protocol.WINDOW:
        raise UserError(f"--window {args.window}: expected {protocol.WINDOW}, which is the protocols'; another window is another protocol")
    if args.workers < 0:
        raise UserError(f"--workers: expected 0 or more threads, got {args.workers}")
    if args.seed < 0:
        raise UserError(f"--seed: expected 0 or more, got {args.seed}")
    networks = None if args.networks is None else _networks(args.networks)
    for label in args.protocol:
        protocol.get(label)
    from eval import heap
    from eval.files import all_writable, json_of, write_together
    from eval.score import evaluate, summary

    if args.out:
        all_writable([args.out])        # a folder has no name beside which the summary would stand
    all_writable([path for path in (args.out, args.out and args.out.with_name(SUMMARY), args.html) if path], read=(args.generated, *args.true))
    result = evaluate(args.generated, args.true, args.protocol, networks, args.weights, split=args.split, gaps=args.gaps, device=_device(args.device),
                      seed=args.seed, workers=args.workers, cache=args.cache, progress=heap.bounded(Progress()))
    for warning in result["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    print(_for_people(result), file=sys.stderr)
    files = {args.out: json_of(result), args.out.with_name(SUMMARY): json_of(summary(result))} if args.out else {}
    if args.html:
        from eval import clips, frames
        from eval.html_report import html_of

        paired = clips.pair(args.generated, args.true, args.split, args.gaps)
        files[args.html] = html_of(result, paired, lambda clip, side, index: frames.at((clip.generated, clip.true)[side], index), str(args.generated))
    write_together(files)               # metrics.json, the first, last: where it stands, the others do
    print(json.dumps(summary(result) if args.out else result, indent=1, sort_keys=True))


def _for_people(result):
    """The values with their intervals, aligned."""
    lines = []
    for label, body in result["protocols"].items():
        lines.append(f"{label}, {result['frames']['videos']} videos, {result['frames']['count']} frames of {body['size'][1]}x{body['size'][0]}")
        for name, entry in body["metrics"].items():
            interval = "" if entry["interval"] is None else "[{:.4g}, {:.4g}]".format(*entry["interval"])
            lines.append(f"  {name:<32}{entry['value']:>12.5g}  {interval:<24}{entry['unit']}{', more is better' if entry['better'] == 'higher' else ''}")
        lines += [f"  {name:<32}{'left out':>12}  {why}" for name, why in body["left_out"].items()]
    return "\n".join(lines)


def _device(name):
    """A device that torch can use, or a UserError."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).sum().item()      # a number to read: the device meta has none
        return name
    except Exception as error:      # by device: of torch's own kinds, or of a module that it looks for
        raise UserError(f"--device {name}: expected a device that torch can use ({' '.join(str(error).split())[:120]}); leave it out for the CPU") from error


def _networks(words):
    """ROLE=NAME words as a dict, checked."""
    from eval.features import check

    networks = {}
    for word in words:
        role, equals, name = word.partition("=")
        if not equals or role not in protocol.ROLES:
            raise UserError(f"--networks {word}: expected ROLE=NAME with a role of {', '.join(protocol.ROLES)}; write fid=efficientnet-lite0")
        check(name, role)
        if role in networks:
            raise UserError(f"--networks {word}: expected one network for a role, got {networks[role]} too; leave one out")
        networks[role] = name
    return networks


class Progress:
    """A bar on a terminal, elsewhere a line when a clip begins; both say the time left."""

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
            taken = time.monotonic() - self.started
            print(f"score: {done}/{total} frames, {clip}, {taken:.1f} s, {taken / done * (total - done):.0f} s left", file=sys.stderr, flush=True)
        self.clip = clip
