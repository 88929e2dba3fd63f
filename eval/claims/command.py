"""`python -m eval claims`: each sentence of the paper that a table or a figure supports, put to the test over videos and seeds, with a verdict.

Below is the list; eval.claims.results finds the rows, eval.claims.statistics judges, eval.claims.page writes.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from eval.claims.results import BIZARRE, HELD_OUT, TEST, Side
from eval.claims.statistics import FAILS, HOLDS, NEITHER, Effect, change, effect, part, together
from eval.files import entries_of

PICTURE, VIDEO = ("L1-grey", "PSNR", "SSIM", "LPIPS", "FID"), ("FID-VID", "FVD")


@dataclass(frozen=True)
class Comparison:
    """A (without) against B (with) on `metrics`, which decide, and `beside`, which are only shown; `apart`: those shown for each group of clips too;
    changes: not the metrics are compared, but what they change by from exact poses, of A and of B; beyond: not the metrics on `split`, but what they differ by
    from those on this other one."""

    a: Side
    b: Side
    metrics: tuple
    split: str = TEST
    beside: tuple = ()
    apart: tuple = ()
    changes: bool = False
    beyond: str | None = None


@dataclass(frozen=True)
class Claim:
    """paper: its sentence in our own words; place: in the paper, or None for a claim of our own; test: what is compared; cited: (table, row of A, row of
    B) of the paper's own numbers. key: of reports/templates/claims/KEY.md."""

    key: str
    number: str
    title: str
    paper: str
    place: str | None
    test: str
    comparisons: tuple
    cited: tuple | None = None


@dataclass(frozen=True)
class Finding:
    """One line of a claim's table. name: of the metric; metric: its key, with the network; counted: whether the verdict depends on it; clips: those that
    it is of."""

    comparison: Comparison
    name: str
    metric: str
    counted: bool
    effect: Effect
    clips: str = "all"

    def named(self, name):
        """The metric by a name, with what sets the line apart."""
        start = "change of " if self.comparison.changes else "difference in " if self.comparison.beyond else ""
        return f"{start}{name}{f', {self.clips}' if self.clips != 'all' else ''}"

    @property
    def label(self):
        return self.named(self.name)


@dataclass(frozen=True)
class Outcome:
    """A claim judged. rows: {comparison: (rows of A, rows of B)}, seeds: {comparison: its seeds}, both by place in claim.comparisons."""

    claim: Claim
    findings: tuple
    verdict: str
    rows: tuple = field(repr=False)
    seeds: tuple = ()

    @property
    def why(self):
        """The verdict's grounds in one line."""
        counted = [finding for finding in self.findings if finding.counted]
        several = len({comparison.a.of for comparison in self.claim.comparisons if comparison.metrics}) > 1
        names = {verdict: [finding.label + (f" against {finding.comparison.a.of}" if several else "") for finding in counted
                           if finding.effect.verdict == verdict] for verdict in (HOLDS, FAILS, NEITHER)}
        if self.verdict == HOLDS:
            return f"clear on {_all(len(counted))}: {', '.join(names[HOLDS])}"
        parts = [(FAILS, "clearly the other way round on {}"), (NEITHER, "not clear on {}"), (HOLDS, "clear on {}")]
        return "; ".join(text.format(", ".join(names[verdict])) for verdict, text in parts if names[verdict])


JOINTS = ("keypoint-error",)
ODD, LOOKS = ("keypoint-error", "identity-distance"), ("proportion-error", "identity-distance")
RATIOS = ("limb-ratio-error",)       # shown alone: generated rows have less of it than true frames, so it isn't known which of two is the better
KINDS = {"missing": "joints that are not found", "swap": "left and right limbs that change places", "dropout": "frames in which nobody is found"}

