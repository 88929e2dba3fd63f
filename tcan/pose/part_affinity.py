"""From OpenPose's maps to people (Cao et al. 2017, section 2), with the numbers of controlnet_aux's Body in a part of its time.

The network says, on a grid of an eighth of its input, where each joint is (heat maps) and which way each limb runs (part affinity fields, PAFs).
Body enlarges all 57 maps, stacks them as doubles, and smooths and compares every pixel of each. Here a map is enlarged by the same two calls
of OpenCV, and then only looked at where something is: smoothed around what exceeds the threshold, since the mean of values below it is
below it, and sampled along the limbs that two joints may have. Each number that is left comes from the same operations in the same order.
"""

import functools
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from tcan import torchvision_ops

STRIDE = 8
LEAST_HEAT, LEAST_AFFINITY = 0.1, 0.05
SIGMA, RADIUS = 3, 12  # of the smoothing, in pixels; scipy cuts the Gaussian off at four sigma
SAMPLES = 10  # places along a limb at which its field is read
ALONG = 0.8  # of them, the part at which the field must agree with the limb
LEAST_PARTS, LEAST_MEAN = 4, 0.4  # of a person

# Limbs as (joint, joint, first channel of the field's x and y), in the order in which people are put together.
LIMBS = ((1, 2, 12), (1, 5, 20), (2, 3, 14), (3, 4, 16), (5, 6, 22), (6, 7, 24), (1, 8, 0), (8, 9, 2), (9, 10, 4), (1, 11, 6), (11, 12, 8),
         (12, 13, 10), (1, 0, 28), (0, 14, 30), (14, 16, 34), (0, 15, 32), (15, 17, 36), (2, 16, 18), (5, 17, 26))
FOUNDING = 17  # the first of LIMBS, from which a person may begin; the last two, shoulder to ear, only join


@dataclass
class Assembly:
    """A person in the making: the number of each joint's peak (-1: none), the sum of the scores of peaks and limbs, and how many parts."""

    peaks: list
    total: float
    parts: int


def people(heat, fields, shape, size):
    """The people of one picture: joints (p, 18, 3) float64 as x, y in pixels and score, NaN where missing, and their total scores (p,).

    heat (19, h, w) and fields (38, h, w), float32: the network's maps. shape: height and width of the picture as the network saw it, without
    the padding to its stride; size: height and width of the picture in which joints are looked for.
    """
    peaks, parts = [], []
    for part in range(18):
        found = find_peaks(enlarge(heat[part], shape, size))
        parts.append(np.arange(len(found)) + sum(map(len, peaks)))
        peaks.append(found)
    links = []
    for first, second, channel in LIMBS:
        if len(peaks[first]) and len(peaks[second]):
            field = [enlarge(fields[axis], shape, size) for axis in (channel, channel + 1)]
            links.append([(int(parts[first][start]), int(parts[second][end]), score)
                          for start, end, score in connect(peaks[first], peaks[second], field, size[0])])
        else:
            links.append([])
    everything = np.concatenate(peaks)
    found = assemble(links, everything[:, 2])
    joints = np.full((len(found), 18, 3), np.nan)
    for row, person in zip(joints, found, strict=True):
        there = np.array(person.peaks) >= 0
        row[there] = everything[np.array(person.peaks)[there]]
    return joints, np.array([person.total for person in found])


def enlarge(coarse, shape, size):
    """One of the network's maps, float32 (h, w), at the picture's `size`: enlarged by the stride, cut to `shape`, brought to `size`."""
    smart_resize, smart_resize_k = _controlnet_aux()
    fine = smart_resize_k(coarse, fx=STRIDE, fy=STRIDE)[:shape[0], :shape[1]]
    return smart_resize(fine, size)


