//! The report on memory as measurements, made anew for each scrape: what is gone is not shown.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use vectorizer_api::memory::{
    CacheReport, Class, ClassReport, DurationCounts, MemoryReport, TenantItems, TenantUsage,
};

/// A report to be shown.
#[derive(Debug)]
pub(super) struct MemoryMetrics(pub(super) MemoryReport);

/// The labels of one value.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// A measurement with its values.
struct Metric<'a> {
    name: &'static str,
    help: &'static str,
    counts: bool,
    values: Vec<(Labels<'a>, u64)>,
}

const fn gauge<'a>(
    name: &'static str,
    help: &'static str,
    values: Vec<(Labels<'a>, u64)>,
) -> Metric<'a> {
    Metric { name, help, counts: false, values }
}

const fn counter<'a>(
    name: &'static str,
    help: &'static str,
    values: Vec<(Labels<'a>, u64)>,
) -> Metric<'a> {
    Metric { name, help, counts: true, values }
}

/// The one value of what has no labels.
fn one<'a>(value: u64) -> Vec<(Labels<'a>, u64)> {
    vec![(Vec::new(), value)]
}

impl Collector for MemoryMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let report = &self.0;
        let all = [process, classes, tenants, caches, pages];
        for metrics in all.map(|of| of(report)) {
            for metric in &metrics {
                metric.encode(&mut encoder)?;
            }
        }
        for (name, help, counts) in [
            ("vectorizer_memory_wait_seconds", "How long requests waited", &report.waits),
            (
                "vectorizer_memory_reclaim_seconds",
                "How long caches took to give back, each time that somebody was short",
                &report.reclaims,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            histogram(counts, metric)?;
        }
        Ok(())
    }
}

impl Metric<'_> {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self { name, help, counts, values } = self;
        let kind = if *counts { MetricType::Counter } else { MetricType::Gauge };
        let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
        if let [(labels, value)] = values.as_slice()
            && labels.is_empty()
        {
            return show(*counts, *value, metric);
        }
        for (labels, value) in values {
            show(*counts, *value, metric.encode_family(labels)?)?;
        }
        Ok(())
    }
}

fn histogram(counts: &DurationCounts, mut metric: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    let within = counts.within.iter().map(|(bound, count)| (bound.as_secs_f64(), *count));
    let buckets: Vec<(f64, u64)> = within.chain([(f64::INFINITY, counts.beyond)]).collect();
    let (sum, count) = (counts.sum.as_secs_f64(), counts.count());
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

fn show(counts: bool, value: u64, metric: MetricEncoder<'_>) -> Result<(), fmt::Error> {
    if counts {
        ConstCounter::new(value).encode(metric)
    } else {
        ConstGauge::new(value).encode(metric)
    }
}

fn process(report: &MemoryReport) -> Vec<Metric<'_>> {
    let usage = &report.usage;
    let measured = report.guard.stats.as_ref().map(|stats| one(stats.used_system));
    let of_cgroup = report.guard.stats.as_ref().ok().and_then(|stats| stats.cgroup).map(one);
    let levels = vec![
        (vec![("ladder", "process")], report.guard.level as u64),
        (vec![("ladder", "caches")], report.caches.level as u64),
    ];
    let held = "Bytes that count as held: base, reservations and drift";
    vec![
        gauge("vectorizer_cluster_memory_usage_bytes", held, one(report.held)),
        gauge("vectorizer_memory_limit_bytes", "Bytes that may be held", one(usage.limit)),
        gauge("vectorizer_memory_base_bytes", "Bytes held before any reservation", one(usage.base)),
        gauge("vectorizer_memory_total_bytes", "Bytes reserved by all classes", one(usage.root)),
        gauge(
            "vectorizer_memory_drift_bytes",
            "Bytes measured beyond base and reservations",
            one(usage.drift),
        ),
        gauge(
            "vectorizer_memory_measured_bytes",
            "Bytes that the process was measured to hold, files left out; absent if it was not",
            measured.unwrap_or_default(),
        ),
        gauge(
            "vectorizer_memory_cgroup_bytes",
            "Bytes that the process's cgroup holds, page cache included; absent if it does not tell",
            of_cgroup.unwrap_or_default(),
        ),
        gauge("vectorizer_memory_peak_bytes", "The most that counted as held", one(report.peak)),
        gauge(
            "vectorizer_memory_available_bytes",
            "Bytes that an ordinary request could get",
            one(usage.available),
        ),
        gauge(
            "vectorizer_memory_unreclaimable_bytes",
            "Bytes that count as held and that nobody can be made to give back",
            one(report.guard.unreclaimable),
        ),
        gauge(
            "vectorizer_memory_waiting_requests",
            "Requests that wait for memory",
            one(usage.waiting),
        ),
        gauge(
            "vectorizer_memory_level",
            "Steps of the ladders: 0 normal, 1 warning, 2 critical or evicting, 3 cleanup or \
             emergency",
            levels,
        ),
        counter(
            "vectorizer_memory_warnings",
            "Steps up a ladder, and alarms of drift",
            one(report.caches.warnings),
        ),
    ]
}

