"""The names and shapes of the public Stable Diffusion 1.5 files, written down from their layout: under the authors' names and under diffusers'.

Each function yields (authors' name, diffusers' name, shape), for networks of the public structure, of any widths.
"""

WIDTHS = {"unet": (320, 640, 1280, 1280), "vae": (128, 256, 512, 512)}
TEXT, TIME = 768, 1280  # widths of the prompt and of the time embedding


def pair(authors, diffusers, *shape):
    """A layer's weight and bias."""
    yield f"{authors}.weight", f"{diffusers}.weight", shape
    yield f"{authors}.bias", f"{diffusers}.bias", shape[:1]


def residual(authors, diffusers, before, after, time):
    yield from pair(f"{authors}.in_layers.0", f"{diffusers}.norm1", before)
    yield from pair(f"{authors}.in_layers.2", f"{diffusers}.conv1", after, before, 3, 3)
    yield from pair(f"{authors}.emb_layers.1", f"{diffusers}.time_emb_proj", after, time)
    yield from pair(f"{authors}.out_layers.0", f"{diffusers}.norm2", after)
    yield from pair(f"{authors}.out_layers.3", f"{diffusers}.conv2", after, after, 3, 3)
    if before != after:
        yield from pair(f"{authors}.skip_connection", f"{diffusers}.conv_shortcut", after, before, 1, 1)


def transformer(authors, diffusers, width, text):
    yield from pair(f"{authors}.norm", f"{diffusers}.norm", width)
    yield from pair(f"{authors}.proj_in", f"{diffusers}.proj_in", width, width, 1, 1)
    yield from pair(f"{authors}.proj_out", f"{diffusers}.proj_out", width, width, 1, 1)
    yield from layer(f"{authors}.transformer_blocks.0", f"{diffusers}.transformer_blocks.0", width, {"attn1": width, "attn2": text})


def layer(authors, diffusers, width, attentions):
    """A transformer layer; attentions: {name: width of what is attended to}."""
    for name, context in attentions.items():
        for projection, inputs in (("to_q", width), ("to_k", context), ("to_v", context)):
            yield f"{authors}.{name}.{projection}.weight", f"{diffusers}.{name}.{projection}.weight", (width, inputs)
        yield from pair(f"{authors}.{name}.to_out.0", f"{diffusers}.{name}.to_out.0", width, width)
    yield from pair(f"{authors}.ff.net.0.proj", f"{diffusers}.ff.net.0.proj", 8 * width, width)
    yield from pair(f"{authors}.ff.net.2", f"{diffusers}.ff.net.2", width, 4 * width)
    for number in (1, 2, 3):
        yield from pair(f"{authors}.norm{number}", f"{diffusers}.norm{number}", width)


def contracting(widths, text, time):
    """Time embedding, input blocks and middle block, which UNet and ControlNet have alike."""
    yield from pair("time_embed.0", "time_embedding.linear_1", time, widths[0])
    yield from pair("time_embed.2", "time_embedding.linear_2", time, time)
    yield from pair("input_blocks.0.0", "conv_in", widths[0], 4, 3, 3)
    before, number = widths[0], 1
    for level, width in enumerate(widths):
        for index in range(2):
            yield from residual(f"input_blocks.{number}.0", f"down_blocks.{level}.resnets.{index}", before, width, time)
            if level < 3:
                yield from transformer(f"input_blocks.{number}.1", f"down_blocks.{level}.attentions.{index}", width, text)
            before, number = width, number + 1
        if level < 3:
            yield from pair(f"input_blocks.{number}.0.op", f"down_blocks.{level}.downsamplers.0.conv", width, width, 3, 3)
            number += 1
    for index in range(2):
        yield from residual(f"middle_block.{2 * index}", f"mid_block.resnets.{index}", widths[3], widths[3], time)
    yield from transformer("middle_block.1", "mid_block.attentions.0", widths[3], text)


def unet(widths=WIDTHS["unet"], text=TEXT, time=TIME):
    yield from contracting(widths, text, time)
    skips = [widths[0], widths[0], widths[0], widths[0], widths[1], widths[1], widths[1], widths[2], widths[2], widths[2], widths[3], widths[3]]
    before = widths[3]
    for number in range(12):
        block, index = divmod(number, 3)
        width = widths[3 - block]
        yield from residual(f"output_blocks.{number}.0", f"up_blocks.{block}.resnets.{index}", before + skips.pop(), width, time)
        if block > 0:
            yield from transformer(f"output_blocks.{number}.1", f"up_blocks.{block}.attentions.{index}", width, text)
        if index == 2 and block < 3:
            yield from pair(f"output_blocks.{number}.{2 if block else 1}.conv", f"up_blocks.{block}.upsamplers.0.conv", width, width, 3, 3)
        before = width
    yield from pair("out.0", "conv_norm_out", widths[0])
    yield from pair("out.2", "conv_out", 4, widths[0], 3, 3)


