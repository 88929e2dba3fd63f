import pytest
from made_report import PARAMS, write_metrics, write_world


@pytest.fixture
def world(tmp_path):
    write_world(tmp_path, ("base", "tcan_mm1"))
    return tmp_path


@pytest.fixture
def report(world):
    """Run the command on the made world; returns a function(scale) -> the report's folder."""
    from eval.cli import main

    (world / "params.yaml").write_text(PARAMS)
    write_metrics(world / "results", {"base": 1.3, "tcan_mm1": 0.9, "unfrozen": 1.2, "copy": 1.0})

    def command(scale="lite", out="reports/lite"):
        code = main(["report", "--params", str(world / "params.yaml"), "--scale", scale, "--results", str(world / "results"),
                     "--outputs", str(world / "outputs"), "--data", str(world / "data"), "--out", str(world / out)])
        return code, world / out

    return command
