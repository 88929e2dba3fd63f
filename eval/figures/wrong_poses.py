"""Fig. 9: what wrong poses do to successive frames, without and with temporal layers in the ControlNet."""

import numpy as np

from eval import strips
from eval.errors import UserError
from eval.figures import tiles
from eval.figures.clips import chosen_clips
from eval.figures.page import Block, page

SIDE, CLIPS, FRAMES = 112, 2, 6


def draw(args):
    """The page. args.rows: those that are compared, all of them driven by the poses of the first."""
    titles = tiles.system_titles(args.rows, args.params, args.scale)
    driving = args.driving or args.data / "driving" / args.rows[0] / "test"
    if not driving.is_dir():
        raise UserError(f"{driving}: expected the wrong poses that drove the rows, CLIP.npz, found no such folder; {tiles.MADE_BY} or name it by --driving")
    blocks = []
    for clip in chosen_clips(args.data, args.clips, CLIPS):
        blocks.append(_block(clip, tiles.best_poses(args.data, clip), driving / f"{clip.id}.npz", titles, args.outputs))
    caption = ("Successive frames around the one, of those with neighbours on both sides, whose pose is most wrong: it is marked. All rows are "
               "driven by the same wrong poses. Without temporal layers the ControlNet sees each frame's pose alone, and only the denoiser sees the "
               "neighbours; with them, says the paper, what is missing in one is made up from the others. Look at the marked frame and its neighbours. "
               "The corners give the mean absolute difference to the truth, in grey levels, in the square around the true key points.")
    return page("After the paper's Fig. 9: wrong poses, without and with a temporal ControlNet", caption, blocks, SIDE)


def wrongness(right, wrong):
    """How wrong each frame of `wrong` is, (f,): over the joints of `right`, (f, 18, 2), the mean distance in units of the person's extent, where a
    missing joint counts as one that is a whole extent away."""
    there = ~np.isnan(right).any(axis=2)
    extent = np.nanmax(right, axis=(0, 1)) - np.nanmin(right, axis=(0, 1)) if there.any() else np.ones(2)
    distance = np.linalg.norm(wrong - right, axis=2) / max(float(extent.max()), 1e-9)
    distance = np.where(np.isnan(distance), 1.0, distance)
    return np.where(there, distance, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def _block(clip, right, wrong, titles, outputs):
    true, given = tiles.points_of(right), tiles.points_of(wrong)
    if true.shape != given.shape:
        raise UserError(f"{wrong}: expected the {len(true)} frames of {right}, got {len(given)}; {tiles.MADE_BY}")
    before = min(FRAMES // 2, (clip.frames - 1) // 2)  # this many frames come before the worst one
    last = max(clip.frames - FRAMES, 0)                # where the shown frames may start
    start = int(np.argmax(wrongness(true, given)[before:before + last + 1]))
    worst, numbers = start + before, range(start, min(start + FRAMES, clip.frames))
    truths = [tiles.frame(clip.folder, number) for number in numbers]
    lines = [("truth", [strips.picture(path, SIDE) for path in truths]),
             ("pose as it is" if right != clip.poses else "pose as estimated", [strips.pose_tile(right, number, SIDE) for number in numbers]),
             ("pose with errors, which drives", [strips.pose_tile(wrong, number, SIDE) for number in numbers])]
    for row, title in titles.items():
        made = [tiles.frame(tiles.frames_of(outputs, row, "test", clip.id), number) for number in numbers]
        apart = [tiles.difference(path, truth, tiles.box_around(true[number])).mean() for path, truth, number in zip(made, truths, numbers, strict=True)]
        lines.append((title, [tiles.marked(strips.picture(path, SIDE), f"{value:.1f}") for path, value in zip(made, apart, strict=True)]))
    return Block([(clip.id, [f"frame {number}{' (worst)' if number == worst else ''}" for number in numbers])], lines)
