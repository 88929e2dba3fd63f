"""Figs. 6 and 7: characters of other proportions, with and without retargeting, with the ControlNet frozen and trained."""

from pathlib import Path

import numpy as np

from eval import strips
from eval.errors import UserError
from eval.figures import tiles
from eval.figures.page import Block, page

SIDES, CASES = {6: 104, 7: 144}, 5
ENOUGH = 0.9        # of the most joints that are within the picture in any frame; an estimator misses some


def draw(args):
    """The page of figure 6 or 7. args.rows: the rows that are compared, of figure 6 the one without retargeting first."""
    if args.number == 6 and len(args.rows) < 2:
        raise UserError(f"--rows: expected for figure 6 the row without retargeting and at least one with it, got {' '.join(args.rows)}; name both")
    side, titles = SIDES[args.number], tiles.system_titles(args.rows, args.params, args.scale)
    pairs, several = _pairs(args, CASES)
    retargeted = args.rows[1:] if args.number == 6 else args.rows[-1:]      # the rows whose poses are shown
    driving = [args.driving or args.data / "driving" / row / "bizarre" for row in retargeted]
    for folder, row in zip(driving, retargeted):
        if not folder.is_dir():
            raise UserError(f"{folder}: expected the retargeted poses that drove {row}, CHARACTER__CLIP.npz, found no such folder; {tiles.MADE_BY}")
    lines = [_line(args, character, clip, driving, side) for character, clip in pairs]
    which = "" if args.clips else f"{len(pairs)} of {several}, evenly over them; "
    start = (f"Pairs of a character and a driving clip ({which}the frame whose retargeted pose is farthest from its first, of those where it is within the "
             "picture). There is no truth. Poses are those that the rows are given: what the estimator finds. ")
    if args.number == 6:
        groups = [("given", ["source", "driving frame"]), ("without retargeting", ["driving pose, over the source", "generated"]),
                  *((titles[row], ["retargeted pose, over the source", "generated"]) for row in retargeted)]
        return page("After the paper's Fig. 6: retargeting the pose to the character's proportions",
                    start + "Without retargeting the pose has the driving person's size, place and limbs. With it each limb has been brought to the "
                    "character's length, by what the driver's was in its first frame (Algorithm 1) or by the longest over the clip: look whether head, legs "
                    "and size stay the source's.", [Block(groups, lines)], side)
    groups = [("given", ["source", "driving frame", "retargeted pose, over the source"]), ("generated", [titles[row] for row in args.rows])]
    return page("After the paper's Fig. 7: ControlNet frozen or trained, on odd proportions",
                start + "A ControlNet that was trained along has followed the training clips' proportions last; a frozen one is as it came. Look whether the "
                "figure keeps the proportions of its pose, large heads and short legs above all, and the source's colours.", [Block(groups, lines)], side)


def _line(args, character, clip, driving, side):
    name = strips.pair(character, clip)
    retargeted = [tiles.points_of(folder / f"{name}.npz") for folder in driving]
    when = telling_frame(retargeted[0])
    source = strips.picture(character.folder / "0000.png", side)
    made = [strips.picture(tiles.frame(tiles.frames_of(args.outputs, row, "bizarre", name), when), side) for row in args.rows]
    person = strips.picture(tiles.frame(clip.folder, when), side)
    after = [tiles.over(points[when], source) for points in retargeted]
    if args.number == 6:
        before = tiles.over(tiles.points_of(clip.poses, when), source)
        shown = [source, person, before, made[0], *(tile for pair in zip(after, made[1:], strict=True) for tile in pair)]
    else:
        shown = [source, person, *after, *made]
    return f"{character.id}\ndriven by\n{clip.id}\nframe {when}", shown


def telling_frame(points):
    """The number of the frame whose pose is farthest from the first frame's, of those with the most joints within the picture. points: (f, 18, 2) in
    the units of its sides."""
    found = ~np.isnan(points).any(axis=2)
    within = (found & (points > 0).all(axis=2) & (points < 1).all(axis=2)).sum(axis=1)
    both = found & found[:1]
    moved = np.where(both, np.linalg.norm(np.nan_to_num(points - points[:1]), axis=2), 0).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
    return int(np.argmax(np.where(within >= ENOUGH * within.max(), moved, -1)))


def _pairs(args, most):
    """The pairs (character, driving clip) to show, and how many there are: those named, or up to `most` of the first row's, evenly over them."""
    characters, clips = ({clip.id: clip for clip in strips.find_clips(args.data, split)} for split in ("bizarre", "test"))
    folder = Path(args.outputs) / args.rows[0] / "bizarre"
    names = sorted(path.name for path in folder.glob("*__*"))
    if not names:
        raise UserError(f"{folder}: expected characters that the row {args.rows[0]} moves, found none; {tiles.MADE_BY}")
    chosen = args.clips or [names[place] for place in sorted({round(place * (len(names) - 1) / max(most - 1, 1)) for place in range(most)})]
    pairs = []
    for name in chosen:
        character, _, clip = name.partition("__")
        if name not in names or character not in characters or clip not in clips:
            raise UserError(f"--clips: expected some of {', '.join(names)}, got {name}")
        pairs.append((characters[character], clips[clip]))
    return pairs, len(names)
