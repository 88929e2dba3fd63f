"""The published networks, brought from data/raw into the one layout that `Foundation` reads: safetensors in diffusers' folders.

- vae: the autoencoder. denoiser: UNet, ControlNet, the noise schedule, and the empty prompt as Stable Diffusion's text encoder encodes it.
- appearance: what the appearance UNet starts from. mm1, mm2: motion modules.

Weights are kept as float32, as they are published: trainings start from them, and their steps are smaller than what float16 can tell apart. A trained
model is float16 in any case. Each network arrives whole or not at all (tcan/models/published.py), and has Stable Diffusion 1.5's shape.
"""

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from tcan.diffusion import scheduler
from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.models import published
from tcan.models.foundation import as_float16
from tcan.provenance import write_run

VAE, PROMPT = "vae_ft_mse", "stable_diffusion"  # sources
WEIGHTS = (".safetensors", ".ckpt", ".pth", ".pt", ".bin")
SAMPLE_SIZE = "sample_size"  # of a configuration: what the network was trained on, which its weights don't depend on
POSITION_IDS = "position_ids"  # in older files of text encoders: the numbers 0, 1, 2, ..., which transformers counts itself
UNREADABLE = (OSError, LookupError, TypeError, ValueError, RuntimeError, SafetensorError)


def run(args, config):
    """Fill args.out with a part of the foundation. Raises UserError for a source that is missing, broken, or another network."""
    chosen = {"vae": {"vae": VAE}, "denoiser": {"unet": args.denoising, "controlnet": args.controlnet}, "appearance": {"unet": args.appearance},
              "mm1": {"mm1": "animatediff_mm1"}, "mm2": {"mm2": "animatediff_mm2"}}[args.part]
    inputs = [find(kind, args.raw / source) for kind, source in chosen.items()]
    with atomic_dir(args.out) as folder:
        for (kind, _), path in zip(chosen.items(), inputs, strict=True):
            network = published.load(kind, path)
            if args.shape != "any":
                _demand_shape(kind, path, network)
            _write(network, path, folder / kind if args.part == "denoiser" else folder, args.dtype)
        if args.part == "denoiser":
            scheduler(config.diffusion).save_pretrained(folder / "scheduler")
            text = [args.raw / PROMPT / name for name in ("text_encoder", "tokenizer")]
            save_file({"empty": empty_prompt(*text).to(getattr(torch, args.dtype))}, folder / "prompt.safetensors")
            inputs += text
        write_run(folder, command=f"weights {args.part}", config={"sources": chosen, "dtype": args.dtype, **config.resolved("diffusion")},
                  seed=config.seed, inputs=inputs)


def find(kind, folder):
    """The network of a kind in a source's folder: a folder of diffusers, called by its kind or the source's own, or the only file of weights there."""
    for path in (folder / kind, folder):
        if (path / "config.json").is_file():
            return path
    files = sorted(path for path in folder.glob("*") if path.suffix in WEIGHTS) if folder.is_dir() else []
    if len(files) != 1:
        there = f"{len(files)} files of weights and no config.json" if folder.is_dir() else "none"
        raise UserError(f"{folder}: expected a fetched source with one {kind}, got {there}; run `tcan fetch {folder.name} --out {folder}`")
    return files[0]


def _write(network, path, folder, dtype):
    if dtype == "float16":
        as_float16(network)
    for name, value in network.state_dict().items():
        if not torch.isfinite(value).all():
            raise UserError(f"{path}: expected finite weights as {dtype}, got infinity or NaN in {name}; fetch it again, or take --dtype float32")
    network.save_pretrained(folder)


def _demand_shape(kind, path, network):
    """A folder's configuration is its own: other versions of Stable Diffusion would load as well."""
    expected = published.empty(kind)
    shapes, wanted = ({name: tuple(value.shape) for name, value in one.state_dict().items()} for one in (network, expected))
    options = [name for name in published.KINDS[kind].sizes if name != SAMPLE_SIZE and _plain(network.config[name]) != _plain(expected.config[name])]
    different = [name for name in wanted if shapes.get(name) != wanted[name]] + sorted(set(shapes) - set(wanted))
    if options or different:
        told = (f"{options[0]} {_plain(network.config[options[0]])} instead of {_plain(expected.config[options[0]])}" if options
                else f"{different[0]} {shapes.get(different[0])} instead of {wanted.get(different[0])}")
        raise UserError(f"{path}: expected a {kind} of Stable Diffusion 1.5's shape, got {told}; give the network that weights.yaml declares")


def _plain(value):
    return list(value) if isinstance(value, (list, tuple)) else value


@torch.no_grad()
def empty_prompt(encoder, tokenizer):
    """The empty prompt as CLIP's text encoder encodes it: float32 (1, n, d), n the encoder's positions.

    encoder, tokenizer: folders of transformers, of which safetensors and texts alone are read.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    for folder in (encoder, tokenizer):
        if not folder.is_dir():
            raise UserError(f"{folder}: expected what encodes the empty prompt, found none; run `tcan fetch {PROMPT} --out {folder.parent}`")
    try:
        words = CLIPTokenizer.from_pretrained(tokenizer, local_files_only=True)
        model, report = CLIPTextModel.from_pretrained(encoder, dtype=torch.float32, local_files_only=True, use_safetensors=True, output_loading_info=True)
        length = model.config.max_position_embeddings
        ids = words("", padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
    except UNREADABLE as error:
        raise UserError(f"{encoder.parent}: expected CLIP's text encoder and tokenizer, they can't be loaded "
                        f"({' '.join(str(error).split())[:100]}); fetch {PROMPT} again") from error
    wrong = {what: sorted(str(name) for name in report[what] if not str(name).endswith(POSITION_IDS))
             for what in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    for what, names in wrong.items():
        if names:
            raise UserError(f"{encoder}: expected a whole text encoder and nothing else, {what.replace('_', ' ')}: {', '.join(names[:3])}; fetch it again")
    if ids.tolist() != [[words.bos_token_id] + [words.eos_token_id] * (length - 1)]:  # what Stable Diffusion pads with
        raise UserError(f"{tokenizer}: expected the empty prompt as a start and {length - 1} ends, got {ids[0, :4].tolist()}...; fetch {PROMPT} again")
    return model.eval()(ids).last_hidden_state
