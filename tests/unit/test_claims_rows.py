"""The rows that `snakemake claims` adds: what each differs in, and in nothing else."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from tcan import claims
from tcan.config import load
from tcan.errors import UserError


@pytest.fixture(scope="module")
def lite():
    return load("params.yaml", "lite")


def unlike(row, other):
    return {field.name for field in dataclasses.fields(row) if getattr(row, field.name) != getattr(other, field.name)}


def test_each_row_differs_in_what_its_name_says(lite):
    rows = claims.rows(lite)
    assert unlike(rows["claims/appa_seed2025"], lite.rows["appa"]) == {"model", "seed"}
    assert unlike(rows["claims/appa_exact"], lite.rows["appa"]) == {"poses"}
    assert unlike(rows["claims/appa_exact_seed2025"], rows["claims/appa_exact"]) == {"model", "seed"}
    assert rows["claims/appa_swap30"].errors == {"swap": 0.3} and unlike(rows["claims/appa_swap30"], rows["claims/appa_exact"]) == {"errors"}
    assert unlike(rows["claims/appa_swap30_seed2025"], rows["claims/appa_swap30"]) == {"model", "seed"}
    assert lite.generation("claims/tcan_mm1_tau10").tau == 10 and unlike(rows["claims/tcan_mm1_tau10"], lite.rows["tcan_mm1"]) == {"generate"}
    assert unlike(rows["claims/no_retargeting"], lite.rows["tcan_mm2"]) == {"retarget"}
    assert lite.generation("claims/limb_lengths_clip").limb_lengths == "clip"
    assert unlike(rows["claims/limb_lengths_clip"], lite.rows["tcan_mm2"]) == {"generate"}
    assert unlike(rows["claims/no_retargeting_seed2025"], rows["claims/tcan_mm2_seed2025"]) == {"retarget"}
    assert unlike(rows["claims/appa_learnt_missing30"], rows["claims/appa_missing30"]) == {"model"}
    assert unlike(rows["claims/appa_longer_missing30"], rows["claims/appa_learnt_missing30"]) == {"model"} and "claims/appa_tctrln_longer_exact" not in rows
    assert unlike(rows["claims/appa_learnt_dropout30_seed2025"], rows["claims/appa_dropout30_seed2025"]) == {"model"}


def test_every_row_has_its_model_and_every_seed_its_stage_1(lite):
    for name, row in lite.every_row.items():
        if row.model:
            assert lite.model(row.model).seed == row.seed, name
    assert lite.model("claims/appa_mm1_seed2025").stage1 == "claims/appa_seed2025"
    assert unlike(lite.model("claims/appa_mm1_seed2025"), lite.model("appa_mm1")) == {"seed"}
    assert unlike(lite.model("claims/appa_mm1_learnt_seed2025"), lite.model("claims/appa_mm1_seed2025")) == {"stage2"}
    assert lite.model("claims/appa_mm1_learnt_seed2025").stage1 == "claims/appa_seed2025", "stage 1 is shared"
    assert unlike(lite.second_stage("claims/appa_mm1_learnt"), lite.stage2) == {"steps", "learning_rate", "adversary", "errors"}
    assert lite.second_stage("appa_mm1") == lite.stage2
    assert unlike(lite.second_stage("claims/appa_mm1_longer"), lite.second_stage("claims/appa_mm1_learnt")) == {"errors"}, "the control: as long, without"
    assert lite.second_stage("claims/appa_mm1_longer").errors == lite.stage2.errors
    assert lite.model("claims/appa_mm1_longer_seed2025").stage1 == "claims/appa_seed2025" and "claims/appa_tctrln_mm1_longer" not in lite.every_model


def test_figure_9_shows_without_and_with_trained_alike_and_on_wrong_poses(lite):
    shown = claims.wrong_poses(lite, "missing")
    assert shown == [f"claims/{row}{learnt}_missing30" for learnt in ("", "_learnt") for row in ("appa", "appa_tctrln")] and set(shown) <= lite.every_row.keys()


def test_the_plan_tells_what_each_row_is(lite, tmp_path):
    claims.run(type("Arguments", (), {"out": tmp_path / "deep/plan.json"}), lite)
    plan = json.loads((tmp_path / "deep/plan.json").read_text())
    assert plan["seeds"] == [lite.seed, *lite.claims.seeds]
    assert plan["rows"].keys() == lite.every_row.keys()
    assert plan["rows"]["claims/appa_missing30_seed2026"] == {
        "of": "appa", "title": lite.rows["appa"].title, "seed": 2026, "poses": "exact", "errors": {"missing": 0.3}, "learnt": {}, "longer": False, "tau": None,
        "retarget": True, "limb_lengths": "first", "splits": ["test"]}
    assert plan["rows"]["claims/appa_learnt_missing30"]["learnt"] == {"missing": 0.2, "dropout": 0.2} and plan["rows"]["copy"]["learnt"] == {}
    assert {name for name, row in plan["rows"].items() if row["longer"]} == {f"claims/appa_longer_{end}{seed}" for end in ("exact", "missing30", "dropout30")
                                                                             for seed in ("", "_seed2025", "_seed2026")}
    assert plan["rows"]["tcan_mm1"]["tau"] == 3.0 and plan["rows"]["oracle"]["splits"] == ["test"]
    seeds = ("", "_seed2025", "_seed2026")
    odd = {f"{'claims/' if seed else ''}{row}{seed}" for row in ("base", "unfrozen", "tcan_mm2") for seed in seeds}
    alone = {f"claims/{name}{seed}" for name in ("no_retargeting", "limb_lengths_clip") for seed in seeds}
    assert {name for name, row in plan["rows"].items() if "bizarre" in row["splits"]} == odd | alone
    assert {name for name, row in plan["rows"].items() if row["splits"] == ["bizarre"]} == alone
    wide = {f"{'claims/' if seed else ''}{row}{seed}" for row in ("base", "appa", "appa_tctrln", "tcan_mm1", "tcan_mm2") for seed in seeds}
    assert {name for name, row in plan["rows"].items() if "held_out" in row["splits"]} == wide | {"copy", "warp"}, "what isn't trained has no seeds"
    assert plan["rows"]["tcan_mm2"]["splits"] == ["test", "bizarre", "held_out"]
    assert plan["motions"]["puppet_test_01_spinkick"] == "spinkick" and plan["motions"]["puppet_further_38_dance_b"] == "dance_b" and len(plan["motions"]) == 47


def test_what_every_training_has_is_not_told_apart(lite):
    """The scale's own errors are all rows'; a model's own changes of stage 2 stay in the one that learns from wrong poses."""
    errors = {"jitter": 0.01}
    own = dataclasses.replace(lite.models["appa_mm1"], stage2={"frames": 8})
    changed = dataclasses.replace(lite, stage2=dataclasses.replace(lite.stage2, errors=errors), models=lite.models | {"appa_mm1": own})
    rows = claims.plan(changed)["rows"]
    assert rows["appa"]["learnt"] == {} and rows["claims/appa_learnt_exact"]["learnt"] == {"missing": 0.2, "dropout": 0.2}
    assert changed.second_stage("appa_mm1").errors == errors
    assert changed.second_stage("claims/appa_mm1_learnt").frames == 8 and changed.second_stage("claims/appa_mm1_learnt").steps == 400


