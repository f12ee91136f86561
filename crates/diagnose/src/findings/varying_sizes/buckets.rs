//! Padding buckets: a few sizes to round up to, chosen so that the padding costs least.
//!
//! With the sizes sorted, the best buckets for the first `n` sizes end with a last bucket that
//! starts somewhere, before which stand the best for the rest: dynamic programming over that start
//! finds the optimum (Jenks' natural breaks with the padding as cost).

use std::collections::BTreeMap;

use gapless_units::Bytes;

/// The most buckets a program will want to handle.
const MOST_BUCKETS: usize = 6;
/// More sizes than this are first merged with their larger neighbors; a bound on time.
const MOST_SIZES: usize = 256;
/// Another bucket is worth it if it saves this share of what is asked for.
const WORTH: f64 = 0.02;

/// Sizes to pad to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Buckets {
    /// The sizes, ascending.
    pub(super) tops: Vec<Bytes>,
    /// The padding as a share of what is asked for.
    pub(super) cost: f64,
}

impl Buckets {
    /// The cheapest buckets for `sizes` and how often each is asked for; none where padding to a
    /// handful is no simplification.
    pub(super) fn cheapest(sizes: &BTreeMap<Bytes, u64>) -> Option<Self> {
        let sizes = merged(sizes);
        let most = MOST_BUCKETS.min(sizes.len().checked_sub(1)?);
        let asked: f64 = sizes.iter().map(|&(size, count)| size * count).sum();
        let ladder = Ladder::build(&sizes, most);
        let costs: Vec<f64> = (1..=most).map(|k| ladder.cost(k) / asked).collect();
        let enough = (1..costs.len()).find(|&k| costs[k - 1] - costs[k] < WORTH).unwrap_or(most);
        let tops = ladder.tops(&sizes, enough);
        Some(Self { tops, cost: *costs.get(enough.checked_sub(1)?)? })
    }
}

/// The sizes with their counts, neighbors merged upwards until they are few.
fn merged(sizes: &BTreeMap<Bytes, u64>) -> Vec<(f64, f64)> {
    let group = sizes.len().div_ceil(MOST_SIZES).max(1);
    let sizes: Vec<(f64, f64)> =
        sizes.iter().map(|(size, &count)| (size.get() as f64, count as f64)).collect();
    let merge = |group: &[(f64, f64)]| {
        let top = group.last().map_or(0.0, |last| last.0);
        (top, group.iter().map(|size| size.1).sum())
    };
    sizes.chunks(group).map(merge).collect()
}

/// The least padding for the first sizes with a number of buckets, and where the last one starts.
struct Ladder {
    /// `best[k][n]`: the padding and the start for the first `n` sizes in `k + 1` buckets.
    best: Vec<Vec<(f64, usize)>>,
}

impl Ladder {
    fn build(sizes: &[(f64, f64)], most: usize) -> Self {
        let sums = Sums::of(sizes);
        let first = (0..=sizes.len()).map(|end| (sums.padding(sizes, 0, end), 0)).collect();
        let mut best: Vec<Vec<(f64, usize)>> = vec![first];
        for _ in 1..most {
            let before = &best[best.len() - 1];
            let next = (0..=sizes.len())
                .map(|end| {
                    let starts = (0..=end)
                        .map(|start| (before[start].0 + sums.padding(sizes, start, end), start));
                    starts.min_by(|one, other| one.0.total_cmp(&other.0)).unwrap_or((0.0, 0))
                })
                .collect();
            best.push(next);
        }
        Self { best }
    }

    /// The least padding in `buckets` buckets.
    fn cost(&self, buckets: usize) -> f64 {
        self.best[buckets - 1].last().map_or(0.0, |best| best.0)
    }

    /// The largest size of each bucket.
    fn tops(&self, sizes: &[(f64, f64)], buckets: usize) -> Vec<Bytes> {
        let mut tops = Vec::new();
        let mut end = sizes.len();
        for level in self.best[..buckets].iter().rev() {
            if let Some(last) = end.checked_sub(1) {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the size was a number of bytes below 2^53"
                )]
                tops.push(Bytes::new(sizes[last].0 as u64));
            }
            end = level[end].1;
        }
        tops.reverse();
        tops.dedup();
        tops
    }
}

/// Running sums of counts and of bytes.
struct Sums {
    counts: Vec<f64>,
    bytes: Vec<f64>,
}

impl Sums {
    fn of(sizes: &[(f64, f64)]) -> Self {
        let mut sums = Self { counts: vec![0.0], bytes: vec![0.0] };
        let (mut counts, mut bytes) = (0.0, 0.0);
        for &(size, count) in sizes {
            counts += count;
            bytes += size * count;
            sums.counts.push(counts);
            sums.bytes.push(bytes);
        }
        sums
    }

    /// What padding the sizes `[start, end)` to the largest of them costs.
    fn padding(&self, sizes: &[(f64, f64)], start: usize, end: usize) -> f64 {
        let Some(last) = end.checked_sub(1).filter(|_| start < end) else { return 0.0 };
        let count = self.counts[end] - self.counts[start];
        sizes[last].0 * count - (self.bytes[end] - self.bytes[start])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheapest(sizes: &[(u64, u64)]) -> Buckets {
        let sizes = sizes.iter().map(|&(mib, count)| (Bytes::mib(mib), count)).collect();
        Buckets::cheapest(&sizes).unwrap()
    }

    #[test]
    fn two_clusters_make_two_buckets() {
        let buckets = cheapest(&[(99, 1), (100, 1), (198, 1), (199, 1), (200, 1)]);
        assert_eq!(buckets.tops, [Bytes::mib(100), Bytes::mib(200)]);
        assert!((buckets.cost - 4.0 / 796.0).abs() < 1e-9, "{}", buckets.cost);
    }

    #[test]
    fn nearly_equal_sizes_make_one() {
        let buckets = cheapest(&[(99, 10), (100, 10), (101, 10), (102, 10)]);
        assert_eq!(buckets.tops, [Bytes::mib(102)]);
    }

    #[test]
    fn every_size_fits_the_last_bucket() {
        let buckets = cheapest(&[(10, 5), (20, 1), (40, 3), (80, 2), (160, 1), (320, 1)]);
        assert_eq!(buckets.tops.last(), Some(&Bytes::mib(320)));
        assert!(buckets.tops.is_sorted());
    }
}
