"""The device that networks run on where nobody names one."""


def best():
    """"cuda" where torch can use a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
