"""`tcan-eval compare A.json B.json`: what differs between two scored systems, and whether it could be the choice of videos."""

import dataclasses
import json
import math
import sys
from pathlib import Path

from eval.errors import UserError
from eval.files import write_json


def add_arguments(parser):
    parser.add_argument("a", metavar="A.json", type=Path, help="metrics.json of one system")
    parser.add_argument("b", metavar="B.json", type=Path, help="metrics.json of another, scored on the same videos")
    parser.add_argument("--out", type=Path, help="write the comparison here too")


def run(args):
    """Print the comparison as JSON on stdout, and as a table on stderr."""
    from eval.compare import alone, compare, storage
    from eval.files import all_writable
    from eval.pairs import few_videos

    if args.out:
        all_writable([args.out], read=(args.a, args.b))
    a, b = read(args.a), read(args.b)
    try:
        found, left, stored = compare(a, b), alone(a, b), storage(a, b)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{args.a}, {args.b}: expected what `tcan-eval GEN TRUE --out` writes, got something else ({type(error).__name__}: {error}); "
                        "score both again") from error
    if few := few_videos(len(a["frames"]["per_video"])):
        print(f"warning: {few}", file=sys.stderr)
    if stored:
        print(f"warning: {stored}", file=sys.stderr)
    print(_table(found, left, *_names(args.a, args.b)), file=sys.stderr)
    body = {"a": args.a.as_posix(), "b": args.b.as_posix(), "difference": "b - a", "bootstrap": a["bootstrap"], "only": left,
            "protocols": {label: {key: dataclasses.asdict(value) for key, value in metrics.items()} for label, metrics in found.items()}}
    if args.out:
        write_json(args.out, body)
    print(json.dumps(body, indent=1, sort_keys=True, allow_nan=False))


def read(path):
    """The result in a metrics.json. Raises UserError for a file that is none, or is of another format."""
    from eval.compare import FORMAT

    try:
        result = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number, parse_float=_finite)
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected a metrics.json, found no file; write one with `tcan-eval GEN TRUE --out {path}`") from error
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"{path}: expected JSON, got something else ({' '.join(str(error).split())[:100]}); score again") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT}, got {repr(result.get('format')) if isinstance(result, dict) else 'no metrics.json'}; score again")
    counts = result.get("frames", {}).get("per_video") if isinstance(result.get("frames"), dict) else None
    if not isinstance(counts, dict) or not counts or not all(type(count) is int and count > 0 for count in counts.values()):
        raise UserError(f"{path}: expected the number of frames of each video in frames.per_video, got something else; score again")
    return result


def _finite(word):
    if not math.isfinite(number := float(word)):
        _no_number(word)
    return number


def _no_number(word):
    raise ValueError(f"{word} is no number of JSON's")


def _names(*paths):
    """Short names: a metrics.json is called after its folder, another file after itself; the paths as given where these are equal."""
    names = [path.absolute().parent.name if path.name == "metrics.json" else path.stem for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _table(found, left, a, b):
    """The differences for people, columns aligned; the arrow says which way is better."""
    lines = []
    for label, metrics in found.items():
        lines.append(f"{label}: a, b, and b - a with its 95 % interval; a = {a}, b = {b}")
        rows = [(f"{key} {'↑' if one.higher else '↓'}", f"{one.a:.5g}", f"{one.b:.5g}", f"{one.difference:+.4g}",
                 "[{:+.4g}, {:+.4g}]".format(*one.interval) if one.interval else "one video",
                 one.verdict + (f", a better in {one.better[0]} and b in {one.better[1]} of {one.videos} videos" if one.better else ""))
                for key, one in metrics.items()]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines += ["  " + "  ".join(f"{cell:{'>' if 0 < place < 4 else '<'}{width}}" for place, (cell, width) in enumerate(zip(row, widths))).rstrip()
                  for row in rows]
    lines += [f"only {name} has: {', '.join(left[side])}" for side, name in (("a", a), ("b", b)) if left[side]]
    return "\n".join(lines)
