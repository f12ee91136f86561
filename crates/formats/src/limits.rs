//! How much a reader may take.

/// Bounds on what a reader takes in, for files that claim more than they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes a compressed file may unpack to, whatever its size.
    pub unpacked_bytes: u64,
    /// The most bytes that each byte of a compressed file may unpack to, past the first 64 MiB.
    pub unpacked_ratio: u64,
}

impl Default for Limits {
    /// 64 GiB, and 256 to one: real snapshots compress about 20 to one, and at most 60.
    fn default() -> Self {
        Self { unpacked_bytes: 64 << 30, unpacked_ratio: 256 }
    }
}

impl Limits {
    /// What is always allowed to unpack: small files may repeat themselves a lot.
    const FREE_BYTES: u64 = 64 << 20;

    /// The most bytes a file of `packed` bytes may unpack to.
    pub fn unpacked(&self, packed: usize) -> u64 {
        let packed = u64::try_from(packed).unwrap_or(u64::MAX);
        let by_ratio = packed.saturating_mul(self.unpacked_ratio).saturating_add(Self::FREE_BYTES);
        by_ratio.min(self.unpacked_bytes)
    }
}
