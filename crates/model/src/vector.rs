//! Vectors: names, datatypes, and the row-major layout used everywhere.
//!
//! A matrix of `n` vectors of `dim` components is one slice of `n * dim` values, row after row:
//! shape `[n, dim]`, row-major. Components are finite.

use std::fmt;

/// The name of one of a collection's vectors; the empty name is the default vector.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VectorName(pub Box<str>);

impl VectorName {
    /// The default vector's name.
    pub fn unnamed() -> Self {
        Self::default()
    }

    /// Whether this is the default vector.
    pub fn is_unnamed(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for VectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a component is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Datatype {
    /// 4 bytes, IEEE 754 single.
    #[default]
    Float32,
    /// 2 bytes, IEEE 754 half.
    Float16,
    /// 1 byte, 0 to 255; given components are truncated into that range.
    Uint8,
}

impl Datatype {
    /// Bytes of one component.
    pub fn bytes(self) -> usize {
        match self {
            Self::Float32 => 4,
            Self::Float16 => 2,
            Self::Uint8 => 1,
        }
    }

    /// The value that this datatype keeps of a component.
    pub fn round(self, component: f32) -> f32 {
        match self {
            Self::Float32 => component,
            Self::Float16 => half::f16::from_f32(component).to_f32(),
            Self::Uint8 => component.clamp(0.0, 255.0).trunc(),
        }
    }
}

/// Many vectors of one name, row-major, each present or absent.
///
/// Shape: `values` is `[present, dim]`: the rows that have the vector, in row order. `present` is
/// empty when every row has it, else one flag for each row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VectorColumn {
    /// Which of the collection's vectors.
    pub name: VectorName,
    /// Components of one vector.
    pub dim: u32,
    /// The components of the present rows.
    pub values: Vec<f32>,
    /// One flag for each row, or empty when all are present.
    pub present: Vec<bool>,
}

impl VectorColumn {
    /// Rows that have the vector, in a batch of `rows` rows.
    pub fn rows_present(&self, rows: usize) -> usize {
        if self.present.is_empty() {
            return rows;
        }
        self.present.iter().filter(|&&present| present).count()
    }

    /// For each of `rows` rows its vector, `[dim]`, or nothing where it is absent.
    ///
    /// Rows beyond the flags or the components have none.
    pub fn rows(&self, rows: usize) -> impl Iterator<Item = Option<&[f32]>> {
        let mut vectors = self.values.chunks_exact(self.dim.max(1) as usize);
        (0..rows).map(move |row| {
            let present = self.present.is_empty() || self.present.get(row) == Some(&true);
            if present { vectors.next() } else { None }
        })
    }
}
