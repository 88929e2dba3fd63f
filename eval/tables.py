"""The paper's three tables as data: a line per system, the paper's cited values and the ones scored here in columns of their own.

The two never share a column: a value is named by where it comes from (`paper/FID`) or by the protocol that made it
(`disco-1/FID[efficientnet-lite0]`, the network named where it stands in for the published one).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from eval.compare import FORMAT
from eval.errors import UserError
from eval.protocol import PROTOCOLS, WINDOW

PAPER = Path(__file__).with_name("paper_tables.csv")
PAPER_METRICS = {"l1": "L1", "ssim": "SSIM", "lpips": "LPIPS", "fid": "FID", "fid_vid": "FID-VID", "fvd": "FVD"}
GREY = "L1-grey"
RUN, SCORED, NOT_RUN, CITED = "run here", "scored here", "not run", "cited only"
HERE = (RUN, SCORED)
# A floor has learnt nothing; a ceiling is given what no system is: the truth, or exact poses.
SYSTEM, FLOOR, CEILING = KINDS = ("system", "floor", "ceiling")
BASELINES = {"copy": FLOOR, "warp": FLOOR, "autoencoder": CEILING}


@dataclass(frozen=True)
class System:
    """A row of params.yaml: its title, the tables that show it, its kind (of KINDS), and whether its frames were made elsewhere (`external`)."""

    title: str
    tables: tuple
    kind: str = SYSTEM
    external: bool = False


@dataclass(frozen=True)
class Metric:
    """One value and how sure it is: `n` samples (`samples` says of what), `interval` (low, high) or None; `dimension` of the features of a
    Fréchet distance, else None; `per_video` {clip: value}, empty where a metric has no value of a single video; `entry`: all that metrics.json
    says of it, which eval.compare reads."""

    value: float
    n: int
    samples: str
    interval: tuple | None
    dimension: int | None
    per_video: dict
    entry: dict


@dataclass(frozen=True)
class Scores:
    """What one protocol says of one system. `frames`: {video: number of frames}; `seed`: of the bootstrap; `identity`: what must be equal in every
    row of a table, by name; `left_out`: {metric: why}."""

    height: int
    width: int
    frames: dict
    seed: int
    identity: dict
    metrics: dict
    left_out: dict

    @property
    def videos(self):
        return len(self.frames)


def read_systems(params, scale):
    """{row: System} of params.yaml, first this scale's of `rows`, then of `external`; and the command that makes a row's results at it."""
    try:
        document = yaml.safe_load(Path(params).read_text())
        rows, scales, default = document["rows"], document["scales"], document["scale"]
        systems = {name: System(str(row["title"]), tuple(row["tables"]), _kind(row)) for name, row in rows.items()
                   if row.get("scales") is None or scale in row["scales"]}
        external = {name: System(str(entry["title"]), tuple(entry.get("tables", (1,))), external=True)
                    for name, entry in (document.get("external") or {}).items() if entry["scale"] == scale}
    except FileNotFoundError as error:
        raise UserError(f"{params}: expected the parameter file, found none; run from the project's root or pass --params") from error
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{params}: expected scale, scales, rows (each with title and tables) and external (each with title and scale), "
                        f"got {' '.join(str(error).split())}") from error
    if scale not in scales:
        raise UserError(f"--scale: expected one of {', '.join(sorted(scales))}, got {scale!r}")
    if taken := sorted(systems.keys() & external.keys()):
        raise UserError(f"{params}: expected names in external that no row has, got {', '.join(taken)}; rename the entry")
    config = "" if scale == default else f" --config scale={scale}"
    return systems | external, f"snakemake --cores all results/{scale}/{{row}}/metrics.json{config}"


def _kind(row):
    return BASELINES.get(row.get("baseline"), CEILING if row.get("poses") == "exact" else SYSTEM)


def read_paper(path=PAPER):
    """The paper's tables, one line per cell row, with the source of the values and the frame size they were taken at."""
    return pd.read_csv(path, dtype={"table": int, "row": str})


def read_results(results, systems):
    """{row: {protocol: Scores}} of the rows that have a metrics.json. Raises UserError where one was scored otherwise than the rest."""
    scored = {}
    for row in systems:
        path = Path(results) / row / "metrics.json"
        if path.exists():
            scored[row] = read_metrics(path)
    for row, scores in scored.items():
        first = next(iter(scored))
        path, other = Path(results) / row / "metrics.json", Path(results) / first / "metrics.json"
        if set(scores) != set(scored[first]):
            raise UserError(f"{path}: expected the protocols of {other} ({', '.join(scored[first])}), got {', '.join(scores)}; score both again")
        for protocol in scores:
            here, there = scores[protocol].identity, scored[first][protocol].identity
            if unlike := sorted(key for key in {*here, *there} if here.get(key) != there.get(key)):
                raise UserError(f"{path}: expected {protocol} on the same {', '.join(unlike)} as {other}, got others; score both again")
    return scored


