"""The rows that the paper's claims need beyond those of its tables: other seeds, wrong poses at stated rates, other temperatures, no retargeting.

All are made of the rows and models of params.yaml by the scale's section `claims`, so they go through the same rules. They live in folders `claims`
of their own, which `reproduce` and DVC pass by. `snakemake claims` makes them; the plan tells the evaluation what each of them is.
"""

import dataclasses
import json
from pathlib import Path

from tcan.files import atomic_file
from tcan.sections import FURTHER, HELD_OUT

FOLDER = "claims"
UNFITTED, LONGEST = f"{FOLDER}/no_retargeting", f"{FOLDER}/limb_lengths_clip"
FORMAT = 1      # of plan.json


def models(config):
    """{name: Model}: every model that a repeated row stands on, once for each further seed."""
    claims = config.claims
    trained, erring = ({config.rows[row].model: None for row in rows} for rows in (claims.rows, claims.learnt_errors.rows))
    plain, others = {model: config.models[model] for model in trained}, {}
    for name in erring:
        others[learnt(name)] = _retrained(config.models[name], claims.learnt_errors.stage2)
    for name in {config.rows[row].model: None for row in claims.learnt_errors.control}:
        others[longer(name)] = _retrained(config.models[name], {**claims.learnt_errors.stage2, "errors": config.stage2.errors})
    return others | {_seeded(name, seed): dataclasses.replace(model, seed=seed) for seed in claims.seeds for name, model in (plain | others).items()}


def rows(config):
    """{name: Row}."""
    return {name: row for name, _, row in _made(config)}


def _made(config):
    """(name, the row of params.yaml it is made of, Row) of each."""
    claims, table = config.claims, config.rows
    for seed in claims.seeds:
        for of in claims.rows:
            yield _seeded(of, seed), of, _with_seed(table[of], seed)
    for of in claims.errors.rows:
        exact, name, repeated = dataclasses.replace(table[of], poses="exact"), f"{FOLDER}/{of}_exact", claims.seeds if of in claims.errors.repeated_rows else ()
        yield name, of, exact
        for seed in repeated:
            yield _seeded(name, seed), of, _with_seed(exact, seed)
        for kind in claims.errors.kinds:
            for rate in claims.errors.rates:
                yield _wrong(of, kind, rate), of, dataclasses.replace(exact, errors={kind: rate})
            for seed in repeated:
                rate = claims.errors.repeated_rate
                yield _seeded(_wrong(of, kind, rate), seed), of, _with_seed(dataclasses.replace(exact, errors={kind: rate}), seed)
    for of, named in (*((row, learnt) for row in claims.learnt_errors.rows), *((row, longer) for row in claims.learnt_errors.control)):
        exact = dataclasses.replace(table[of], model=named(table[of].model), poses="exact")
        for kind in (None, *claims.learnt_errors.kinds):
            name = _wrong(named(of), kind, claims.errors.repeated_rate) if kind else f"{named(of)}_exact"
            row = dataclasses.replace(exact, errors={kind: claims.errors.repeated_rate}) if kind else exact
            yield name, of, row
            for seed in claims.seeds:
                yield _seeded(name, seed), of, _with_seed(row, seed)
    of = claims.tau.row
    for tau in claims.tau.values:
        yield f"{FOLDER}/{of}_tau{tau:g}".replace(".", "p"), of, dataclasses.replace(table[of], generate={**table[of].generate, "ptm": True, "tau": tau})
    of = claims.retargeting
    for name, row in ((UNFITTED, dataclasses.replace(table[of], retarget=False)),
                      (LONGEST, dataclasses.replace(table[of], generate={**table[of].generate, "limb_lengths": "clip"}))):
        yield name, of, row
        for seed in claims.seeds if of in claims.rows else ():
            yield _seeded(name, seed), of, _with_seed(row, seed)


def wrong_poses(config, kind):
    """The rows of Fig. 9: those with errors of a kind at the rate that every seed has, as trained like all others and trained on wrong poses."""
    claims = config.claims
    return [_wrong(name, kind, claims.errors.repeated_rate) for name in (*claims.errors.repeated_rows, *map(learnt, claims.learnt_errors.rows))]


def splits(config):
    """{row: the splits that are measured}, of all rows: the tables' first."""
    claims = config.claims
    odd = {*claims.proportions, claims.retargeting}
    wide = {*claims.held_out, *(_seeded(name, seed) for name in set(claims.held_out) & set(claims.rows) for seed in claims.seeds)}
    odd |= {_seeded(name, seed) for name in odd & set(claims.rows) for seed in claims.seeds}
    alone = [made for name in (UNFITTED, LONGEST) for made in (name, *(_seeded(name, seed) for seed in claims.seeds))]
    return {name: ["bizarre"] if name in alone else ["test", *(["bizarre"] if name in odd else []), *([HELD_OUT] if name in wide else [])]
            for name in (*config.rows, *rows(config))}


def motions(config):
    """{clip: motion} of the rendered clips that a row is generated on."""
    return {clip: motion for split in ("test", FURTHER) for clip, motion in config.data.puppets.unseen(split)}


def plan(config):
    """What each row is, JSON-able: {"format", "seed", "seeds", "motions": {clip: motion}, "rows": {name: {"of", "title", "seed", "poses", "errors", "learnt",
    "longer", "tau", "retarget", "limb_lengths", "splits"}}}.

    of: the row of params.yaml that it was made of; learnt: the rates of errors put into the poses of its training, {} where they are those of all others;
    longer: whether its training was that of the rows that learnt from errors, but without them;
    tau: None without the temperature map.
    """
    described, measured, origin = {}, splits(config), {name: of for name, of, _ in _made(config)}
    for name, row in config.every_row.items():
        generation, of = config.generation(name), origin.get(name, name)
        stage2, plain = (config.second_stage(each.model) if each.model else config.stage2 for each in (row, config.rows[of]))
        described[name] = {"of": of, "title": row.title, "seed": config.seed if row.seed is None else row.seed, "poses": row.poses,
                           "errors": row.errors, "learnt": {} if stage2.errors == config.stage2.errors else stage2.errors,
                           "longer": stage2 != plain and stage2.errors == plain.errors,
                           "tau": generation.tau if generation.ptm else None, "retarget": row.retarget,
                           "limb_lengths": generation.limb_lengths, "splits": measured[name]}
    return {"format": FORMAT, "seed": config.seed, "seeds": [config.seed, *config.claims.seeds], "motions": motions(config), "rows": described}


def add_arguments(parser):
    parser.add_argument("--out", type=Path, required=True, help="results/SCALE/claims/plan.json")


def run(args, config):
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(args.out) as temporary:
        Path(temporary).write_text(json.dumps(plan(config), indent=1) + "\n")


def _with_seed(row, seed):
    return dataclasses.replace(row, model=_seeded(row.model, seed), seed=seed)


def _seeded(name, seed):
    return f"{FOLDER}/{name.removeprefix(f'{FOLDER}/')}_seed{seed}"


def learnt(name):
    """The name of what saw wrong poses in training."""
    return f"{FOLDER}/{name}_learnt"


def longer(name):
    """The name of what was trained as that, and saw none."""
    return f"{FOLDER}/{name}_longer"


def _retrained(model, stage2):
    return dataclasses.replace(model, stage2={**model.stage2, **stage2})


def _wrong(name, kind, rate):
    """The name of the row that has errors of a kind in that part of its poses."""
    return f"{FOLDER}/{name.removeprefix(f'{FOLDER}/')}_{kind}{round(100 * rate):02d}"
