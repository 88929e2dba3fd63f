# models/<scale>/{latents,stage1/<name>,<model>}. Checkpoints lie in runs/<scale>, which no rule declares: Snakemake deletes a job's outputs
# before it runs, and a killed training must find its checkpoint. They go when the training is whole, so that an edit trains anew.
# `--config processes=N` shares each training among N processes (GPUs). N doesn't change what is trained.


rule latents:
    input:
        clips=clips_of(sets_with("train")),
        others=[ancient(path) for path in clips_of(set(CONFIG.data.sets_for("train")) - set(sets_with("train")))],  # read past, for their tables
        foundation=foundation("vae"),
        code=code("tcan.train.latents"),
    output:
        f"models/{SCALE}/latents/run.json",
    params:
        run=f"runs/{SCALE}/latents",
    log:
        f"logs/{SCALE}/latents.log",
    benchmark:
        f"benchmarks/{SCALE}/latents.tsv"
    resources:
        mem_mb=3000 * LARGE,
        gpu=GPU,
        runtime=30,
    shell:
        "python -m tcan latents --scale {SCALE} --log {log} --data data/{SCALE} --foundation {FOUNDATION} --run {params.run} --out models/{SCALE}/latents"


rule stage1:
    input:
        latents=rules.latents.output,
        foundation=foundation("vae", "denoiser", *(["appearance"] if PUBLISHED else [])),
        code=code("tcan.train.stage1"),
    output:
        f"models/{SCALE}/stage1/{{stage1}}/run.json",
    params:
        config=CONFIG.resolved("seed", "pose", "diffusion", "appearance", "stage1"),
        switches=lambda wildcards: [getattr(STAGE1[wildcards.stage1], key) for key in ("appa", "train_controlnet", "seed")],
        run=lambda wildcards: f"runs/{SCALE}/stage1/{wildcards.stage1}",
    log:
        f"logs/{SCALE}/stage1/{{stage1}}.log",
    benchmark:
        f"benchmarks/{SCALE}/stage1/{{stage1}}.tsv"
    resources:
        mem_mb=3000 * LARGE,
        gpu=GPU,
        runtime=120,
    shell:
        "{TRAINER} stage1 {wildcards.stage1} --scale {SCALE} --log {log} --latents models/{SCALE}/latents"
        " --foundation {FOUNDATION} --run {params.run} --out models/{SCALE}/stage1/{wildcards.stage1} && rm -rf {params.run}"


rule stage2:
    input:
        latents=rules.latents.output,
        foundation=lambda wildcards: foundation("vae", "denoiser", MODELS[wildcards.model].motion_module),
        stage1=lambda wildcards: f"models/{SCALE}/stage1/{MODELS[wildcards.model].stage1}/run.json",
        code=code("tcan.train.stage2", without=["tcan/generate/"]),  # imported for the names of a pipeline's parts alone
    output:
        run=f"models/{SCALE}/{{model}}/run.json",
        curve=f"results/{SCALE}/curves/{{model}}.csv",
    params:
        config=CONFIG.resolved("seed", "pose", "diffusion", "appearance", "stage2"),  # the scale's; the model says what it changes of it
        model=lambda wildcards: asdict(MODELS[wildcards.model]),
        stage1=lambda wildcards, input: Path(input.stage1).parent,
        run=lambda wildcards: f"runs/{SCALE}/{wildcards.model}",
    log:
        f"logs/{SCALE}/stage2/{{model}}.log",
    benchmark:
        f"benchmarks/{SCALE}/stage2/{{model}}.tsv"
    resources:
        mem_mb=3000 * LARGE,
        gpu=GPU,
        runtime=120,
    shell:
        "{TRAINER} stage2 {wildcards.model} --scale {SCALE} --log {log} --latents models/{SCALE}/latents"
        " --foundation {FOUNDATION} --stage1 {params.stage1} --run {params.run} --out models/{SCALE}/{wildcards.model}"
        " && cp models/{SCALE}/{wildcards.model}/curve.csv {output.curve} && rm -rf {params.run}"
