//! The nearest rows of one segment: by graph, by scanning codes, or by scanning vectors.

use vectorizer_hnsw::{Outcome, Scratch, SearchError};
use vectorizer_model::{AllRows, Cardinality, Ordinal, Scored, Scorer, Selection, VectorName};
use vectorizer_pages::Ahead;
use vectorizer_quantize::QueryCodes;

use crate::codes::CodeColumn;
use crate::error::{Result, SearchResult, SegmentError, SegmentSearchError};
use crate::graph::{Lookahead, PagedLinks};
use crate::rows::RowTable;
use crate::scan::{BATCH, Nearest, RUN, RunScorer, cut, judge, scan};
use crate::segment::Segment;
use crate::shortlist::Shortlist;
use crate::store::PooledReader;
use crate::vectors::VectorColumn;

/// Bytes of codes that are scanned in about the time that a graph search takes.
const SCAN_BYTES: u64 = 1 << 20;
/// Rows of a selection from which a filtered search also starts.
const SEEDS: usize = 16;
/// A selection that admits at least so many rows of a hundred is asked after a walk.
const WIDE_PERCENT: usize = 40;

/// What is sought in one segment.
#[derive(Debug, Clone)]
pub struct SegmentQuery<'a> {
    /// Which vector.
    pub vector: &'a VectorName,
    /// What it is compared with; shape `[dim]`, normalised if the metric is cosine.
    pub query: &'a [f32],
    /// Rows wanted.
    pub limit: usize,
    /// Candidates of a graph search.
    pub ef: usize,
    /// Candidates that are rescored with the stored vectors; 0 means that codes decide.
    pub rescored: usize,
    /// Whether every row is compared, with its stored vector.
    pub exact: bool,
}

impl SegmentQuery<'_> {
    /// The most candidates that a search for `ef` of them keeps: the scratch is to hold as many.
    pub fn candidates_max(ef: usize) -> usize {
        ef.saturating_mul(100).div_ceil(WIDE_PERCENT)
    }
}

impl Segment {
    /// The admitted rows nearest to a query, nearest first, ties by id. Of more than `ef` rows at the
    /// same distance by their codes a walk of the graph finds some.
    ///
    /// A row without the vector is never admitted; the caller's selection sees to that unless
    /// [`Segment::is_complete`]. Rows that segments searched before leave no room for on the
    /// shortlist may be missing.
    ///
    /// # Errors
    /// If a page cannot be read, or the selection fails.
    pub fn search<F: Selection>(
        &self,
        query: &SegmentQuery<'_>,
        selection: &mut F,
        (scratch, shortlist): (&mut Scratch, &mut Shortlist),
    ) -> SearchResult<Vec<Scored>, F::Error> {
        let Some(parts) = self.parts(query.vector) else { return Ok(Vec::new()) };
        let rows = self.rows();
        let mut exact = ExactScorer {
            column: &parts.column,
            query: query.query,
            reader: parts.column.reader()?,
        };
        let Some(codes) = parts.codes.as_ref().filter(|_| !query.exact) else {
            return scan(rows, &mut exact, selection, Nearest::new(query.limit, self.rows_table()));
        };
        let lookahead = parts.graph.as_ref().map(|graph| Lookahead::new(graph, codes));
        let mut approximate = CodeScorer {
            codes,
            query: codes.quantizer().query(query.query),
            reader: codes.reader()?,
            lookahead: lookahead.as_ref(),
        };
        let wanted = query.limit.max(query.rescored);
        let candidates = match parts.graph.as_ref().zip(lookahead.as_ref()) {
            Some((graph, lookahead)) if !scan_is_cheaper(codes, selection, rows) => {
                let links = graph.links()?.noting(lookahead);
                walk(links, &mut approximate, selection, (query, self.rows_table()), scratch)?
            }
            _ => None,
        };
        let mut candidates = if let Some(candidates) = candidates {
            candidates
        } else {
            if let Some(lookahead) = &lookahead {
                lookahead.note(std::iter::empty());
            }
            let nearest = Nearest::within(wanted, shortlist.within(), self.rows_table());
            scan(rows, &mut approximate, selection, nearest)?
        };
        shortlist.add(candidates.iter().map(|scored| scored.distance));
        let within = shortlist.within();
        if within.is_finite() {
            candidates.truncate(candidates.partition_point(|scored| scored.distance <= within));
        }
        if query.rescored == 0 {
            cut(&mut candidates, query.limit, 0, self.rows_table())?;
            return Ok(candidates);
        }
        cut(&mut candidates, wanted, wanted, self.rows_table())?;
        Ok(rescore(&mut exact, &candidates, query, self.rows_table())?)
    }
}