@pytest.mark.parametrize(("path", "value", "message"), [
    (("rows",), ["appa", "appaa"], "claims.rows: expected one of"),
    (("rows",), ["copy"], "claims.rows: expected one of"),
    (("proportions",), ["oracle"], "claims.proportions: expected one of"),
    (("held_out",), ["tcan_mm3"], "claims.held_out: expected one of"),
    (("held_out",), ["oracle"], "claims.held_out: expected one of"),
    (("errors", "repeated_rows"), ["tcan_mm2"], "claims.errors.repeated_rows: expected one of"),
    (("errors", "repeated_rate"), 0.4, "claims.errors.repeated_rate: expected one of the rates"),
    (("errors", "kinds"), ["blur"], "claims.errors.kinds"),
    (("learnt_errors", "rows"), ["tcan_mm1"], "claims.learnt_errors.rows: expected one of"),
    (("learnt_errors", "control"), ["tcan_mm1"], "claims.learnt_errors.control: expected one of"),
    (("learnt_errors", "kinds"), ["jitter"], "claims.learnt_errors.kinds: expected one of"),
    (("learnt_errors", "stage2"), {"step": 4}, "claims.learnt_errors.stage2: expected one of steps"),
    (("learnt_errors", "stage2"), {"errors": {"blur": 0.1}}, "claims.learnt_errors.stage2.errors: expected one of"),
    (("learnt_errors", "stage2"), {"steps": 4}, "claims.learnt_errors.stage2.errors: expected rates that the other rows' training doesn't have"),
    (("learnt_errors", "kinds"), [], "claims.learnt_errors.kinds: expected at least one kind"),
    (("seeds",), [2024], "claims.seeds: expected seeds beside 2024"),
])
def test_mistakes_are_named(tmp_path, path, value, message):
    document = yaml.safe_load(Path("params.yaml").read_text())
    place = document["scales"]["lite"]["claims"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UserError, match=message):
        load(tmp_path / "params.yaml", "lite")
