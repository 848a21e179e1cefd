//! Bytes of point ids and of batches of points.

use super::reader::invalid;
use super::{Canonical, DecodeError, Reader, Writer};
use crate::operation::PointBatch;
use crate::vector::VectorColumn;
use crate::{PointId, VectorName};

mod tag {
    pub(super) const NUM: u8 = 0;
    pub(super) const UUID: u8 = 1;
}

impl Canonical for PointId {
    const BYTES_MIN: usize = 9;

    fn write(&self, to: &mut Writer<'_>) {
        match *self {
            Self::Num(number) => {
                to.u8(tag::NUM);
                to.u64(number);
            }
            Self::Uuid(uuid) => {
                to.u8(tag::UUID);
                to.u128(uuid);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = from.at();
        match from.u8()? {
            tag::NUM => from.u64().map(Self::Num),
            tag::UUID => from.u128().map(Self::Uuid),
            other => Err(invalid("tag of a point id", at, other.into())),
        }
    }
}

impl Canonical for PointBatch {
    const BYTES_MIN: usize = 3;

    fn write(&self, to: &mut Writer<'_>) {
        to.list(&self.ids);
        to.list(&self.vectors);
        to.list(&self.payloads);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { ids: from.list()?, vectors: from.list()?, payloads: from.list()? })
    }
}

/// Name, dimension, presence (count of flags and their bitmap), count of components, components.
impl Canonical for VectorColumn {
    const BYTES_MIN: usize = 7;

    fn write(&self, to: &mut Writer<'_>) {
        self.name.write(to);
        to.u32(self.dim);
        to.count(self.present.len());
        to.bitmap(&self.present);
        to.count(self.values.len());
        to.f32_block(&self.values);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = VectorName::read(from)?;
        let dim = from.u32()?;
        let flags = from.count(0)?;
        let present = from.bitmap(flags)?;
        let components = from.count(4)?;
        let values = from.f32_block(components)?;
        Ok(Self { name, dim, values, present })
    }
}
