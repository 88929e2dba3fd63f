"""One person out of several, by the declared rule."""

import numpy as np
import pytest
from made_people import person

from tcan.errors import UserError
from tcan.pose.people import RULES, People, nobody, pick, steadiest

SIZE = (100, 200)


def frame(*people, score=0.9):
    """People of joints in units of the picture's height, so that nobody is wider than tall; their scores may differ: (joints, score)."""
    people = [one if isinstance(one, tuple) else (one, score) for one in people]
    if not people:
        return nobody(SIZE)
    xy = np.stack([joints * (SIZE[0] / SIZE[1], 1) for joints, _ in people]).astype(np.float32)
    scores = np.stack([np.where(np.isnan(joints[:, 0]), 0, score) for joints, score in people]).astype(np.float32)
    return People(xy, scores, scores.sum(axis=1).astype(np.float64), SIZE)


def test_largest_and_surest_in_each_frame():
    small, large = person(0.2, 0.3, 0.4), person(1.0, 0.1, 0.8)
    frames = [frame((small, 0.9), (large, 0.5)), frame((large, 0.95), (small, 0.6)), frame()]
    xy, score, count = pick(frames, "largest")
    assert np.allclose(xy[0], large * (0.5, 1)) and np.allclose(xy[1], large * (0.5, 1)) and np.isnan(xy[2]).all()
    assert np.allclose(score[:, 0], [0.5, 0.95, 0]) and count.tolist() == [2, 2, 0]
    assert np.allclose(pick(frames, "surest")[1][:, 0], [0.9, 0.95, 0])


@pytest.mark.parametrize("rule", RULES)
def test_nobody_at_all(rule):
    xy, score, count = pick([nobody(SIZE)] * 3, rule)
    assert xy.shape == (3, 18, 2) and np.isnan(xy).all() and (score == 0).all() and count.tolist() == [0, 0, 0]


@pytest.mark.parametrize("rule", RULES)
def test_one_person_is_taken_in_every_frame(rule):
    frames = [frame(person(0.5 + 0.3 * np.sin(number / 5), 0.1, 0.7, turn=np.sin(number))) for number in range(60)]
    assert (pick(frames, rule)[1] > 0).all()


def shuffled(frames, seed=0):
    """The same people in another order in each frame, and where the first one went: (frames, (f,) int)."""
    random = np.random.default_rng(seed)
    mixed, first = [], []
    for people in frames:
        order = random.permutation(len(people))
        mixed.append(People(people.xy[order], people.score[order], people.surety[order], people.size))
        first.append(int(np.flatnonzero(order == 0)[0]) if len(order) else -1)
    return mixed, np.array(first)


@pytest.mark.parametrize("same_body", [False, True])
def test_two_who_cross(same_body):
    """They pass one another, each keeping on; also if nothing but their movement tells them apart."""
    frames, first = shuffled([frame((person(0.2 + 0.02 * number, 0.1, 0.8), 0.95), person(1.41 - 0.02 * number, 0.1, 0.8 if same_body else 0.7))
                              for number in range(60)])
    assert steadiest(frames).tolist() == first.tolist()


def test_one_who_enters_late_and_is_larger():
    frames, first = shuffled([frame(person(0.3, 0.3, 0.5, turn=np.sin(number / 3)), *([person(1.2, 0.0, 0.95)] if number >= 20 else []))
                              for number in range(80)])
    assert steadiest(frames).tolist() == first.tolist()
    assert np.allclose(pick(frames, "largest")[0][-1], person(1.2, 0.0, 0.95) * (0.5, 1), atol=1e-6), "where `largest` leaps"


def test_missing_for_some_frames():
    """The other one doesn't take the place of one who is not found for a while, in which they walk on."""
    gone = range(25, 40)
    frames = [frame(*([] if number in gone else [person(0.2 + 0.01 * number, 0.1, 0.8)]), person(1.4, 0.1, 0.7)) for number in range(80)]
    expected = [-1 if number in gone else 0 for number in range(80)]
    assert steadiest(frames).tolist() == expected
    xy, score, count = pick(frames, "steadiest")
    assert np.isnan(xy[30]).all() and (score[30] == 0).all() and count[30] == 1


def test_gone_for_good():
    """Another one takes the place of one who is gone for a long while, and not for a short one."""
    frames = [frame(*([person(0.2, 0.1, 0.8)] if number < 20 else []), person(1.4, 0.1, 0.6)) for number in range(120)]
    assert (steadiest(frames) == 0).all(), "the first of the two, then the only one that is left"
    frames = frames[:40]
    assert (steadiest(frames)[20:] == -1).all(), "twenty frames are no long while"


def test_a_false_sighting_first():
    """What is seen in the first frame alone isn't held on to."""
    ghost = np.where(np.arange(18)[:, None] < 5, person(1.3, 0.0, 0.9), np.nan)
    frames = [frame((ghost, 0.3)), *(frame(person(0.4, 0.1, 0.8)) for _ in range(30))]
    assert steadiest(frames).tolist() == [-1, *[0] * 30]


def test_a_cut():
    """The same person elsewhere and of another size: the path goes on, it doesn't end."""
    frames = [frame(person(0.2, 0.1, 0.8)) for _ in range(60)] + [frame(person(1.2, 0.4, 0.5)) for _ in range(60)]
    assert (steadiest(frames) == 0).all()


def test_a_dancer_beside_one_who_stands_still():
    """Movement doesn't make a person less likely to be the one."""
    frames, first = shuffled([frame(person(0.3 + 0.15 * np.sin(number / 2), 0.1, 0.8, turn=np.sin(number)), person(1.3, 0.2, 0.7)) for number in range(300)])
    assert steadiest(frames).tolist() == first.tolist()


def test_an_unknown_rule():
    with pytest.raises(UserError, match="person: expected one of steadiest, largest, surest, got 'tallest'"):
        pick([nobody(SIZE)], "tallest")
