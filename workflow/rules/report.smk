# reports/<scale>: the paper's tables with ours beside them, and strips of pictures.
TABLES = sorted({table for row in CONFIG.scored.values() for table in row.tables})


rule report:
    input:
        metrics=expand(rules.score.output.metrics, row=CONFIG.scored),
        outputs=expand(rules.generate.output, row=CONFIG.rows, split=GENERATED_SPLITS),
        clips=clips_of(SETS),
        templates=sorted(path.as_posix() for path in Path("reports/templates").glob("*.md")),
        code=code("eval.report"),
    output:
        index=f"reports/{SCALE}/index.md",
        tables=expand(f"reports/{SCALE}/table{{table}}.{{suffix}}", table=TABLES, suffix=["md", "csv"]),
    params:
        rows={name: (row.title, row.tables) for name, row in CONFIG.scored.items()},
    log:
        f"logs/{SCALE}/report.log",
    benchmark:
        f"benchmarks/{SCALE}/report.tsv"
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "python -m eval report --log {log} --params params.yaml --scale {SCALE} --results results/{SCALE} --outputs outputs/{SCALE}"
        " --data data/{SCALE} --out reports/{SCALE}"
