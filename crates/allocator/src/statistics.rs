//! PyTorch's statistics, under PyTorch's names (`torch.cuda.memory_stats`).

use gapless_trace::SizePool;

/// One number over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What it is now.
    pub current: u64,
    /// The most it was.
    pub peak: u64,
    /// All its increases together, modulo 2^64: 10 TB a second get there in three weeks.
    pub allocated: u64,
    /// All its decreases together, modulo 2^64.
    pub freed: u64,
}

impl Change {
    // Every request passes here several times. No more goes back than came, and what came and went in
    // all goes round after 2^64.
    #[inline]
    fn increase(&mut self, amount: u64) {
        self.current = self.current.wrapping_add(amount);
        self.allocated = self.allocated.wrapping_add(amount);
        self.peak = self.peak.max(self.current);
    }

    #[inline]
    fn decrease(&mut self, amount: u64) {
        self.current = self.current.wrapping_sub(amount);
        self.freed = self.freed.wrapping_add(amount);
    }
}

/// One number for all pools, and for the small and the large ones alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistic {
    /// Both kinds of pools.
    pub all: Change,
    /// Pools of blocks up to 1 MiB.
    pub small_pool: Change,
    /// Pools of larger blocks.
    pub large_pool: Change,
}

impl Statistic {
    #[inline]
    fn of(&mut self, pool: SizePool) -> &mut Change {
        match pool {
            SizePool::Small => &mut self.small_pool,
            SizePool::Large => &mut self.large_pool,
        }
    }

    #[inline]
    pub(crate) fn increase(&mut self, pool: SizePool, amount: u64) {
        self.all.increase(amount);
        self.of(pool).increase(amount);
    }

    #[inline]
    pub(crate) fn decrease(&mut self, pool: SizePool, amount: u64) {
        self.all.decrease(amount);
        self.of(pool).decrease(amount);
    }

    /// The net of several changes at once, as PyTorch counts it: one increase or one decrease.
    pub(crate) fn change(&mut self, pool: SizePool, amount: i128) {
        let size = u64::try_from(amount.unsigned_abs()).unwrap_or(u64::MAX);
        if 0 < amount {
            self.increase(pool, size);
        } else if amount < 0 {
            self.decrease(pool, size);
        }
    }
}

/// Everything PyTorch's allocator counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Blocks the program holds.
    pub allocation: Statistic,
    /// Bytes of blocks the program holds.
    pub allocated_bytes: Statistic,
    /// Blocks that are not free: held, or waiting for another stream.
    pub active: Statistic,
    /// Bytes of blocks that are not free.
    pub active_bytes: Statistic,
    /// Bytes the program asked for in blocks that are not free.
    pub requested_bytes: Statistic,
    /// Segments, expandable ones not counted.
    pub segment: Statistic,
    /// Bytes held from the device.
    pub reserved_bytes: Statistic,
    /// Free blocks that are not a whole segment, expandable ones not counted.
    pub inactive_split: Statistic,
    /// Bytes of such blocks.
    pub inactive_split_bytes: Statistic,
    /// Blocks held that the split limit keeps whole.
    pub oversize_allocations: Change,
    /// Segments that the split limit keeps whole.
    pub oversize_segments: Change,
    /// Requests that reached the last resort: all of the cache given back, and one more try.
    pub num_alloc_retries: u64,
    /// Requests that failed.
    pub num_ooms: u64,
    /// Requests that were rejected before the device was asked.
    pub num_oom_rejections: u64,
    /// Waits for every stream.
    pub num_sync_all_streams: u64,
    /// Segments taken from the device, and ranges mapped.
    pub num_device_alloc: u64,
    /// Segments given back to the device, and ranges unmapped.
    pub num_device_free: u64,
}

impl Statistics {
    /// What is counted for each pool, by PyTorch's name.
    pub fn by_pool(&self) -> [(&'static str, Statistic); 9] {
        [
            ("allocation", self.allocation),
            ("allocated_bytes", self.allocated_bytes),
            ("active", self.active),
            ("active_bytes", self.active_bytes),
            ("requested_bytes", self.requested_bytes),
            ("segment", self.segment),
            ("reserved_bytes", self.reserved_bytes),
            ("inactive_split", self.inactive_split),
            ("inactive_split_bytes", self.inactive_split_bytes),
        ]
    }

    /// Takes the present for the peak, in these numbers only: not in the allocator that told them, for
    /// which `reset_peaks` of [`GaplessAllocator`](crate::GaplessAllocator) and
    /// [`SharedAllocator`](crate::SharedAllocator) does.
    pub fn reset_peaks(&mut self) {
        self.each(|change| change.peak = change.current);
    }

    /// Forgets what was added up (`torch.cuda.reset_accumulated_memory_stats`), in these numbers
    /// only.
    pub fn reset_accumulated(&mut self) {
        self.each(|change| (change.allocated, change.freed) = (0, 0));
        self.num_alloc_retries = 0;
        self.num_ooms = 0;
        self.num_oom_rejections = 0;
        self.num_sync_all_streams = 0;
        self.num_device_alloc = 0;
        self.num_device_free = 0;
    }

    fn each(&mut self, reset: impl Fn(&mut Change)) {
        for statistic in [
            &mut self.allocation,
            &mut self.allocated_bytes,
            &mut self.active,
            &mut self.active_bytes,
            &mut self.requested_bytes,
            &mut self.segment,
            &mut self.reserved_bytes,
            &mut self.inactive_split,
            &mut self.inactive_split_bytes,
        ] {
            reset(&mut statistic.all);
            reset(&mut statistic.small_pool);
            reset(&mut statistic.large_pool);
        }
        reset(&mut self.oversize_allocations);
        reset(&mut self.oversize_segments);
    }

    /// What is counted once, by PyTorch's name.
    pub fn counters(&self) -> [(&'static str, u64); 6] {
        [
            ("num_alloc_retries", self.num_alloc_retries),
            ("num_ooms", self.num_ooms),
            ("num_oom_rejections", self.num_oom_rejections),
            ("num_sync_all_streams", self.num_sync_all_streams),
            ("num_device_alloc", self.num_device_alloc),
            ("num_device_free", self.num_device_free),
        ]
    }

    pub(crate) fn add_oversize_allocation(&mut self) {
        self.oversize_allocations.increase(1);
    }

    pub(crate) fn remove_oversize_allocation(&mut self) {
        self.oversize_allocations.decrease(1);
    }

    pub(crate) fn add_oversize_segment(&mut self) {
        self.oversize_segments.increase(1);
    }

    pub(crate) fn remove_oversize_segment(&mut self) {
        self.oversize_segments.decrease(1);
    }
}
