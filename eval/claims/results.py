"""What the claims are judged on: the plan of the rows, their metrics.json and their measures, found by what a row is and never by its name."""

import json
from dataclasses import dataclass
from pathlib import Path

from eval import compare
from eval.errors import UserError

FORMAT = 1                  # of plan.json and of measures.SPLIT.json
PROTOCOL = "disco-1"        # the one that every row was scored under
ESTIMATED, EXACT = "estimated", "exact"
TEST, BIZARRE, HELD_OUT = "test", "bizarre", "held_out"
SCORED = {TEST: "metrics.json", HELD_OUT: f"{HELD_OUT}/metrics.json"}


@dataclass(frozen=True)
class Row:
    """A row of the plan. of: the row of params.yaml that it was made of; errors: {kind: rate} put into its poses; learnt: those put into its training's;
    longer: trained as those that learnt, without errors; tau: None without the map; limb_lengths: of the driving person, in its `first` frame or over the
    `clip`; splits: those that were scored."""

    name: str
    of: str
    title: str
    seed: int
    poses: str
    errors: dict
    learnt: dict
    longer: bool
    tau: float | None
    retarget: bool
    limb_lengths: str
    splits: tuple


@dataclass(frozen=True)
class Side:
    """What a claim compares: the rows made of `of`, one for each seed. seeded: False for what trains nothing, so has no seeds; error: the kind of error in
    its (exact) poses, at the highest rate that all seeds have; exact: exact poses without errors; limb_lengths: None for those of the row itself; learnt:
    whether it was trained on wrong poses; longer: or as long, without them."""

    of: str
    seeded: bool = True
    error: str | None = None
    retarget: bool = True
    exact: bool = False
    limb_lengths: str | None = None
    learnt: bool = False
    longer: bool = False


