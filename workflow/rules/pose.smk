# data/<scale>/poses/<set>: OpenPose-18 key points as numbers, one file a clip, whatever the estimator.
POSE_SOURCES = sorted({source for frame_set in CONFIG.data.sets.values() for source in ESTIMATOR_SOURCES[frame_set.estimator]})


def estimator(wildcards):
    return CONFIG.data.sets[wildcards.set].estimator


def pose_sources(wildcards):
    """An estimator's weights, and for videos the videos themselves: key points are found in full resolution."""
    videos = VIDEO_SOURCES if CONFIG.data.sets[wildcards.set].kind == "video" else []
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
