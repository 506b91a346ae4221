"""``python -m seatrial.cli``: the ``seatrial`` command."""

from seatrial.cli.app import main

if __name__ == "__main__":
    main()
