"""A progress bar on a terminal, plain lines otherwise."""

import sys
import threading
import time

from tqdm import tqdm


class Progress:
    """Counts steps of `total`; says how long is left. In a log it prints a line at every twentieth."""

    def __init__(self, name, total, done=0):
        self.name, self.total, self.first = name, total, done
        self.started = time.monotonic()
        self.every = max(1, total // 20)
        self.bar = tqdm(total=total, initial=done, desc=name, file=sys.stderr) if sys.stderr.isatty() else None
        if done and not self.bar:
            print(f"{name}: goes on from step {done} of {total}", file=sys.stderr)

    def update(self, done, text=""):
        if self.bar:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(done - self.bar.n)
            if done == self.total:
                self.bar.close()
        elif done % self.every == 0 or done == self.total:
            pace = (time.monotonic() - self.started) / max(1, done - self.first)
            print(f"{self.name}: {done}/{self.total} {text} {pace:.2f} s a step, {pace * (self.total - done) / 60:.1f} min left",
                  file=sys.stderr, flush=True)


class ByteProgress:
    """Counts bytes of `total` (None: unknown) from several threads; says how fast and how long is left. In a log it prints a line every so often."""

    EVERY = 30  # seconds between two lines of a log

    def __init__(self, name, total, done=0):
        self.name, self.total, self.first, self.done = name, total, done, done
        self.lock = threading.Lock()
        self.started = self.said = time.monotonic()
        self.bar = tqdm(total=total, initial=done, desc=name, unit="B", unit_scale=True, file=sys.stderr) if sys.stderr.isatty() else None
        if not self.bar:
            of = f" of {total / 1e6:.1f} MB" if total else ""
            print(f"{name}: {f'goes on from {done / 1e6:.1f} MB' if done else 'begins'}{of}", file=sys.stderr, flush=True)

    def add(self, count):
        """So many bytes more; a negative number takes back what has to come again."""
        with self.lock:
            self.done += count
            if self.bar:
                self.bar.update(count)
            elif time.monotonic() - self.said >= self.EVERY:
                self._say()

    def grow(self, count):
        """The total turns out to be so many bytes more."""
        with self.lock:
            self.total = (self.total or 0) + count
            if self.bar:
                self.bar.total = self.total
                self.bar.refresh()

    def close(self):
        with self.lock:
            if self.bar:
                self.bar.close()
            else:
                self._say()

    def _say(self):
        self.said = time.monotonic()
        pace = max(1.0, self.done - self.first) / max(1e-6, self.said - self.started)
        left = f"/{self.total / 1e6:.1f} MB, {max(0, self.total - self.done) / pace / 60:.1f} min left" if self.total else " MB"
        print(f"{self.name}: {self.done / 1e6:.1f}{left}, {pace / 1e6:.1f} MB/s", file=sys.stderr, flush=True)
