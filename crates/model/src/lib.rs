//! The nouns that every layer of Vectorizer shares.
//!
//! Ids, vectors, metrics, payload values, filters, settings, operations and limits, the traits
//! through which pure crates meet their surroundings ([`Budget`], [`Selection`], [`Scorer`]), and
//! the hand-versioned binary encoding of everything that is stored or sent between nodes.
//!
//! It is not a place for behaviour: apart from validation, ordering and encoding nothing happens
//! here. It knows no clock, thread, file, socket, JSON or YAML.
//!
//! # Layout
//! - [`id`]: points, shards, segments, rows; [`tenant`]: whose bytes they are; [`sequence`]: positions in a shard's history
//! - [`vector`], [`metric`]: what is compared, and how; [`value`], [`path`]: payloads
//! - [`filter`]: predicates; [`settings`]: collections; [`operation`]: what changes state
//! - [`frame`]: one operation as the log stores it; [`encode`]: canonical bytes
//! - [`check`]: what doors check before they accept a value
//! - [`layout`]: where fixed-size rows lie in a component
//! - [`budget`], [`selection`], [`scorer`]: seams; [`limits`], [`bytes`]: bounds and byte counts

#![forbid(unsafe_code)]

pub mod budget;
pub mod bytes;
pub mod check;
pub mod encode;
pub mod filter;
pub mod frame;
pub mod id;
pub mod layout;
pub mod limits;
pub mod metric;
pub mod operation;
pub mod path;
pub mod scorer;
pub mod selection;
pub mod sequence;
pub mod settings;
pub mod tenant;
pub mod value;
pub mod vector;

pub use budget::{Budget, BudgetExceeded};
pub use filter::{Condition, Filter};
pub use frame::Frame;
pub use id::{CollectionName, Ordinal, PointId, RequestId, SegmentId, ShardId};
pub use layout::RowLayout;
pub use metric::Metric;
pub use operation::Operation;
pub use path::{KeyPath, KeyPathError, PathStep};
pub use scorer::{RowScorer, Scored, Scorer};
pub use selection::{AllRows, Cardinality, Selection};
pub use sequence::{Epoch, SequenceNumber};
pub use settings::CollectionSettings;
pub use tenant::{TenantName, TenantNameError};
pub use value::{Payload, Value};
pub use vector::{Datatype, VectorName};