fn scan_is_cheaper<F: Selection>(codes: &CodeColumn, selection: &F, rows: u32) -> bool {
    let admitted = selection.cardinality().rows().min(u64::from(rows));
    admitted * codes.quantizer().code_bytes() as u64 <= SCAN_BYTES
}

/// Searches the graph; none if that would cost more than a scan.
fn walk<F: Selection>(
    mut links: PagedLinks<'_>,
    scorer: &mut CodeScorer<'_>,
    selection: &mut F,
    (query, table): (&SegmentQuery<'_>, &RowTable),
    scratch: &mut Scratch,
) -> SearchResult<Option<Vec<Scored>>, F::Error> {
    let rows = vectorizer_hnsw::Links::rows(&links) as u64;
    let admitted = selection.cardinality().rows().min(rows);
    let everything = selection.cardinality() == Cardinality::Exact(rows);
    if !everything && admitted * 100 >= rows * WIDE_PERCENT as u64 {
        let found = walk_wide(&mut links, scorer, selection, (query, table), scratch)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    let seeds = if admitted < rows { seeds(selection, rows)? } else { Vec::new() };
    let ef = query.ef.max(query.limit);
    let params = vectorizer_hnsw::SearchParams {
        ef,
        limit: ef,
        visit_limit: usize::try_from(admitted.max(1)).unwrap_or(usize::MAX).max(query.ef * 64),
        seeds: &seeds,
    };
    match vectorizer_hnsw::search(&mut links, scorer, selection, &params, scratch) {
        Ok(Outcome::Done(_)) => Ok(Some(scratch.results().to_vec())),
        Ok(Outcome::LimitReached(_)) => Ok(None),
        Err(SearchError::Links(error) | SearchError::Scorer(error)) => Err(error.into()),
        Err(SearchError::Selection(error)) => Err(SegmentSearchError::Selection(error)),
    }
}

/// Searches the graph for so many candidates that enough of them should be admitted, and asks the
/// selection then: a walk that need not tell rows apart costs less. None if too few are, because
/// what is admitted lies elsewhere.
fn walk_wide<F: Selection>(
    links: &mut PagedLinks<'_>,
    scorer: &mut CodeScorer<'_>,
    selection: &mut F,
    (query, table): (&SegmentQuery<'_>, &RowTable),
    scratch: &mut Scratch,
) -> SearchResult<Option<Vec<Scored>>, F::Error> {
    let rows = vectorizer_hnsw::Links::rows(links) as u64;
    let admitted = selection.cardinality().rows().clamp(1, rows);
    let ef = query.ef.max(query.limit);
    let wanted = query.limit.max(query.rescored).min(ef);
    let wide = (ef as u64 * rows).div_ceil(admitted);
    let wide = usize::try_from(wide).unwrap_or(usize::MAX).min(SegmentQuery::candidates_max(ef));
    let params = vectorizer_hnsw::SearchParams {
        ef: wide,
        limit: wide,
        visit_limit: usize::try_from(admitted).unwrap_or(usize::MAX).max(wide * 64),
        seeds: &[],
    };
    match vectorizer_hnsw::search(links, scorer, &mut AllRows { rows }, &params, scratch) {
        Ok(Outcome::Done(_)) => {}
        Ok(Outcome::LimitReached(_)) => return Ok(None),
        Err(SearchError::Links(error) | SearchError::Scorer(error)) => return Err(error.into()),
        Err(SearchError::Selection(never)) => match never {},
    }
    let mut nearest = Nearest::new(wanted, table);
    judge(scratch.results(), selection, &mut nearest)?;
    Ok(nearest.is_full().then(|| nearest.into_sorted()))
}

/// A few admitted rows, spread over the segment.
fn seeds<F: Selection>(selection: &mut F, rows: u64) -> SearchResult<Vec<Ordinal>, F::Error> {
    let mut seeds = Vec::with_capacity(SEEDS);
    for number in 0..SEEDS as u64 {
        let from = u32::try_from(rows * number / SEEDS as u64).unwrap_or(u32::MAX);
        let end = u32::try_from(rows * (number + 1) / SEEDS as u64).unwrap_or(u32::MAX);
        let found = selection
            .next(Ordinal(from), Ordinal(end.min(from.saturating_add(4096))))
            .map_err(SegmentSearchError::Selection)?;
        seeds.extend(found);
    }
    Ok(seeds)
}

/// Replaces approximate distances by exact ones and keeps the nearest.
fn rescore(
    exact: &mut ExactScorer<'_>,
    candidates: &[Scored],
    query: &SegmentQuery<'_>,
    table: &RowTable,
) -> Result<Vec<Scored>> {
    let ordinals: Vec<Ordinal> = candidates.iter().map(|scored| scored.ordinal).collect();
    let mut distances = vec![0.0; ordinals.len()];
    for (ordinals, distances) in ordinals.chunks(BATCH).zip(distances.chunks_mut(BATCH)) {
        exact.score(ordinals, distances)?;
    }
    let scored = ordinals.into_iter().zip(distances);
    let mut nearest: Vec<Scored> =
        scored.map(|(ordinal, distance)| Scored { distance, ordinal }).collect();
    nearest.sort_unstable();
    cut(&mut nearest, query.limit, 0, table)?;
    Ok(nearest)
}

struct ExactScorer<'a> {
    column: &'a VectorColumn,
    query: &'a [f32],
    reader: PooledReader,
}

impl Scorer for ExactScorer<'_> {
    type Error = SegmentError;

    fn prefetch(&mut self, _: &[Ordinal]) {}

    fn score(&mut self, ordinals: &[Ordinal], out: &mut [f32]) -> Result<()> {
        self.column.score(&mut self.reader, self.query, ordinals, out)
    }
}

impl RunScorer for ExactScorer<'_> {
    fn score_run(&mut self, first: Ordinal, out: &mut [f32]) -> Result<()> {
        let mut ordinals = [first; RUN];
        for (number, ordinal) in (first.0..).zip(&mut ordinals) {
            ordinal.0 = number;
        }
        self.score(&ordinals[..out.len()], out)
    }
}

struct CodeScorer<'a> {
    codes: &'a CodeColumn,
    query: QueryCodes,
    reader: PooledReader,
    /// What a walk will read next.
    lookahead: Option<&'a Lookahead<'a>>,
}

impl Scorer for CodeScorer<'_> {
    type Error = SegmentError;

    /// Rows are asked for where they are pinned, at the start of each score.
    fn prefetch(&mut self, _: &[Ordinal]) {}

    fn score(&mut self, ordinals: &[Ordinal], out: &mut [f32]) -> Result<()> {
        let ahead = |ahead: &mut Ahead<'_>| {
            if let Some(lookahead) = self.lookahead {
                lookahead.want(ahead);
            }
        };
        self.codes.score((&mut self.reader, ahead), &self.query, ordinals, out)
    }
}

impl RunScorer for CodeScorer<'_> {
    fn score_run(&mut self, first: Ordinal, out: &mut [f32]) -> Result<()> {
        self.codes.score_run(&mut self.reader, &self.query, first, out)
    }
}
