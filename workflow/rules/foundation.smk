# What the paper downloads: autoencoder, base UNet with pose ControlNet, motion modules. Made here, or shipped in weights/<scale>.
# `snakemake foundation` makes models/<scale>/foundation whatever params.yaml says; foundation.source says which folder is read downstream.
FOUNDATION_PARTS = ("vae", "denoiser", "mm1", "mm2")
FOUNDATION = f"weights/{SCALE}" if CONFIG.foundation.source == "shipped" else f"models/{SCALE}/foundation"
RENDERED = {  # what the pool of rendered people is made from
    "seed": CONFIG.seed, "size": CONFIG.data.size, "canvas": CONFIG.pose.canvas,
    "supersample": CONFIG.data.puppets.supersample, "motions": CONFIG.data.puppets.train_motions,
}


def foundation(*parts):
    """The files of foundation parts that a rule reads: all of a shipped folder, or the marker of one made here."""
    if CONFIG.foundation.source != "shipped":
        return [f"{FOUNDATION}/{part}/run.json" for part in parts]
    files = {part: sorted(path.as_posix() for path in Path(FOUNDATION, part).rglob("*") if path.is_file()) for part in parts}
    for part in parts:
        if not files[part]:
            sys.exit(f"error: {FOUNDATION}/{part}: expected the shipped weights, found none; "
                     f"restore {FOUNDATION} from git, or set scales.{SCALE}.foundation.source to trained")
    return [path for part in parts for path in files[part]]


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
        mem_mb=3000,
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
    resources:
        mem_mb=4000,
        runtime=360,
    shell:
        "python -m tcan foundation autoencoder --scale {SCALE} --log {log} --pool models/{SCALE}/foundation/pool"
        " --run {params.run} --out models/{SCALE}/foundation/vae && rm -rf {params.run}"


rule denoiser:
    input:
        pool=rules.pool.output,
        vae=rules.autoencoder.output,
        code=code("tcan.train.foundation"),
    output:
        f"models/{SCALE}/foundation/denoiser/run.json",
    params:
        denoiser=asdict(CONFIG.foundation.denoiser),
        diffusion=asdict(CONFIG.diffusion),
        blocks=CONFIG.appearance.blocks,
        run=f"runs/{SCALE}/foundation/denoiser",
    log:
        f"logs/{SCALE}/foundation/denoiser.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/denoiser.tsv"
    resources:
        mem_mb=6000,
        runtime=360,
    shell:
        "python -m tcan foundation denoiser --scale {SCALE} --log {log} --pool models/{SCALE}/foundation/pool --vae models/{SCALE}/foundation/vae"
        " --run {params.run} --out models/{SCALE}/foundation/denoiser && rm -rf {params.run}"


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
        mem_mb=4000,
        runtime=360,
    shell:
        "python -m tcan foundation {wildcards.motion_module} --scale {SCALE} --log {log} --raw data/raw --vae models/{SCALE}/foundation/vae"
        " --denoiser models/{SCALE}/foundation/denoiser --run {params.run}"
        " --out models/{SCALE}/foundation/{wildcards.motion_module} && rm -rf {params.run}"
