"""The claim of section 3.2 in the small: a model whose ControlNet sees neighbouring frames is misled less by an error in one frame's pose."""

import shutil

import numpy as np
import torch

from tcan import models  # noqa: F401
from tcan import diffusion
from tcan.models.foundation import Foundation
from tcan.pose.draw import draw
from tcan.pose.keypoints import INDEX, Keypoints
from tcan.train.stage1 import Stage1
from tcan.train.stage2 import Stage2

F, WRONG = 8, 4  # frames of a clip, and the one whose pose is wrong
BODY = {  # a person who faces us, in a frame of 32 x 32
    "nose": (16, 5), "neck": (16, 9), "right_shoulder": (12, 9), "right_elbow": (9, 13), "right_wrist": (7, 17), "left_shoulder": (20, 9),
    "left_elbow": (23, 13), "left_wrist": (25, 17), "right_hip": (14, 18), "right_knee": (13, 23), "right_ankle": (12, 29), "left_hip": (18, 18),
    "left_knee": (19, 23), "left_ankle": (20, 29), "right_eye": (15, 4), "left_eye": (17, 4), "right_ear": (14, 5), "left_ear": (18, 5)}
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def poses(seed, swapped=None):
    """Drawn poses (F, 3, 32, 32) of a person who sways and raises an arm; in frame `swapped`, left and right have changed places."""
    random = np.random.default_rng(seed)
    xy = np.tile(np.array(list(BODY.values()), np.float32), (F, 1, 1))
    sway, phase = random.uniform(1, 3), random.uniform(0, 2 * np.pi)
    xy[..., 0] += sway * np.sin(np.linspace(0, 2, F) + phase)[:, None]
    xy[:, INDEX["left_wrist"], 1] -= np.linspace(0, random.uniform(4, 12), F)
    if swapped is not None:
        left, right = ([INDEX[f"{side}_{joint}"] for joint in LIMBS] for side in ("left", "right"))
        xy[swapped, left + right] = xy[swapped, right + left]
    pictures = draw(Keypoints(xy, np.ones((F, 18), np.float32), (32, 32), "made"), 64, 32)
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def shown(pose):
    """Latents (F, 4, 8, 8) in which the person is seen as in the pose."""
    small = torch.nn.functional.interpolate(pose, size=(8, 8), mode="area")
    return torch.cat([small, small.mean(1, keepdim=True)], dim=1) * 4 - 1


def steps(parameters, losses, learning_rate):
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate)
    for loss in losses:
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def learn_single_frames(foundation, config, folder):
    """A base UNet and a ControlNet that draw a person in a pose; what the paper downloads."""
    unet, controlnet, scheduler = foundation.unet(), foundation.controlnet(), diffusion.scheduler(config.diffusion)
    prompt, generator = foundation.prompt().expand(F, -1, -1), torch.Generator().manual_seed(0)

    def losses():
        for step in range(400):
            pose = poses(1000 + step)
            noise, times = torch.randn(F, 4, 8, 8, generator=generator), torch.randint(400, 1000, (F,), generator=generator)
            noisy = scheduler.add_noise(shown(pose), noise, times)
            down, mid = controlnet(noisy, times, prompt, controlnet_cond=pose, return_dict=False)
            predicted = unet(noisy, times, prompt, down_block_additional_residuals=down, mid_block_additional_residual=mid).sample
            yield diffusion.loss(scheduler, predicted, shown(pose), noise, times)

    steps([*unet.parameters(), *controlnet.parameters()], losses(), 2e-3)
    unet.save_pretrained(folder / "denoiser/unet")
    controlnet.save_pretrained(folder / "denoiser/controlnet")


def learn_clips(name, foundation, config, folder):
    """Stage 2 of a model, on clips of which every other has a frame with a wrong pose, as estimators make them."""
    Stage1(config.models[name], config, foundation).save(folder / name)
    stage, generator = Stage2(config.models[name], config, foundation, folder / name), torch.Generator().manual_seed(0)
    trained = [value for module in stage.modules.values() for value in module.parameters() if value.requires_grad]
    for key, value in stage.unet.named_parameters():
        if "motion_modules" in key and "proj_out" in key:
            torch.nn.init.zeros_(value)  # the fixture's motion modules are noise; from nothing they start as trained ones do, harmless

    def losses():
        for step in range(450):
            swapped = int(torch.randint(0, F, (), generator=generator)) if step % 2 else None
            clean = shown(poses(5000 + step))[None]
            yield stage.loss(clean[:, 0], clean, poses(5000 + step, swapped)[None], generator)

    steps(trained, losses(), 1e-3)
    return stage


@torch.no_grad()
def errors(stage):
    """{given poses: how far the prediction of frame WRONG is from its clean latents}, each for 24 clips at two noise levels, (48,). The poses are
    right, swapped in that frame, or another clip's: to a model that doesn't look at its poses those are as good as its own."""
    found = {name: [] for name in ("right", "swapped", "another's")}
    for seed in range(24):
        right = poses(seed)
        given = {"right": right, "swapped": poses(seed, WRONG), "another's": poses(100 + seed)}
        clean, noise = shown(right)[None], torch.randn(1, F, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
        for time in (700, 900):
            times = torch.tensor([time])
            noisy = stage.scheduler.add_noise(clean, noise, times)
            for name, pose in given.items():
                found[name].append((stage.predict(clean[:, 0], noisy, times, pose[None]) - clean)[0, WRONG].norm().item())
    return {name: np.array(values) for name, values in found.items()}


def test_a_wrong_frame_misleads_the_temporal_controlnet_less(smoke, foundation_folder, tmp_path):
    assert smoke.diffusion.prediction_type == "sample", "what is predicted are the clean latents, which the predictions are held against"
    folder = shutil.copytree(foundation_folder, tmp_path / "foundation")
    foundation = Foundation(folder)
    learn_single_frames(foundation, smoke, folder)
    plain, temporal = (errors(learn_clips(name, foundation, smoke, tmp_path)) for name in ("appa_mm1", "appa_tctrln_mm1"))
    for found in (plain, temporal):
        assert found["right"].mean() < 0.25 * found["another's"].mean(), "right poses are followed"
    assert plain["swapped"].mean() > 2 * plain["right"].mean(), "a wrong pose does mislead"
    assert temporal["right"].mean() < 1.1 * plain["right"].mean(), "what helps against wrong poses isn't paid for with right ones"
    assert (temporal["swapped"] < plain["swapped"]).mean() > 0.8
