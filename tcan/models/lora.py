"""APPA (equation 2): low-rank adaptation of the denoising UNet's attention projections, through peft."""

import json
from pathlib import Path

from peft import LoraConfig
from torch import nn

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
    """Write the adapter as diffusers does. peft shortens its target names to suffixes that are unique in *this* UNet; whole names are kept
    instead, since in a UNet with motion modules a suffix would also name temporal attentions. Sorted, since a set's order, and with it the
    file's bytes, would change from process to process."""
    marker = f".lora_A.{NAME}"
    unet.peft_config[NAME].target_modules = sorted(name.removesuffix(marker) for name, _ in unet.named_modules() if name.endswith(marker))
    unet.save_lora_adapter(folder, adapter_name=NAME)
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
    unet.load_lora_adapter(str(folder), prefix=None, weight_name=FILE, adapter_name=NAME)


def train_adapter(unet):
    """Let the adapter's parameters train, and no others of the UNet."""
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(f".{NAME}." in name)
