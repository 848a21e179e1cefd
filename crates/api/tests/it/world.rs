//! An engine over a disk in memory, a collection with points, and one of each operation.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Wake, Waker};
use std::thread::Thread;

use vectorizer_api::collections::{
    CollectionExists, CreateCollection, DeleteCollection, GetCollection, ListCollections,
    NewVector, UpdateCollection,
};
use vectorizer_api::discovery::{DiscoverMimir, DiscoverTenants};
use vectorizer_api::found::mimir::{
    MimirEndpoint, MimirFailure, MimirPart, MimirSource, MimirTenant,
};
use vectorizer_api::index::{CreateFieldIndex, DeleteFieldIndex};
use vectorizer_api::memory::{EvictMemory, GetCacheStatus, GetMemory, ResetMemory, SetMemory};
use vectorizer_api::payload::{ClearPayload, DeletePayload, OverwritePayload, SetPayload};
use vectorizer_api::points::{
    CountPoints, DeletePoints, GetPoint, GetPoints, NewPoint, PointUpdate, ScrollPoints,
    UpdateBatch, UpsertPoints,
};
use vectorizer_api::search::query::Query;
use vectorizer_api::search::{QueryBatch, QueryPoints};
use vectorizer_api::settings::SettingsChanges;
use vectorizer_api::{
    Answered, BoxFuture, Caller, CollectionDefaults, Context, NearestQuery, Operation,
    PayloadSelector, Result, ScrollQuery, SearchParams, Select, Sleep, Target, VectorSelector,
};
use vectorizer_engine::{Engine, EngineOptions, Residency};
use vectorizer_memory::{Drawn, Governor, Limits};
use vectorizer_model::filter::{Predicate, Scalar};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{
    CollectionName, Condition, Datatype, Filter, KeyPath, Metric, Payload, PointId, TenantName,
    Value, VectorName,
};
use vectorizer_vfs::crash::TraceDirectory;

const DIM: usize = 16;
pub(crate) const POINTS: u64 = 2_000;

pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) governor: Arc<Governor>,
}

/// One operation: its name, and how it is run for the `n`th time.
pub(crate) type Sample = (&'static str, Box<dyn Fn(&World, u64) -> Result<Used>>);

/// What an operation was estimated to hold, and the most that it did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) estimate: u64,
    pub(crate) peak: u64,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Tells of one tenant at each endpoint.
#[derive(Debug)]
struct Mimir;

impl MimirSource for Mimir {
    fn address(&self) -> &'static str {
        "http://mimir"
    }

    fn ask(
        &self,
        _: MimirEndpoint,
        mut memory: Drawn,
    ) -> BoxFuture<'_, std::result::Result<MimirPart, MimirFailure>> {
        let tenant = MimirTenant { id: "acme".into(), series: None, ingestion_rate: None };
        let granted = memory.try_grow(4 << 10);
        let told = granted.map(|()| MimirPart::Tenants(vec![tenant]));
        let failed = |told| MimirFailure { answered: true, told };
        Box::pin(std::future::ready(told.map_err(|refused| failed(refused.to_string()))))
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Task::from_waker(&waker)) {
            return done;
        }
        std::thread::park();
    }
}

pub(crate) fn things() -> CollectionName {
    CollectionName::new("things").expect("a name")
}

fn numbered(n: u64) -> CollectionName {
    CollectionName::new(&format!("c{n}")).expect("a name")
}

impl World {
    pub(crate) fn new(sleep: Sleep) -> Self {
        Self::with(&EngineOptions::default(), sleep)
    }

    /// With other options than a test has otherwise.
    pub(crate) fn with(options: &EngineOptions, sleep: Sleep) -> Self {
        Self::within(Limits::of_root(1 << 30).with_emergency(1 << 20), options, sleep)
    }

    fn within(limits: Limits, options: &EngineOptions, sleep: Sleep) -> Self {
        let governor = Governor::new(limits);
        let disk = TraceDirectory::new();
        let options = EngineOptions {
            background: false,
            residency: Residency::Governed,
            search_threads: 1,
            build_threads: 1,
            disk_percent_max: 100,
            ..options.clone()
        };
        let engine = Engine::open_in(disk.directory(), None, Arc::clone(&governor), options);
        let engine = engine.expect("an empty folder");
        let context = Context::new(engine, sleep, CollectionDefaults::default());
        let context = context.with_mimir(Arc::new(Mimir));
        Self { context, governor }
    }

