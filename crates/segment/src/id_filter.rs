//! A small filter that answers "this segment has no such id" without reading the id table.
//!
//! Source: split-block Bloom filter (Apache Parquet's `BloomFilter.md`): eight 32-bit words to a
//! block, one bit in each, about 10 bits for each id, one false answer in about a hundred.

use vectorizer_model::PointId;

const WORDS: usize = 8;
const SALT: [u32; WORDS] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// A set of ids that may answer yes wrongly, never no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdFilter {
    blocks: Vec<[u32; WORDS]>,
}

impl IdFilter {
    /// Bytes of a filter for `rows` ids.
    pub(crate) fn bytes_needed(rows: usize) -> u64 {
        Self::blocks_for(rows) as u64 * 32
    }

    fn blocks_for(rows: usize) -> usize {
        (rows * 10).div_ceil(256).max(1)
    }

    pub(crate) fn new(rows: usize) -> Self {
        Self { blocks: vec![[0; WORDS]; Self::blocks_for(rows)] }
    }

    fn block(&self, hash: u64) -> usize {
        ((u128::from(hash >> 32) * self.blocks.len() as u128) >> 32) as usize
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half of the hash")]
    fn bit(hash: u64, word: usize) -> u32 {
        1 << ((hash as u32).wrapping_mul(SALT[word]) >> 27)
    }

    pub(crate) fn insert(&mut self, id: PointId) {
        let hash = id.placement_hash();
        let block = self.block(hash);
        for (word, bits) in self.blocks[block].iter_mut().enumerate() {
            *bits |= Self::bit(hash, word);
        }
    }

    pub(crate) fn may_contain(&self, id: PointId) -> bool {
        let hash = id.placement_hash();
        let block = &self.blocks[self.block(hash)];
        block.iter().enumerate().all(|(word, bits)| bits & Self::bit(hash, word) != 0)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<32>();
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let word = |block: &[u8; 32], at: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&block[at * 4..at * 4 + 4]);
            u32::from_le_bytes(bytes)
        };
        Some(Self {
            blocks: blocks.iter().map(|block| std::array::from_fn(|at| word(block, at))).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_denies_a_member_and_rarely_admits_a_stranger() {
        let mut filter = IdFilter::new(10_000);
        (0..10_000).for_each(|n| filter.insert(PointId::Num(n)));
        let filter = IdFilter::parse(&filter.to_bytes()).expect("own bytes");
        assert!((0..10_000).all(|n| filter.may_contain(PointId::Num(n))));
        let wrong = (10_000..110_000).filter(|&n| filter.may_contain(PointId::Num(n))).count();
        assert!(wrong < 3_000, "{wrong} of 100000 strangers admitted");
    }
}
