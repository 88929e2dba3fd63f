# results/<scale>/<row>: every metric of every protocol, in one pass over a row's frames (metrics.json), and the values alone (summary.json).
# A row is one of `rows`, whose frames are generated here, or one of `external`, whose frames lie in a folder that no rule makes.
# Features are kept in runs/<scale>/features, which no rule declares: Snakemake would delete them before each job. Their names hold what they are of.
def marker_of_frames(wildcards):
    """What says that a row's frames are there. A folder's time says nothing of its files: `fingerprint` among the params does."""
    return ancient(EXTERNAL[wildcards.row]) if wildcards.row in EXTERNAL else f"outputs/{SCALE}/{wildcards.row}/test/run.json"


def tables_of(split):
    """The true frames of a split's clips, by their sets' tables."""
    return [f"data/{SCALE}/frames/{name}/clips.csv" for name in sets_with(split)]


rule score:
    input:
        generated=marker_of_frames,
        truth=tables_of("test"),
        raw=raw(EVALUATION_SOURCES),
        code=code("eval.score_command", *(f"eval.features.{network.module}" for network in NETWORKS)),
    output:
        metrics=f"results/{SCALE}/{{row}}/metrics.json",
        summary=f"results/{SCALE}/{{row}}/summary.json",
    params:
        pins=pins(EVALUATION_SOURCES),
        generated=lambda wildcards: EXTERNAL.get(wildcards.row, f"outputs/{SCALE}/{wildcards.row}/test"),
        fingerprint=lambda wildcards: fingerprint(EXTERNAL[wildcards.row]) if wildcards.row in EXTERNAL else None,
        truth=lambda wildcards, input: [Path(path).parent for path in input.truth],
        protocols=lambda wildcards: (CONFIG.evaluate if wildcards.row in CONFIG.scored else CONFIG.claims).protocols,
        networks=[f"{metric}={network}" for metric, network in CONFIG.evaluate.networks.items()],
        window=CONFIG.evaluate.window,
        gaps="--gaps" if CONFIG.evaluate.gaps else "",
        splits="--split test",
    wildcard_constraints:
        row=any_of({**ROWS, **CONFIG.external}),
    log:
        f"logs/{SCALE}/score/{{row}}.log",
    benchmark:
        f"benchmarks/{SCALE}/score/{{row}}.tsv"
    resources:
        mem_mb=3000 * LARGE,
        gpu=GPU,
        runtime=60,
    shell:
        "python -m eval score {params.generated:q} {params.truth} --log {log} {params.splits} --protocol {params.protocols}"
        " --weights data/raw --networks {params.networks} --window {params.window} {params.gaps} --device auto"
        " --cache runs/{SCALE}/features --out {output.metrics}"


# The claims' larger sample: the test clips and the further ones together.
use rule score as score_held_out with:
    input:
        generated=f"outputs/{SCALE}/{{row}}/held_out/run.json",
        truth=tables_of("held_out"),
        raw=raw(EVALUATION_SOURCES),
        code=code("eval.score_command", *(f"eval.features.{network.module}" for network in NETWORKS)),
    output:
        metrics=f"results/{SCALE}/{{row}}/held_out/metrics.json",
    params:
        generated=f"outputs/{SCALE}/{{row}}/held_out",
        protocols=CONFIG.claims.protocols,
        splits=" ".join(f"--split {split}" for split in GENERATED["held_out"]),
    wildcard_constraints:
        row=any_of(ROWS),
    log:
        f"logs/{SCALE}/score/{{row}}.held_out.log",
    benchmark:
        f"benchmarks/{SCALE}/score/{{row}}.held_out.tsv"
