//! What a search finds, against brute force.

use vectorizer_hnsw::{GraphBytes, Links, Params};
use vectorizer_model::RowScorer;

use crate::support::{Threads, Uniform, Vectors, built, built_inline, found, recall};

pub(crate) fn mean_recall<L: Links<Error: std::fmt::Debug>>(
    vectors: &Vectors,
    mut links: L,
    ef: usize,
) -> f32 {
    let mut uniform = Uniform(99);
    let queries = 100;
    let mut total = 0.0;
    for _ in 0..queries {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below rows")]
        let near = (uniform.next() * vectors.rows() as f32) as u32;
        let near = vectors.row(vectorizer_model::Ordinal(near));
        let query: Vec<f32> = near.iter().map(|value| value + uniform.next() - 0.5).collect();
        let results = found(&mut links, vectors, &query, (ef, 10));
        assert!(results.is_sorted(), "nearest first, ties by ordinal");
        total += recall(&results, &vectors.nearest(&query, 10, |_| true));
    }
    total / queries as f32
}

#[test]
fn clustered_rows_are_found() {
    let vectors = Vectors::clustered(20_000, 32, 100, 1);
    let params = Params { m: 16, ef_construct: 100, seed: 5 };
    let alone = built_inline(&vectors, &params);
    let recall = mean_recall(&vectors, &alone, 128);
    assert!(recall >= 0.97, "one worker: recall {recall}");
    let together = built(&vectors, &params, &Threads(4));
    let recall = mean_recall(&vectors, &together, 128);
    assert!(recall >= 0.97, "four workers: recall {recall}");
    assert!(mean_recall(&vectors, &alone, 400) >= recall - 0.01);
}

#[test]
fn stored_and_built_links_find_the_same() {
    let vectors = Vectors::clustered(3_000, 16, 30, 2);
    let graph = built_inline(&vectors, &Params { m: 5, ef_construct: 50, seed: 1 });
    let bytes = crate::bytes::encoded(&graph);
    let mut stored = GraphBytes::parse(&bytes).expect("bytes just written");
    for query in vectors.values.chunks_exact(16).step_by(100) {
        let built = found(&mut &graph, &vectors, query, (32, 10));
        assert_eq!(built, found(&mut stored, &vectors, query, (32, 10)));
        assert_eq!(built[0].distance.to_bits(), 0, "the row itself");
    }
}
