//! Graphs as bytes, whole and damaged.

use std::convert::Infallible;

use proptest::prelude::*;
use vectorizer_hnsw::links::NO_LINK;
use vectorizer_hnsw::{Graph, GraphBytes, Header, HnswError, Links, Params, decode_block};
use vectorizer_hnsw::{Scratch, SearchParams, UpperLayers, search};
use vectorizer_model::layout::PAGE_BYTES;
use vectorizer_model::{AllRows, Ordinal, RowScorer};

use crate::support::{Vectors, built_inline};

pub(crate) fn encoded(graph: &Graph) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = graph.encode(|part| {
        bytes.extend_from_slice(part);
        Ok::<_, Infallible>(())
    });
    assert!(written.is_ok());
    bytes
}

fn small() -> (Vectors, Graph) {
    let vectors = Vectors::clustered(300, 4, 5, 1);
    let graph = built_inline(&vectors, &Params { m: 4, ef_construct: 20, seed: 3 });
    (vectors, graph)
}

#[test]
fn bytes_give_the_graph_back() {
    for (rows, m) in [(0, 4), (1, 4), (300, 4), (5_000, 16), (2_000, 7)] {
        let vectors = Vectors::clustered(rows, 4, 5, 1);
        let graph = built_inline(&vectors, &Params { m, ef_construct: 20, seed: 3 });
        let bytes = encoded(&graph);
        let header = Header::parse(&bytes).expect("bytes just written");
        assert_eq!(header, graph.header());
        assert_eq!(header.bytes(), bytes.len() as u64);
        assert_eq!(header.blocks_range().start % PAGE_BYTES as u64, 0);
        let mut stored = GraphBytes::parse(&bytes).expect("bytes just written");
        assert_eq!(stored.rows(), rows);
        assert_eq!(stored.entry(), graph.upper().entry());
        let top = graph.upper().entry().map_or(0, |(_, top)| top);
        let (mut built, mut read) = (Vec::new(), Vec::new());
        for level in 0..=top + 1 {
            for row in (0..rows).map(Ordinal::from_index) {
                let Ok(()) = Links::neighbors(&mut &graph, level, row, &mut built);
                assert_eq!(stored.neighbors(level, row, &mut read), Ok(()));
                assert_eq!(built, read);
            }
        }
    }
}

#[test]
fn links_out_of_range_are_refused() {
    let block = |links: [u32; 4]| links.map(u32::to_le_bytes).concat();
    let mut out = Vec::new();
    assert_eq!(decode_block(&block([2, 0, NO_LINK, NO_LINK]), 3, &mut out), Ok(()));
    assert_eq!(out, [Ordinal(2), Ordinal(0)]);
    assert_eq!(decode_block(&block([NO_LINK; 4]), 3, &mut out), Ok(()));
    assert!(out.is_empty());
    let refused = decode_block(&block([2, 3, 0, 1]), 3, &mut out);
    assert!(matches!(refused, Err(HnswError::Corrupt { what: "link", found: 3, .. })));
}

#[test]
fn every_cut_is_refused() {
    let bytes = encoded(&small().1);
    for len in 0..bytes.len() {
        assert!(matches!(GraphBytes::parse(&bytes[..len]), Err(HnswError::Corrupt { .. })));
    }
}

#[test]
fn foreign_bytes_are_refused() {
    let mut bytes = encoded(&small().1);
    bytes[8] = 2;
    let refused = Header::parse(&bytes);
    assert!(matches!(refused, Err(HnswError::Corrupt { what: "version", found: 2, .. })));
    bytes[0] = 0;
    assert!(matches!(Header::parse(&bytes), Err(HnswError::Corrupt { what: "magic", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damage_never_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        near_start in any::<bool>(),
    ) {
        let (vectors, graph) = small();
        let mut bytes = encoded(&graph);
        let within = if near_start { 1_500 } else { bytes.len() };
        for (index, byte) in changes {
            bytes[index.index(within)] = byte;
        }
        if let Ok(mut links) = GraphBytes::parse(&bytes)
            && links.rows() == vectors.rows()
        {
            let params = SearchParams { ef: 400, limit: 10, visit_limit: 10_000, seeds: &[] };
            let mut all = AllRows { rows: links.rows() as u64 };
            let mut query = vectors.query(&[0.5; 4]);
            let mut scratch = Scratch::new();
            match search(&mut links, &mut query, &mut all, &params, &mut scratch) {
                Ok(_) => prop_assert!(scratch.results().len() <= 10),
                Err(error) => prop_assert!(error.to_string().contains("links")),
            }
        }
    }

    #[test]
    fn any_upper_layers_never_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let header = small().1.header();
        let mut upper = body;
        if UpperLayers::parse(&header, &upper).is_err() {
            upper.truncate(upper.len() / 2);
            prop_assert!(UpperLayers::parse(&header, &upper).is_err());
        }
    }
}
