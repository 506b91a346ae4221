"""Values that must not be written as they are: a keyed hash in their place, or a digest and a length.

The key is this home's own, drawn once; the same value gives the same hash here and another one elsewhere, so joins and
counts within a ledger still work, and a list of likely values does not help a thief who has no key.
"""

import functools
import hashlib
import os
import secrets
from pathlib import Path

HASH_BYTES = 16


class Redactor:
    """Hashes with the key of a home directory; thread-safe.

    Args:
        home: Home directory; ``ledger/redaction.key`` is made on first use, readable by its owner only.
    """

    def __init__(self, home: Path) -> None:
        self._key = _key(home / "ledger" / "redaction.key")
        self._remembered = functools.lru_cache(maxsize=4096)(self._hash)

    def redact(self, value: str) -> str:
        """The keyed hash of a value: 32 hexadecimal digits."""
        return self._remembered(value)

    def digest(self, value: str) -> str:
        """For long text: the keyed hash and the number of characters, ``<hash>/<length>``."""
        return f"{self._hash(value)}/{len(value)}"

    def _hash(self, value: str) -> str:
        data = value.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._key, digest_size=HASH_BYTES).hexdigest()


def _key(path: Path) -> bytes:
    """The key, drawn by whoever comes first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, secrets.token_bytes(32))
            os.fsync(file)
        finally:
            os.close(file)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_bytes()
