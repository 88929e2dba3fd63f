"""A progress bar on a terminal, plain lines otherwise."""

import sys
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
