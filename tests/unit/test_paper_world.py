"""The stand-ins for the paper's data sets are the same every time, and their zip parts are one archive."""

import io
import zipfile

from tests import paper_world
from tests.unit.test_tiktok import content


def test_equal_arguments_give_equal_bytes(tmp_path):
    for make in (paper_world.tiktok, paper_world.bizarre):
        one, two = (content(make(tmp_path / f"{make.__name__}{number}")) for number in (1, 2))
        assert one == two and len(one) > 12
    parts = paper_world.zip_parts(tmp_path / "tiktok1", tmp_path / "parts")
    assert [path.name for path in parts] == ["TikTok.zip.001", "TikTok.zip.002", "TikTok.zip.003", "TikTok.zip.004"]
    with zipfile.ZipFile(io.BytesIO(b"".join(path.read_bytes() for path in parts))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == content(tmp_path / "tiktok1")
