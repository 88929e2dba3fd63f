"""All the people an estimator finds in each picture, and the one rule that picks one of them and keeps it over time."""

from dataclasses import dataclass

import numpy as np

from tcan.errors import UserError
from tcan.sections import PERSONS

RULES = PERSONS  # of params.yaml

# The costs of `steadiest`. Going from one sighting to the next costs (movement / CUT) ** 4, at most 1: what a dancing body does from frame to
# frame costs next to nothing, a move of CUT body lengths is as good as another person, or the same one after a cut of the film.
CUT = 0.5
ABSENT = 0.02  # a frame in which the person isn't found: another one, elsewhere, takes the place of one who is gone for 1 / ABSENT frames
DOUBT = 4  # beginning with somebody of three quarters the size, or three quarters as sure, costs as much as a cut
DECAY = 0.8  # what is left of a person's speed in each frame that they aren't seen
LEAST_COMMON = 3  # joints that two sightings must share to tell a movement


@dataclass(frozen=True)
class People:
    """The p people of one picture of `size` (height, width): xy (p, 18, 2) float32 in units of the picture's width and height, NaN where a
    joint is missing; score (p, 18) float32 in 0..1, 0 where it is missing; surety (p,): the estimator's own figure, larger for a surer person.
    """

    xy: np.ndarray
    score: np.ndarray
    surety: np.ndarray
    size: tuple

    def __post_init__(self):
        count = len(self.xy)
        if self.xy.shape != (count, 18, 2) or self.score.shape != (count, 18) or self.surety.shape != (count,):
            raise ValueError(f"expected xy (p, 18, 2), score (p, 18) and surety (p,), got {self.xy.shape}, {self.score.shape}, {self.surety.shape}")

    def __len__(self):
        return len(self.xy)

    @property
    def area(self):
        """(p,) the area of the box around each one's joints, in units of the picture."""
        if not len(self):
            return np.zeros(0)
        return np.prod(np.nanmax(self.xy, axis=1) - np.nanmin(self.xy, axis=1), axis=-1)


def nobody(size):
    """The People of a picture without any."""
    return People(np.zeros((0, 18, 2), np.float32), np.zeros((0, 18), np.float32), np.zeros(0), tuple(size))


def pick(frames, rule):
    """One person of a clip, of its frames' People: xy (f, 18, 2) in units of a picture's width and height, NaN where missing, score (f, 18),
    and how many people each frame has, (f,) int.

    rule: `largest` or `surest`, in each frame by itself; `steadiest`, the person who moves on without leaps, beginning with one who is both
    large and sure, and is missing where that person isn't found, whoever else may be there.
    """
    if rule not in RULES:
        raise UserError(f"person: expected one of {', '.join(RULES)}, got {rule!r}")
    choice = steadiest(frames) if rule == "steadiest" else [_best(people.area if rule == "largest" else people.surety) for people in frames]
    xy, score = np.full((len(frames), 18, 2), np.nan, np.float32), np.zeros((len(frames), 18), np.float32)
    for frame, (people, person) in enumerate(zip(frames, choice, strict=True)):
        if person >= 0:
            xy[frame], score[frame] = people.xy[person], people.score[person]
    return xy, score, np.array([len(people) for people in frames], np.int64)


def steadiest(frames):
    """Which person of each frame's People is the one, (f,) int, -1 in frames without that person.

    The cheapest path (Viterbi) over the people of all frames. It may begin with anyone: the less large and sure a person is, next to the
    best until then, the more it costs. Each frame without a sighting costs ABSENT, before the first one and after the last one too. A step
    costs by how far the joints are from where they would be had the body moved on as it did before, so that two who cross keep apart.
    """
    best, ends, links = 1e-12, [], []  # the ends of all paths that may still be the cheapest; for each sighting the one before it, as (frame, person, before)
    for frame, people in enumerate(frames):
        joints = people.xy.astype(np.float64) * people.size[::-1]
        weights = people.area * people.score.mean(axis=1)  # how large and sure
        best, begun = max(best, weights.max(initial=0)), []
        for person, weight in enumerate(weights):
            begin = ABSENT * frame + DOUBT * (1 - weight / best)
            costs, speeds = _steps(ends, joints[person], frame)
            least = int(np.argmin(costs)) if len(costs) else -1
            if least >= 0 and costs[least] < begin:
                begun.append(_End(costs[least], joints[person], speeds[least], frame, len(links)))
                links.append((frame, person, ends[least].link))
            else:
                begun.append(_End(begin, joints[person], np.zeros(2), frame, len(links)))
                links.append((frame, person, -1))
        ends = [*begun, *(end.missed() for end in ends)]
        # whoever costs 1 more than the cheapest can't become the cheapest: a step from the latter costs 1 at most
        cheapest = min((end.cost for end in ends), default=0.0)
        ends = [end for end in ends if end.cost <= cheapest + 1]
    choice = np.full(len(frames), -1)
    link = min(ends, key=lambda end: end.cost).link if ends else -1
    while link >= 0:
        frame, person, link = links[link]
        choice[frame] = person
    return choice


@dataclass(frozen=True)
class _End:
    """The end of a path: its cost, the last sighting's joints (18, 2) and speed (2,) in pixels a frame, its frame and its place in `links`."""

    cost: float
    joints: np.ndarray
    speed: np.ndarray
    frame: int
    link: int

    def missed(self):
        return _End(self.cost + ABSENT, self.joints, self.speed, self.frame, self.link)


def _steps(ends, joints, frame):
    """What it costs to come from each of the paths' ends to a sighting, (n,), and the speeds that it has then, (n, 2)."""
    if not ends:
        return np.zeros(0), np.zeros((0, 2))
    before = np.stack([end.joints for end in ends])
    speed = np.stack([end.speed for end in ends])
    gap = np.array([frame - end.frame for end in ends])
    common = ~np.isnan(before[..., 0]) & ~np.isnan(joints[:, 0])
    count = np.maximum(common.sum(axis=1), 1)
    moved = np.where(common[..., None], joints - before, 0)
    drift = moved.sum(axis=1) / count[:, None]
    expected = speed * ((1 - DECAY ** gap) / (1 - DECAY))[:, None]
    off = np.linalg.norm(np.where(common[..., None], moved - expected[:, None], 0), axis=-1).sum(axis=1) / count
    length = np.maximum(np.maximum(_length(before), _length(joints[None])), 1.0)
    cost = np.where(common.sum(axis=1) < LEAST_COMMON, 1.0, np.minimum(off / (CUT * length), 1.0) ** 4)
    # after a cut, or an exchange of people, the old speed says nothing
    return np.array([end.cost for end in ends]) + cost, np.where((cost < 1)[:, None], (speed + drift / gap[:, None]) / 2, 0.0)


def _length(joints):
    """The diagonals of the boxes around joints (n, 18, 2), in pixels."""
    return np.linalg.norm(np.nanmax(joints, axis=1) - np.nanmin(joints, axis=1), axis=-1)


def _best(values):
    return int(np.argmax(values)) if len(values) else -1
