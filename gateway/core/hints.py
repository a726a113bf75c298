"""What a caller asks of who serves it: OpenRouter's `provider` object. It narrows what policy permits, never more."""

from typing import Literal

import msgspec

from gateway.core.catalog import Backend


class Hints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members of the object, by OpenRouter's names. `only` and `ignore` name providers or backends of the catalog.

    Without `allow_fallbacks` one backend is asked and no other. `data_collection: deny` wants one that never trains on
    what it is sent, `zdr` one that keeps nothing. A fact that nobody declared does not count.
    """

    only: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    allow_fallbacks: bool = True
    data_collection: Literal["allow", "deny"] = "allow"
    zdr: bool = False

    def excludes(self, backend: Backend) -> str:
        """Why a backend is not among those that the caller wants, empty: it is."""
        names = {backend.provider, backend.id}
        if self.only is not None and names.isdisjoint(self.only):
            return "is not among those that `provider.only` names"
        if not names.isdisjoint(self.ignore):
            return "is among those that `provider.ignore` names"
        if self.data_collection == "deny" and backend.fact("trains_on_data") != "never":
            return "may train on what it is sent, which `provider.data_collection` denies"
        if self.zdr and backend.fact("retention") not in ("none", "zdr"):
            return "may keep what it is sent, which `provider.zdr` does not want"
        return ""


ANY = Hints()
"""Who says nothing takes whoever is permitted."""