    pub(crate) fn filled() -> Self {
        Self::filled_within(Limits::of_root(1 << 30).with_emergency(1 << 20))
    }

    pub(crate) fn filled_within(limits: Limits) -> Self {
        let world = Self::within(
            limits,
            &EngineOptions::default(),
            Arc::new(|_| Box::pin(std::future::ready(()))),
        );
        world.create(things()).expect("room");
        world.run(upsert(0..POINTS)).expect("room");
        world
    }

    /// The same world for a tenant to whom others' collections are not there.
    pub(crate) fn of_tenant(&self, name: &str) -> Self {
        let tenant = self.governor.tenant(name);
        let caller = Caller::new(TenantName::new(name).expect("a name"), tenant).among_own();
        let (context, governor) = (self.context.for_caller(caller), Arc::clone(&self.governor));
        Self { context, governor }
    }

    pub(crate) fn create(&self, name: CollectionName) -> Result<Used> {
        let vector = NewVector {
            dim: u32::try_from(DIM).expect("small"),
            metric: Metric::L2,
            datatype: Datatype::Float32,
        };
        let vectors = BTreeMap::from([(VectorName::unnamed(), vector)]);
        let changes = SettingsChanges::default();
        self.run(CreateCollection { name, vectors, storage_type: None, changes })
    }

    pub(crate) fn delete(&self, ids: std::ops::Range<u64>) {
        let points = PointSelector::Ids(ids.map(PointId::Num).collect());
        self.run(DeletePoints { collection: things(), points }).expect("room");
    }

    pub(crate) fn run<O: Operation>(&self, operation: O) -> Result<Used> {
        let Answered { guard, held, .. } = block_on(self.context.run(operation))?;
        let used = Used { estimate: guard.estimate(), peak: guard.peak() };
        drop(held);
        Ok(used)
    }
}

