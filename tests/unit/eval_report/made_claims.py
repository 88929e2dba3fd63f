"""A made results tree for the claims: a plan, metrics and measures of every row, with known effects, noise of videos and noise of seeds."""

import json
import zlib

import numpy as np

from eval import bootstrap
from eval.protocol import PROTOCOLS

REAL, RENDERED = ("real_a", "real_b", "real_c"), tuple(f"puppet_{index}" for index in range(7))
CLIPS, CHARACTERS = (*REAL, *RENDERED), tuple(f"chibi_{index}__{(*REAL, *RENDERED)[index]}" for index in range(10))
NETWORKS = {"LPIPS": "hed-vgg16", "FID": "efficientnet-lite0", "FID-VID": "transnetv2", "FVD": "transnetv2"}
TYPICAL = {"L1": 16 / 4096, "L1-grey": 16, "SSIM": 0.61, "PSNR": 19, "LPIPS": 0.15, "FID": 630, "FID-VID": 1.4, "FVD": 1.6}
FURTHER = tuple(f"further_{index}" for index in range(12))
MEASURES = {"test": {"keypoint-error": 4.0, "background-flicker": 2.1, "identity-distance": 0.3, "limb-ratio-error": 0.12},
            "bizarre": {"keypoint-error": 6.0, "background-flicker": 2.1, "identity-distance": 0.4, "limb-ratio-error": 0.2, "proportion-error": 0.3}}
MEASURES["held_out"] = MEASURES["test"]
METRICS = {"test": "metrics.json", "held_out": "held_out/metrics.json"}
HELD_OUT = ("copy", "warp", "base", "appa", "appa_tctrln", "tcan_mm1", "tcan_mm2")
OF_RENDERED = ("keypoint-error", "limb-ratio-error", "proportion-error")
TITLES = {"base": "no APPA / no T-CtrlN / no PTM", "appa": "APPA", "appa_tctrln": "APPA + T-CtrlN", "tcan_mm1": "TCAN (w/ mm1)",
          "tcan_mm2": "TCAN (w/ mm2)", "unfrozen": "ControlNet trained, no APPA (Fig. 7)", "copy": "copy the source frame (floor)",
          "warp": "warp <b>limb | by limb</b> (floor)"}
TAUS = {"tcan_mm1": 3.0, "tcan_mm2": 3.0}
SEEDS = (2024, 2025, 2026)


def plan(seeds=SEEDS, kinds=("missing", "swap", "dropout"), rates=(0.1, 0.3, 0.5), repeated=0.3, taus=(0, 1, 2, 5, 10), held_out=HELD_OUT):
    """A plan.json like the pipeline's: trained rows with every seed, wrong poses at several rates, several taus, one row without retargeting; further clips of
    the rows `held_out`."""
    def row(of, seed=seeds[0], **changes):
        both = of in ("base", "unfrozen", "tcan_mm2")
        return {"of": of, "title": TITLES[of], "seed": seed, "poses": "estimated", "errors": {}, "learnt": {}, "longer": False, "tau": TAUS.get(of),
                "retarget": True, "limb_lengths": "first", "splits": ["test", "bizarre"] if both else ["test"], **changes}

    rows = {of: row(of) for of in TITLES}
    for seed in seeds[1:]:
        rows |= {f"claims/{of}_seed{seed}": row(of, seed) for of in TITLES if of not in ("copy", "warp")}
    for made in rows.values():
        made["splits"] += ["held_out"] if made["of"] in held_out else []
    for of in ("appa", "appa_tctrln", "tcan_mm1"):
        rows[f"claims/{of}_exact"] = row(of, poses="exact")
        rows |= {f"claims/{of}_exact_seed{seed}": row(of, seed, poses="exact") for seed in seeds[1:] if of != "tcan_mm1"}
        for kind in kinds:
            rows |= {f"claims/{of}_{kind}{round(100 * rate)}": row(of, poses="exact", errors={kind: rate}) for rate in rates}
            rows |= {f"claims/{of}_{kind}{round(100 * repeated)}_seed{seed}": row(of, seed, poses="exact", errors={kind: repeated})
                     for seed in seeds[1:] if of != "tcan_mm1"}
        for kind in ("exact", *(kind for kind in kinds if kind != "swap")) if of != "tcan_mm1" else ():
            wrong = {} if kind == "exact" else {kind: repeated}
            rows |= {f"claims/{of}_learnt_{kind}_seed{seed}": row(of, seed, poses="exact", errors=wrong, learnt={"missing": 0.2}) for seed in seeds}
            rows |= {f"claims/{of}_longer_{kind}_seed{seed}": row(of, seed, poses="exact", errors=wrong, longer=True) for seed in seeds if of == "appa"}
    rows |= {f"claims/tcan_mm1_tau{tau}": row("tcan_mm1", tau=float(tau)) for tau in taus}
    for seed in seeds:
        end = "" if seed == seeds[0] else f"_seed{seed}"
        rows[f"claims/no_retargeting{end}"] = row("tcan_mm2", seed, retarget=False, splits=["bizarre"])
        rows[f"claims/limb_lengths_clip{end}"] = row("tcan_mm2", seed, limb_lengths="clip", splits=["bizarre"])
    motions = {clip: ("kick", "dance")[index % 2] for names in (RENDERED, FURTHER) for index, clip in enumerate(names)}
    return {"format": 1, "seed": seeds[0], "seeds": list(seeds), "motions": motions, "rows": rows}


