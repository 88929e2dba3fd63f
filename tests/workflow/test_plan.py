"""What Snakemake plans: the whole chain from nothing, nothing after it, and after an edit what depends on it and nothing else."""

import contextlib

import pytest

from tests.workflow.conftest import set_param

EVERY_ROW = {"generate": 8, "score": 4, "report": 1}
DENOISER = {**dict.fromkeys(("pool", "autoencoder", "draft", "decoder", "denoiser"), 1), "sharpening_pool": 2, "sharpen": 2}
TRAINED_ROWS = {"generate": 6, "score": 3, "report": 1}


@pytest.fixture(scope="module")
def fresh(make_checkout, tmp_path_factory):
    return make_checkout(tmp_path_factory.mktemp("fresh") / "tcan")


def test_from_nothing(fresh):
    assert fresh.planned("reproduce", "--config", "scale=smoke") == {
        "source": 6, "video_frames": 1, "puppet_frames": 1, "poses": 2, **DENOISER, "motion_module": 2,
        "latents": 1, "stage1": 3, "stage2": 5, "generate": 20, "score": 10, "report": 1}


def test_reproduce_is_what_a_bare_command_does(fresh):
    assert fresh.planned("--config", "scale=smoke") == fresh.planned("reproduce", "--config", "scale=smoke")


@pytest.mark.parametrize(("target", "jobs"), [
    ("foundation", {"source": 1, **DENOISER, "motion_module": 2}),
    ("fetch", {"source": 6}),
    ("data", {"source": 3, "video_frames": 1, "puppet_frames": 1, "poses": 2}),
    ("models/smoke/base_mm1/run.json", {"source": 3, "video_frames": 1, "puppet_frames": 1, "poses": 2, **DENOISER,
                                        "motion_module": 1, "latents": 1, "stage1": 1, "stage2": 1}),
    ("claims", {"source": 6, "video_frames": 1, "puppet_frames": 2, "poses": 3, **DENOISER, "motion_module": 2, "latents": 1,
                "stage1": 6, "stage2": 16, "generate": 62, "score": 40, "score_held_out": 12, "keypoint_network": 1, "driving": 3, "driving_of_row": 4,
                "measure": 62, "plan": 1, "claims_page": 1, "attention": 2, "figure": 6}),
    ("results/smoke/claims/appa_exact/metrics.json", {"source": 6, "video_frames": 1, "puppet_frames": 1, "poses": 2, **DENOISER,
                                                      "motion_module": 1, "latents": 1, "stage1": 1, "stage2": 1, "generate": 1, "score": 1}),
    ("results/smoke/copy/metrics.json", {"source": 6, "video_frames": 1, "puppet_frames": 1, "poses": 2, "generate": 1, "score": 1}),
])
def test_target(fresh, target, jobs):
    planned = fresh.planned(target, "--config", "scale=smoke")
    assert {rule: count for rule, count in planned.items() if rule != target} == jobs


def test_the_paper_scale(fresh):
    """Frames and key points of the train split in as many jobs as it has shards, the test videos in one; then what the other scales do."""
    assert fresh.planned("--config", "scale=paper") == {
        "source": 14, "weights": 5, "bizarre_frames": 1, "tiktok_frames": 1, "tiktok_shard": 24, "leakage": 1, "poses": 2, "poses_shard": 24, "gather": 1,
        "latents": 1, "stage1": 3, "stage2": 5, "generate": 18, "score": 9, "report": 1}


def test_claims_need_rendered_people(fresh):
    printed = fresh.snakemake("--dry-run", "claims", "--config", "scale=paper", fails=True)
    assert "error: claims: expected a scale with rendered people, whose true poses are known, got 'paper'" in printed


def test_after_it_nothing(world):
    assert world.planned("reproduce") == {}


@pytest.mark.parametrize(("path", "value", "jobs"), [
    ("rows.tcan_mm1.generate", {"ptm": True, "tau": 5.0}, {"generate": 2, "score": 1, "report": 1}),
    ("rows.tcan_mm1.title", "another title", {"report": 1}),
    ("rows.tcan_mm3", {"title": "one window more", "model": "appa_tctrln_mm1", "generate": {"overlap": 8}, "tables": [1]},
     {"generate": 2, "score": 1, "report": 1}),
    ("models.appa_tctrln_mm2.motion_module", "mm1", {"stage2": 1, "generate": 2, "score": 1, "report": 1}),
    ("models.appa_tctrln_mm2.appa", False, {"stage1": 1, "stage2": 1, "generate": 2, "score": 1, "report": 1}),
    ("scales.lite.stage2.steps", 2, {"stage2": 2, **TRAINED_ROWS}),
    ("scales.lite.stage1.steps", 3, {"stage1": 1, "stage2": 2, **TRAINED_ROWS}),
    ("scales.lite.evaluate.protocols", ["disco-1"], {"score": 4, "report": 1}),
    ("scales.lite.data.videos.sports2d_walk.start", 70, {"video_frames": 1, "poses": 1, **EVERY_ROW}),
    ("scales.lite.foundation.motion.steps", 9, {}),
    ("scales.lite.data.puppets.further_clips", 2, {}),
])
def test_edited_parameter(world, path, value, jobs):
    with world.kept("params.yaml"):
        set_param(world, path, value)
        assert world.planned("reproduce") == jobs


@pytest.mark.parametrize(("option", "value", "jobs"), [
    ("photographs.pool", 9, {"sharpening_pool": 1, "sharpen": 1}),
    ("photographs.finished", 0.1, {"sharpening_pool": 1, "sharpen": 1}),
    ("photographs.steps", 2, {"sharpen": 1}),
    ("sharpening.finished", 0.1, {"sharpening_pool": 1, "sharpen": 2}),
    ("decoder.steps", 3, {}),
    ("rollouts.steps", 4, None),
])
def test_edited_option_of_the_foundation(world, option, value, jobs):
    """What follows from a sharpening is trained anew with it, and its pool rendered anew where that depends on the option."""
    with world.kept("params.yaml"):
        set_param(world, f"scales.lite.foundation.{option}", value)
        before = {} if jobs is None else {**jobs, "decoder": 1}
        assert world.planned("foundation") == {**before, "denoiser": 1, "motion_module": 2, "foundation": 1}


@pytest.mark.parametrize(("path", "jobs"), [
    ("eval/tables.py", {"report": 1}),
    ("eval/pixel.py", {"score": 4, "report": 1}),
    ("tcan/generate/windows.py", EVERY_ROW),
    ("tcan/train/stage2.py", {"stage2": 2, **TRAINED_ROWS}),
    ("tcan/train/foundation.py", {}),
    ("tcan/config.py", {}),
    ("tcan/pose/retarget.py", EVERY_ROW),
    ("data/lite/exact/puppets/run.json", {"poses": 1, "latents": 1, "stage1": 1, "stage2": 2, **EVERY_ROW}),
    ("weights/lite/mm2/config.json", {"stage2": 1, "generate": 2, "score": 1, "report": 1}),
])
def test_edited_file(world, path, jobs):
    with world.kept(path):
        with open(world / path, "a") as stream:
            stream.write("\n")
        assert world.planned("reproduce") == jobs


def test_a_touched_file_reruns_nothing(world):
    paths = ("tcan/train/stage1.py", "weights/lite/mm1/config.json", "params.yaml", "eval/pixel.py")
    with contextlib.ExitStack() as stack:
        for path in paths:
            stack.enter_context(world.kept(path))
            (world / path).touch()
        assert world.planned("reproduce") == {}
