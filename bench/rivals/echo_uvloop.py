"""uvloop + httptools that send the body back: the most that a Python process of this make can do."""

import sys

import uvloop

from bench.rivals.bare_uvloop import serve

if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), lambda body: body))
