//! Bytes of a collection's settings.
//!
//! Settings are stored on their own (in manifests), so they carry a version of their own.

use std::collections::BTreeMap;

use super::{Canonical, DecodeError, Reader, Writer};
use crate::settings::{FieldIndexKind, HnswSettings, Quantization, StorageType, VectorSettings};
use crate::{CollectionSettings, Datatype, Metric, VectorName};

/// The version that is written.
const VERSION: u8 = 1;

impl Canonical for CollectionSettings {
    const BYTES_MIN: usize = 1 + BTreeMap::<String, String>::BYTES_MIN;

    fn write(&self, to: &mut Writer<'_>) {
        to.u8(VERSION);
        self.vectors.write(to);
        self.hnsw.write(to);
        self.quantization.write(to);
        self.storage_type.write(to);
        self.field_indexes.write(to);
        to.bool(self.on_disk_payload);
        self.tuning.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.tag("version of settings", |byte| (byte == VERSION).then_some(()))?;
        Ok(Self {
            vectors: Canonical::read(from)?,
            hnsw: Canonical::read(from)?,
            quantization: Canonical::read(from)?,
            storage_type: Canonical::read(from)?,
            field_indexes: Canonical::read(from)?,
            on_disk_payload: from.bool()?,
            tuning: Canonical::read(from)?,
        })
    }
}

impl Canonical for VectorSettings {
    const BYTES_MIN: usize = 9;

    fn write(&self, to: &mut Writer<'_>) {
        to.u32(self.dim);
        self.metric.write(to);
        self.datatype.write(to);
        self.on_disk.write(to);
        self.hnsw.write(to);
        self.quantization.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            dim: from.u32()?,
            metric: Canonical::read(from)?,
            datatype: Canonical::read(from)?,
            on_disk: Canonical::read(from)?,
            hnsw: Canonical::read(from)?,
            quantization: Canonical::read(from)?,
        })
    }
}

impl Canonical for HnswSettings {
    const BYTES_MIN: usize = 16;

    fn write(&self, to: &mut Writer<'_>) {
        to.u32(self.m);
        to.u32(self.ef_construct);
        to.u64(self.full_scan_threshold_kib);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { m: from.u32()?, ef_construct: from.u32()?, full_scan_threshold_kib: from.u64()? })
    }
}

impl Canonical for VectorName {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.text(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(from.text()?.into()))
    }
}

impl Canonical for Metric {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.u8(match self {
            Self::L2 => 0,
            Self::Dot => 1,
            Self::Cosine => 2,
            Self::Manhattan => 3,
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.tag("metric", |byte| match byte {
            0 => Some(Self::L2),
            1 => Some(Self::Dot),
            2 => Some(Self::Cosine),
            3 => Some(Self::Manhattan),
            _ => None,
        })
    }
}

impl Canonical for Datatype {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.u8(match self {
            Self::Float32 => 0,
            Self::Float16 => 1,
            Self::Uint8 => 2,
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.tag("datatype", |byte| match byte {
            0 => Some(Self::Float32),
            1 => Some(Self::Float16),
            2 => Some(Self::Uint8),
            _ => None,
        })
    }
}

impl Canonical for Quantization {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.u8(match self {
            Self::Off => 0,
            Self::Int8 => 1,
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.tag("quantization", |byte| match byte {
            0 => Some(Self::Off),
            1 => Some(Self::Int8),
            _ => None,
        })
    }
}

impl Canonical for StorageType {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.u8(match self {
            Self::Mmap => 0,
            Self::Memory => 1,
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.tag("storage type", |byte| match byte {
            0 => Some(Self::Mmap),
            1 => Some(Self::Memory),
            _ => None,
        })
    }
}

impl Canonical for FieldIndexKind {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.u8(match self {
            Self::Keyword => 0,
            Self::Integer => 1,
            Self::Float => 2,
            Self::Bool => 3,
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.tag("kind of a field index", |byte| match byte {
            0 => Some(Self::Keyword),
            1 => Some(Self::Integer),
            2 => Some(Self::Float),
            3 => Some(Self::Bool),
            _ => None,
        })
    }
}

impl Canonical for bool {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.bool(*self);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.bool()
    }
}
