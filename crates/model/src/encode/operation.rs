//! Bytes of operations: a version, a tag, the fields in the order of their declaration.

use super::reader::invalid;
use super::{Canonical, DecodeError, Reader, Writer};
use crate::operation::{PointBatch, PointSelector};
use crate::settings::FieldIndexKind;
use crate::{
    CollectionName, CollectionSettings, Filter, KeyPath, Operation, Payload, ShardId, TenantName,
};

/// The version that is written.
const VERSION: u8 = 1;

mod tag {
    pub(super) const CREATE_COLLECTION: u8 = 1;
    pub(super) const DROP_COLLECTION: u8 = 2;
    pub(super) const UPDATE_SETTINGS: u8 = 3;
    pub(super) const UPSERT: u8 = 4;
    pub(super) const DELETE: u8 = 5;
    pub(super) const SET_PAYLOAD: u8 = 6;
    pub(super) const OVERWRITE_PAYLOAD: u8 = 7;
    pub(super) const DELETE_PAYLOAD: u8 = 8;
    pub(super) const CLEAR_PAYLOAD: u8 = 9;
    pub(super) const CREATE_FIELD_INDEX: u8 = 10;
    pub(super) const DROP_FIELD_INDEX: u8 = 11;
    /// [`CREATE_COLLECTION`] of a tenant that is not the default one.
    pub(super) const CREATE_COLLECTION_OF: u8 = 12;

    pub(super) const IDS: u8 = 0;
    pub(super) const FILTER: u8 = 1;
}

impl Canonical for Operation {
    const BYTES_MIN: usize = 3;

    fn write(&self, to: &mut Writer<'_>) {
        to.u8(VERSION);
        to.u8(tag_of(self));
        match self {
            Self::CreateCollection { name, shard, settings, tenant } => {
                name.write(to);
                to.u32(shard.0);
                settings.write(to);
                if !tenant.is_default() {
                    tenant.write(to);
                }
            }
            Self::DropCollection { name } => name.write(to),
            Self::UpdateSettings(settings) => settings.write(to),
            Self::Upsert(batch) => batch.write(to),
            Self::Delete(points) | Self::ClearPayload { points } => points.write(to),
            Self::SetPayload { points, payload, at } => {
                points.write(to);
                payload.write(to);
                at.write(to);
            }
            Self::OverwritePayload { points, payload } => {
                points.write(to);
                payload.write(to);
            }
            Self::DeletePayload { points, keys } => {
                points.write(to);
                to.list(keys);
            }
            Self::CreateFieldIndex { key, kind } => {
                key.write(to);
                kind.write(to);
            }
            Self::DropFieldIndex { key } => key.write(to),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.tag("version of an operation", |byte| (byte == VERSION).then_some(()))?;
        let at = from.at();
        Ok(match from.u8()? {
            tag::CREATE_COLLECTION => creation(from, |_| Ok(TenantName::default()))?,
            tag::CREATE_COLLECTION_OF => creation(from, other_tenant)?,
            tag::DROP_COLLECTION => Self::DropCollection { name: CollectionName::read(from)? },
            tag::UPDATE_SETTINGS => Self::UpdateSettings(Box::new(Canonical::read(from)?)),
            tag::UPSERT => Self::Upsert(PointBatch::read(from)?),
            tag::DELETE => Self::Delete(PointSelector::read(from)?),
            tag::SET_PAYLOAD => Self::SetPayload {
                points: PointSelector::read(from)?,
                payload: Payload::read(from)?,
                at: Canonical::read(from)?,
            },
            tag::OVERWRITE_PAYLOAD => Self::OverwritePayload {
                points: PointSelector::read(from)?,
                payload: Payload::read(from)?,
            },
            tag::DELETE_PAYLOAD => {
                Self::DeletePayload { points: PointSelector::read(from)?, keys: from.list()? }
            }
            tag::CLEAR_PAYLOAD => Self::ClearPayload { points: PointSelector::read(from)? },
            tag::CREATE_FIELD_INDEX => Self::CreateFieldIndex {
                key: KeyPath::read(from)?,
                kind: FieldIndexKind::read(from)?,
            },
            tag::DROP_FIELD_INDEX => Self::DropFieldIndex { key: KeyPath::read(from)? },
            other => return Err(invalid("tag of an operation", at, other.into())),
        })
    }
}

fn tag_of(operation: &Operation) -> u8 {
    match operation {
        Operation::CreateCollection { tenant, .. } if tenant.is_default() => tag::CREATE_COLLECTION,
        Operation::CreateCollection { .. } => tag::CREATE_COLLECTION_OF,
        Operation::DropCollection { .. } => tag::DROP_COLLECTION,
        Operation::UpdateSettings(_) => tag::UPDATE_SETTINGS,
        Operation::Upsert(_) => tag::UPSERT,
        Operation::Delete(_) => tag::DELETE,
        Operation::SetPayload { .. } => tag::SET_PAYLOAD,
        Operation::OverwritePayload { .. } => tag::OVERWRITE_PAYLOAD,
        Operation::DeletePayload { .. } => tag::DELETE_PAYLOAD,
        Operation::ClearPayload { .. } => tag::CLEAR_PAYLOAD,
        Operation::CreateFieldIndex { .. } => tag::CREATE_FIELD_INDEX,
        Operation::DropFieldIndex { .. } => tag::DROP_FIELD_INDEX,
    }
}

impl Canonical for PointSelector {
    const BYTES_MIN: usize = 2;

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Ids(ids) => {
                to.u8(tag::IDS);
                to.list(ids);
            }
            Self::Filter(filter) => {
                to.u8(tag::FILTER);
                filter.write(to);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = from.at();
        match from.u8()? {
            tag::IDS => from.list().map(Self::Ids),
            tag::FILTER => Filter::read(from).map(Self::Filter),
            other => Err(invalid("tag of a point selector", at, other.into())),
        }
    }
}

impl Canonical for CollectionName {
    const BYTES_MIN: usize = 2;

    fn write(&self, to: &mut Writer<'_>) {
        to.text(self.as_str());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = from.at();
        let name = from.text()?;
        Self::new(name).map_err(|_not_a_name| {
            invalid("length of a text that names no collection", at, name.len() as u64)
        })
    }
}

impl Canonical for TenantName {
    const BYTES_MIN: usize = 2;

    fn write(&self, to: &mut Writer<'_>) {
        to.text(self.as_str());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = from.at();
        let name = from.text()?;
        Self::new(name).map_err(|_not_a_name| {
            invalid("length of a text that names no tenant", at, name.len() as u64)
        })
    }
}

fn creation(
    from: &mut Reader<'_>,
    tenant: impl FnOnce(&mut Reader<'_>) -> Result<TenantName, DecodeError>,
) -> Result<Operation, DecodeError> {
    Ok(Operation::CreateCollection {
        name: CollectionName::read(from)?,
        shard: ShardId(from.u32()?),
        settings: Box::new(CollectionSettings::read(from)?),
        tenant: tenant(from)?,
    })
}

/// A tenant that is not the default one, which is not written.
fn other_tenant(from: &mut Reader<'_>) -> Result<TenantName, DecodeError> {
    let at = from.at();
    let name = TenantName::read(from)?;
    let bytes = name.as_str().len() as u64;
    if name.is_default() {
        Err(invalid("length of a needless tenant", at, bytes))
    } else {
        Ok(name)
    }
}
