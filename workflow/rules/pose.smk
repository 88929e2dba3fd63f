# data/<scale>/poses/<set>: OpenPose-18 key points as numbers, one file a clip, whatever the estimator.
POSE_SOURCES = sorted({source for frame_set in CONFIG.data.sets.values() for source in ESTIMATOR_SOURCES[frame_set.estimator]})


def estimator(wildcards):
    return CONFIG.data.sets[wildcards.get("set") or wildcards.sharded_set].estimator


def pose_sources(wildcards):
    """An estimator's weights, and for videos the videos themselves: key points are found in full resolution."""
    videos = VIDEO_SOURCES if CONFIG.data.sets[wildcards.get("set") or wildcards.sharded_set].kind == "video" else []
    return [*ESTIMATOR_SOURCES[estimator(wildcards)], *videos]


rule poses:
    input:
        frames=f"data/{SCALE}/frames/{{set}}/clips.csv",
        raw=lambda wildcards: raw(pose_sources(wildcards)),
        code=code("tcan.pose.estimate"),
    output:
        f"data/{SCALE}/poses/{{set}}/run.json",
    params:
        estimator=estimator,
        errors=lambda wildcards: (asdict(CONFIG.data.errors), CONFIG.seed) if estimator(wildcards) == "exact+errors" else None,
        pins=lambda wildcards: pins(pose_sources(wildcards)),
        reads=lambda wildcards: f"--exact data/{SCALE}/exact/{wildcards.set}" if estimator(wildcards) == "exact+errors" else "--raw data/raw",
    log:
        f"logs/{SCALE}/poses/{{set}}.log",
    benchmark:
        f"benchmarks/{SCALE}/poses/{{set}}.tsv"
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "python -m tcan poses --scale {SCALE} --log {log} --set {wildcards.set} --frames data/{SCALE}/frames/{wildcards.set}"
        " {params.reads} --out data/{SCALE}/poses/{wildcards.set}"


rule poses_shard:
    input:
        frames=f"data/{SCALE}/frames/{{sharded_set}}/shards/{{shard}}/clips.csv",
        raw=lambda wildcards: raw(pose_sources(wildcards)),
        code=code("tcan.pose.estimate"),
    output:
        f"data/{SCALE}/poses/{{sharded_set}}/shards/{{shard}}/run.json",
    params:
        estimator=estimator,
        pins=lambda wildcards: pins(pose_sources(wildcards)),
    log:
        f"logs/{SCALE}/poses/{{sharded_set}}/{{shard}}.log",
    benchmark:
        f"benchmarks/{SCALE}/poses/{{sharded_set}}/{{shard}}.tsv"
    resources:
        mem_mb=4000,
        runtime=240,
    shell:
        "python -m tcan poses --scale {SCALE} --log {log} --set {wildcards.sharded_set} --frames data/{SCALE}/frames/{wildcards.sharded_set}/shards/{wildcards.shard}"
        " --raw data/raw --run runs/{SCALE}/poses/{wildcards.sharded_set}/{wildcards.shard} --out data/{SCALE}/poses/{wildcards.sharded_set}/shards/{wildcards.shard}"
