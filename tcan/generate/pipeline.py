"""TCANPipeline: a source picture and drawn poses in, a video out (sections 3.1 to 3.4)."""

from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput
from PIL import Image
from safetensors.torch import load_file, save_file

from tcan.errors import UserError
from tcan.generate.windows import merge, windows
from tcan.models import lora
from tcan.models.attention import ReferenceAttention, TemperatureMap
from tcan.models.autoencoder import decode, encode, factor, to_pictures, to_tensor
from tcan.models.controlnet import residuals
from tcan.models.temperature import temperature_map


class TCANOutput(BaseOutput):
    """frames: uint8 (f, h, w, 3), a list of PIL pictures, or a tensor (f, 3, h, w) in 0..1, by `output_type`."""

    frames: np.ndarray


class TCANPipeline(DiffusionPipeline):
    """vae, denoising UNet with motion modules (and APPA), appearance UNet, ControlNet (plain or temporal) and a scheduler.

    `reference_blocks`: the blocks whose self-attention sees the source. `prompt`: the encoded empty prompt (1, n, d).
    """

    def __init__(self, vae, unet, appearance_unet, controlnet, scheduler, reference_blocks=("mid", "up"), prompt=None):
        super().__init__()
        self.register_modules(vae=vae, unet=unet, appearance_unet=appearance_unet, controlnet=controlnet, scheduler=scheduler)
        self.register_to_config(reference_blocks=list(reference_blocks))
        self.prompt = prompt
        self.reference, self.temperature = ReferenceAttention(), TemperatureMap()
        self.reference.attach(appearance_unet, reference_blocks)
        self.reference.attach(unet, reference_blocks)
        self.temperature.attach(unet)

    # --- folders ------------------------------------------------------------------------------------------------------

    def save_pretrained(self, folder, **options):
        """Write every network in diffusers' layout, APPA as a LoRA of its own in lora/, and the prompt. The pipeline stays as it is."""
        folder = Path(folder)
        adapted = lora.NAME in getattr(self.unet, "peft_config", {})
        if adapted:
            lora.save(self.unet, folder / "lora")
            self.unet.unload_lora()
        try:
            super().save_pretrained(folder, **options)
        finally:
            if adapted:
                lora.load(self.unet, folder / "lora")
        save_file({"empty": self.prompt.contiguous()}, folder / "prompt.safetensors")

    @classmethod
    def from_pretrained(cls, folder, **options):
        """Load what `save_pretrained` or a training wrote."""
        folder = Path(folder)
        if not (folder / "model_index.json").exists():
            raise UserError(f"{folder}: expected a TCAN model (model_index.json), found none; train it with `tcan stage2` or give another folder")
        pipeline = super().from_pretrained(folder, **options)
        if (folder / "lora").exists():
            lora.load(pipeline.unet, folder / "lora")
        pipeline.prompt = load_file(folder / "prompt.safetensors")["empty"].to(pipeline.unet.dtype)
        return pipeline

    # --- generation ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def __call__(self, source, poses, num_inference_steps=25, guidance_scale=7.5, window=16, overlap=4, closed_loop=False, tau=None,
                 generator=None, output_type="np", callback_on_step_end=None):
        """Animate `source` with `poses`.

        source: uint8 (h, w, 3). poses: uint8 (f, h, w, 3), drawn, black where there is no body. guidance_scale: 1 for none; the
        unconditional branch drops the source and keeps the pose. tau: PTM's strength (equation 5), None for no PTM; its map is made per window.
        window, overlap, closed_loop: MultiDiffusion over time. generator: a torch.Generator for the initial noise.
        callback_on_step_end: called as (pipeline, step, timestep, {"latents": latents}); returns a dict, whose latents replace them.
        """
        if poses.shape[1:] != source.shape or source.dtype != np.uint8 or poses.dtype != np.uint8:
            raise UserError(f"expected a source (h, w, 3) and poses (f, h, w, 3) of one size, uint8, got {source.shape} and {poses.shape}")
        device, dtype, frames = self._execution_device, self.unet.dtype, len(poses)
        self._note_source(source, device, dtype)
        condition = torch.from_numpy(poses).to(device, dtype).permute(0, 3, 1, 2) / 255
        latents = self._initial_noise(source.shape, frames, min(window, frames), generator, device, dtype)
        parts = windows(frames, window, overlap, closed_loop)
        maps = [None if tau is None else torch.from_numpy(temperature_map(poses[part], tau))[None].to(device, dtype) for part in parts]
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        for step, timestep in enumerate(self.progress_bar(self.scheduler.timesteps)):
            scaled = self.scheduler.scale_model_input(latents, timestep)
            predicted = merge([(part, self._predict(scaled[:, :, part], timestep, condition[part], guidance_scale, heat))
                               for part, heat in zip(parts, maps, strict=True)], frames)
            latents = self.scheduler.step(predicted, timestep, latents, return_dict=False)[0]
            if callback_on_step_end is not None:
                latents = callback_on_step_end(self, step, timestep, {"latents": latents}).get("latents", latents)
        self.temperature.clear()
        self.maybe_free_model_hooks()
        return TCANOutput(frames=self._decode(latents, output_type))

    def _note_source(self, source, device, dtype):
        """One pass of the appearance UNet serves all frames, windows and steps."""
        latents = encode(self.vae, to_tensor(source[None]).to(device, dtype))
        with self.reference.write():
            self.appearance_unet(latents, 0, self.prompt.to(device, dtype))

    def _initial_noise(self, shape, frames, window, generator, device, dtype):
        """One window of noise, tiled over the clip, as in the authors' code: (1, c, f, h', w')."""
        size = (1, self.unet.config.in_channels, window, shape[0] // factor(self.vae), shape[1] // factor(self.vae))
        noise = torch.randn(size, generator=generator, dtype=torch.float32).to(device, dtype)
        return noise.repeat(1, 1, -(-frames // window), 1, 1)[:, :, :frames] * self.scheduler.init_noise_sigma

    def _predict(self, latents, timestep, pose, guidance_scale, heat):
        """The prediction for one window, guided: latents (1, c, f, h, w), pose (f, 3, H, W), heat (1, H, W) or None."""
        frames = latents.shape[2]
        prompt = self.prompt.to(latents).expand(frames, -1, -1)
        self.temperature.clear()
        if heat is not None:
            small = torch.nn.functional.interpolate(heat[:, None], size=latents.shape[-2:], mode="bilinear", antialias=True)[:, 0]
            self.temperature.set(small, len(self.unet.config.block_out_channels))
        down, mid = residuals(self.controlnet, latents[0].transpose(0, 1), timestep, prompt, pose, frames)

        def denoise():
            return self.unet(latents, timestep, prompt, down_block_additional_residuals=down, mid_block_additional_residual=mid, return_dict=False)[0]

        with self.reference.read():
            conditional = denoise()
        if guidance_scale == 1:
            return conditional
        unconditional = denoise()
        return unconditional + guidance_scale * (conditional - unconditional)

    def _decode(self, latents, output_type):
        pictures = decode(self.vae, latents[0].transpose(0, 1), batch=16)
        if output_type == "pt":
            return pictures.float().clamp(-1, 1) / 2 + 0.5
        frames = to_pictures(pictures)
        return [Image.fromarray(frame) for frame in frames] if output_type == "pil" else frames
