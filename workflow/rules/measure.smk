# results/<scale>/<row>/measures.<split>.json: what can be measured where the truth is known (docs/metrics.md), beside the protocols' metrics.
# data/<scale>/driving/<split>: the poses that the people of a split should take; driving/<row>/<split>: those that a row is given.
rule keypoint_network:
    input:
        raw=raw(MOTION_SOURCES),
        code=code("tcan.train.keypoint_network"),
    output:
        f"models/{SCALE}/keypoint_network/run.json",
    params:
        rendered=RENDERED,
        network=asdict(CONFIG.measures.keypoint_network),
        pins=pins(MOTION_SOURCES),
        run=f"runs/{SCALE}/keypoint_network",
    log:
        f"logs/{SCALE}/keypoint_network.log",
    benchmark:
        f"benchmarks/{SCALE}/keypoint_network.tsv"
    priority: 1  # the longest job of `claims`, on which every measure waits: begun first, no core idles behind it
    resources:
        gpu=GPU,
        mem_mb=3000,
        runtime=120,
    shell:
        "python -m tcan keypoint_network --scale {SCALE} --log {log} --raw data/raw --run {params.run} --out models/{SCALE}/keypoint_network"
        " && rm -rf {params.run}"


def clips_that_drive(split):
    return clips_of(sorted({*sets_with("test"), *sets_with(split)}))


rule driving:
    input:
        clips=lambda wildcards: clips_that_drive(wildcards.split),
        code=code("tcan.generate.driving"),
    output:
        f"data/{SCALE}/driving/{{split}}/run.json",
    params:
        pairing=(CONFIG.generate.pairing, CONFIG.generate.limb_lengths),
    log:
        f"logs/{SCALE}/driving/{{split}}.log",
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m tcan driving --scale {SCALE} --log {log} --split {wildcards.split} --data data/{SCALE} --out data/{SCALE}/driving/{wildcards.split}"


rule driving_of_row:
    input:
        clips=lambda wildcards: clips_that_drive(wildcards.split),
        code=code("tcan.generate.driving"),
    output:
        f"data/{SCALE}/driving/{{row}}/{{split}}/run.json",
    params:
        row=lambda wildcards: (CONFIG.seed, {**asdict(ROWS[wildcards.row]), "title": None, "tables": None}),
        generate=lambda wildcards: [getattr(CONFIG.generation(wildcards.row), option) for option in ("pairing", "limb_lengths")],
    log:
        f"logs/{SCALE}/driving/{{row}}.{{split}}.log",
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m tcan driving --scale {SCALE} --log {log} --row {wildcards.row} --split {wildcards.split} --data data/{SCALE}"
        " --out data/{SCALE}/driving/{wildcards.row}/{wildcards.split}"


def aim_of(row, split):
    """Which poses the people of a row should take, if not the scale's own: none are retargeted, or by limb lengths over the clip."""
    other = not ROWS[row].retarget, CONFIG.generation(row).limb_lengths != CONFIG.generate.limb_lengths
    return "" if split != "bizarre" or not any(other) else " --aim as_driven" if other[0] else f" --aim {CONFIG.generation(row).limb_lengths}_lengths"


rule measure:
    input:
        generated=rules.generate.output,
        driving=rules.driving.output,
        network=rules.keypoint_network.output,
        clips=lambda wildcards: clips_that_drive(wildcards.split),
        raw=raw(["efficientnet_lite0"]),
        code=code("eval.measure_command", "eval.features.efficientnet_lite0"),  # the network that it names, loaded by its name
    output:
        f"results/{SCALE}/{{row}}/measures.{{split}}.json",
    params:
        pins=pins(["efficientnet_lite0"]),
        aim=lambda wildcards: aim_of(wildcards.row, wildcards.split),
    log:
        f"logs/{SCALE}/measure/{{row}}.{{split}}.log",
    benchmark:
        f"benchmarks/{SCALE}/measure/{{row}}.{{split}}.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "python -m eval measure outputs/{SCALE}/{wildcards.row}/{wildcards.split} --log {log} --split {wildcards.split} --data data/{SCALE}"
        " --driving data/{SCALE}/driving/{wildcards.split} --network models/{SCALE}/keypoint_network --weights data/raw --out {output}{params.aim}"
