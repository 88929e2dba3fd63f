# `snakemake claims`: the paper's claims put to the test over videos and seeds, and figures like the paper's. Not part of `reproduce`: it takes hours.
from tcan import claims as claimed

MEASURED = claimed.splits(CONFIG)  # row -> splits


rule plan:
    input:
        code=code("tcan.claims"),
    output:
        f"results/{SCALE}/claims/plan.json",
    params:
        plan=claimed.plan(CONFIG),
    log:
        f"logs/{SCALE}/plan.log",
    shell:
        "python -m tcan plan --scale {SCALE} --log {log} --out {output}"


rule claims_page:
    input:
        plan=rules.plan.output,
        metrics=expand(rules.score.output.metrics, row=[row for row, splits in MEASURED.items() if "test" in splits]),
        held_out=expand(rules.score_held_out.output.metrics, row=[row for row, splits in MEASURED.items() if "held_out" in splits]),
        measures=[f"results/{SCALE}/{row}/measures.{split}.json" for row, splits in MEASURED.items() for split in splits],
        templates=sorted(path.as_posix() for pattern in ("claims.md", "claims/*.md") for path in Path("reports/templates").glob(pattern)),
        code=code("eval.claims.command"),
    output:
        expand(f"reports/{SCALE}/{{file}}", file=["claims.md", "claims.csv", *[f"claims/{curve}.{suffix}" for curve in ("robustness", "tau")
                                                                             for suffix in ("png", "csv")]]),
    log:
        f"logs/{SCALE}/claims.log",
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "python -m eval claims --log {log} --scale {SCALE} --results results/{SCALE} --out reports/{SCALE}"


FIRST = [f"puppet_test_00_{CONFIG.data.puppets.test_motions[0]}", *[name for name, video in CONFIG.data.videos.items() if video.split == "test"][:1]]
WRONG = claimed.wrong_poses(CONFIG, CONFIG.claims.learnt_errors.kinds[0])
SHOWN = {  # figure of the paper -> (rows, split)
    3: (CONFIG.claims.rows[:2], "test"),
    4: ([CONFIG.claims.tau.row], "test"),
    5: ([row for row in CONFIG.rows if row not in ("unfrozen", "oracle", "autoencoder")], "test"),
    6: ([claimed.UNFITTED, CONFIG.claims.retargeting, claimed.LONGEST], "bizarre"),
    7: (CONFIG.claims.proportions, "bizarre"),
    9: (WRONG, "test"),
}


def figure_inputs(wildcards):
    number = int(wildcards.number)
    rows, split = SHOWN[number]
    if number == 4:
        return [f"outputs/{SCALE}/claims/attention/{row}/{clip}/run.json" for row in rows for clip in FIRST]
    retargeted = [row for row in rows if ROWS[row].retarget] if number == 6 else rows[-1:]
    driving = {"bizarre": [f"data/{SCALE}/driving/{row}/bizarre/run.json" for row in retargeted], "test": [f"data/{SCALE}/driving/{rows[0]}/test/run.json"] if number == 9 else []}
    return [f"outputs/{SCALE}/{row}/{split}/run.json" for row in rows] + driving[split]


def figure_options(wildcards, input):
    number = int(wildcards.number)
    rows, _ = SHOWN[number]
    if number == 4:
        return "--attention " + " ".join(path.removesuffix("/run.json") for path in input.made)
    return "--rows " + " ".join(rows)


rule attention:
    input:
        model=lambda wildcards: model_of(wildcards.row),
        clips=clips_of(sets_with("test")),
        code=code("tcan.generate.attention_maps"),
    output:
        f"outputs/{SCALE}/claims/attention/{{row}}/{{clip}}/run.json",
    params:
        generation=lambda wildcards: asdict(CONFIG.generation(wildcards.row)),
        row=lambda wildcards: depends_on(wildcards.row),
        model=lambda wildcards, input: Path(input.model[0]).parent,
    log:
        f"logs/{SCALE}/attention/{{row}}.{{clip}}.log",
    benchmark:
        f"benchmarks/{SCALE}/attention/{{row}}.{{clip}}.tsv"
    resources:
        mem_mb=3000,
        runtime=30,
    shell:
        "python -m tcan attention {wildcards.row} --scale {SCALE} --log {log} --data data/{SCALE} --model {params.model} --clip {wildcards.clip}"
        " --out outputs/{SCALE}/claims/attention/{wildcards.row}/{wildcards.clip}"


rule figure:
    input:
        made=figure_inputs,
        clips=clips_of(SETS),
        code=code("eval.figures.command"),
    output:
        f"reports/{SCALE}/figures/fig{{number}}.webp",
    params:
        options=figure_options,
        titles={name: row.title for name, row in CONFIG.rows.items()},
    wildcard_constraints:
        number=any_of(map(str, SHOWN)),
    log:
        f"logs/{SCALE}/figures/fig{{number}}.log",
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m eval figure {wildcards.number} --log {log} --scale {SCALE} --outputs outputs/{SCALE} --data data/{SCALE} {params.options} --out {output}"
