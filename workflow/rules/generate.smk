# outputs/<scale>/<row>/<split>: the frames of a row. Rows that differ only in generation read the same model.
def model_of(row):
    """The marker of the model a row stands on; a baseline has none."""
    model = ROWS[row].model
    return [f"models/{SCALE}/{model}/run.json"] if model else []


def code_of(row):
    """The sources of a row's frames: of the baselines its own alone."""
    baseline = ROWS[row].baseline
    return [*code("tcan.generate.rows", without=["tcan/baselines/"]), *(code(f"tcan.baselines.{baseline}") if baseline else [])]


def depends_on(row):
    """What a row's frames depend on beside its generation's options: all of it but what the tables say of it."""
    return CONFIG.seed, CONFIG.pose.canvas, {**asdict(ROWS[row]), "title": None, "tables": None}


rule generate:
    input:
        model=lambda wildcards: model_of(wildcards.row),
        foundation=lambda wildcards: foundation("vae") if ROWS[wildcards.row].baseline == "autoencoder" else [],
        clips=lambda wildcards: clips_of(sorted({*sets_with("test"), *sets_with(wildcards.split)})),
        code=lambda wildcards: code_of(wildcards.row),
    output:
        f"outputs/{SCALE}/{{row}}/{{split}}/run.json",
    params:
        generation=lambda wildcards: asdict(CONFIG.generation(wildcards.row)),
        row=lambda wildcards: depends_on(wildcards.row),
        model=lambda wildcards, input: f"--model {Path(input.model[0]).parent}" if input.model else f"--foundation {FOUNDATION}" if input.foundation else "",
    log:
        f"logs/{SCALE}/generate/{{row}}.{{split}}.log",
    benchmark:
        f"benchmarks/{SCALE}/generate/{{row}}.{{split}}.tsv"
    resources:
        mem_mb=3000 * LARGE,
        gpu=GPU,
        runtime=60,
    shell:
        "python -m tcan generate {wildcards.row} --scale {SCALE} --log {log} --split {wildcards.split} --data data/{SCALE}"
        " {params.model} --run runs/{SCALE}/generate/{wildcards.row}/{wildcards.split}"
        " --out outputs/{SCALE}/{wildcards.row}/{wildcards.split}"