CLAIMS = (
    Claim("appa", "1", "APPA improves pictures and videos",
          "Adapting the frozen attention to the appearance features (APPA) raises every metric of pictures and of videos over the same network without it.",
          "Table 2, rows 1 and 2; Fig. 3", "Both are trained alike, and only B has the low-rank adapters.",
          (Comparison(Side("base"), Side("appa"), (*PICTURE, *VIDEO), HELD_OUT, beside=("identity-distance",)),), (2, "base", "appa")),
    Claim("tctrln", "2", "The temporal ControlNet improves videos",
          "Giving the ControlNet temporal layers too (T-CtrlN) lowers FID-VID and FVD.", "Table 2, rows 2 and 3",
          "B's ControlNet has motion modules, A's has none.",
          (Comparison(Side("appa"), Side("appa_tctrln"), VIDEO, HELD_OUT, beside=PICTURE),), (2, "appa", "appa_tctrln")),
    Claim("ptm", "3", "The pose-driven temperature map calms the background",
          "Dividing the temporal attention's logits by a temperature that grows with the distance from the body (PTM) takes flicker out of the background.",
          "Section 3.3; Table 2, rows 3 and 4", "One training; B is generated with the map, A without. What else the table has is shown.",
          (Comparison(Side("appa_tctrln"), Side("tcan_mm1"), ("background-flicker",), HELD_OUT, beside=(*PICTURE, *VIDEO)),), (2, "appa_tctrln", "tcan_mm1")),
    Claim("mm2", "4", "The second motion module makes better videos than the first",
          "Started from AnimateDiff's second motion module, TCAN has a lower FID-VID and FVD than from the first.", "Table 1, last two rows",
          "The two differ in the motion module, in both networks that have one. Of each module there is one training: the seeds are of what is trained on "
          "top of it, so the interval says how well these two do, not how well a module of either kind does.",
          (Comparison(Side("tcan_mm1"), Side("tcan_mm2"), VIDEO, HELD_OUT, beside=(*PICTURE, "background-flicker")),), (1, "tcan_mm1", "tcan_mm2")),
    Claim("frozen", "5", "A frozen ControlNet generalises better to odd proportions",
          "A ControlNet that stays frozen carries over to characters whose bodies look like none of the training's; one that was trained does not.", "Fig. 7",
          "A's ControlNet is trained, B's frozen. Characters of odd proportions are driven by the test clips, with retargeted poses, and measured "
          "against them. B has to be better there, and by more than on the test clips, with bodies like the training's: what it gains on both is no better "
          "generalisation.",
          (Comparison(Side("unfrozen"), Side("base"), ODD, BIZARRE, beside=RATIOS), Comparison(Side("unfrozen"), Side("base"), ODD, BIZARRE, beyond=TEST),
           Comparison(Side("unfrozen"), Side("base"), (), beside=(*ODD, *RATIOS)))),
    Claim("retargeting", "6", "Retargeting keeps the source's proportions",
          "Fitting the driving poses to the source's limbs (Algorithm 1) keeps the source's proportions, and its looks with them.", "Fig. 6; Algorithm 1",
          "One training generates twice: A from the driving poses as they are, B from retargeted ones. Both are measured against the limbs that the character "
          "truly has, in the driving motion: not against what Algorithm 1 made of them, which B would meet by construction. "
          "Shown is also what not taking the driving limbs' lengths of the first frame alone makes of it, but nearly the longest of the clip (nine in ten "
          "are shorter).",
          (Comparison(Side("tcan_mm2", retarget=False), Side("tcan_mm2"), LOOKS, BIZARRE),
           Comparison(Side("tcan_mm2"), Side("tcan_mm2", limb_lengths="clip"), (), BIZARRE, beside=LOOKS))),
    Claim("floors", "7", "TCAN does better than what learns nothing",
          "Not a sentence of the paper: TCAN beats the source frame, repeated, and the source, warped limb by limb, on the held-out clips.", None,
          "B is TCAN with the second motion module; A trains nothing, so it has no seeds, and stands beside each seed of B.",
          tuple(Comparison(Side(floor, seeded=False), Side("tcan_mm2"), ("LPIPS", "FID", *VIDEO), HELD_OUT, apart=("LPIPS",)) for floor in ("copy", "warp"))),
)


def learnt_poses(kind, controlled):
    """Claim 2c of one kind of error. controlled: whether there are rows that were trained as long and as fast, without errors."""
    told, untold = (Side("appa", error=kind, learnt=True), Side("appa_tctrln", error=kind, learnt=True)), Side("appa", error=kind)
    seen = ("LPIPS", "FVD", *(() if kind == "swap" else JOINTS))
    return Claim(f"tctrln_learnt_{kind}", f"2c, {kind}", f"It helps where it was trained on wrong poses: {kind}",
                 "Seeing the neighbouring frames' poses, the ControlNet with temporal layers makes up for errors in single ones.", "Section 3.2; Fig. 9",
                 f"As 2b ({KINDS.get(kind, kind)}), but both were trained on clips whose poses are about as wrong as those that drive them, and for longer: "
                 "only who sees errors in training can learn to make up for them. Shown last is what that training does without T-CtrlN"
                 + (", then what of it the errors do: A was trained likewise, without them." if controlled else "."),
                 (Comparison(*told, seen, changes=True), Comparison(*told, seen), Comparison(untold, told[0], (), beside=seen),
                  *([Comparison(replace(untold, longer=True), told[0], (), beside=seen)] if controlled else [])))