def controlnet(widths=WIDTHS["unet"], text=TEXT, time=TIME, hint=(16, 32, 96, 256)):
    yield from contracting(widths, text, time)
    hints = [(3, hint[0])]
    for width, wider in zip(hint, hint[1:], strict=False):
        hints += [(width, width), (width, wider)]
    names = ["conv_in", *(f"blocks.{index}" for index in range(6)), "conv_out"]
    for number, (name, (before, after)) in enumerate(zip(names, [*hints, (hint[-1], widths[0])], strict=True)):
        yield from pair(f"input_hint_block.{2 * number}", f"controlnet_cond_embedding.{name}", after, before, 3, 3)
    skips = [widths[0]] * 4 + [widths[1]] * 3 + [widths[2]] * 3 + [widths[3]] * 2
    for number, width in enumerate(skips):
        yield from pair(f"zero_convs.{number}.0", f"controlnet_down_blocks.{number}", width, width, 1, 1)
    yield from pair("middle_block_out.0", "controlnet_mid_block", widths[3], widths[3], 1, 1)


def vae(widths=WIDTHS["vae"], channels=4):
    def block(authors, diffusers, before, after):
        for number, (inputs, outputs) in ((1, (before, after)), (2, (after, after))):
            yield from pair(f"{authors}.norm{number}", f"{diffusers}.norm{number}", inputs)
            yield from pair(f"{authors}.conv{number}", f"{diffusers}.conv{number}", outputs, inputs, 3, 3)
        if before != after:
            yield from pair(f"{authors}.nin_shortcut", f"{diffusers}.conv_shortcut", after, before, 1, 1)

    for side, inputs, outputs in (("encoder", 3, 2 * channels), ("decoder", channels, 3)):
        order = list(enumerate(widths)) if side == "encoder" else list(enumerate(widths))[::-1]
        before = order[0][1]
        yield from pair(f"{side}.conv_in", f"{side}.conv_in", before, inputs, 3, 3)
        for number, (level, width) in enumerate(order):
            way, there = ("down", "down_blocks") if side == "encoder" else ("up", "up_blocks")
            for index in range(2 if side == "encoder" else 3):
                yield from block(f"{side}.{way}.{level}.block.{index}", f"{side}.{there}.{number}.resnets.{index}", before, width)
                before = width
            if number < 3:
                yield from pair(f"{side}.{way}.{level}.{way}sample.conv", f"{side}.{there}.{number}.{way}samplers.0.conv", width, width, 3, 3)
        for index in (1, 2):
            yield from block(f"{side}.mid.block_{index}", f"{side}.mid_block.resnets.{index - 1}", widths[3], widths[3])
        attention = f"{side}.mid_block.attentions.0"
        yield from pair(f"{side}.mid.attn_1.norm", f"{attention}.group_norm", widths[3])
        for name, there in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
            yield f"{side}.mid.attn_1.{name}.weight", f"{attention}.{there}.weight", (widths[3], widths[3], 1, 1)  # a linear layer in diffusers
            yield f"{side}.mid.attn_1.{name}.bias", f"{attention}.{there}.bias", (widths[3],)
        yield from pair(f"{side}.norm_out", f"{side}.conv_norm_out", before)
        yield from pair(f"{side}.conv_out", f"{side}.conv_out", outputs, before, 3, 3)
    yield from pair("quant_conv", "quant_conv", 2 * channels, 2 * channels, 1, 1)
    yield from pair("post_quant_conv", "post_quant_conv", channels, channels, 1, 1)


def motion(middle, frames, widths=WIDTHS["unet"]):
    """middle: with a module in the middle block (v2). The two positional encodings of a layer are one buffer in diffusers."""
    places = [(f"down_blocks.{level}", width, 2) for level, width in enumerate(widths)]
    places += [(f"up_blocks.{level}", width, 3) for level, width in enumerate(widths[::-1])]
    places += [("mid_block", widths[3], 1)] if middle else []
    for place, width, count in places:
        for index in range(count):
            diffusers = f"{place}.motion_modules.{index}"
            authors = f"{diffusers}.temporal_transformer"
            yield from pair(f"{authors}.norm", f"{diffusers}.norm", width)
            yield from pair(f"{authors}.proj_in", f"{diffusers}.proj_in", width, width)
            yield from pair(f"{authors}.proj_out", f"{diffusers}.proj_out", width, width)
            renamed = {"attn1": "attention_blocks.0", "attn2": "attention_blocks.1", "norm1": "norms.0", "norm2": "norms.1", "norm3": "ff_norm", "ff": "ff"}
            for _, name, shape in layer("", "", width, {"attn1": width, "attn2": width}):
                part, _, rest = name.removeprefix(".").partition(".")
                yield f"{authors}.transformer_blocks.0.{renamed[part]}.{rest}", f"{diffusers}.transformer_blocks.0.{part}.{rest}", shape
            for number in (0, 1):
                yield (f"{authors}.transformer_blocks.0.attention_blocks.{number}.pos_encoder.pe",
                       f"{diffusers}.transformer_blocks.0.pos_embed.pe", (1, frames, width))
