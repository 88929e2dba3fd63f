"""T-CtrlN (section 3.2): a pose ControlNet with temporal layers, made of a plain one without changing what it says."""

import torch
from diffusers import ConfigMixin, ControlNetModel, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import nn


class TemporalControlNet(ModelMixin, ConfigMixin):
    """A ControlNetModel, frozen in its own right, with a motion module after each layer of its deepest `levels` resolutions.

    controlnet_config: of the ControlNetModel. motion_config: num_attention_heads, max_seq_length, norm_num_groups, transformer_layers.
    The mid block has no motion module, as in the authors' code.
    """

    @register_to_config
    def __init__(self, controlnet_config: dict, motion_config: dict, levels: int = 2):
        super().__init__()
        self.controlnet = ControlNetModel.from_config(controlnet_config)
        channels = self.controlnet.config.block_out_channels
        first = len(channels) - levels
        if not 0 <= first < len(channels):
            raise ValueError(f"expected 1 to {len(channels)} levels with motion modules, got {levels}")
        self.motion_modules = nn.ModuleDict({
            str(level): nn.ModuleList(_motion_module(channels[level], motion_config) for _ in self.controlnet.down_blocks[level].resnets)
            for level in range(first, len(channels))})

    @classmethod
    def from_controlnet(cls, controlnet, adapter, levels=2):
        """Take a ControlNetModel's weights, and a MotionAdapter's for the temporal layers (mm1 or mm2).

        The temporal layers' last projection is set to zero, so that the result equals the plain ControlNet until it is trained.
        """
        config = adapter.config
        motion = {"num_attention_heads": config.motion_num_attention_heads, "max_seq_length": config.motion_max_seq_length,
                  "norm_num_groups": config.motion_norm_num_groups, "transformer_layers": config.motion_transformer_layers_per_block}
        model = cls({key: value for key, value in controlnet.config.items() if not key.startswith("_")}, motion, levels)
        model.controlnet.load_state_dict(controlnet.state_dict())
        for level, modules in model.motion_modules.items():
            for module, trained in zip(modules, adapter.down_blocks[int(level)].motion_modules, strict=True):
                module.load_state_dict(trained.state_dict())
                nn.init.zeros_(module.proj_out.weight)
                nn.init.zeros_(module.proj_out.bias)
        return model

    def forward(self, sample, timestep, encoder_hidden_states, controlnet_cond, num_frames):
        """Residuals for the denoising UNet.

        sample (b*f, c, h, w) noisy latents; timestep a number or (b*f,); encoder_hidden_states (b*f, n, d); controlnet_cond (b*f, 3, H, W)
        drawn poses in 0..1. Returns (down, mid): a tuple of (b*f, c_i, h_i, w_i), and (b*f, c, h_n, w_n).
        """
        net = self.controlnet
        timestep = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        embedding = net.time_embedding(net.time_proj(timestep).to(sample.dtype))
        hidden = net.conv_in(sample) + net.controlnet_cond_embedding(controlnet_cond)
        skips = [hidden]
        for level, block in enumerate(net.down_blocks):
            motion = self.motion_modules[str(level)] if str(level) in self.motion_modules else [None] * len(block.resnets)
            attentions = getattr(block, "attentions", [None] * len(block.resnets))
            for resnet, attention, module in zip(block.resnets, attentions, motion, strict=True):
                hidden = resnet(hidden, embedding)
                if attention is not None:
                    hidden = attention(hidden, encoder_hidden_states, return_dict=False)[0]
                if module is not None:
                    hidden = module(hidden, num_frames=num_frames)
                skips.append(hidden)
            for downsampler in block.downsamplers or ():
                hidden = downsampler(hidden)
                skips.append(hidden)
        hidden = net.mid_block(hidden, embedding, encoder_hidden_states=encoder_hidden_states)
        return tuple(project(skip) for project, skip in zip(net.controlnet_down_blocks, skips, strict=True)), net.controlnet_mid_block(hidden)


def residuals(controlnet, sample, timestep, prompt, pose, num_frames):
    """(down, mid) of either kind of ControlNet; a plain one sees each frame alone."""
    if isinstance(controlnet, TemporalControlNet):
        return controlnet(sample, timestep, prompt, pose, num_frames)
    return controlnet(sample, timestep, prompt, controlnet_cond=pose, return_dict=False)


def _motion_module(channels, motion):
    return AnimateDiffTransformer3D(
        num_attention_heads=motion["num_attention_heads"], attention_head_dim=channels // motion["num_attention_heads"], in_channels=channels,
        num_layers=motion["transformer_layers"], norm_num_groups=motion["norm_num_groups"], activation_fn="geglu", attention_bias=False,
        positional_embeddings="sinusoidal", num_positional_embeddings=motion["max_seq_length"])
