# models/<scale>/foundation/<part>: published networks, fetched, in the one layout that trainings read.
WEIGHTS_OF = {"vae": ["vae_ft_mse"], "denoiser": sorted({"stable_diffusion", PUBLISHED.denoising, PUBLISHED.controlnet}),
              "appearance": [PUBLISHED.appearance], "mm1": ["animatediff_mm1"], "mm2": ["animatediff_mm2"]}
WEIGHT_SOURCES = sorted({source for sources in WEIGHTS_OF.values() for source in sources})


rule weights:
    input:
        raw=lambda wildcards: raw(WEIGHTS_OF[wildcards.part]),
        code=code("tcan.models.conversion"),
    output:
        f"models/{SCALE}/foundation/{{part}}/run.json",
    params:
        published=asdict(PUBLISHED),
        diffusion=asdict(CONFIG.diffusion),
        pins=lambda wildcards: pins(WEIGHTS_OF[wildcards.part]),
    wildcard_constraints:
        part=any_of(FOUNDATION_PARTS),
    log:
        f"logs/{SCALE}/foundation/{{part}}.log",
    benchmark:
        f"benchmarks/{SCALE}/foundation/{{part}}.tsv"
    resources:
        mem_mb=12000,
        runtime=60,
    shell:
        "python -m tcan weights {wildcards.part} --scale {SCALE} --log {log} --raw data/raw --denoising {PUBLISHED.denoising}"
        " --controlnet {PUBLISHED.controlnet} --appearance {PUBLISHED.appearance} --dtype {PUBLISHED.dtype} --shape {PUBLISHED.shape}"
        " --out models/{SCALE}/foundation/{wildcards.part}"
