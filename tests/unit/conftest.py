"""A toy foundation: the real classes and folders, a few thousand parameters, random weights."""

import pytest


@pytest.fixture(scope="session")
def smoke():
    from tcan.config import load

    return load("params.yaml", "smoke")


@pytest.fixture(scope="session")
def foundation_folder(tmp_path_factory):
    import torch
    from safetensors.torch import save_file

    from tcan import models  # noqa: F401
    from diffusers import AutoencoderKL, ControlNetModel, MotionAdapter, UNet2DConditionModel, UNetMotionModel

    from tcan.train.motion_modules import KINDS

    folder = tmp_path_factory.mktemp("foundation")
    torch.manual_seed(0)
    AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, block_out_channels=[8, 16, 16],
                  layers_per_block=1, latent_channels=4, norm_num_groups=8, mid_block_add_attention=False).save_pretrained(folder / "vae")
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=[16, 32, 32], layers_per_block=1, cross_attention_dim=32,
        attention_head_dim=2, norm_num_groups=16, down_block_types=("CrossAttnDownBlock2D",) * 3, up_block_types=("CrossAttnUpBlock2D",) * 3)
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=[16, 32, 64])
    for projection in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block, controlnet.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(projection.weight, std=0.1)  # a ControlNet that has learnt to say something
    unet.save_pretrained(folder / "denoiser/unet")
    controlnet.save_pretrained(folder / "denoiser/controlnet")
    save_file({"empty": torch.randn(1, 3, 32)}, folder / "denoiser/prompt.safetensors")
    for name, options in KINDS.items():
        adapter = MotionAdapter(block_out_channels=[16, 32, 32], motion_layers_per_block=1, motion_norm_num_groups=16,
                                motion_num_attention_heads=2, motion_transformer_layers_per_block=1, **options)
        UNetMotionModel.from_unet2d(unet, adapter).save_motion_modules(str(folder / name))
    return folder


@pytest.fixture
def foundation(foundation_folder):
    from tcan import models  # noqa: F401
    from tcan.models.foundation import Foundation

    return Foundation(foundation_folder)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, smoke, foundation_folder):
    """A trained model as stage 2 writes it, with all that TCAN has (T-CtrlN, APPA that says something, mm2)."""
    import torch

    from tcan import models  # noqa: F401
    from tcan.models.foundation import Foundation
    from tcan.train.stage1 import Stage1
    from tcan.train.stage2 import Stage2

    root, foundation = tmp_path_factory.mktemp("model"), Foundation(foundation_folder)
    model = smoke.models["appa_tctrln_mm2"]
    stage1 = Stage1(model, smoke, foundation)
    with torch.no_grad():
        for name, parameter in stage1.unet.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    stage1.save(root / "stage1")
    Stage2(model, smoke, foundation, root / "stage1").save(root / "model")
    return root / "model"


@pytest.fixture
def pipeline(model_folder):
    import torch

    from tcan import TCANPipeline

    pipeline = TCANPipeline.from_pretrained(model_folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def clip():
    """A source and 20 drawn poses, of 32 x 32."""
    import numpy as np

    random = np.random.default_rng(0)
    poses = np.zeros((20, 32, 32, 3), np.uint8)
    poses[:, 8:24, 12:20] = random.integers(1, 255, (20, 16, 8, 3))
    return random.integers(0, 255, (32, 32, 3)).astype(np.uint8), poses
