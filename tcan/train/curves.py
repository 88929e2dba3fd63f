"""Live curves of a training, through dvclive: `dvc plots show FOLDER/plots/metrics/loss.tsv` while it runs."""

from tcan.files import atomic_file


class Curves:
    """Scalars over steps, a table each in folder/plots/metrics.

    done: steps that the training goes on from. What a killed run logged after its last checkpoint is logged again, and counts once.
    """

    def __init__(self, folder, done=0):
        from dvclive import Live

        for table in folder.glob("plots/metrics/**/*.tsv"):
            _drop_after(table, done)
        self.live = Live(str(folder), resume=True, report=None, save_dvc_exp=False, dvcyaml=None)

    def log(self, step, **values):
        self.live.step = step
        for key, value in values.items():
            self.live.log_metric(key, value)
        self.live.make_summary()

    def close(self):
        self.live.end()


def _drop_after(table, done):
    """Drop the rows of one of dvclive's tables (step, value) past step `done`."""
    head, *rows = table.read_text().splitlines(keepends=True) or [""]
    if "step" not in head.split():      # a full disk may leave an empty file
        return table.unlink()
    step = head.rstrip("\n").split("\t").index("step")
    with atomic_file(table) as temporary:
        temporary.write_text(head + "".join(row for row in rows if int(row.split("\t")[step]) <= done))
