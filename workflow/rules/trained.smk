# models/<scale>/foundation/<part>: trained here, on rendered people, and photographed ones where params.yaml says so.
PHOTOGRAPHED_SOURCES = [*MOTION_SOURCES, *(["mediapipe", "photographs"] if CONFIG.foundation.sharpening.photographed else [])]


rule pool:
    input:
        raw=raw(MOTION_SOURCES),
        code=code("tcan.data.puppets", "tcan.pose.draw"),
    output:
        f"models/{SCALE}/foundation/pool/run.json",
    params:
        rendered=RENDERED,
        scenes=(CONFIG.foundation.denoiser.pool, CONFIG.foundation.denoiser.targets),
        pins=pins(MOTION_SOURCES),
    log:
        f"logs/{SCALE}/foundation/pool.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/pool.tsv"
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "python -m tcan foundation pool --scale {SCALE} --log {log} --raw data/raw --out models/{SCALE}/foundation/pool"


rule autoencoder:
    input:
        pool=rules.pool.output,
        code=code("tcan.train.foundation"),
    output:
        f"models/{SCALE}/foundation/vae/run.json",
    params:
        autoencoder=asdict(CONFIG.foundation.autoencoder),
        latent_channels=CONFIG.foundation.latent_channels,
        run=f"runs/{SCALE}/foundation/autoencoder",
    log:
        f"logs/{SCALE}/foundation/autoencoder.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/autoencoder.tsv"
    threads: 2  # next to nothing can be done beside it, and Snakemake holds a rule that names none to one
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=360,
    shell:
        "python -m tcan foundation autoencoder --scale {SCALE} --log {log} --pool models/{SCALE}/foundation/pool"
        " --run {params.run} --out models/{SCALE}/foundation/vae && rm -rf {params.run}"


rule draft:
    input:
        pool=rules.pool.output,
        vae=rules.autoencoder.output,
        code=code("tcan.train.foundation"),
    output:
        f"models/{SCALE}/foundation/draft/run.json",
    params:
        denoiser=asdict(CONFIG.foundation.denoiser),
        diffusion=asdict(CONFIG.diffusion),
        blocks=CONFIG.appearance.blocks,
        run=f"runs/{SCALE}/foundation/draft",
    log:
        f"logs/{SCALE}/foundation/draft.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/draft.tsv"
    threads: 2  # next to nothing can be done beside it, and Snakemake holds a rule that names none to one
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=360,
    shell:
        "python -m tcan foundation draft --scale {SCALE} --log {log} --pool models/{SCALE}/foundation/pool --vae models/{SCALE}/foundation/vae"
        " --run {params.run} --out models/{SCALE}/foundation/draft && rm -rf {params.run}"


rule finished_pool:
    input:
        raw=raw(PHOTOGRAPHED_SOURCES),
        code=code("tcan.data.puppets", "tcan.data.photographs", "tcan.pose.draw"),
    output:
        f"models/{SCALE}/foundation/finished_pool/run.json",
    params:
        rendered=RENDERED,
        scenes=(CONFIG.foundation.denoiser.pool, CONFIG.foundation.denoiser.targets),
        finished=(CONFIG.foundation.sharpening.pool, CONFIG.foundation.sharpening.finished, CONFIG.foundation.sharpening.photographed),
        pins=pins(PHOTOGRAPHED_SOURCES),
    log:
        f"logs/{SCALE}/foundation/finished_pool.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/finished_pool.tsv"
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "python -m tcan foundation finished_pool --scale {SCALE} --log {log} --raw data/raw --out models/{SCALE}/foundation/finished_pool"


rule denoiser:
    input:
        pool=rules.finished_pool.output,
        vae=rules.autoencoder.output,
        draft=rules.draft.output,
        code=code("tcan.train.foundation"),
    output:
        f"models/{SCALE}/foundation/denoiser/run.json",
    params:
        denoiser=asdict(CONFIG.foundation.denoiser),
        sharpening=asdict(CONFIG.foundation.sharpening),
        diffusion=asdict(CONFIG.diffusion),
        blocks=CONFIG.appearance.blocks,
        run=f"runs/{SCALE}/foundation/denoiser",
    log:
        f"logs/{SCALE}/foundation/denoiser.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/denoiser.tsv"
    threads: 2  # next to nothing can be done beside it, and Snakemake holds a rule that names none to one
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=360,
    shell:
        "python -m tcan foundation denoiser --scale {SCALE} --log {log} --pool models/{SCALE}/foundation/finished_pool --vae models/{SCALE}/foundation/vae"
        " --draft models/{SCALE}/foundation/draft --run {params.run} --out models/{SCALE}/foundation/denoiser && rm -rf {params.run}"


rule motion_module:
    input:
        vae=rules.autoencoder.output,
        denoiser=rules.denoiser.output,
        raw=raw(MOTION_SOURCES),
        code=code("tcan.train.foundation"),
    output:
        f"models/{SCALE}/foundation/{{motion_module}}/run.json",
    params:
        rendered=RENDERED,
        motion=asdict(CONFIG.foundation.motion),
        blocks=CONFIG.appearance.blocks,
        diffusion=asdict(CONFIG.diffusion),
        frames=CONFIG.stage2.frames,
        pins=pins(MOTION_SOURCES),
        run=lambda wildcards: f"runs/{SCALE}/foundation/{wildcards.motion_module}",
    log:
        f"logs/{SCALE}/foundation/{{motion_module}}.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/{{motion_module}}.tsv"
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=360,
    shell:
        "python -m tcan foundation {wildcards.motion_module} --scale {SCALE} --log {log} --raw data/raw --vae models/{SCALE}/foundation/vae"
        " --denoiser models/{SCALE}/foundation/denoiser --run {params.run}"
        " --out models/{SCALE}/foundation/{wildcards.motion_module} && rm -rf {params.run}"
