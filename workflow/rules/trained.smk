# models/<scale>/foundation/<part>: trained here, on rendered people, and photographed ones where params.yaml says so.
SHARPENINGS = {"finished_pool": CONFIG.foundation.sharpening, "photographed_pool": CONFIG.foundation.photographs}     # the pool of each
SHARPENS = {"sharpened": ("finished_pool", "draft"), "photographed": ("photographed_pool", "sharpened")}     # on which pool, from what on
PHOTOGRAPHED_SOURCES = [*MOTION_SOURCES, *(["mediapipe", "photographs"] if any(part.photographed for part in SHARPENINGS.values()) else [])]
POOL_OPTIONS = ("pool", "finished", "photographed")      # of a sharpening: what its pool depends on


def pool_sources(wildcards):
    return PHOTOGRAPHED_SOURCES if SHARPENINGS[wildcards.sharpening_pool].photographed else MOTION_SOURCES


rule pool:
    input:
        raw=raw(MOTION_SOURCES),
        code=code("tcan.train.pools", without=["tcan/data/photographs.py", "tcan/pose/blazepose.py"]),  # of the sharpenings' pools alone
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
        f"models/{SCALE}/foundation/autoencoder/run.json",
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
        " --run {params.run} --out models/{SCALE}/foundation/autoencoder && rm -rf {params.run}"


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
        "python -m tcan foundation draft --scale {SCALE} --log {log} --pool models/{SCALE}/foundation/pool --vae models/{SCALE}/foundation/autoencoder"
        " --run {params.run} --out models/{SCALE}/foundation/draft && rm -rf {params.run}"


rule sharpening_pool:
    input:
        raw=lambda wildcards: raw(pool_sources(wildcards)),
        code=code("tcan.train.pools"),
    output:
        f"models/{SCALE}/foundation/{{sharpening_pool}}/run.json",
    params:
        rendered=RENDERED,
        scenes=(CONFIG.foundation.denoiser.pool, CONFIG.foundation.denoiser.targets),
        kind=lambda wildcards: tuple(getattr(SHARPENINGS[wildcards.sharpening_pool], option) for option in POOL_OPTIONS),
        pins=lambda wildcards: pins(pool_sources(wildcards)),
    log:
        f"logs/{SCALE}/foundation/{{sharpening_pool}}.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/{{sharpening_pool}}.tsv"
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "python -m tcan foundation {wildcards.sharpening_pool} --scale {SCALE} --log {log} --raw data/raw"
        " --out models/{SCALE}/foundation/{wildcards.sharpening_pool}"


rule sharpen:
    input:
        pool=lambda wildcards: f"models/{SCALE}/foundation/{SHARPENS[wildcards.sharpened][0]}/run.json",
        vae=rules.autoencoder.output,
        start=lambda wildcards: f"models/{SCALE}/foundation/{SHARPENS[wildcards.sharpened][1]}/run.json",
        code=code("tcan.train.foundation"),
    output:
        f"models/{SCALE}/foundation/{{sharpened}}/run.json",
    params:
        denoiser=asdict(CONFIG.foundation.denoiser),
        sharpening=lambda wildcards: asdict(SHARPENINGS[SHARPENS[wildcards.sharpened][0]]),
        diffusion=asdict(CONFIG.diffusion),
        blocks=CONFIG.appearance.blocks,
        run=lambda wildcards: f"runs/{SCALE}/foundation/{wildcards.sharpened}",
    log:
        f"logs/{SCALE}/foundation/{{sharpened}}.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/{{sharpened}}.tsv"
    threads: 2  # next to nothing can be done beside it, and Snakemake holds a rule that names none to one
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=360,
    shell:
        "python -m tcan foundation {wildcards.sharpened} --scale {SCALE} --log {log} --pool $(dirname {input.pool}) --vae models/{SCALE}/foundation/autoencoder"
        " --start $(dirname {input.start}) --run {params.run} --out models/{SCALE}/foundation/{wildcards.sharpened} && rm -rf {params.run}"


rule decoder:
    input:
        pool=rules.pool.output,
        vae=rules.autoencoder.output,
        denoiser=f"models/{SCALE}/foundation/photographed/run.json",
        code=code("tcan.train.foundation"),
    output:
        f"models/{SCALE}/foundation/vae/run.json",
    params:
        decoder=asdict(CONFIG.foundation.decoder),
        diffusion=asdict(CONFIG.diffusion),
        blocks=CONFIG.appearance.blocks,
        steps=CONFIG.generate.steps,
        run=f"runs/{SCALE}/foundation/decoder",
    log:
        f"logs/{SCALE}/foundation/decoder.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/decoder.tsv"
    threads: 2  # next to nothing can be done beside it, and Snakemake holds a rule that names none to one
    resources:
        gpu=GPU,
        mem_mb=4000,
        runtime=360,
    shell:
        "python -m tcan foundation decoder --scale {SCALE} --log {log} --pool models/{SCALE}/foundation/pool --vae models/{SCALE}/foundation/autoencoder"
        " --denoiser models/{SCALE}/foundation/photographed --run {params.run} --out models/{SCALE}/foundation/vae && rm -rf {params.run}"


rule denoiser:
    input:
        pool=rules.pool.output,
        photographed=f"models/{SCALE}/foundation/photographed_pool/run.json",
        vae=rules.decoder.output,
        start=f"models/{SCALE}/foundation/photographed/run.json",
        code=code("tcan.train.foundation"),
    output:
        f"models/{SCALE}/foundation/denoiser/run.json",
    params:
        denoiser=asdict(CONFIG.foundation.denoiser),
        rollouts=asdict(CONFIG.foundation.rollouts),
        diffusion=asdict(CONFIG.diffusion),
        blocks=CONFIG.appearance.blocks,
        steps=CONFIG.generate.steps,
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
        "python -m tcan foundation denoiser --scale {SCALE} --log {log} --pool models/{SCALE}/foundation/pool"
        " --photographed models/{SCALE}/foundation/photographed_pool --vae models/{SCALE}/foundation/vae --start models/{SCALE}/foundation/photographed"
        " --run {params.run} --out models/{SCALE}/foundation/denoiser && rm -rf {params.run}"


rule motion_module:
    input:
        vae=rules.autoencoder.output,
        denoiser=f"models/{SCALE}/foundation/denoiser/run.json",
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
        "python -m tcan foundation {wildcards.motion_module} --scale {SCALE} --log {log} --raw data/raw --vae models/{SCALE}/foundation/autoencoder"
        " --denoiser models/{SCALE}/foundation/denoiser --run {params.run}"
        " --out models/{SCALE}/foundation/{wildcards.motion_module} && rm -rf {params.run}"
