"""torchvision imports beside this torch, whichever build either is."""

import subprocess
import sys
import types

import pytest

from tcan import torchvision_ops


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_torchvision_can_be_imported():
    done = python("from tcan import torchvision_ops\n"
                  "torchvision_ops.ensure(); torchvision_ops.ensure()\n"
                  "import torchvision.transforms.functional\n"
                  "import torch; print(torch.ops.torchvision.nms)")
    assert done.returncode == 0, done.stderr
    assert "torchvision.nms" in done.stdout


@pytest.mark.parametrize("where", ["loads", "cuda", "imported"])
def test_nothing_is_defined_where_torchvision_needs_no_help(monkeypatch, where):
    import torch

    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(torch.version, "cuda", "13.0" if where == "cuda" else None)
    monkeypatch.setattr(torchvision_ops, "_operators_load", lambda torch: where == "loads")
    if where == "imported":
        monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setattr(torchvision_ops, "_library", None)
    monkeypatch.setattr(torch.library, "Library", lambda *arguments: pytest.fail("defined something"))
    torchvision_ops.ensure()
    assert torchvision_ops._library is None
