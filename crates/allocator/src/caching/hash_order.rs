//! A table that is walked in the order of PyTorch's hash tables.
//!
//! PyTorch walks some tables in storage order, which decides the order of events where several
//! streams wait. The tables are open-addressing ones with robin-hood insertion, backward-shift
//! erasure and Fibonacci hashing (`c10/util/flat_hash_map.h`); this is such a table.

use gapless_units::{DeviceId, StreamId};

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 11400714819323198485;

/// The hash PyTorch gives a stream.
///
/// It is computed from the stream's id, which a recording does not tell; the k-th stream beside
/// the default one is taken for the k-th that PyTorch's pool of streams gave.
pub(super) fn hash_of(stream: StreamId, device: DeviceId) -> u64 {
    let id = match stream.0.checked_sub(1) {
        None => 0,
        Some(position) => position.wrapping_mul(32).wrapping_add(3),
    };
    (1 << 56 | u64::from(device.0) << 48) ^ id
}

#[derive(Clone, Debug)]
struct Entry<V> {
    hash: u64,
    key: StreamId,
    value: V,
    /// How far it lies behind its home.
    distance: usize,
}

/// Values by stream, walked in storage order.
#[derive(Clone, Debug)]
pub(super) struct StreamTable<V> {
    /// The buckets, and behind them as many more as an entry may lie away from its home.
    slots: Vec<Option<Entry<V>>>,
    buckets: usize,
    entries: usize,
}

impl<V> Default for StreamTable<V> {
    fn default() -> Self {
        Self { slots: Vec::new(), buckets: 0, entries: 0 }
    }
}

impl<V: Default> StreamTable<V> {
    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    fn farthest(&self) -> usize {
        4.max(self.buckets.checked_ilog2().unwrap_or(0) as usize)
    }

    fn home(&self, hash: u64) -> usize {
        let shift = 64 - self.buckets.ilog2();
        usize::try_from(GOLDEN.wrapping_mul(hash) >> shift).unwrap_or(0)
    }

    fn position(&self, key: StreamId) -> Option<usize> {
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(|entry| entry.key == key))
    }

    /// The value of `key`, a new one where it has none.
    pub(super) fn entry(&mut self, key: StreamId, device: DeviceId) -> &mut V {
        if self.position(key).is_none() {
            let hash = hash_of(key, device);
            self.insert(Entry { hash, key, value: V::default(), distance: 0 });
        }
        let at = self.position(key).unwrap_or_default();
        &mut self.slots[at].get_or_insert_with(|| unreachable!("it was just inserted")).value
    }

    fn insert(&mut self, mut entry: Entry<V>) {
        if self.buckets < 2 * (self.entries + 1) {
            self.grow();
        }
        let mut at = self.home(entry.hash);
        entry.distance = 0;
        loop {
            if self.farthest() <= entry.distance {
                self.grow();
                return self.insert(entry);
            }
            match &mut self.slots[at] {
                Some(other) if other.distance < entry.distance => std::mem::swap(other, &mut entry),
                Some(_) => {}
                vacant @ None => {
                    *vacant = Some(entry);
                    self.entries += 1;
                    return;
                }
            }
            at += 1;
            entry.distance += 1;
        }
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.buckets = 4.max(2 * self.buckets);
        self.entries = 0;
        self.slots.resize_with(self.buckets + self.farthest(), || None);
        for entry in old.into_iter().flatten() {
            self.insert(entry);
        }
    }

    /// The first entry at or behind a place in the storage.
    pub(super) fn at_or_after(&mut self, place: usize) -> Option<(usize, StreamId, &mut V)> {
        let mut behind = self.slots.iter_mut().enumerate().skip(place);
        behind.find_map(|(at, slot)| slot.as_mut().map(|e| (at, e.key, &mut e.value)))
    }

    /// Removes the entry at a place; those behind it shift into the gap.
    pub(super) fn remove_at(&mut self, place: usize) {
        let mut at = place;
        self.slots[at] = None;
        self.entries -= 1;
        while self.slots.get(at + 1).is_some_and(|s| s.as_ref().is_some_and(|e| 0 < e.distance)) {
            self.slots.swap(at, at + 1);
            if let Some(entry) = &mut self.slots[at] {
                entry.distance -= 1;
            }
            at += 1;
        }
    }

    /// Forgets all entries; the storage keeps its size.
    pub(super) fn clear(&mut self) {
        self.slots.fill_with(|| None);
        self.entries = 0;
    }

    /// All values in storage order.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.slots.iter().flatten().map(|entry| &entry.value)
    }

    /// All keys in storage order.
    pub(super) fn keys(&self) -> impl Iterator<Item = StreamId> {
        self.slots.iter().flatten().map(|entry| entry.key)
    }
}
