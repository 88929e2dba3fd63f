# results/<scale>/<row>: every metric of every protocol, in one pass over a row's frames (metrics.json), and the values alone (summary.json).
rule score:
    input:
        generated=f"outputs/{SCALE}/{{row}}/test/run.json",
        truth=[f"data/{SCALE}/frames/{name}/clips.csv" for name in sets_with("test")],
        raw=raw(EVALUATION_SOURCES),
        code=code("eval.score_command", *(f"eval.features.{network.module}" for network in NETWORKS)),
    output:
        metrics=f"results/{SCALE}/{{row}}/metrics.json",
        summary=f"results/{SCALE}/{{row}}/summary.json",
    params:
        pins=pins(EVALUATION_SOURCES),
        truth=lambda wildcards, input: [Path(path).parent for path in input.truth],
        protocols=CONFIG.evaluate.protocols,
        networks=[f"{metric}={network}" for metric, network in CONFIG.evaluate.networks.items()],
        window=CONFIG.evaluate.window,
    log:
        f"logs/{SCALE}/score/{{row}}.log",
    benchmark:
        f"benchmarks/{SCALE}/score/{{row}}.tsv"
    resources:
        mem_mb=3000,
        runtime=60,
    shell:
        "python -m eval score outputs/{SCALE}/{wildcards.row}/test {params.truth} --log {log} --split test --protocol {params.protocols}"
        " --weights data/raw --networks {params.networks} --window {params.window} --out {output.metrics}"
