"""Fig. 3: what APPA does to the texture of the figure. Whole frames, the figure enlarged, and where it differs from the truth."""

from eval import strips
from eval.figures import tiles
from eval.figures.clips import chosen_clips
from eval.figures.page import Block, page

SIDE, CLIPS, BRIGHTEST = 116, 3, 96     # grey levels at the top of the differences' scale


def draw(args):
    """The page. args.rows: the rows that are compared."""
    titles = tiles.system_titles(args.rows, args.params, args.scale)
    lines = []
    for clip in chosen_clips(args.data, args.clips, CLIPS):
        lines += ([None] if lines else []) + _lines(clip, args.rows, args.outputs)
    caption = ("Each clip at the frame whose pose is farthest from the source's: the whole frames, and the square around the key points enlarged. "
               "Look at clothes, hair and limbs. Right, the absolute difference to the truth, the mean over the colours, from 0 grey levels (black) "
               f"to {BRIGHTEST} or more (pale yellow): {255 / BRIGHTEST:.1f} times as bright as it is. The corners give its mean over the picture "
               "above, over the square below, in grey levels.")
    groups = [("given", ["source", "driving pose", "truth"]), ("generated", list(titles.values())), ("difference to the truth", list(titles.values()))]
    return page("After the paper's Fig. 3: texture without and with APPA", caption, [Block(groups, lines)], SIDE)


def _lines(clip, rows, outputs):
    number = strips.telling_frame(clip)
    source, truth = clip.folder / "0000.png", tiles.frame(clip.folder, number)
    made = [tiles.frame(tiles.frames_of(outputs, row, "test", clip.id), number) for row in rows]
    there, here = (tiles.box_around(tiles.points_of(clip.poses, which)) for which in (0, number))
    lines = []
    for label, of_source, box in ((f"{clip.id}\nframe {number}", tiles.WHOLE, tiles.WHOLE), ("the figure, enlarged", there, here)):
        pose = strips.pose_tile(clip.poses, number, SIDE).resize((SIDE, SIDE), box=tuple(edge * SIDE for edge in box))
        pictures = [tiles.crop(path, box, SIDE) for path in (truth, *made)]
        lines.append((label, [tiles.crop(source, of_source, SIDE), pose, *pictures, *(_difference(path, truth, box) for path in made)]))
    return lines


def _difference(path, truth, box):
    values = tiles.difference(path, truth, box)
    return tiles.marked(tiles.heat_tile(values, 0, BRIGHTEST, SIDE), f"{values.mean():.1f}")
