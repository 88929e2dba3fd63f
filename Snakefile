# The only task graph of the project. What is trained, generated and scored stands in params.yaml; how, in the packages tcan and eval.
#   snakemake --cores all reproduce                        the scale named in params.yaml
#   snakemake --cores all reproduce --config scale=smoke   another one
from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/pose.smk"
include: "workflow/rules/foundation.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/claims.smk"


rule reproduce:
    default_target: True
    localrule: True
    input:
        rules.report.output,
        expand(rules.score.output.metrics, row=CONFIG.scored),


rule fetch:
    localrule: True
    input:
        expand(rules.source.output, source=sorted({*DATA_SOURCES, *POSE_SOURCES, *EVALUATION_SOURCES, *(WEIGHT_SOURCES if PUBLISHED else PHOTOGRAPHED_SOURCES if CONFIG.foundation.source == "trained" else [])})),


rule data:
    localrule: True
    input:
        expand(f"data/{SCALE}/frames/{{set}}/clips.csv", set=SETS),
        expand(f"data/{SCALE}/poses/{{set}}/run.json", set=SETS),


rule foundation:
    localrule: True
    input:
        expand(f"models/{SCALE}/foundation/{{part}}/run.json", part=FOUNDATION_PARTS),


rule stage1s:
    localrule: True
    input:
        expand(rules.stage1.output, stage1=sorted({model.stage1 for model in CONFIG.models.values()})),


rule models:
    localrule: True
    input:
        expand(rules.stage2.output, model=CONFIG.models),


rule frames:
    localrule: True
    input:
        expand(rules.generate.output, row=CONFIG.rows, split=GENERATED_SPLITS),


rule claims:
    localrule: True
    input:
        rules.claims_page.output,
        expand(rules.figure.output, number=SHOWN),
