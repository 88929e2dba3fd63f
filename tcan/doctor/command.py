"""`tcan doctor`: what a scale needs, what of it is there, what it will take. Nothing is fetched, hashed or started.

Exit code 0 when all is there, 2 when something is missing; the closing line then says what to do next.
"""

import dataclasses
import json
import textwrap
from pathlib import Path

from tcan.doctor import disk, hours, machine, needs, text
from tcan.doctor.figures import figures, total
from tcan.errors import UserError
from tcan.strict import named

WORDS = {"packages": ("package", "packages"), "tools": ("tool", "tools"), "terms": ("source's terms", "sources' terms"), "sources": ("source", "sources"),
         "weights": ("folder of weights", "folders of weights"), "gpu": ("GPU", "GPUs")}


def add_arguments(parser):
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="fetched sources (default: %(default)s)")
    parser.add_argument("--pins", type=Path, default=Path("data/sources.lock.yaml"), help="what was pinned on first sight (default: %(default)s)")
    parser.add_argument("--requirements", type=Path, default=Path("requirements.txt"), help="pinned packages (default: %(default)s)")
    parser.add_argument("--price", type=float, metavar="PER_HOUR", help="of an hour of a GPU, in your currency: adds what the hours cost")
    parser.add_argument("--card", help="estimate for this GPU instead of the one that is there: H200, H100, A100, L40S or RTX 4090")
    parser.add_argument("--json", action="store_true", help="print it for machines")


def run(args, config):
    report = examine(args, config)
    print(json.dumps(report, indent=2) if args.json else "\n".join(lines(report)))
    if report["missing"]:
        raise UserError(closing(report))


def examine(args, config):
    """All that is to be said, as JSON-able values: sizes in bytes, None where nobody says; `missing` names what has to be brought about."""
    from tcan.fetch import sources
    from tcan.fetch.pins import Pins

    declared, pins, data = sources.load(), Pins(args.pins), Path("data") / config.scale
    own, acknowledged = config.sources, config.acknowledged
    found = [needs.look(named(declared, name, "source"), args.raw, own=own.get(name), acknowledged=acknowledged, pins=pins)
             for name in needs.names(config, declared)]
    cards = machine.cards()
    wants_card = config.foundation.source == "published"
    rendered = any(frame_set.kind == "puppets" for frame_set in config.data.sets.values())  # what claims are about
    if args.card is not None:
        named(figures()["cards"], args.card, "--card")
    pace = hours.pace(config, args.card or (cards[0].name if cards else None))
    estimates, space = hours.estimates(config, pace, data), disk.items(config, found, data)
    report = {
        "scale": config.scale,
        "sources": [dataclasses.asdict(need) for need in found],
        "packages": [dataclasses.asdict(package) | {"agrees": package.agrees} for package in machine.packages(args.requirements)],
        "tools": machine.tools(),
        "cards": [dataclasses.asdict(card) for card in cards],
        "wants_card": wants_card,
        "training_memory": disk.training_memory(config) if wants_card else None,
        "disk": {"free": machine.free("."), "needed": sum(item.needed for item in space), "items": [dataclasses.asdict(item) for item in space],
                 "whole": all(item.size is not None and not item.unknown for item in space)},
        "hours": {"device": pace.device, "how": pace.how, "price": args.price, "items": [dataclasses.asdict(item) for item in estimates],
                  "total": total(item.hours for item in estimates), "claims": dataclasses.asdict(hours.claims(config, pace, data)) if rendered else None},
    }
    return report | {"missing": missing(report, config)}


def missing(report, config):
    """{what: names or figures} of all that isn't there, in the order in which it is to be brought about."""
    lacking = [need for need in report["sources"] if need["state"] in needs.LACKING]
    found = {
        "packages": [package["name"] for package in report["packages"] if package["found"] is None],
        "tools": [name for name, there in report["tools"].items() if not there],
        "terms": [need["name"] for need in lacking if need["accepted"] is False],
        "disk": [report["disk"]["needed"] - report["disk"]["free"]] if report["disk"]["needed"] > report["disk"]["free"] else [],
        "sources": [need["name"] for need in lacking],
        "weights": [f"weights/{config.scale}"] if config.foundation.source == "shipped" and not Path("weights", config.scale).is_dir() else [],
        "gpu": ["a GPU that torch can use"] if report["wants_card"] and not report["cards"] else [],
    }
    return {what: names for what, names in found.items() if names}