def factor(row, metric, effects):
    """What a row multiplies a metric of `lower is better` by. effects: {(of, metric) or of or 'no_retargeting': factor}, besides errors and tau."""
    found = effects.get((row["of"], metric), effects.get(row["of"], 1.0))
    if not row["retarget"]:
        found *= effects.get("no_retargeting", 1.4)
    robust = effects.get("robust", 0.6) if row["of"] in ("appa_tctrln", "tcan_mm1") and not row["learnt"] else 1
    robust *= 0.5 if row["learnt"] else 1
    found *= 1 + sum(rate * robust * {"missing": 0.8, "swap": 0.5, "dropout": 1.6}[kind] for kind, rate in row["errors"].items())
    if row["tau"] is not None and metric == "background-flicker":
        found *= 1 - 0.12 * (1 - np.exp(-row["tau"] / 2.5))
    if row["tau"] is not None and metric == "FVD":
        found *= 1 + 0.002 * row["tau"]
    return found


def write(results, effects, videos=0.03, seeds=0.01, clips=CLIPS, characters=CHARACTERS, planned=None):
    """Write the tree. videos, seeds: relative noise of a (row of params, clip) and of a (row of params, seed); planned: default `plan()`."""
    planned = planned or plan()
    (results / "claims").mkdir(parents=True)
    (results / "claims" / "plan.json").write_text(json.dumps(planned))
    for name, row in planned["rows"].items():
        (results / name).mkdir(parents=True, exist_ok=True)
        for split in row["splits"]:
            cases = {"test": clips, "bizarre": characters, "held_out": (*clips, *FURTHER)}[split]
            (results / name / f"measures.{split}.json").write_text(json.dumps(_measures(row, effects, split, cases, videos, seeds)))
            if split in METRICS:
                (results / name / METRICS[split]).parent.mkdir(exist_ok=True)
                (results / name / METRICS[split]).write_text(json.dumps(_metrics(row, effects, cases, videos, seeds)))
    return planned


def _rng(*words):
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


def _each(row, metric, effects, clips, videos, seeds):
    """A relative value of each clip: how hard it is for all, what the system makes of it, and what the seed does to the system."""
    hard = _rng("clip", metric).uniform(0.6, 1.4, len(clips))
    own = 1 + videos * _rng("pair", metric, row["of"]).normal(size=len(clips)) + 0.01 * _rng("once", metric, row["of"], row["seed"]).normal(size=len(clips))
    return hard / hard.mean() * own * (1 + seeds * _rng("seed", metric, row["of"], row["seed"]).normal()) * factor(row, metric, effects)


def _metrics(row, effects, clips, videos, seeds):
    entries = {}
    for metric in PROTOCOLS["disco-1"].metrics:
        each = _each(row, metric.name, effects, clips, videos, seeds)
        each = TYPICAL[metric.name] * (each if metric.better == "lower" else 2 - each)
        entry = {"kind": metric.kind, "unit": metric.unit, "better": metric.better, "value": float(each.mean()), "n": 28 * len(clips), "videos": len(clips)}
        if metric.kind in ("pixel", "lpips"):
            entry["per_video"] = dict(zip(clips, each.tolist()))
        else:
            entry |= {"dimension": 256, "replicates": [float(counts @ each / len(clips)) for counts in bootstrap.draws(len(clips), bootstrap.DISTANCES, 0)]}
        entries[f"{metric.name}[{NETWORKS[metric.name]}]" if metric.role else metric.name] = entry
    return {"format": 2, "warnings": [], "protocols": {"disco-1": {"id": "disco", "version": 1, "size": [64, 64], "metrics": entries, "left_out": {}}},
            "networks": {"fid": {"name": "efficientnet-lite0", "published": False, "weights": {"efficientnet_lite0/weights.pth": "57934424" * 8}}},
            "bootstrap": {"level": 0.95, "over": "videos", "seed": 0, "resamples": {"means": bootstrap.MEANS, "distances": bootstrap.DISTANCES}},
            "frames": {"count": 28 * len(clips), "videos": len(clips), "per_video": dict.fromkeys(clips, 28), "size": [64, 64], "generated_size": [64, 64],
                       "sha256": {"generated": _generated(row, clips), "true": f"{len(clips):064}"}}, "software": {"numpy": "2.0", "torch": "2.5"}}


def _generated(row, clips):
    """Stands for the digest of the generated frames, of which both files are."""
    return f"{zlib.crc32(repr((row, clips)).encode()):064x}"


def _measures(row, effects, split, clips, videos, seeds):
    measures = {}
    for name, typical in MEASURES[split].items():
        chosen = [clip for clip in clips if not clip.endswith(REAL) or name not in OF_RENDERED]
        each = typical * _each(row, name, effects, chosen, videos, seeds)
        measures[name] = {"unit": "made", "better": "lower", "value": float(each.mean()), "per_video": dict(zip(chosen, each.tolist()))}
        if name in OF_RENDERED:
            measures[name]["truth"] = {"value": typical / 3, "per_video": dict.fromkeys(chosen, typical / 3)}
    return {"format": 1, "split": split, "measures": measures, "network": "2" * 64, "weights": {"looks.pth": "3" * 64},
            "frames": {"per_video": dict.fromkeys(clips, 28), "sha256": _generated(row, clips)}}
