# data/<scale>/poses/<set>: OpenPose-18 key points as numbers, one file a clip, whatever the estimator.
POSE_SOURCES = sorted({source for frame_set in CONFIG.data.sets.values() for source in ESTIMATOR_SOURCES[frame_set.estimator]})

HOW = f"--person {CONFIG.pose.person} --batch {CONFIG.pose.batch}"  # OpenPose and DWPose look


def estimator(name):
    return CONFIG.data.sets[name].estimator


def pose_sources(name):
    """The sources of a set's estimator, and for videos the videos themselves: key points are found in full resolution."""
    return [*ESTIMATOR_SOURCES[estimator(name)], *(VIDEO_SOURCES if CONFIG.data.sets[name].kind == "video" else [])]


def pose_params(name):
    """What a set's key points depend on beside its files."""
    found_by = estimator(name)
    errors = (asdict(CONFIG.data.errors), CONFIG.seed) if found_by == "exact+errors" else None
    own = Path("data/raw/openpose_json")  # the user's, which no rule fetches
    files = fingerprint(own) if found_by == "openpose_json" and own.is_dir() else None
    return {"estimator": found_by, "errors": errors, "files": files, "pins": pins(pose_sources(name)), "pose": (CONFIG.pose.person, CONFIG.pose.batch)}


rule poses:
    input:
        frames=f"data/{SCALE}/frames/{{set}}/clips.csv",
        exact=lambda wildcards: f"data/{SCALE}/exact/{wildcards.set}/run.json" if estimator(wildcards.set) == "exact+errors" else [],
        raw=lambda wildcards: raw(pose_sources(wildcards.set)),
        code=code("tcan.pose.estimate"),
    output:
        f"data/{SCALE}/poses/{{set}}/run.json",
    params:
        depends=lambda wildcards: pose_params(wildcards.set),
        reads=lambda wildcards: f"--exact data/{SCALE}/exact/{wildcards.set}" if estimator(wildcards.set) == "exact+errors" else f"--raw data/raw {HOW}",
    log:
        f"logs/{SCALE}/poses/{{set}}.log",
    benchmark:
        f"benchmarks/{SCALE}/poses/{{set}}.tsv"
    resources:
        mem_mb=2000 * LARGE,
        gpu=GPU,
        runtime=20,
    shell:
        "python -m tcan poses --scale {SCALE} --log {log} --set {wildcards.set} --frames data/{SCALE}/frames/{wildcards.set}"
        " {params.reads} --run runs/{SCALE}/poses/{wildcards.set} --out data/{SCALE}/poses/{wildcards.set}"


rule poses_shard:
    input:
        frames=f"data/{SCALE}/frames/{{sharded_set}}/shards/{{shard}}/clips.csv",
        raw=lambda wildcards: raw(pose_sources(wildcards.sharded_set)),
        code=code("tcan.pose.estimate"),
    output:
        f"data/{SCALE}/poses/{{sharded_set}}/shards/{{shard}}/run.json",
    params:
        depends=lambda wildcards: pose_params(wildcards.sharded_set),
    log:
        f"logs/{SCALE}/poses/{{sharded_set}}/{{shard}}.log",
    benchmark:
        f"benchmarks/{SCALE}/poses/{{sharded_set}}/{{shard}}.tsv"
    resources:
        mem_mb=4000 * LARGE,
        gpu=GPU,
        runtime=240,
    shell:
        "python -m tcan poses --scale {SCALE} --log {log} --set {wildcards.sharded_set} --frames data/{SCALE}/frames/{wildcards.sharded_set}/shards/{wildcards.shard}"
        " --raw data/raw {HOW} --leave-out --run runs/{SCALE}/poses/{wildcards.sharded_set}/{wildcards.shard}"
        " --out data/{SCALE}/poses/{wildcards.sharded_set}/shards/{wildcards.shard}"
