//! Latencies, counted in buckets 1.6 % wide.

const SUB: u32 = 6;

/// From one nanosecond to minutes, in 64 buckets for each doubling.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; 40 << SUB], total: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, nanoseconds: u64) {
        let last = self.counts.len() - 1;
        self.counts[bucket(nanoseconds).min(last)] += 1;
        self.total += 1;
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    pub fn count(&self) -> u64 {
        self.total
    }

    /// The latency in milliseconds that this share (0 to 1) of the requests did not exceed.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_edge(at) as f64 / 1e6;
            }
        }
        0.0
    }
}

fn bucket(value: u64) -> usize {
    if value < 1 << SUB {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - SUB;
    (((shift + 1) as usize) << SUB) + ((value >> shift) as usize & ((1 << SUB) - 1))
}

fn upper_edge(bucket: usize) -> u64 {
    let (octave, rest) = (bucket >> SUB, bucket as u64 & ((1 << SUB) - 1));
    match octave.checked_sub(1) {
        None => rest,
        Some(shift) => ((rest + (1 << SUB) + 1) << shift) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for value in (0..100_000).chain([1 << 20, 999_999_999, 59_000_000_000]) {
            let at = bucket(value);
            assert!(value <= upper_edge(at), "{value}");
            assert!(at == 0 || value > upper_edge(at - 1), "{value}");
        }
    }

    #[test]
    fn quantiles_are_the_right_ranks() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|ms| histogram.add(ms * 1_000_000));
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let found = histogram.quantile_ms(share);
            assert!((found - expected) / expected < 0.016 && found >= expected, "{share}: {found}");
        }
    }
}