fn classes(report: &MemoryReport) -> Vec<Metric<'_>> {
    let of = |read: fn(&ClassReport) -> u64| -> Vec<(Labels<'_>, u64)> {
        let classes = report.classes.iter();
        classes.map(|class| (vec![("class", class.usage.class.name())], read(class))).collect()
    };
    let mut limits = of(|class| class.usage.limit);
    limits.retain(|(_, limit)| *limit != u64::MAX);
    let refused = report.classes.iter().flat_map(|class| {
        let name = class.usage.class.name();
        let reasons = class.counts.refused.iter();
        reasons.map(move |(why, many)| (vec![("class", name), ("reason", why.name())], *many))
    });
    vec![
        gauge("vectorizer_memory_reserved_bytes", "Bytes reserved", of(|class| class.usage.bytes)),
        gauge(
            "vectorizer_memory_class_peak_bytes",
            "The most that was reserved",
            of(|class| class.usage.peak),
        ),
        gauge(
            "vectorizer_memory_class_limit_bytes",
            "Bytes that a class may hold, or a cache's share; absent where there is no bound",
            limits,
        ),
        counter(
            "vectorizer_memory_admitted",
            "Requests granted",
            of(|class| class.counts.admitted),
        ),
        counter(
            "vectorizer_memory_waited",
            "Requests that waited",
            of(|class| class.counts.waited),
        ),
        counter("vectorizer_memory_refused", "Requests refused, by reason", refused.collect()),
    ]
}

fn tenants(report: &MemoryReport) -> Vec<Metric<'_>> {
    let holdings = report.holdings.iter();
    let tenants = holdings.map(|holder| {
        (vec![("class", holder.class.name()), ("tenant", &*holder.tenant)], holder.bytes)
    });
    let bounds = |read: fn(&TenantUsage) -> u64| -> Vec<(Labels<'_>, u64)> {
        let tenants = report.tenants().iter();
        tenants.map(|tenant| (vec![("tenant", &*tenant.name)], read(tenant))).collect()
    };
    let items = |read: fn(TenantItems) -> u64| -> Vec<(Labels<'_>, u64)> {
        let tenants = report.tenant_items.iter();
        tenants.map(|(name, items)| (vec![("tenant", &**name)], read(*items))).collect()
    };
    let mut limited = bounds(|tenant| tenant.limit);
    limited.retain(|(_, limit)| *limit != u64::MAX);
    let pinned = report.holdings.iter().filter(|holder| holder.class == Class::Pinned);
    let pinned = pinned.map(|holder| (vec![("tenant", &*holder.tenant)], holder.bytes));
    vec![
        gauge(
            "vectorizer_memory_tenant_reserved_bytes",
            "Bytes that a tenant reserved for a class",
            tenants.collect(),
        ),
        gauge(
            "vectorizer_memory_tenant_peak_bytes",
            "The most that a tenant reserved",
            bounds(|tenant| tenant.peak),
        ),
        gauge(
            "vectorizer_memory_tenant_limit_bytes",
            "Bytes that a tenant may hold; absent where it has no quota",
            limited,
        ),
        gauge(
            "vectorizer_tenant_cache_items",
            "Entries of caches that a tenant pays for",
            items(|items| items.entries),
        ),
        gauge(
            "vectorizer_tenant_points",
            "Points of a tenant's collections",
            items(|items| items.points),
        ),
        gauge(
            "vectorizer_memory_pinned_bytes",
            "Bytes of a tenant's collections that are always in memory",
            pinned.collect(),
        ),
    ]
}

