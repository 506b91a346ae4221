"""The ledger as if each version had always stood where it stands now.

Labels come late. A version that is promoted before they are there answered as a challenger what its labels judge when
it is the champion; whoever looks only at rows of the champion never sees them.
"""

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from seatrial.experiments.source import Source


def follow(source: Source, versions: Mapping[str, str]) -> Source:
    """A source whose answers (``answered``) belong to the variant in which their version stands now.

    A version that stands in several variants stays where it answered, and so does one that stands in none.

    Args:
        source: Rows and outcomes.
        versions: ``name:version`` in each variant's slot.
    """
    held = Counter(versions.values())
    homes = {version: variant for variant, version in versions.items() if version and held[version] == 1}
    return _Followed(source, homes) if homes else source


class _Followed:
    def __init__(self, source: Source, homes: Mapping[str, str]) -> None:
        self._source = source
        numbered = list(enumerate(homes.items()))
        whens = " ".join(f"WHEN $followed{i} THEN $home{i}" for i, _ in numbered)
        answered = (
            f"CASE WHEN status = 'ok' AND answered <> '' THEN CASE version {whens} ELSE answered END ELSE answered END"
        )
        self._rows = f"WITH rows AS NOT MATERIALIZED (SELECT * REPLACE ({answered} AS answered) FROM rows)"
        self._homes: dict[str, object] = {f"followed{i}": version for i, (version, _) in numbered}
        self._homes |= {f"home{i}": variant for i, (_, variant) in numbered}

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        asked = query.strip()
        more = asked.removeprefix("WITH ")
        whole = f"{self._rows} {asked}" if more == asked else f"{self._rows}, {more}"
        return self._source.sql(whole, {**parameters, **self._homes})