class Results:
    """All that the plan names, read and held. Raises UserError for what is missing, isn't what it should be, or was scored otherwise than the rest."""

    def __init__(self, folder, scale):
        self.folder, self.scale = Path(folder), scale
        self.command = f"snakemake --cores all claims --config scale={scale}"
        path = self.folder / "claims" / "plan.json"
        plan = self._read(path)
        try:
            self.seed, self.seeds, self.motions = plan["seed"], tuple(plan["seeds"]), dict(plan["motions"])
            self.rows = {name: Row(name, row["of"], str(row["title"]), int(row["seed"]), row["poses"], dict(row["errors"]), dict(row["learnt"]),
                                   bool(row["longer"]), row["tau"], bool(row["retarget"]), str(row["limb_lengths"]), tuple(row["splits"]))
                         for name, row in plan["rows"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unlike(path, "seed, seeds, motions and rows", f"{type(error).__name__}: {error}") from error
        self.metrics = {(row.name, split): self._metrics(row, split) for split in SCORED for row in self.rows.values() if split in row.splits}
        self.measures = {(row.name, split): self._measures(row, split) for row in self.rows.values() for split in row.splits}
        self._alike()

    def path(self, row, split, measures=False):
        """Where a row's metrics of a split are, or its measures."""
        return self.folder / row.name / (f"measures.{split}.json" if measures else SCORED[split])

    def find(self, of, seed=None, split=TEST, poses=ESTIMATED, errors=None, retarget=True, limb_lengths=None, learnt=False, longer=False, **tau):
        """The one Row that is so, or None. seed: default the plan's; tau, limb_lengths: default those of the row of params.yaml itself."""
        main = self.main(of)
        wanted = (of, self.seed if seed is None else seed, poses, errors or {}, tau.get("tau", main.tau), retarget, limb_lengths or main.limb_lengths, learnt,
                  longer)
        found = [row for row in self.rows.values() if split in row.splits
                 and wanted == (row.of, row.seed, row.poses, row.errors, row.tau, row.retarget, row.limb_lengths, bool(row.learnt), row.longer)]
        if main in found:       # a derived row may repeat the row itself, such as a tau that is its own
            return main
        if len(found) > 1:
            raise UserError(f"{self.folder / 'claims/plan.json'}: expected one row for each thing to compare, got {', '.join(row.name for row in found)} "
                            f"that don't differ; make the plan again: {self.command}")
        return found[0] if found else None

    def main(self, of):
        """The row of params.yaml that others were made of."""
        if of not in self.rows:
            raise self.gap(f"a row {of}")
        return self.rows[of]

    def repeated(self, sides, split):
        """({Side: [Row]}, seeds): the rows to compare, one for each seed that all sides have, the plan's own among them; alone where a side has none."""
        rates = {side.error: self.rate(side.error, sides, split) for side in sides if side.error}
        seeds = [seed for seed in self.seeds if all(self._row(side, seed, split, rates) for side in sides if side.seeded)]
        rows = {side: [self._row(side, seed, split, rates) for seed in (seeds if side.seeded else [self.seed])] for side in sides}
        for side, found in rows.items():
            if None in found or side.seeded and self.seed not in seeds:
                raise self.gap(f"rows of {side.of}{f' with errors of kind {side.error}' if side.error else ''} on {split} that the other side has too")
        return rows, (seeds if any(side.seeded for side in sides) else [self.seed])

    def rate(self, kind, sides, split=TEST):
        """The highest rate of a kind of error that all sides have under the most seeds."""
        rates = {row.errors[kind] for row in self.rows.values() if list(row.errors) == [kind]}
        if not rates:
            raise self.gap(f"rows with errors of kind {kind}")
        return max(rates, key=lambda rate: (sum(all(self._row(side, seed, split, {kind: rate}) for side in sides) for seed in self.seeds), rate))

    def entry(self, row, metric, split=TEST):
        """What was scored: {"key", "value", "better", "weights", "per_video" or "replicates", ...} of a metric of PROTOCOL or of a measure.

        weights: {clip: its weight in the mean}, the number of its frames in a metric, 1 in a measure, which is a mean over clips.
        """
        if entry := self.measures[row.name, split]["measures"].get(metric):
            return {**entry, "key": metric, "weights": dict.fromkeys(entry["per_video"], 1)}
        if scored := self.metrics.get((row.name, split)):
            for key, entry in scored["protocols"][PROTOCOL]["metrics"].items():
                if key.partition("[")[0] == metric:
                    return {**entry, "key": key, "weights": scored["frames"]["per_video"]}
        where = self.path(row, split, measures=split not in SCORED or not metric[:1].isupper())     # a protocol's metrics are capitals, a measure's name isn't
        raise UserError(f"{where}: expected {metric}, found none; score again: {self.command}")

    def bootstrap_seed(self):
        """The seed of the draws of videos, the same in every row."""
        return next(iter(self.metrics.values()))["bootstrap"]["seed"]

    def gap(self, what):
        """A UserError for what the plan lacks."""
        return UserError(f"{self.folder / 'claims/plan.json'}: expected {what}, got none; make the plan again: {self.command}")

    def kinds(self, learnt=False):
        """The kinds of errors that the plan's rows have in their poses, in its order; learnt: as of `erring`."""
        return tuple(dict.fromkeys(kind for row in self.erring(learnt) for kind in row.errors))

    def erring(self, learnt=False):
        """The plan's rows that have errors of one kind in their poses; learnt: of those that were trained on wrong poses, or of the others."""
        return [row for row in self.rows.values() if len(row.errors) == 1 and bool(row.learnt) == learnt and not row.longer]

    @property
    def controlled(self):
        """Whether the plan has rows that were trained as those on wrong poses, without these."""
        return any(row.longer for row in self.rows.values())

    def groups(self, split):
        """{name: its clips} of the groups that clips of a split fall into: the rendered ones, those of each of their motions, and the real ones.

        Rendered are those whose true key points are known, so that they have a key-point error.
        """
        row = next(row for row in self.rows.values() if split in row.splits)
        rendered = set(self.entry(row, "keypoint-error", split)["per_video"])
        groups = {"rendered clips": rendered}
        for motion in sorted({self.motions[clip] for clip in rendered & self.motions.keys()}):
            groups[f"rendered clips, {motion}"] = {clip for clip in rendered if self.motions.get(clip) == motion}
        return groups | {"real clips": self.metrics[row.name, split]["frames"]["per_video"].keys() - rendered}

    def measure_names(self, split):
        """The measures of a split, in the order of its first file."""
        return list(next((body["measures"] for (_, own), body in self.measures.items() if own == split), {}))

    def _row(self, side, seed, split, rates):
        errors = {side.error: rates[side.error]} if side.error else {}
        poses = EXACT if side.error or side.exact else self.main(side.of).poses
        return self.find(side.of, seed, split, poses, errors, side.retarget, side.limb_lengths, side.learnt, side.longer)

    def _metrics(self, row, split):
        path = self.path(row, split)
        result = self._read(path, compare.FORMAT)
        try:
            clips = result["frames"]["per_video"].keys()
            for entry in result["protocols"][PROTOCOL]["metrics"].values():
                if entry.get("per_video", clips) and entry.get("per_video", dict.fromkeys(clips)).keys() != clips or not {"value", "better"} <= entry.keys():
                    raise ValueError("a metric without a value for each video")
            _ = result["bootstrap"]["seed"], result["networks"], result["warnings"], result["software"]
            _ = result["frames"]["sha256"]["true"], result["frames"]["sha256"]["generated"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unlike(path, f"what `python -m eval score` writes, with {PROTOCOL}", f"{type(error).__name__}: {error}") from error
        return result

    def _measures(self, row, split):
        """What `python -m eval measure` wrote, without the measures that no clip has."""
        path = self.path(row, split, measures=True)
        body = self._read(path)
        try:
            measures = {name: entry for name, entry in body["measures"].items() if entry["per_video"]}
            for name, entry in measures.items():
                if not entry["per_video"].keys() <= body["frames"]["per_video"].keys() or entry["better"] not in ("lower", "higher"):
                    raise ValueError(f"{name} of clips that have no frames, or without a direction")
                _ = float(entry["value"]), [float(value) for value in entry["per_video"].values()]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unlike(path, "what `python -m eval measure` writes", f"{type(error).__name__}: {error}") from error
        return {**body, "measures": measures}

    def _alike(self):
        """Every row must stand on the same networks and draws, and within a split on the same true frames and every measure on the same clips. A row's metrics
        and its measures must be of the same frames."""
        scored, whole = {}, next(iter(self.metrics.values()))
        for (name, split), result in self.metrics.items():
            first, other = scored.setdefault(split, (name, result))
            try:
                compare.comparable(other, result, PROTOCOL)
                compare.comparable(whole, {**result, "frames": whole["frames"]}, PROTOCOL)
            except UserError as error:
                raise UserError(f"{self.folder / first}, {self.folder / name}: {error}: {self.command}") from error
        firsts = {}
        for (name, split), body in self.measures.items():
            stands = {"networks": (body.get("network"), body.get("weights"))}
            stands |= {f"clips and frames of {measure}": {clip: body["frames"]["per_video"][clip] for clip in entry["per_video"]}
                       for measure, entry in body["measures"].items()}
            for what, mine in stands.items():
                where, other = firsts.setdefault((what, split if what != "networks" else None), (name, mine))
                if mine != other:
                    raise UserError(f"{self.folder / name}/measures.{split}.json: expected the same {what} as {self.folder / where}, got others; "
                                    f"measure both again: {self.command}")
            scored = self.metrics.get((name, split))
            if scored and scored["frames"]["sha256"]["generated"] != body["frames"]["sha256"]:
                raise UserError(f"{self.folder / name}/measures.{split}.json: expected measures of the frames that {SCORED[split]} is of, got those of another "
                                f"run; measure again: {self.command}")

    def _read(self, path, version=FORMAT):
        try:
            body = json.loads(path.read_text())
        except FileNotFoundError as error:
            raise UserError(f"{path}: expected a result that the claims need, found no file; make it with `{self.command}`") from error
        except ValueError as error:
            raise self._unlike(path, "JSON", " ".join(str(error).split())[:100]) from error
        if not isinstance(body, dict) or body.get("format") != version:
            raise self._unlike(path, f"format {version}", body.get("format") if isinstance(body, dict) else type(body).__name__)
        return body

    def _unlike(self, path, expected, got):
        return UserError(f"{path}: expected {expected}, got {got}; make it again: {self.command}")
