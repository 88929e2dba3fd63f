"""`python -m eval figure N`: figures like the paper's, drawn from what the pipeline made."""

import importlib
import sys
from pathlib import Path

MODULES = {3: "eval.figures.texture", 4: "eval.figures.attention", 5: "eval.figures.comparison", 6: "eval.figures.characters",
           7: "eval.figures.characters", 9: "eval.figures.wrong_poses"}
LARGE = 500_000     # bytes above which a .png without a need for it weighs on git
ROWS = {3: ["base", "appa"], 5: ["base", "appa", "appa_tctrln", "tcan_mm1", "tcan_mm2", "copy", "warp"],
        6: ["claims/no_retargeting", "tcan_mm2", "claims/limb_lengths_clip"], 7: ["base", "unfrozen"],
        9: ["claims/appa_missing30", "claims/appa_tctrln_missing30", "claims/appa_learnt_missing30", "claims/appa_tctrln_learnt_missing30"]}


def add_arguments(parser):
    parser.add_argument("number", type=int, choices=sorted(MODULES), help="of the paper's figures: 3 texture with and without APPA, 4 temporal attention with "
                        "and without the temperature map, 5 comparison, 6 retargeting, 7 frozen and trained ControlNet, 9 wrong poses")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="parameter file: titles of the rows (default: %(default)s)")
    parser.add_argument("--scale", required=True, help="one of the parameter file's scales")
    parser.add_argument("--outputs", type=Path, required=True, help="folder of ROW/{test,bizarre}/CLIP/0000.png and on")
    parser.add_argument("--data", type=Path, required=True, help="folder of frames/, poses/, exact/ and driving/")
    parser.add_argument("--out", type=Path, required=True, help="the file to write: .png, .webp, or no suffix for whichever suits the size")
    parser.add_argument("--clips", nargs="+", metavar="CLIP", help="the clips to show; of figures 6 and 7 CHARACTER__CLIP (default: a few, as the figure says)")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="of every figure but 4: the rows to show (default: the paper's)")
    parser.add_argument("--attention", type=Path, nargs="+", default=[], metavar="FOLDER", help="figure 4: folders that `python -m tcan attention` wrote")
    parser.add_argument("--driving", type=Path, metavar="FOLDER", help="figures 6, 7 and 9: folder of CASE.npz, the key points that drove the rows "
                        "(default: DATA/driving/ROW/bizarre of the row shown, of figure 9 DATA/driving/ROW/test of the first one)")


def run(args):
    """Draw a figure, whole or not at all. Raises UserError for what is missing."""
    from eval.errors import UserError
    from eval.files import atomic_file
    from eval.strips import encoded

    if args.out.suffix not in ("", ".png", ".webp"):
        raise UserError(f"--out: expected a file of .png, .webp or no suffix, got {args.out.name}; rename it")
    args.rows = args.rows or ROWS.get(args.number)
    page = importlib.import_module(MODULES[args.number]).draw(args)
    content = encoded(page, args.out.suffix or ".png")
    path = args.out
    if not path.suffix:
        large = len(content) > LARGE
        path, content = path.with_suffix(".webp" if large else ".png"), encoded(page, ".webp") if large else content
    elif path.suffix == ".png" and len(content) > LARGE:
        print(f"{path}: {len(content) / 1e6:.1f} MB; as .webp it would have {len(encoded(page, '.webp')) / 1e6:.1f}", file=sys.stderr)
    with atomic_file(path) as stream:
        stream.write(content)
