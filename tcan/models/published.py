"""The networks that the paper downloads, at Stable Diffusion 1.5's size, out of every form they are published in.

A network comes as a folder of diffusers, or in a single file: whole Stable Diffusion checkpoints, ControlNets, autoencoders and AnimateDiff's motion
modules under their authors' names. diffusers converts the names, but leaves out what it doesn't know and keeps what is missing as it was drawn. Here
a network is loaded whole or not at all. Nothing is looked up on a hub.
"""

import json
import pickle
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, ControlNetModel, MotionAdapter, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_animatediff_checkpoint_to_diffusers,
    convert_controlnet_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from safetensors import SafetensorError
from safetensors.torch import load_file

from tcan.errors import UserError

BROKEN = (OSError, LookupError, TypeError, AttributeError, ValueError, RuntimeError)  # what diffusers and torch raise over bad content
UNREADABLE = (*BROKEN, EOFError, AssertionError, struct.error, pickle.UnpicklingError, SafetensorError)  # and over bad bytes
POSITIONS = "pos_encoder.pe"  # AnimateDiff's positional encodings: constants, that diffusers computes


@dataclass(frozen=True)
class Kind:
    """A kind of network: its class, its sizes in Stable Diffusion 1.5, and how its tensors are named in single files."""

    network: type
    sizes: dict
    convert: object  # (tensors under the authors' names, config) -> tensors under diffusers' names
    prefixes: tuple  # one of these stands before its names
    first: str  # a name that every file of this kind has, behind the prefix
    beside: tuple = ()  # what else such a file may hold; all that is neither is over
    handed: str = ""  # the prefix under which diffusers' converter wants them


SD_PARTS = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "model_ema.")
SD_SCHEDULE = ("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod", "log_one_minus_alphas_cumprod",
               "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance", "posterior_log_variance_clipped",
               "posterior_mean_coef1", "posterior_mean_coef2", "logvar", "lvlb_weights", "scale_factor")  # buffers of its training code