fn caches(report: &MemoryReport) -> Vec<Metric<'_>> {
    let caches = &report.caches;
    let of = |read: fn(&CacheReport) -> u64| -> Vec<(Labels<'_>, u64)> {
        let each = report.each_cache.iter();
        each.map(|cache| (vec![("cache", &*cache.name)], read(cache))).collect()
    };
    let evicted = |bytes: bool| -> Vec<(Labels<'_>, u64)> {
        let policies = report.each_cache.iter().flat_map(|cache| {
            let figures = cache.figures.evicted.iter();
            figures.map(move |of| {
                let labels = vec![("cache", &*cache.name), ("policy", of.policy)];
                (labels, if bytes { of.bytes } else { of.items })
            })
        });
        policies.collect()
    };
    vec![
        gauge(
            "vectorizer_cluster_cache_usage_bytes",
            "Bytes that all caches hold within their limit",
            one(caches.current_usage),
        ),
        gauge("vectorizer_cache_limit_bytes", "Bytes that all caches may hold", one(caches.limit)),
        counter(
            "vectorizer_cluster_cache_evictions",
            "Runs of evictions",
            one(caches.total_evictions),
        ),
        counter(
            "vectorizer_cache_given_back_bytes",
            "Bytes that runs of evictions gave back",
            one(caches.evicted_bytes),
        ),
        counter(
            "vectorizer_cache_not_kept",
            "Answers that were given and not kept for lack of memory",
            one(caches.refused),
        ),
        gauge("vectorizer_cache_bytes", "Bytes of a cache", of(|cache| cache.bytes)),
        gauge("vectorizer_cache_items", "Entries, or page frames", of(|cache| cache.items)),
        counter("vectorizer_cache_hits", "What was found", of(|cache| cache.figures.hits)),
        counter("vectorizer_cache_misses", "What was not", of(|cache| cache.figures.misses)),
        counter("vectorizer_cache_evicted_items", "Entries that went, by policy", evicted(false)),
        counter("vectorizer_cache_evicted_bytes", "Bytes that went, by policy", evicted(true)),
    ]
}

fn pages(report: &MemoryReport) -> Vec<Metric<'_>> {
    let pages = &report.pages;
    vec![
        gauge("vectorizer_pages_capacity_bytes", "Bytes of page frames", one(pages.capacity)),
        gauge("vectorizer_pages_used_bytes", "Bytes of page frames in use", one(pages.used)),
        counter("vectorizer_pages_hits", "Pages that were in memory", one(pages.hits)),
        counter("vectorizer_pages_misses", "Pages that were not", one(pages.misses)),
        counter("vectorizer_pages_evictions", "Pages taken away", one(pages.evictions)),
        counter("vectorizer_pages_reads", "Reads of files", one(pages.reads)),
        counter("vectorizer_pages_read_bytes", "Bytes that were read", one(pages.bytes_read)),
        gauge(
            "vectorizer_backlog_bytes",
            "Bytes of vectors that wait for a graph",
            one(report.backlog_bytes),
        ),
    ]
}
