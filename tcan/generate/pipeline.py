"""TCANPipeline: a source picture and drawn poses in, a video out (sections 3.1 to 3.4)."""

import contextlib
from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from diffusers.utils import BaseOutput
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn import functional

from tcan.errors import UserError
from tcan.generate.windows import merge, windows
from tcan.models import lora
from tcan.models.attention import ReferenceAttention, TemperatureMap
from tcan.models.autoencoder import decode, encode, factor, to_pictures, to_tensor
from tcan.models.controlnet import residuals
from tcan.models.sharing import SharedBlocks
from tcan.models.temperature import temperature_map
from tcan.pose.draw import draw
from tcan.pose.keypoints import Keypoints
from tcan.sections import NOISES

PTM_SCOPES = ("window", "clip")
DECODED_AT_ONCE = 16  # frames; decoding all of a clip at once would take memory that grows with it


class TCANOutput(BaseOutput):
    """frames: uint8 (f, h, w, 3), a list of PIL pictures, or a tensor (f, 3, h, w) in 0..1, by `output_type`."""

    frames: np.ndarray


class TCANPipeline(DiffusionPipeline, StableDiffusionLoraLoaderMixin):
    """vae, denoising UNet with motion modules (and APPA), appearance UNet, ControlNet (plain or temporal) and a scheduler.

    `reference_blocks`: the blocks whose self-attention sees the source. `prompt`: the encoded empty prompt (1, n, d).
    `pose_canvas`: pixels of the shorter side at which key points are drawn, before they are averaged down to the source's size.
    LoRAs of the UNet load, fuse and unload as in diffusers' pipelines (load_lora_weights, fuse_lora, unload_lora_weights); APPA is the one named "appa".
    """

    model_cpu_offload_seq = "appearance_unet->unet->vae"  # the ControlNet, which takes turns with the UNet at every step, stays once it is there
    _lora_loadable_modules = ["unet"]
    text_encoder = None  # the LoRA loader asks for it

    def __init__(self, vae, unet, appearance_unet, controlnet, scheduler, reference_blocks=("mid", "up"), pose_canvas=512, prompt=None):
        super().__init__()
        self.register_modules(vae=vae, unet=unet, appearance_unet=appearance_unet, controlnet=controlnet, scheduler=scheduler)
        self.register_to_config(reference_blocks=list(reference_blocks), pose_canvas=pose_canvas)
        self.prompt = prompt
        self.reference, self.temperature = ReferenceAttention(), TemperatureMap()
        self.reference.attach(appearance_unet, reference_blocks)
        self.reference.attach(unet, reference_blocks)
        self.temperature.attach(unet)
        self.shared = SharedBlocks()
        self.shared.attach(unet)

    # --- folders ------------------------------------------------------------------------------------------------------

    def save_pretrained(self, folder, **options):
        """Write every network in diffusers' layout, APPA as a LoRA of its own in lora/, and the prompt. The pipeline stays as it is."""
        folder = Path(folder)
        adapters = set(getattr(self.unet, "peft_config", {}))
        if adapters - {lora.NAME} or lora.is_fused(self.unet):
            raise UserError(f"{folder}: expected no LoRA but {lora.NAME}, and that not fused, got {sorted(adapters)}; "
                            "call unload_lora_weights() first to save a UNet with what is fused, or delete_adapters and unfuse_lora")
        adapted = bool(adapters)
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

    @property
    def multiple(self):
        """Sides of pictures have to be multiples of this, for the autoencoder and the UNet's levels."""
        return factor(self.vae) * 2 ** (len(self.unet.config.block_out_channels) - 1)

    # --- generation ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def __call__(self, source, poses, num_inference_steps=25, guidance_scale=7.5, window=16, overlap=4, closed_loop=False, tau=None,
                 ptm_scope="window", noise="window", generator=None, output_type="np", callback_on_step_end=None):
        """Animate `source` with `poses`.

        source: uint8 (h, w, 3). poses: uint8 (f, h, w, 3), drawn, black where there is no body, or tcan.pose.keypoints.Keypoints of f frames,
        which are drawn at the source's size. guidance_scale: 1 for none; the unconditional branch drops the source and keeps the pose.
        tau: PTM's strength (equation 5), None for no PTM; ptm_scope: its map is made of the poses of each "window", as in the authors' code,
        or of the whole "clip", as equation 3 reads. window, overlap, closed_loop: MultiDiffusion over time. noise: the clip starts from the noise
        of one "window", repeated, as in the authors' code, or of one "frame". generator: a torch.Generator for it.
        output_type: "np", "pil" or "pt". callback_on_step_end: called as (pipeline, step, timestep, {"latents": latents}); returns a dict,
        whose latents replace them.
        """
        if isinstance(poses, Keypoints):
            poses = draw(poses, max(self.config.pose_canvas, min(source.shape[:2])), source.shape[:2])
        if source.shape != poses.shape[1:] or source.dtype != np.uint8 or poses.dtype != np.uint8:
            raise UserError(f"expected a source (h, w, 3) and poses (f, h, w, 3) of one size, uint8, got {source.shape} and {poses.shape}")
        if any(side % self.multiple for side in source.shape[:2]):
            raise UserError(f"expected pictures whose sides are multiples of {self.multiple}, got {source.shape[:2]}; resize or crop them")
        if min(window, len(poses)) > self.unet.config.motion_max_seq_length:
            raise UserError(f"window: expected at most the {self.unet.config.motion_max_seq_length} frames that the motion modules count, got {window}")
        if ptm_scope not in PTM_SCOPES:
            raise UserError(f"ptm_scope: expected one of {', '.join(PTM_SCOPES)}, got {ptm_scope!r}")
        if noise not in NOISES:
            raise UserError(f"noise: expected one of {', '.join(NOISES)}, got {noise!r}")
        device, dtype, frames = self._execution_device, self.unet.dtype, len(poses)
        self._note_source(source, device, dtype)
        latents = self._initial_noise(source.shape, frames, min(window, frames) if noise == "window" else 1, generator, device, dtype)
        parts = windows(frames, window, overlap, closed_loop)
        heats = self._heats(poses, parts, tau, ptm_scope, latents)
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        for step, timestep in enumerate(self.progress_bar(self.scheduler.timesteps)):
            scaled = self.scheduler.scale_model_input(latents, timestep)
            predicted = merge(((part, self._predict(scaled[:, :, part], timestep, poses[part], guidance_scale, heat))
                               for part, heat in zip(parts, heats, strict=True)), frames)
            latents = self.scheduler.step(predicted, timestep, latents, return_dict=False)[0]
            if callback_on_step_end is not None:
                latents = callback_on_step_end(self, step, timestep, {"latents": latents}).get("latents", latents)
        self.temperature.clear()
        self.reference.features = {}
        output = TCANOutput(frames=self._decode(latents, output_type))
        self.maybe_free_model_hooks()
        return output

    def _note_source(self, source, device, dtype):
        """One pass of the appearance UNet serves all frames, windows and steps."""
        latents = encode(self.vae, to_tensor(source[None]).to(device, dtype))
        with self.reference.write():
            self.appearance_unet(latents, 0, self.prompt.to(device, dtype))

    def _heats(self, poses, parts, tau, scope, latents):
        """T of equation 5 for each window, (1, h', w') at the latents' size, or None without PTM."""
        if tau is None:
            return [None] * len(parts)

        def heat(pictures):
            whole = torch.from_numpy(temperature_map(pictures, tau))[None, None].to(latents.device)
            return functional.interpolate(whole, size=latents.shape[-2:], mode="bilinear", antialias=True)[0]

        return [heat(poses)] * len(parts) if scope == "clip" else [heat(poses[part]) for part in parts]

    def _initial_noise(self, shape, frames, period, generator, device, dtype):
        """The noise of `period` frames, repeated over the clip: (1, c, f, h', w')."""
        size = (1, self.unet.config.in_channels, period, shape[0] // factor(self.vae), shape[1] // factor(self.vae))
        noise = torch.randn(size, generator=generator, dtype=torch.float32).to(device, dtype)
        return noise.repeat(1, 1, -(-frames // period), 1, 1)[:, :, :frames] * self.scheduler.init_noise_sigma

    def _predict(self, latents, timestep, poses, guidance_scale, heat):
        """The prediction for one window, guided: latents (1, c, f, h', w'), poses uint8 (f, h, w, 3), heat (1, h', w') or None."""
        frames = latents.shape[2]
        prompt = self.prompt.to(latents).expand(frames, -1, -1)
        pose = torch.from_numpy(poses).to(latents.device).permute(0, 3, 1, 2).to(latents.dtype) / 255  # of this window alone, however long the clip
        if heat is None:
            self.temperature.clear()
        else:
            self.temperature.set(heat, len(self.unet.config.block_out_channels))
        down, mid = residuals(self.controlnet, latents[0].transpose(0, 1), timestep, prompt, pose, frames)

        def denoise():
            return self.unet(latents, timestep, prompt, down_block_additional_residuals=down, mid_block_additional_residual=mid, return_dict=False)[0]

        if guidance_scale == 1:
            with self.reference.read():
                return denoise()
        shares = "down" not in self.config.reference_blocks  # where the contracting path sees no reference, both passes have the same
        with self.reference.read(), self.shared.keep() if shares else contextlib.nullcontext():
            conditional = denoise()
        with self.shared.reuse() if shares else contextlib.nullcontext():
            unconditional = denoise()
        return unconditional + guidance_scale * (conditional - unconditional)

    def _decode(self, latents, output_type):
        parts = (decode(self.vae, part) for part in latents[0].transpose(0, 1).split(DECODED_AT_ONCE))
        if output_type == "pt":
            return torch.cat([part.float().clamp(-1, 1) / 2 + 0.5 for part in parts])
        frames = np.concatenate([to_pictures(part) for part in parts])
        return [Image.fromarray(frame) for frame in frames] if output_type == "pil" else frames