def wrong_poses(kind):
    """Claim 2b of one kind of error."""
    sides, blind = (Side("appa", error=kind), Side("appa_tctrln", error=kind)), JOINTS if kind == "swap" else ()
    seen = ("LPIPS", "FVD", *(() if blind else JOINTS))
    return Claim(f"tctrln_{kind}", f"2b, {kind}", f"The temporal ControlNet helps where poses are wrong: {kind}",
                 "Seeing the neighbouring frames' poses, the ControlNet with temporal layers makes up for errors in single ones.", "Section 3.2; Fig. 9",
                 f"Rendered clips are driven by exact poses into which errors were put, the same for both: {KINDS.get(kind, kind)}. Real clips, of which "
                 "no exact poses are known, are driven by the estimated ones, with errors put in likewise. B has to be better under wrong poses, and its "
                 "metrics have to change less from exact poses to wrong ones: who is as much better under exact ones has made up for nothing, and who is worse "
                 "under exact ones has less to lose."
                 + (" The key-point error is shown alone, since it doesn't see this kind of error: it takes either side for right." if blind else ""),
                 (Comparison(*sides, seen, beside=blind, changes=True), Comparison(*sides, seen, beside=blind)))


def add_arguments(parser):
    parser.add_argument("--scale", required=True, help="the scale, as the page names it")
    parser.add_argument("--results", type=Path, required=True, help="folder of claims/plan.json and, by row, [held_out/]metrics.json and measures.SPLIT.json")
    parser.add_argument("--out", type=Path, required=True, help="folder for claims.md, claims.csv and claims/{robustness,tau}.{png,csv}")


def run(args):
    """Write the page, whole or not at all. Raises UserError for a result that a claim needs and that isn't there, or that is another's."""
    from eval.claims import curves, page  # here, so that --help need not wait for pandas and matplotlib
    from eval.claims.results import Results

    results = Results(args.results, args.scale)
    outcomes = judge_all(results)
    with entries_of(args.out) as folder:
        (folder / "claims").mkdir()
        drawn = curves.draw(results, folder / "claims")
        page.frame(outcomes).to_csv(folder / "claims.csv", index=False, lineterminator="\n")
        (folder / "claims.md").write_text(page.page(outcomes, results, drawn))


def claims(results):
    """The Claims that a plan can put to the test: of wrong poses, one for each kind of error that it has, right after that of exact ones."""
    wrong = (*map(wrong_poses, results.kinds()), *(learnt_poses(kind, results.controlled) for kind in results.kinds(learnt=True)))
    every = (claim for one in CLAIMS for claim in (one, *(wrong if one.key == "tctrln" else ())))
    return tuple(replace(claim, comparisons=tuple(_there(comparison, results) for comparison in claim.comparisons)) for claim in every)


def _there(comparison, results):
    """The Comparison, on the test clips alone where a plan has no further ones of its rows."""
    if comparison.split != HELD_OUT or all(HELD_OUT in results.main(side.of).splits for side in (comparison.a, comparison.b)):
        return comparison
    return replace(comparison, split=TEST)


def judge_all(results):
    return [judge(claim, results) for claim in claims(results)]


def judge(claim, results):
    """The Outcome of a claim."""
    findings, rows, seeds = [], [], []
    for comparison in claim.comparisons:
        sides = (comparison.a, comparison.b)
        starts = tuple(replace(side, error=None, exact=True) for side in sides) if comparison.changes else ()
        found, chosen = results.repeated((*sides, *starts), comparison.split)
        rows.append(tuple(tuple(found[side]) for side in sides))
        seeds.append(tuple(chosen))
        for metric in (*comparison.metrics, *comparison.beside):
            a, b = ([results.entry(row, metric, comparison.split) for row in side] for side in rows[-1])
            if starts:
                a, b = ([change(results.entry(row, metric, comparison.split), entry) for row, entry in zip(found[start], side, strict=True)]
                        for start, side in zip(starts, (a, b)))
            less = [[results.entry(row, metric, comparison.beyond) for row in side] for side in rows[-1]] if comparison.beyond else None
            findings.append(Finding(comparison, metric, a[0]["key"], metric in comparison.metrics, effect(a, b, less)))
            findings += _apart(comparison, metric, a, b, results) if metric in comparison.apart else []
    return Outcome(claim, tuple(findings), together(finding.effect.verdict for finding in findings if finding.counted), tuple(rows), tuple(seeds))


def _apart(comparison, metric, a, b, results):
    """The same metric over each group of clips alone, as Findings that don't count."""
    for label, clips in results.groups(comparison.split).items():
        if clips:
            yield Finding(comparison, metric, a[0]["key"], False, effect(*([part(entry, clips) for entry in side] for side in (a, b))), label)


def _all(number):
    return {1: "the one metric that counts", 2: "both"}.get(number, f"all {number}")