def closing(report):
    """What is missing, and the next thing to do, in one line."""
    what, names = next(iter(report["missing"].items()))
    todo = {
        "packages": "run `pip install -r requirements.txt`",
        "tools": f"install {', '.join(map(str, names))}",
        "terms": f"read the terms of {', '.join(map(str, names))} (above) and add the names to `acknowledged` in params.yaml",
        "disk": "make room, or move the project to a larger disk",
        "sources": f"run `snakemake --cores all fetch --config scale={report['scale']}`",
        "weights": f"restore weights/{report['scale']} from git, or set scales.{report['scale']}.foundation.source to trained",
        "gpu": "go to a machine with a GPU; everything up to the first training step runs without one",
    }[what]
    counts = [f"{text.size(values[0])} of disk" if kind == "disk" else f"{len(values)} {WORDS[kind][len(values) > 1]}"
              for kind, values in report["missing"].items()]
    scale = report["scale"]
    return f"doctor: expected all that scale {scale} needs, missing: {', '.join(counts)}; next: {todo}, then `tcan doctor --scale {scale}` again"


def lines(report):
    """The report as aligned text."""
    return [*_sources(report), "", *_machine(report), "", *_disk(report), "", *_hours(report)]


def _sources(report):
    rows = [("source", "state", "size", "from", "terms", "licence")]
    for need in report["sources"]:
        accepted = {True: "accepted", False: "to accept", None: "-"}[need["accepted"]]
        rows.append((need["name"], need["state"], text.size(need["size"], need["exact"]), need["kind"], accepted, need["licence"]))
    terms = {}
    for need in report["sources"]:
        if need["accepted"] is False:
            terms.setdefault(need["terms"], []).append(need["name"])
    ask = [f"  terms of {', '.join(names)}: {url}" for url, names in terms.items()]
    return [f"Sources of scale {report['scale']}", *text.table(rows, right={2}), *ask]


def _machine(report):
    none = "none, and this scale needs one" if report["wants_card"] else "none"
    cards = [f"{card['name']}, {text.size(card['memory'])}" for card in report["cards"]] or [none]
    rows = [("GPU", card) for card in cards]
    if report["training_memory"]:
        rows.append(("GPU memory", f"{text.size(report['training_memory'])} for the larger training's weights, gradients and AdamW, before activations"))
    packages, absent = report["packages"], [package["name"] for package in report["packages"] if package["found"] is None]
    other = [f"{package['name']} {package['found']} (pinned: {package['wanted']})" for package in packages
             if package["found"] is not None and not package["agrees"]]
    rows.append(("packages", f"{len(packages) - len(absent) - len(other)} of {len(packages)} as pinned"))
    rows += [("", f"missing: {', '.join(absent)}")] if absent else []
    rows += [("", f"another version: {', '.join(other)}")] if other else []
    rows.append(("tools", ", ".join(name if there else f"{name} (missing)" for name, there in report["tools"].items())))
    return ["Machine", *text.table(rows)]


def _disk(report):
    rows = [("what", "size", "how it is reckoned")]
    for item in report["disk"]["items"]:
        without = f"; without {', '.join(item['unknown'])}, whose size nobody says" if item["unknown"] else ""
        there = f"; {text.size(item['there'])} there" if item["there"] else ""
        rows.append((item["what"], ">" * bool(item["unknown"] and item["size"]) + text.size(item["size"]), item["rule"] + without + there))
    needed, free = text.size(report["disk"]["needed"]), text.size(report["disk"]["free"])
    rows.append(("needed", needed if report["disk"]["whole"] else f">{needed}", f"from now on; {free} free"))
    return ["Disk", *text.table(rows, right={1})]


def _hours(report):
    told, price = report["hours"], report["hours"]["price"]
    if not told["device"]:
        return ["Hours", f"  {told['how']}"]
    entries = [*told["items"], {"what": "all of the tables", "hours": told["total"]}, *([told["claims"]] if told["claims"] else [])]
    rows = [("what", "hours", *(("cost",) if price is not None else ()))]
    for entry in entries:
        cost = None if price is None or entry["hours"] is None else entry["hours"] * price
        rows.append((entry["what"], text.hours(entry["hours"]), *((text.money(cost),) if price is not None else ())))
    width = max(len(row[-1]) for row in rows)
    rows = [(*row[:-1], row[-1].rjust(width)) for row in rows]
    how = [f"  {line}" for line in textwrap.wrap(f"{told['device']}: {told['how']}. Key points and scores aren't estimated.", text.WIDTH - 2)]
    return [f"Hours of one {'GPU' if report['wants_card'] else 'machine'}", *text.table(rows, right={1}), *how]

