"""Bootstrap intervals over videos. Frames and windows of one video are alike, so whole videos are drawn, never frames."""

import numpy as np

LEVEL = 0.95
MEANS, DISTANCES = 1000, 200    # resamples of means, and of distances between sets, of which each needs a decomposition


def draws(videos, resamples, seed):
    """How often each of `videos` videos is in each resample, (resamples, videos).

    They depend on nothing else, so two systems scored on the same videos are resampled alike and can be compared in pairs; the
    first draws are the same whatever their number.
    """
    return np.random.default_rng(seed).multinomial(videos, np.full(videos, 1 / videos), size=resamples)


def interval(value, replicates, level=LEVEL):
    """[low, high]: the percentiles of the replicates about their mean, set upon the value. None with fewer than two replicates.

    Re-centred because a Frechet distance grows when frames come twice, as in a resample they do: its plain percentiles would lie
    above the value itself. For a mean the two agree. The interval tells how the value would vary with other videos; it
    does not take away the bias of a Frechet distance at small n (KID and KVD have none).
    """
    replicates = np.asarray(replicates, np.float64)
    if len(replicates) < 2:
        return None
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2]) - replicates.mean()
    return [float(value + low), float(value + high)]
