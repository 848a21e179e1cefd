//! The one table of routes: which method and path each operation of the catalogue has here.

use std::future::Future;
use std::pin::Pin;

use vectorizer_api::collections::{
    CollectionExists, CreateCollection, DeleteCollection, GetCollection, ListCollections,
    UpdateCollection,
};
use vectorizer_api::discovery::{DiscoverMimir, DiscoverTenants};
use vectorizer_api::index::{CreateFieldIndex, DeleteFieldIndex};
use vectorizer_api::memory::{EvictMemory, GetCacheStatus, GetMemory, ResetMemory, SetMemory};
use vectorizer_api::payload::{ClearPayload, DeletePayload, OverwritePayload, SetPayload};
use vectorizer_api::points::{
    CountPoints, DeletePoints, GetPoint, GetPoints, ScrollPoints, UpdateBatch, UpsertPoints,
};
use vectorizer_api::search::{QueryBatch, QueryPoints};
use vectorizer_api::{Access, Entry, Operation};
use vectorizer_wire::openapi::{self, Path, Response};

use super::answer::METRICS;
use super::call::{Call, Outcome};
use super::{collections, discovery, memory, points, search, service};
use Method::{Delete, Get, Patch, Post, Put};
use Response::{Bare, Bool, Document, List, Schema, TextOf};

type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Post => "post",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// Who may ask, if there are keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admits {
    /// Whoever comes.
    Everybody,
    /// Whoever shows a key.
    KeyHolders,
    /// Who shows the operator's key.
    Operator,
}

/// One way in.
pub(super) struct Route {
    pub(super) name: &'static str,
    summary: &'static str,
    pub(super) method: Method,
    pub(super) template: &'static str,
    pub(super) handler: Handler,
    request: Option<&'static str>,
    response: Response<'static>,
    writes: bool,
    pub(super) admits: Admits,
    /// Whether it is refused while the server stops.
    pub(super) stops: bool,
}

impl Route {
    const fn of(entry: Entry, method: Method, template: &'static str, handler: Handler) -> Self {
        Self {
            name: entry.name,
            summary: entry.summary,
            method,
            template,
            handler,
            request: None,
            response: Schema("UpdateResult"),
            writes: matches!(entry.access, Access::Write),
            admits: Admits::KeyHolders,
            stops: true,
        }
    }

    const fn service(name: &'static str, template: &'static str, handler: Handler) -> Self {
        let access = Access::Read;
        let mut route = Self::of(Entry { name, summary: name, access }, Get, template, handler);
        route.response = Response::Text;
        route.stops = false;
        route
    }

    const fn open(mut self) -> Self {
        self.admits = Admits::Everybody;
        self
    }

    /// What shows or changes what all tenants share.
    const fn for_operators(mut self) -> Self {
        self.admits = Admits::Operator;
        self
    }

    const fn takes(mut self, schema: &'static str) -> Self {
        self.request = Some(schema);
        self
    }

    const fn gives(mut self, response: Response<'static>) -> Self {
        self.response = response;
        self
    }
}

/// Boxes a handler's future.
macro_rules! to {
    ($handler:path) => {
        |call| Box::pin($handler(call))
    };
}

macro_rules! collection {
    ($rest:literal) => {
        concat!("/collections/{collection_name}", $rest)
    };
}

