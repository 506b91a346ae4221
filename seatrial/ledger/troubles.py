"""What went wrong with one of many things, kept until the others have been seen to."""

from collections.abc import Iterator
from contextlib import contextmanager

from seatrial.spec.errors import SeatrialError, Unavailable


class Troubles:
    """Errors by what they befell."""

    def __init__(self) -> None:
        self._found: list[tuple[str, Exception]] = []

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Keep what goes wrong inside, and go on behind it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the table's library has no common base for its errors
            self.note(what, error)

    def note(self, what: str, error: Exception) -> None:
        """Keep an error."""
        self._found.append((what, error))

    def tell(self) -> None:
        """Raise what went wrong.

        Raises:
            Unavailable: In one message, each with what it befell.
        """
        if not self._found:
            return
        told = [f"{what}: {_words(error)}" for what, error in self._found]
        raise Unavailable("; ".join(dict.fromkeys(told))) from self._found[0][1]


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, SeatrialError | OSError) else f"{type(error).__name__}: {error}"
