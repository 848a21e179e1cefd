//! Sequences of keys that caches are asked for, seeded: what loads look like, made small.

use crate::random::Random;

/// What a trace is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Zipf's law with exponent 0.8: a long tail.
    Zipf08,
    /// Zipf's law with exponent 1.0.
    Zipf10,
    /// Exponent 0.9, and one request of five for a key that never comes again.
    Zipf09Scan,
    /// All keys of one and a half times the capacity, over and over.
    Loop,
    /// Exponent 1.0, and twenty times in all every rank goes to another key.
    Drift,
    /// Exponent 1.0, with the ranks moving on by one key every hundred requests.
    SlowDrift,
}

impl Trace {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Zipf08, Self::Zipf10, Self::Zipf09Scan, Self::Loop, Self::Drift, Self::SlowDrift];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zipf08 => "zipf 0.8",
            Self::Zipf10 => "zipf 1.0",
            Self::Zipf09Scan => "zipf 0.9 + scan",
            Self::Loop => "loop 1.5",
            Self::Drift => "drift",
            Self::SlowDrift => "slow drift",
        }
    }

    /// So many requests over `keys` keys, for caches of `capacity` entries.
    pub fn keys(self, keys: usize, requests: usize, capacity: usize) -> Vec<u64> {
        const JUMPS: usize = 20;
        const JUMP: usize = 10_007;
        let mut random = Random::new(self as u64 + 1);
        let ranks = Zipf::new(keys, self.exponent());
        let mut never_again = keys as u64;
        let request = |at: usize| {
            let key = match self {
                Self::Zipf09Scan if random.below(5) == 0 => {
                    never_again += 1;
                    return never_again;
                }
                Self::Zipf08 | Self::Zipf10 | Self::Zipf09Scan => ranks.pick(&mut random),
                Self::Loop => at % (capacity * 3 / 2),
                Self::Drift => ranks.pick(&mut random) + at * JUMPS / requests * JUMP,
                Self::SlowDrift => ranks.pick(&mut random) + at / 100,
            };
            (key % keys) as u64
        };
        (0..requests).map(request).collect()
    }

    fn exponent(self) -> f64 {
        match self {
            Self::Zipf08 => 0.8,
            Self::Zipf09Scan => 0.9,
            Self::Zipf10 | Self::Loop | Self::Drift | Self::SlowDrift => 1.0,
        }
    }
}

/// Ranks by Zipf's law.
struct Zipf {
    /// The share of all requests that goes to this rank or a lower one.
    up_to: Vec<f64>,
}

impl Zipf {
    fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=ranks).map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        });
        let mut up_to: Vec<f64> = sums.collect();
        for share in &mut up_to {
            *share /= sum;
        }
        Self { up_to }
    }

    fn pick(&self, random: &mut Random) -> usize {
        let drawn = random.unit();
        self.up_to.partition_point(|share| *share < drawn).min(self.up_to.len() - 1)
    }
}
