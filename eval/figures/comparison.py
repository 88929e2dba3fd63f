"""Fig. 5: test clips at three frames, the rows of the tables under one another."""

from eval import strips
from eval.figures import tiles
from eval.figures.clips import chosen_clips
from eval.figures.page import Block, page

SIDE, CLIPS, FRAMES = 96, 3, 3


def draw(args):
    """The page. args.rows: the rows that are compared."""
    titles = tiles.system_titles(args.rows, args.params, args.scale)
    clips = chosen_clips(args.data, args.clips, CLIPS)
    numbers = {clip.id: strips.spread(clip.frames, FRAMES + 1)[1:] for clip in clips}  # the first frames are the source's all but
    shown = [(clip, number) for clip in clips for number in numbers[clip.id]]
    lines = [("driving pose", [strips.pose_tile(clip.poses, number, SIDE) for clip, number in shown]),
             ("truth", [strips.picture(tiles.frame(clip.folder, number), SIDE) for clip, number in shown]), None]
    for row in args.rows:
        lines.append((titles[row], [strips.picture(tiles.frame(tiles.frames_of(args.outputs, row, "test", clip.id), number), SIDE) for clip, number in shown]))
    caption = ("Three frames of each clip, evenly over it. The source is the clip's first frame, as a row that copies it shows. Look whether the "
               "figure stands as its pose says, whether it keeps the source's colours, and whether the ground behind it stays from frame to frame.")
    groups = [(clip.id, [f"frame {number}" for number in numbers[clip.id]]) for clip in clips]
    return page("After the paper's Fig. 5: comparison on test clips", caption, [Block(groups, lines)], SIDE)