KINDS = {
    "unet": Kind(UNet2DConditionModel, {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
                 convert_ldm_unet_checkpoint, ("model.diffusion_model.",), "input_blocks.0.0.weight", (*SD_PARTS, *SD_SCHEDULE), "model.diffusion_model."),
    "vae": Kind(AutoencoderKL, {"sample_size": 512, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4,
                                "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4},
                convert_ldm_vae_checkpoint, ("first_stage_model.", ""), "quant_conv.weight", (*SD_PARTS, *SD_SCHEDULE, "loss.")),
    "controlnet": Kind(ControlNetModel, {"cross_attention_dim": 768, "attention_head_dim": 8},
                       convert_controlnet_checkpoint, ("control_model.", ""), "input_hint_block.0.weight", (*SD_PARTS, *SD_SCHEDULE), "control_model."),
    "mm1": Kind(MotionAdapter, {"motion_max_seq_length": 24, "use_motion_mid_block": False},
                convert_animatediff_checkpoint_to_diffusers, ("module.", ""), "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight"),
    "mm2": Kind(MotionAdapter, {"motion_max_seq_length": 32, "use_motion_mid_block": True},
                convert_animatediff_checkpoint_to_diffusers, ("module.", ""), "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight"),
}


class _Passive:
    """Takes the place of an object in a pickle, and does nothing."""

    def __init__(self, *arguments):
        pass

    def __setstate__(self, state):
        pass


PASSIVE = [(_Passive, name) for name in (  # what the public .ckpt files keep of their training, beside the tensors; none of this code is run
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", "numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")]


def load(kind, path, dtype=torch.float32, sizes=None):
    """A network of KINDS out of diffusers' folder or a single file (.safetensors, or a pickle, of which nothing but tensors is read).

    sizes: the configuration of a single file, if it isn't Stable Diffusion 1.5's; a folder has its own. Of a file with a second, averaged set of
    weights (model_ema) the first is taken. Raises UserError for a file that can't be read or holds something else, and where a tensor is missing,
    over, or of another shape.
    """
    path = Path(path)
    if path.is_dir():
        return _load_folder(kind, path, dtype)
    tensors = _read(path)
    network = empty(kind, sizes)
    state = convert(kind, tensors, network, path)
    network.load_state_dict({name: value.to(dtype) for name, value in state.items()}, assign=True)
    return network.eval()


def empty(kind, sizes=None):
    """The network without memory for its parameters (they are on the meta device); sizes as in `load`."""
    with init_empty_weights(include_buffers=False):
        return KINDS[kind].network.from_config(sizes or KINDS[kind].sizes)


def convert(kind, tensors, network, path="the file"):
    """Tensors of a single file under the names of `network`, all of them. Raises UserError, which names `path`."""
    spec = KINDS[kind]
    prefix = next((prefix for prefix in spec.prefixes if prefix + spec.first in tensors), None)
    if prefix is None:
        raise UserError(f"{path}: expected a file of {kind}, found no tensor {spec.prefixes[0]}{spec.first} among {len(tensors)}; give another file")
    beside = {name for name in tensors if spec.beside and name.startswith(spec.beside) and not (prefix and name.startswith(prefix))}
    over = sorted(name for name in tensors if not name.startswith(prefix) and name not in beside)
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix) and name not in beside}

    expected = network.state_dict()
    positions = {name: own.pop(name) for name in list(own) if name.endswith(POSITIONS)}
    try:
        renamed = _renamed(spec, own, network.config)
        sources = {name: source for name, source in _sources(spec, own, network.config).items() if name in expected}
    except BROKEN as error:
        raise UserError(f"{path}: expected a whole {kind}, can't find its way about it ({_reason(error)}); fetch it again") from error
    over += sorted(prefix + name for name in set(own) - set(sources.values()))
    state = {name: renamed[name] if renamed[name].numel() == own[source].numel() else own[source] for name, source in sources.items()}
    state |= _positions(path, expected, positions)
    _demand_whole(path, kind, expected, state, over)
    return state


def _renamed(spec, tensors, config):
    """Under diffusers' names. Its converters rename, leave out what they don't know, and cut attention's convolutions down to linear layers."""
    renamed = spec.convert({spec.handed + name: value for name, value in tensors.items()}, config=dict(config))
    return {name: value for name, value in renamed.items() if value is not None}


def _sources(spec, tensors, config):
    """{diffusers' name: the authors' name}, from numbers that go through the conversion in the tensors' places."""
    numbers = {name: torch.full((1,) * value.ndim, number) for number, (name, value) in enumerate(tensors.items())}
    names = list(tensors)
    return {name: names[int(number)] for name, number in _renamed(spec, numbers, config).items()}


def _positions(path, expected, given):
    """The constant buffers of positions. A file's own, two a layer, have to be the same constants; a file may also do without."""
    own = {name: value for name, value in expected.items() if name.endswith("pos_embed.pe")}
    for name, value in given.items():
        layer = name.partition(".attention_blocks")[0].replace(".temporal_transformer", "")
        constant = own.get(f"{layer}.pos_embed.pe")
        if constant is None:
            raise UserError(f"{path}: expected no positional encodings {name}, the motion module has no such layer; is it the other motion module?")
        if value.shape != constant.shape or not (value.is_meta or torch.allclose(value.float(), constant, atol=1e-3)):
            raise UserError(f"{path}: expected the sinusoidal encodings of {constant.shape[1]} positions, got others in {name} {tuple(value.shape)}; "
                            "is it the other motion module?")
    return own


def _demand_whole(path, kind, expected, state, over):
    others = [f"{name} {tuple(state[name].shape)} {state[name].dtype} instead of {tuple(value.shape)}" for name, value in expected.items()
              if name in state and not (state[name].shape == value.shape and state[name].is_floating_point())]
    found = (("missing", sorted(set(expected) - set(state))), ("over", over), ("of another shape", others))
    told = "; ".join(f"{len(names)} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" for what, names in found if names)
    if told:
        raise UserError(f"{path}: expected a whole {kind} and nothing else, got {told}; give another file")


def _load_folder(kind, path, dtype):
    network, middle = KINDS[kind].network, KINDS[kind].sizes.get("use_motion_mid_block")
    try:
        name = json.loads((path / "config.json").read_text())["_class_name"]
        if name != network.__name__:
            raise UserError(f"{path}: expected a {network.__name__}, got a {name}; give another folder")
        loaded, report = network.from_pretrained(path, dtype=dtype, local_files_only=True, output_loading_info=True)
    except BROKEN as error:
        raise UserError(f"{path}: expected a folder of diffusers with a {network.__name__}, it can't be loaded ({_reason(error)}); fetch it again") from error
    if middle is not None and loaded.config.use_motion_mid_block != middle:
        raise UserError(f"{path}: expected {kind}, {'with' if middle else 'without'} a module in the middle block; is it the other motion module?")
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := [str(name) for name in report[what]]:
            raise UserError(f"{path}: expected a whole {kind} and nothing else, {what.replace('_', ' ')}: {', '.join(names[:3])} "
                            f"({len(names)} in all); fetch it again")
    return loaded.eval()


def _read(path):
    """The tensors of a file, by name. Of a pickle, torch reads nothing else (weights_only)."""
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:
            with torch.serialization.safe_globals(PASSIVE):
                tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))  # older pickles can't be mapped
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected the weights of a network, found no file or folder") from error
    except UNREADABLE as error:
        raise UserError(f"{path}: expected the weights of a network, got a broken or another file ({_reason(error)}); fetch it again") from error
    if isinstance(tensors, dict):
        tensors = tensors.get("state_dict", tensors)
    found = {name: value for name, value in tensors.items() if isinstance(name, str) and isinstance(value, torch.Tensor)} if isinstance(tensors, dict) else {}
    if not found:
        raise UserError(f"{path}: expected tensors by name, found none; give another file")
    return found


def _reason(error):
    """The end of what torch says of a pickle, which names what it holds; of other errors the beginning."""
    told = " ".join(str(error).split())
    return told.rpartition("WeightsUnpickler error: ")[2][:100]
