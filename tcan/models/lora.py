"""APPA (equation 2): low-rank adaptation of the denoising UNet's attention projections, through peft."""

import json
from pathlib import Path

from diffusers.loaders import StableDiffusionLoraLoaderMixin
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict
from torch import nn

from tcan.errors import UserError
from tcan.models.attention import is_reference_attention

NAME = "appa"
PROJECTIONS = ("to_q", "to_k", "to_v")
FILE = "pytorch_lora_weights.safetensors"


def add(unet, appearance):
    """Add a fresh adapter to a UNet: W + BA with B = 0, so that the output doesn't change. `appearance`: tcan.config.Appearance."""
    unet.add_adapter(LoraConfig(r=appearance.lora_rank, lora_alpha=appearance.lora_alpha, init_lora_weights="gaussian",
                                target_modules=targets(unet, appearance)), adapter_name=NAME)


def targets(unet, appearance):
    """Names of the adapted projections: those of the spatial attentions `lora_targets` in the blocks that see the reference."""
    def adapted(name):
        self_attention = name.replace(".attn2", ".attn1")
        return name.endswith(PROJECTIONS) and is_reference_attention(self_attention, appearance.blocks) and any(
            f".{target}." in name for target in appearance.lora_targets)
    return [name for name, module in unet.named_modules() if isinstance(module, nn.Linear) and adapted(name)]


def save(unet, folder):
    """Write the adapter as diffusers' pipelines do, under the prefix `unet`.

    peft shortens its target names to suffixes that are unique in *this* UNet; whole names are kept instead, since in a UNet with motion modules a
    suffix would also name temporal attentions. Sorted, since a set's order, and with it the file's bytes, would change from process to process.
    """
    marker = f".lora_A.{NAME}"
    names = sorted(name.removesuffix(marker) for name, _ in unet.named_modules() if name.endswith(marker))
    StableDiffusionLoraLoaderMixin.save_lora_weights(
        folder, unet_lora_layers=get_peft_model_state_dict(unet, adapter_name=NAME),
        unet_lora_adapter_metadata=unet.peft_config[NAME].to_dict() | {"target_modules": names})
    _sort_metadata(Path(folder) / FILE)


def _sort_metadata(path):
    """Write a safetensors file's metadata in the order of their names: its writer leaves them in the order of a hash table, new in every process."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format wants the tensors aligned
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


def load(unet, folder):
    """Add the adapter that `save` wrote."""
    unet.load_lora_adapter(str(folder), prefix="unet", weight_name=FILE, adapter_name=NAME)
    if NAME not in getattr(unet, "peft_config", {}):  # diffusers only warns
        raise UserError(f"{Path(folder) / FILE}: expected weights named unet.*, found none; train the model again")


def is_fused(unet):
    """Whether an adapter's weights stand within the UNet's own at the moment."""
    return any(isinstance(module, BaseTunerLayer) and module.merged for module in unet.modules())


def train_adapter(unet):
    """Let the adapter's parameters train, and no others of the UNet."""
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(f".{NAME}." in name)
