//! What a query takes in memory, told before it is asked.

use std::borrow::Cow;

use vectorizer_engine::ReadView;
use vectorizer_model::limits;

use crate::read::ScrollQuery;
use crate::search::{NearestQuery, Target, hits_bytes, without};
use crate::{PayloadSelector, Select, VectorSelector};

impl NearestQuery {
    /// About the bytes that answering it takes over what a view shows.
    pub fn estimate(&self, view: &ReadView) -> u64 {
        let limit = self.window(view);
        let (target, filter) = match &self.target {
            Target::Vector(_) => (0, Cow::Borrowed(&self.filter)),
            Target::Point(id) => {
                let vectors = VectorSelector::Everything;
                let select = Select { payload: PayloadSelector::Nothing, vectors };
                let filter = without(self.filter.clone(), *id);
                (view.estimate_records(&select, 1), Cow::Owned(filter))
            }
        };
        let searched = view.estimate_search(limit, &self.params, &filter);
        // The search has ended when records are read.
        let records = view.estimate_records(&self.select, self.limit);
        hits_bytes(limit).saturating_add(searched.max(records).max(target))
    }
}

impl NearestQuery {
    /// About the bytes of it that it holds while it waits for a search thread.
    pub fn estimate_queued(&self, view: &ReadView) -> u64 {
        hits_bytes(self.window(view))
    }

    /// Hits that it looks for; more than may be asked for are refused before anything is held.
    fn window(&self, view: &ReadView) -> usize {
        self.limit.saturating_add(self.offset).min(limits::WINDOW_MAX).min(view.rows())
    }
}

impl ScrollQuery {
    /// About the bytes that answering it takes over what a view shows.
    pub fn estimate(&self, view: &ReadView) -> u64 {
        let found = view.estimate_scroll(self.limit, &self.filter);
        found.max(view.estimate_records(&self.select, self.limit))
    }
}
