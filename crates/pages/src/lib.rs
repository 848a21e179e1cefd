//! (in work)
#![expect(unsafe_code, missing_docs, reason = "spike")]
use std::ops::Range;
use std::sync::Arc;
use vectorizer_memory::Governor;
use vectorizer_vfs::{File, Mapping};
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residency {
    Governed,
    Mapped,
    Pinned,
}
#[derive(Debug)]
pub struct Pool;
#[derive(Debug)]
pub enum Region {
    Map(Mapping),
    Heap(Vec<u8>),
}
#[derive(Debug, thiserror::Error)]
#[error("pages: {0}")]
pub struct PagesError(#[from] vectorizer_vfs::VfsError);
#[derive(Debug, Clone, Default)]
pub struct PoolConfig;
impl Pool {
    pub fn new(_: Arc<Governor>, _: PoolConfig) -> Result<Arc<Self>, PagesError> {
        Ok(Arc::new(Self))
    }
    pub fn open(&self, file: Arc<dyn File>, _: Residency) -> Result<Region, PagesError> {
        let len = usize::try_from(file.len()?).unwrap_or(0);
        match file.os_file() {
            // SAFETY: spike
            Some(os) => Ok(Region::Map(unsafe { Mapping::new(os, len as u64) }?)),
            None => {
                let mut v = vec![0; len];
                file.read_exact_at(&mut v, 0)?;
                Ok(Region::Heap(v))
            }
        }
    }
    pub fn with_pinned<T>(
        &self,
        region: &Region,
        _: impl Iterator<Item = Range<u64>> + Clone,
        with: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, PagesError> {
        Ok(with(match region {
            Region::Map(m) => m.as_slice(),
            Region::Heap(v) => v,
        }))
    }
}