def find_peaks(heat):
    """Local maxima of a smoothed heat map above LEAST_HEAT, (n, 3) as x, y and the map's own value there, row by row from the top.

    A smoothed value is a mean over RADIUS pixels each way, so a peak lies within RADIUS of a pixel above the threshold; its four neighbours,
    one pixel further, see RADIUS pixels around themselves. A box with that margin around all such pixels holds all that matters.
    """
    left, top, width, height = cv2.boundingRect((heat >= np.float32(LEAST_HEAT)).view(np.uint8))
    if not width:
        return np.zeros((0, 3))
    margin = 2 * RADIUS + 1
    left, right = max(left - margin, 0), left + width + margin
    top, bottom = max(top - margin, 0), top + height + margin
    smooth = gaussian_filter(heat[top:bottom, left:right].astype(np.float64), sigma=SIGMA)
    around = np.pad(smooth, 1)  # Body takes what lies outside for 0; at an inner edge of the box there is no peak
    highest = smooth > LEAST_HEAT
    for neighbour in (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
        highest &= smooth >= neighbour
    y, x = np.nonzero(highest)
    return np.column_stack([x + left, y + top, heat[y + top, x + left]]).astype(np.float64)


def connect(starts, ends, field, height):
    """Limbs between two joints' peaks, (n, 3) and (m, 3): a list of (start, end, score), the best first, each peak in one limb at most.

    field: the limb's PAF, x and y float32 (h, w) each. A limb's score is the mean of the field along it, less where it is longer than half
    the picture's height; equations 10 and 11 of the paper.
    """
    way = ends[None, :, :2] - starts[:, None, :2]
    length = np.maximum(np.sqrt((way * way).sum(axis=-1)), 0.001)
    unit = way / length[..., None]
    # no sample lies half-way between two pixels (9 doesn't divide an odd multiple of a half), so that their order of rounding doesn't matter
    at = np.rint(starts[:, None, :2] + np.arange(SAMPLES).reshape(-1, 1, 1, 1) * way / (SAMPLES - 1)).astype(int)
    along = [part[at[..., 1], at[..., 0]].astype(np.float64) for part in field]
    agreement = along[0] * unit[..., 0] + along[1] * unit[..., 1]
    mean = agreement.cumsum(axis=0)[-1] / SAMPLES  # added one after the other, as Body does
    score = mean + np.minimum(0.5 * height / length - 1, 0)
    likely = ((agreement > LEAST_AFFINITY).sum(axis=0) > ALONG * SAMPLES) & (score > 0)
    pairs = np.argwhere(likely)
    links, used = [], (set(), set())
    for pair in np.argsort(-score[likely], kind="stable"):
        start, end = (int(number) for number in pairs[pair])
        if start not in used[0] and end not in used[1]:
            used[0].add(start), used[1].add(end)
            links.append((start, end, score[start, end]))
    return links


def assemble(links, scores):
    """People, as Assembly, of the `links` of each of LIMBS, lists of (peak, peak, score), and the scores of all peaks."""
    people = []
    for limb, ((first, second, _), found) in enumerate(zip(LIMBS, links, strict=True)):
        for start, end, score in found:
            # Body ends with an IndexError where three share the limb, which takes a crowd; here the first two count
            sharing = [person for person in people if person.peaks[first] == start or person.peaks[second] == end][:2]
            if len(sharing) == 2 and _disjoint(*sharing):
                one, other = sharing
                one.peaks = [max(pair) for pair in zip(one.peaks, other.peaks, strict=True)]
                one.total, one.parts = one.total + other.total + score, one.parts + other.parts
                people = [person for person in people if person is not other]
            elif len(sharing) == 2 or (sharing and sharing[0].peaks[second] != end):
                sharing[0].peaks[second] = end
                sharing[0].total, sharing[0].parts = sharing[0].total + (scores[end] + score), sharing[0].parts + 1
            elif not sharing and limb < FOUNDING:
                peaks = [-1] * 18
                peaks[first], peaks[second] = start, end
                people.append(Assembly(peaks, scores[start] + scores[end] + score, 2))
    return [person for person in people if person.parts >= LEAST_PARTS and person.total / person.parts >= LEAST_MEAN]


def _disjoint(one, other):
    return not any(first >= 0 and second >= 0 for first, second in zip(one.peaks, other.peaks, strict=True))


@functools.cache
def _controlnet_aux():
    """(smart_resize, smart_resize_k), Body's own. The package imports all its detectors; what they warn of is not about poses."""
    torchvision_ops.ensure()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from controlnet_aux.open_pose.util import smart_resize, smart_resize_k
    return smart_resize, smart_resize_k
