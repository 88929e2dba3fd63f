"""Floors and ceilings of the tables: each a function Case -> frames uint8 (f, h, w, 3)."""


def baseline(name, foundation=None):
    """The function of a baseline of tcan.config.BASELINES. foundation: folder of the foundation models, for `autoencoder`."""
    if name == "copy":
        from tcan.baselines.copy import copy_source as function
    elif name == "warp":
        from tcan.baselines.warp import warp_source as function
    else:
        from tcan.baselines.autoencoder import reconstruction

        function = reconstruction(foundation)
    return function
