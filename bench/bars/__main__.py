"""All of them, each in a process of its own: ``python -m bench.bars [--publish]``."""

import subprocess
import sys

NAMES = ("routing", "bandits", "flush", "many", "shadows", "workers", "trees")

if __name__ == "__main__":
    for name in NAMES:
        subprocess.run([sys.executable, "-m", f"bench.bars.{name}", *sys.argv[1:]], check=True)
