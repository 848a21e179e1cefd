//! Bytes of filters.

use super::reader::invalid;
use super::{Canonical, DecodeError, Reader, Writer};
use crate::filter::{Predicate, Range, Scalar};
use crate::{Condition, Filter, KeyPath};

mod tag {
    pub(super) const FIELD: u8 = 0;
    pub(super) const IS_EMPTY: u8 = 1;
    pub(super) const HAS_ID: u8 = 2;
    pub(super) const FILTER: u8 = 3;

    pub(super) const MATCH: u8 = 0;
    pub(super) const ANY: u8 = 1;
    pub(super) const EXCEPT: u8 = 2;
    pub(super) const RANGE: u8 = 3;

    pub(super) const FALSE: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const INT: u8 = 2;
    pub(super) const KEYWORD: u8 = 3;

    pub(super) const BOUND_GT: u8 = 1;
    pub(super) const BOUND_GTE: u8 = 2;
    pub(super) const BOUND_LT: u8 = 4;
    pub(super) const BOUND_LTE: u8 = 8;
}

impl Canonical for Filter {
    const BYTES_MIN: usize = 3;

    fn write(&self, to: &mut Writer<'_>) {
        to.list(&self.must);
        to.list(&self.should);
        to.list(&self.must_not);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.nested(|from| {
            Ok(Self { must: from.list()?, should: from.list()?, must_not: from.list()? })
        })
    }
}

impl Canonical for Condition {
    const BYTES_MIN: usize = 2;

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Field { key, predicate } => {
                to.u8(tag::FIELD);
                key.write(to);
                predicate.write(to);
            }
            Self::IsEmpty(key) => {
                to.u8(tag::IS_EMPTY);
                key.write(to);
            }
            Self::HasId(ids) => {
                to.u8(tag::HAS_ID);
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
        Ok(match from.u8()? {
            tag::FIELD => {
                Self::Field { key: KeyPath::read(from)?, predicate: Predicate::read(from)? }
            }
            tag::IS_EMPTY => Self::IsEmpty(KeyPath::read(from)?),
            tag::HAS_ID => Self::HasId(from.list()?),
            tag::FILTER => Self::Filter(Filter::read(from)?),
            other => return Err(invalid("tag of a condition", at, other.into())),
        })
    }
}

impl Canonical for Predicate {
    const BYTES_MIN: usize = 2;

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Match(scalar) => {
                to.u8(tag::MATCH);
                scalar.write(to);
            }
            Self::Any(scalars) => {
                to.u8(tag::ANY);
                to.list(scalars);
            }
            Self::Except(scalars) => {
                to.u8(tag::EXCEPT);
                to.list(scalars);
            }
            Self::Range(range) => {
                to.u8(tag::RANGE);
                range.write(to);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = from.at();
        Ok(match from.u8()? {
            tag::MATCH => Self::Match(Scalar::read(from)?),
            tag::ANY => Self::Any(from.list()?),
            tag::EXCEPT => Self::Except(from.list()?),
            tag::RANGE => Self::Range(Range::read(from)?),
            other => return Err(invalid("tag of a predicate", at, other.into())),
        })
    }
}

impl Canonical for Scalar {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Bool(false) => to.u8(tag::FALSE),
            Self::Bool(true) => to.u8(tag::TRUE),
            Self::Int(number) => {
                to.u8(tag::INT);
                to.varint_signed(*number);
            }
            Self::Keyword(text) => {
                to.u8(tag::KEYWORD);
                to.text(text);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = from.at();
        Ok(match from.u8()? {
            tag::FALSE => Self::Bool(false),
            tag::TRUE => Self::Bool(true),
            tag::INT => Self::Int(from.varint_signed()?),
            tag::KEYWORD => Self::Keyword(from.text()?.into()),
            other => return Err(invalid("tag of a scalar", at, other.into())),
        })
    }
}

/// One bit for each bound that is present, then these bounds.
impl Canonical for Range {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        let bounds = [
            (self.gt, tag::BOUND_GT),
            (self.gte, tag::BOUND_GTE),
            (self.lt, tag::BOUND_LT),
            (self.lte, tag::BOUND_LTE),
        ];
        let present = bounds.iter().filter(|(bound, _)| bound.is_some());
        to.u8(present.fold(0, |bits, (_, bit)| bits | bit));
        for bound in bounds.iter().filter_map(|(bound, _)| *bound) {
            to.f64(bound);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bits = from.tag("bounds of a range", |bits| (bits < 16).then_some(bits))?;
        let mut bound = |bit| (bits & bit != 0).then(|| from.f64()).transpose();
        Ok(Self {
            gt: bound(tag::BOUND_GT)?,
            gte: bound(tag::BOUND_GTE)?,
            lt: bound(tag::BOUND_LT)?,
            lte: bound(tag::BOUND_LTE)?,
        })
    }
}
