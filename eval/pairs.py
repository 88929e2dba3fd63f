"""What paired comparisons say within a table: who ties the best of a column, and when there are too few videos to say anything."""

from eval.compare import NEITHER, difference

FEW = 6             # of fewer videos even a difference of one sign in each is chance in 2 * 0.5**videos > 5 % of all cases


def ties(entries, frames, seed):
    """For each system of a column whether it is not distinguishable from the best, or from another of the best where several are equal.

    entries: a metric's entry of each system as metrics.json has it, None where a system has none; frames, seed: as eval.compare.difference takes them.
    """
    present = [entry for entry in entries if entry is not None]
    if not present:
        return [False] * len(entries)
    best = (max if present[0]["better"] == "higher" else min)(entry["value"] for entry in present)
    bests = [entry for entry in present if entry["value"] == best]
    return [entry is not None and any(other is not entry and difference(other, entry, frames, seed).verdict == NEITHER for other in bests)
            for entry in entries]


def few_videos(videos):
    """What to say of verdicts over few videos, or None."""
    if 1 < videos < FEW:
        return (f"{videos} videos are too few for a verdict: if chance alone decided, all of them would agree in {200 * 0.5**videos:.0f} % of all cases, "
                "and an interval over so few is too narrow")
    return None