def read_metrics(path):
    """{protocol: Scores} of a metrics.json (eval.score.evaluate has its layout), protocols and metrics in eval.protocol's order."""
    try:
        result = json.loads(Path(path).read_text())
        if result["format"] != FORMAT:
            raise UserError(f"{path}: expected format {FORMAT}, got {result['format']}; score the row again")
        known = list(PROTOCOLS)
        return {label: _scores(result["protocols"][label], result, PROTOCOLS[label.partition("@")[0]])
                for label in sorted(result["protocols"], key=lambda label: (known.index(label.partition("@")[0]), label))}
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: expected what `python -m eval score` writes, got something else ({type(error).__name__}: {error}); "
                        "score the row again") from error


def _scores(body, result, protocol):
    entries, frames = {}, result["frames"]
    for metric in protocol.metrics:
        key = next((key for key in body["metrics"] if key.partition("[")[0] == metric.name), None)
        if key is not None:
            entry = body["metrics"][key]
            samples = {None: "frames", "every": f"windows of {WINDOW} frames", "disjoint": f"disjoint windows of {WINDOW} frames"}[metric.windows]
            mean = metric.kind in ("pixel", "lpips")
            entries[key] = Metric(entry["value"], entry["n"], samples, tuple(entry["interval"]) if entry["interval"] else None,
                                  entry["dimension"] if metric.kind == "frechet" else None, entry["per_video"] if mean else {}, entry)
            if mean and entry["per_video"].keys() != frames["per_video"].keys() or not mean and "replicates" not in entry:
                raise ValueError(f"{key} without {'a value for each video' if mean else 'replicates'}")
    height, width = body["size"]
    identity = {"version": (body["id"], body["version"]), "frame size": (height, width), "true frames": frames["sha256"]["true"],
                "videos": frames["per_video"], "networks": result["networks"], "bootstrap": result["bootstrap"], "metrics": sorted(entries)}
    return Scores(height, width, frames["per_video"], result["bootstrap"]["seed"], identity, entries, body["left_out"])


def build(number, systems, paper, scored, command):
    """Table `number` as a DataFrame: the paper's lines in the paper's order, then those that only run here, frames from elsewhere, floors and ceilings last.

    The columns `kind` and `frames_from` (the title of a system whose frames were made elsewhere) are for the page, not for the CSV.
    """
    cited = paper[paper["table"] == number].set_index("row")
    ours = {row: system for row, system in systems.items() if number in system.tables}
    alone = sorted((row for row in ours if row not in cited.index), key=lambda row: (KINDS.index(ours[row].kind), ours[row].external))
    lines = []
    for row in [*cited.index, *alone]:
        status = CITED if row not in ours else NOT_RUN if row not in scored else SCORED if ours[row].external else RUN
        line = {"table": number, "row": row, "system": cited.at[row, "method"] if row in cited.index else systems[row].title,
                "kind": ours[row].kind if row in ours else SYSTEM, "frames_from": ours[row].title if row in ours and ours[row].external else None,
                "here": status, "command": command.format(row=row) if status == NOT_RUN else None}
        if row in cited.index:
            line |= _paper_cells(cited.loc[row])
        for protocol, scores in (scored[row] if status in HERE else {}).items():
            line |= _cells(protocol, scores)
        lines.append(line)
    return pd.DataFrame(lines)


def _paper_cells(cells):
    """The paper's side of a line. L1 also in grey levels: DisCo's unit is grey levels / (H W), so it hides the frame size."""
    pixels = int(cells["height"]) * int(cells["width"])
    return {"paper/source": cells["source"], "paper/where": cells["where"], "paper/height": int(cells["height"]), "paper/width": int(cells["width"]),
            "paper/size_from": cells["size_from"], f"paper/{GREY}": round(cells["l1"] * pixels, 2),
            **{f"paper/{name}": cells[key] for key, name in PAPER_METRICS.items()}}


def _cells(protocol, scores):
    cells = {f"{protocol}/height": scores.height, f"{protocol}/width": scores.width, f"{protocol}/videos": scores.videos}
    for name, metric in scores.metrics.items():
        low, high = metric.interval or (None, None)
        key = f"{protocol}/{name}"
        cells |= {key: metric.value, f"{key}/low": low, f"{key}/high": high, f"{key}/n": metric.n}
    return cells
