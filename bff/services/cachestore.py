"""The one shared store of kept answers: bounded in bytes, the least used going first; purged by URL and tag.

It knows nothing of freshness. cachetools keeps the order and the sum of the sizes.
"""

from __future__ import annotations

from collections.abc import Iterable

from cachetools import LRUCache

from bff.services.fields import Pairs
from bff.services.stored import Key, Stored

DEFAULT_SIZE = 64 * 1000 * 1000
MOST_VARIANTS = 64
"""Answers of one key that differ in their selecting fields; the oldest goes."""

LARGEST_SHARE = 8
"""No answer may take more than this fraction of the store: one download shall not empty it."""

Variants = tuple[Stored, ...]


class CacheStore:
    """Mutable state: ``_kept`` and its indexes ``_by_url`` and ``_by_tag``."""

    def __init__(self, max_bytes: int = DEFAULT_SIZE) -> None:
        self._by_url: dict[str, set[Key]] = {}
        self._by_tag: dict[str, set[Key]] = {}
        self._kept = _Shelf(max_bytes, self)

    def find(self, key: Key, asked: Pairs) -> Stored | None:
        """The newest answer whose selecting fields fit (RFC 9111 §4.1)."""
        for stored in self._kept.get(key, ()):
            if stored.answers(asked):
                return stored
        return None

    def has(self, key: Key) -> bool:
        """Whether anything is kept under the key, whatever it varies by."""
        return key in self._kept

    def fits(self, size: int) -> bool:
        """Whether an answer of so many bytes may be kept."""
        return size * LARGEST_SHARE <= self._kept.maxsize

    def put(self, key: Key, stored: Stored) -> bool:
        """Keep it, in place of the one with the same selecting fields; False where it is too large.

        Answers that vary by other fields are dropped: how the resource is negotiated has changed.
        """
        if not self.fits(stored.size):
            self.drop(key)
            return False
        others = (
            each
            for each in self._kept.get(key, ())
            if each.names == stored.names and each.vary != stored.vary
        )
        self._set(key, (stored, *others)[:MOST_VARIANTS])
        return True

    def swap(self, key: Key, old: Stored, new: Stored) -> None:
        """Put a freshened answer where the old one is; nothing if that is gone. Others stay, unless it varies by other
        fields now.
        """
        variants = self._kept.get(key, ())
        if any(each is old for each in variants):
            others = (each for each in variants if each is not old and each.names == new.names)
            self._set(key, (new, *others))

    def remove(self, key: Key, stored: Stored) -> None:
        """Drop one answer of a key."""
        rest = tuple(each for each in self._kept.get(key, ()) if each is not stored)
        if rest:
            self._set(key, rest)
        else:
            self.drop(key)

    def variants(self, key: Key) -> Variants:
        """All that is kept under the key, the newest first."""
        found: Variants = self._kept.get(key, ())
        return found

    def drop(self, key: Key) -> None:
        """Drop everything of a key."""
        if self._kept.pop(key, None) is not None:
            self.forget(key)

    def purge_url(self, url: str) -> int:
        """Drop what is kept of this URL for anybody, and tell how many. A path alone is a route's, at any host.

        The query belongs to the URL, and no other query is meant.
        """
        return self._drop_all({key for place in places_of(url) for key in self._by_url.get(place, ())})

    def purge_tag(self, tag: str) -> int:
        """Drop what was kept under this tag of routes.yaml, and tell how many."""
        return self._drop_all(self._by_tag.get(tag, set()))

    def clear(self) -> int:
        """Drop everything, and tell how many."""
        return self._drop_all(set(self._kept))

    def resize(self, max_bytes: int) -> None:
        """Hold at most so many bytes from now on."""
        if max_bytes != self._kept.maxsize:
            old, self._kept = self._kept, _Shelf(max_bytes, self)
            self._by_url, self._by_tag = {}, {}
            while old:
                key, variants = LRUCache.popitem(old)  # the least used first
                if self.fits(_size(variants)):
                    self._set(key, variants)

    @property
    def bytes(self) -> int:
        """What all answers take, roughly."""
        return int(self._kept.currsize)

    @property
    def max_bytes(self) -> int:
        """What they may take."""
        return int(self._kept.maxsize)

    def __len__(self) -> int:
        return len(self._kept)

    def _set(self, key: Key, variants: Variants) -> None:
        self._kept.pop(key, None)
        self.forget(key)
        while len(variants) > 1 and not self.fits(_size(variants)):
            variants = variants[:-1]
        self._kept[key] = variants
        for place in key.places:
            self._by_url.setdefault(place, set()).add(key)
        for tag in _tags(variants):
            self._by_tag.setdefault(tag, set()).add(key)
        self._kept.tags[key] = _tags(variants)

    def forget(self, key: Key) -> None:
        """Take a key that is gone out of the indexes; for the shelf, which evicts on its own."""
        for place in key.places:
            _discard(self._by_url, place, key)
        for tag in self._kept.tags.pop(key, ()):
            _discard(self._by_tag, tag, key)

    def _drop_all(self, keys: Iterable[Key]) -> int:
        dropped = 0
        for key in tuple(keys):
            dropped += len(self.variants(key))
            self.drop(key)
        return dropped

    def __repr__(self) -> str:
        return f"<CacheStore: {len(self)} keys, {self.bytes} of {self.max_bytes} bytes>"


class _Shelf(LRUCache[Key, Variants]):
    """cachetools' LRU order, telling the store whom it evicts. Mutable state besides: ``tags`` by key."""

    def __init__(self, max_bytes: int, store: CacheStore) -> None:
        super().__init__(max_bytes, getsizeof=_size)
        self.tags: dict[Key, frozenset[str]] = {}
        self._store = store

    def popitem(self) -> tuple[Key, Variants]:
        key, variants = super().popitem()
        self._store.forget(key)
        return key, variants


def places_of(url: str) -> tuple[str, ...]:
    """What a URL is purged by: as it is, and without its scheme where it has one."""
    return (url, url.partition(":")[2]) if url.startswith(("http://", "https://")) else (url,)


def _size(variants: Variants) -> int:
    return sum(stored.size for stored in variants)


def _tags(variants: Variants) -> frozenset[str]:
    return frozenset(tag for stored in variants for tag in stored.tags)


def _discard(index: dict[str, set[Key]], name: str, key: Key) -> None:
    keys = index.get(name)
    if keys is not None:
        keys.discard(key)
        if not keys:
            del index[name]