pub(crate) fn payload(id: u64) -> Payload {
    let text = format!("a text of some length that belongs to the point with number {id}");
    let entries = [
        ("colour", Value::Str(if id.is_multiple_of(3) { "red" } else { "blue" }.into())),
        ("text", Value::Str(text)),
    ];
    Payload(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

pub(crate) fn vector(id: u64) -> Vec<f32> {
    (0..DIM).map(|at| ((id * 31 + at as u64 * 17) % 101) as f32).collect()
}

pub(crate) fn upsert(ids: std::ops::Range<u64>) -> UpsertPoints {
    let point = |id| NewPoint {
        id: PointId::Num(id),
        vectors: vec![(VectorName::unnamed(), vector(id))],
        payload: payload(id),
    };
    UpsertPoints { collection: things(), points: ids.map(point).collect() }
}

fn ids(count: u64) -> Vec<PointId> {
    (0..count).map(PointId::Num).collect()
}

pub(crate) fn red() -> Filter {
    let predicate = Predicate::Match(Scalar::Keyword("red".into()));
    let condition = Condition::Field { key: KeyPath::key("colour"), predicate };
    Filter { must: vec![condition], ..Filter::default() }
}

pub(crate) fn all() -> Select {
    Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Everything }
}

fn nearest(limit: usize, target: Target, filter: Filter, select: Select) -> Query {
    Query::Nearest(Box::new(NearestQuery {
        target,
        vector: VectorName::unnamed(),
        filter,
        limit,
        offset: 2,
        score_threshold: None,
        params: SearchParams::default(),
        select,
    }))
}

/// The nearest of all points, with all that there is of them.
pub(crate) fn nearest_of(limit: usize, target: Target) -> NearestQuery {
    NearestQuery {
        target,
        vector: VectorName::unnamed(),
        filter: Filter::default(),
        limit,
        offset: 0,
        score_threshold: None,
        params: SearchParams::default(),
        select: all(),
    }
}

fn page(limit: usize, filter: Filter, select: Select) -> ScrollQuery {
    ScrollQuery { filter, from: None, limit, select }
}

fn boxed<O: Operation>(make: impl Fn(u64) -> O + 'static) -> Sample {
    (O::ENTRY.name, Box::new(move |world, n| world.run(make(n))))
}

fn selectors() -> [PointSelector; 2] {
    [PointSelector::Ids(ids(500)), PointSelector::Filter(red())]
}

/// Reads, small and large.
pub(crate) fn reads() -> Vec<Sample> {
    let mut samples = Vec::new();
    let collection = things();
    for limit in [1_usize, 10, 1_000] {
        for filter in [Filter::default(), red()] {
            for select in [Select::default(), all()] {
                let (of, filter, select) = (collection.clone(), filter.clone(), select.clone());
                let target = Target::Vector(vector(7));
                let query = nearest(limit, target, filter.clone(), select.clone());
                let queries = vec![query.clone(), query.clone(), query.clone()];
                let batch = QueryBatch { collection: of.clone(), queries };
                let like =
                    nearest(limit, Target::Point(PointId::Num(7)), filter.clone(), select.clone());
                let like = QueryPoints { collection: of.clone(), query: like };
                let one = QueryPoints { collection: of.clone(), query };
                let page = page(limit, filter, select.clone());
                let by_id = Query::ById { page: Box::new(page.clone()), offset: 3 };
                let by_id = QueryPoints { collection: of.clone(), query: by_id };
                let scroll = ScrollPoints { collection: of.clone(), query: page };
                let get = GetPoints { collection: of, ids: ids(limit as u64), select };
                samples.push(boxed(move |_| one.clone()));
                samples.push(boxed(move |_| like.clone()));
                samples.push(boxed(move |_| by_id.clone()));
                samples.push(boxed(move |_| batch.clone()));
                samples.push(boxed(move |_| scroll.clone()));
                samples.push(boxed(move |_| get.clone()));
            }
        }
    }
    samples.push(boxed(|_| GetPoint { collection: things(), id: PointId::Num(7), select: all() }));
    samples.push(boxed(|_| CountPoints { collection: things(), filter: red() }));
    samples
}

/// Writes, small and large, that can be repeated.
pub(crate) fn writes() -> Vec<Sample> {
    let mut samples =
        vec![boxed(|_| upsert(0..1)), boxed(|_| upsert(0..10)), boxed(|_| upsert(0..1_000))];
    for points in selectors() {
        let (set, over, gone) = (points.clone(), points.clone(), points.clone());
        let (clear, collection) = (points, things);
        let keys = || vec![KeyPath::key("text")];
        samples.push(boxed(move |n| SetPayload {
            collection: collection(),
            points: set.clone(),
            payload: Payload([("mark".to_owned(), Value::UInt(n))].into()),
            at: None,
        }));
        samples.push(boxed(move |n| OverwritePayload {
            collection: collection(),
            points: over.clone(),
            payload: payload(n * 3),
        }));
        samples.push(boxed(move |_| DeletePayload {
            collection: collection(),
            points: gone.clone(),
            keys: keys(),
        }));
        samples.push(boxed(move |_| UpdateBatch {
            collection: collection(),
            updates: vec![PointUpdate::Upsert(upsert(0..20)), PointUpdate::Upsert(upsert(0..500))],
        }));
        samples
            .push(boxed(move |_| ClearPayload { collection: collection(), points: clear.clone() }));
    }
    samples.push(boxed(|_| DeletePoints {
        collection: things(),
        points: PointSelector::Ids(ids(100)),
    }));
    samples
}

/// Changes of collections and settings, and looks at them.
pub(crate) fn admin() -> Vec<Sample> {
    let key = || KeyPath::key("colour");
    vec![
        boxed(|_| ListCollections),
        boxed(|_| GetCollection { name: things() }),
        boxed(|_| CollectionExists { name: things() }),
        (CreateCollection::ENTRY.name, Box::new(|world, n| world.create(numbered(n)))),
        boxed(|n| UpdateCollection {
            name: things(),
            changes: SettingsChanges {
                tuning: BTreeMap::from([("tuned".to_owned(), n.to_string())]),
                ..SettingsChanges::default()
            },
        }),
        boxed(move |_| CreateFieldIndex {
            collection: things(),
            key: key(),
            kind: FieldIndexKind::Keyword,
            params: None,
        }),
        boxed(move |_| DeleteFieldIndex { collection: things(), key: key() }),
        (
            DeleteCollection::ENTRY.name,
            Box::new(|world, n| world.run(DeleteCollection { name: numbered(n) })),
        ),
        boxed(|_| GetMemory),
        boxed(|_| GetCacheStatus),
        boxed(|_| SetMemory::default()),
        boxed(|_| EvictMemory::default()),
        boxed(|_| ResetMemory),
        boxed(|_| DiscoverTenants { fresh: true }),
        boxed(|_| DiscoverMimir { fresh: true }),
    ]
}