/// All routes.
pub(super) static ROUTES: &[Route] = &[
    Route::service("root", "/", to!(service::root)).open().gives(Bare("VersionInfo")),
    Route::service("healthz", "/healthz", to!(service::alive)).open(),
    Route::service("livez", "/livez", to!(service::alive)).open(),
    Route::service("readyz", "/readyz", to!(service::ready)).open(),
    Route::service("metrics", "/metrics", to!(service::metrics))
        .for_operators()
        .gives(TextOf(METRICS)),
    Route::service("openapi", "/openapi.json", to!(service::document)).gives(Document),
    Route::of(ListCollections::ENTRY, Get, "/collections", to!(collections::list))
        .gives(Schema("CollectionsResponse")),
    Route::of(GetCollection::ENTRY, Get, collection!(""), to!(collections::get))
        .gives(Schema("CollectionInfo")),
    Route::of(CreateCollection::ENTRY, Put, collection!(""), to!(collections::create))
        .takes("CreateCollection")
        .gives(Bool),
    Route::of(UpdateCollection::ENTRY, Patch, collection!(""), to!(collections::update))
        .takes("UpdateCollection")
        .gives(Bool),
    Route::of(DeleteCollection::ENTRY, Delete, collection!(""), to!(collections::delete))
        .gives(Bool),
    Route::of(CollectionExists::ENTRY, Get, collection!("/exists"), to!(collections::exists))
        .gives(Schema("CollectionExistence")),
    Route::of(CreateFieldIndex::ENTRY, Put, collection!("/index"), to!(collections::create_index))
        .takes("CreateFieldIndex"),
    Route::of(
        DeleteFieldIndex::ENTRY,
        Delete,
        collection!("/index/{field_name}"),
        to!(collections::drop_index),
    ),
    Route::of(UpsertPoints::ENTRY, Put, collection!("/points"), to!(points::upsert))
        .takes("PointInsertOperations"),
    Route::of(GetPoints::ENTRY, Post, collection!("/points"), to!(points::retrieve))
        .takes("PointRequest")
        .gives(List("Record")),
    Route::of(GetPoint::ENTRY, Get, collection!("/points/{id}"), to!(points::get))
        .gives(Schema("Record")),
    Route::of(DeletePoints::ENTRY, Post, collection!("/points/delete"), to!(points::delete))
        .takes("PointsSelector"),
    Route::of(ScrollPoints::ENTRY, Post, collection!("/points/scroll"), to!(points::scroll))
        .takes("ScrollRequest")
        .gives(Schema("ScrollResult")),
    Route::of(CountPoints::ENTRY, Post, collection!("/points/count"), to!(points::count))
        .takes("CountRequest")
        .gives(Schema("CountResult")),
    Route::of(UpdateBatch::ENTRY, Post, collection!("/points/batch"), to!(points::batch))
        .takes("UpdateOperations")
        .gives(List("UpdateResult")),
    Route::of(SetPayload::ENTRY, Post, collection!("/points/payload"), to!(points::set_payload))
        .takes("SetPayload"),
    Route::of(
        OverwritePayload::ENTRY,
        Put,
        collection!("/points/payload"),
        to!(points::overwrite_payload),
    )
    .takes("SetPayload"),
    Route::of(
        DeletePayload::ENTRY,
        Post,
        collection!("/points/payload/delete"),
        to!(points::delete_payload),
    )
    .takes("DeletePayload"),
    Route::of(
        ClearPayload::ENTRY,
        Post,
        collection!("/points/payload/clear"),
        to!(points::clear_payload),
    )
    .takes("PointsSelector"),
    Route::of(QueryPoints::ENTRY, Post, collection!("/points/query"), to!(search::query))
        .takes("QueryRequest")
        .gives(Schema("QueryResponse")),
    Route::of(
        QueryBatch::ENTRY,
        Post,
        collection!("/points/query/batch"),
        to!(search::query_batch),
    )
    .takes("QueryRequestBatch")
    .gives(List("QueryResponse")),
    Route::of(QueryPoints::ENTRY, Post, collection!("/points/search"), to!(search::search))
        .takes("SearchRequest")
        .gives(List("ScoredPoint")),
    Route::of(GetMemory::ENTRY, Get, "/api/cache/memory", to!(memory::get))
        .for_operators()
        .gives(Bare("MemoryReport")),
    Route::of(SetMemory::ENTRY, Put, "/api/cache/memory", to!(memory::set))
        .for_operators()
        .takes("SetMemory")
        .gives(Bare("MemoryReport")),
    Route::of(GetCacheStatus::ENTRY, Get, "/api/cache/status", to!(memory::status))
        .for_operators()
        .gives(Bare("CacheStatus")),
    Route::of(EvictMemory::ENTRY, Post, "/api/cache/memory/evict", to!(memory::evict))
        .for_operators()
        .takes("EvictMemory")
        .gives(Bare("EvictedMemory")),
    Route::of(ResetMemory::ENTRY, Post, "/api/cache/memory/reset", to!(memory::reset))
        .for_operators()
        .gives(Bare("ResetMemory")),
    Route::of(DiscoverTenants::ENTRY, Get, "/api/discovery/tenants", to!(discovery::tenants))
        .for_operators()
        .gives(Bare("DiscoveredTenants")),
    Route::of(DiscoverMimir::ENTRY, Get, "/api/discovery/mimir", to!(discovery::mimir))
        .for_operators()
        .gives(Bare("DiscoveredMimir")),
];

/// The document of all routes.
pub(super) fn document() -> Result<String, vectorizer_wire::WireError> {
    let paths: Vec<Path<'_>> = ROUTES
        .iter()
        .map(|route| Path {
            operation: route.name,
            summary: route.summary,
            method: route.method.name(),
            template: route.template,
            request: route.request,
            response: route.response,
            writes: route.writes,
            open: route.admits == Admits::Everybody,
        })
        .collect();
    openapi::document(crate::CONTRACT_VERSION, &paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_api::CATALOGUE;

    #[test]
    fn every_operation_has_a_route() {
        for entry in CATALOGUE {
            assert!(ROUTES.iter().any(|route| route.name == entry.name), "{}", entry.name);
        }
    }

    #[test]
    fn only_health_and_version_are_open() {
        let open: Vec<_> = ROUTES
            .iter()
            .filter(|route| route.admits == Admits::Everybody)
            .map(|route| route.template)
            .collect();
        assert_eq!(open, ["/", "/healthz", "/livez", "/readyz"]);
    }
}
