"""A copy of the working tree for tests that run the pipeline, so that they never touch the user's own results."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IDENTITY = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Test"), ("EMAIL", "test@example.org"))}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items):
    """With several processes (`-n`), a file's tests stay in one of them, and those that share fetched data and the small world are together."""
    for item in items:
        shares = item.path.parent.name == "workflow" and "raw" in item.fixturenames
        item.add_marker(pytest.mark.xdist_group("world" if shares else item.path.stem))


def differing(found, expected):
    """Of two {name: bytes} the names whose bytes differ, each with what there is of it on either side: a text whole, of anything else the length."""
    def shown(content):
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError:
            return len(content)
    return {name: (shown(found.get(name)), shown(expected.get(name))) for name in sorted(found.keys() | expected.keys())
            if found.get(name) != expected.get(name)}


def environment(**more):
    """The environment of a command in a checkout: this interpreter's programs first, one thread, no configuration of the user's."""
    return {**os.environ, **IDENTITY, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull, "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


class Checkout:
    """A checkout to run commands in."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __truediv__(self, path):
        return self.folder / path

    def run(self, *command, fails=False, **more):
        """Run a command; return what it printed on both streams. The test ends here if it fails, or if it doesn't where it should."""
        done = subprocess.run([str(word) for word in command], cwd=self.folder, env=environment(**more), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        assert (done.returncode != 0) == fails, f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def snakemake(self, *words, **more):
        return self.run("snakemake", *words, **more)

    def planned(self, *words):
        """{rule: number of jobs} of a dry run; empty when there is nothing to do."""
        lines = iter(self.snakemake("--dry-run", *words).splitlines())
        jobs = {}
        for line in lines:
            if line.startswith("Job stats:"):
                next(lines), next(lines)
                for row in lines:
                    if not row.strip():
                        return {rule: count for rule, count in jobs.items() if rule not in ("total", "reproduce")}
                    rule, count = row.split()
                    jobs[rule] = int(count)
        return {}

    @contextlib.contextmanager
    def kept(self, path):
        """Bring a file's content and times back at the end of the block."""
        content, stat = (self / path).read_bytes(), (self / path).stat()
        try:
            yield
        finally:
            (self / path).write_bytes(content)
            os.utime(self / path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def commit(self):
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "as it is")

    def copy(self, folder):
        """All of it elsewhere, times included, as if it had been made there."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Checkout(folder)


@pytest.fixture(scope="session")
def make_checkout():
    """A function: folder -> Checkout with the tracked and the new files of the working tree, committed, in a repository of its own."""
    def make(folder):
        names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in filter(None, names.stdout.split("\0")):
            source, target = ROOT / name, Path(folder) / name
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        checkout = Checkout(folder)
        checkout.run("git", "init", "--quiet", "--initial-branch=main")
        checkout.commit()
        return checkout
    return make
