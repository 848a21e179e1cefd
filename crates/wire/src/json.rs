//! Reading bodies, and what they will take in memory.

use serde::de::DeserializeOwned;

use crate::error::{Result, WireError};

/// Most levels of objects and lists in a body: payloads and filters at their deepest, and the
/// request around them.
const DEPTH_MAX: usize = 120;
/// Bytes that one value or key takes once read: an entry of a payload's list or map.
const VALUE_BYTES: u64 = 64;
/// Bytes that one object takes once read: a node of a map.
const OBJECT_BYTES: u64 = 640;

/// Reads a body. An empty one reads as an empty object.
///
/// # Errors
/// [`WireError::Format`] names field, line and column.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    // A list would be read as the fields in their order.
    if let Some(b'[') = first {
        return Err(WireError::Format("the body is a list; send an object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
}

/// Reads again, slower, to learn which field is wrong.
fn explain<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> WireError {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let told = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(told) if !error.is_syntax() && !error.is_eof() => told,
        _ => return WireError::Format(error.to_string()),
    };
    let path = told.path().to_string();
    if path == "." {
        return WireError::Format(error.to_string());
    }
    WireError::Format(format!("{path}: {error}"))
}

/// What a body looks like before it is read: one pass over its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Bytes of text.
    pub bytes: u64,
    /// Values and keys, about.
    pub values: u64,
    /// Objects.
    pub objects: u64,
    /// Levels of objects and lists.
    pub depth: usize,
}

impl Shape {
    /// Looks at a body; its syntax is not judged.
    pub fn of(body: &[u8]) -> Self {
        let mut shape = Self { bytes: body.len() as u64, ..Self::default() };
        let (mut depth, mut at) = (0_usize, 0);
        while let Some(&byte) = body.get(at) {
            match byte {
                b',' | b':' => shape.values += 1,
                b'[' | b'{' => {
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                    shape.values += 1;
                    shape.objects += u64::from(byte == b'{');
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                b'"' => at += string_end(&body[at + 1..]),
                _ => {}
            }
            at += 1;
        }
        shape
    }

    /// Whether it is shallow enough to be read.
    ///
    /// # Errors
    /// [`WireError::Format`].
    pub fn check(&self) -> Result<()> {
        if self.depth <= DEPTH_MAX {
            return Ok(());
        }
        let depth = self.depth;
        Err(WireError::Format(format!(
            "the body is nested {depth} levels deep; at most {DEPTH_MAX} are allowed"
        )))
    }

    /// The most bytes that the body takes once read, besides the text itself.
    pub fn decoded_bytes_max(&self) -> u64 {
        self.bytes + self.values * VALUE_BYTES + self.objects * OBJECT_BYTES
    }
}

/// Bytes up to and with the quote that ends a string.
fn string_end(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_counted_outside_of_strings() {
        let shape = Shape::of(br#"{"a[{,\"": [1, {"b": "\\"}], "c": 2}"#);
        assert_eq!((shape.objects, shape.depth), (2, 3));
        assert_eq!(Shape::of(b"").depth, 0);
        assert!(Shape::of(&[b'['; 121]).check().is_err());
        assert!(Shape::of(br#""open \"#).check().is_ok());
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        #[derive(Debug, serde::Deserialize)]
        struct Inner {
            #[serde(rename = "b")]
            _b: u8,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Outer {
            #[serde(rename = "a")]
            _a: Vec<Inner>,
        }
        let told = |body: &str| decode::<Outer>(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            told(r#"{"a": [{"b": 1}, {"b": "x"}]}"#),
            "Format error in JSON body: a[1].b: invalid type: string \"x\", expected u8 \
             at line 1 column 26"
        );
        assert!(told("{").contains("EOF while parsing"));
        assert!(told("").contains("missing field `a`"));
        assert!(told(" [[]]").contains("the body is a list"));
    }
}
