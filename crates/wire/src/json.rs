//! Reading bodies, and what they will take in memory.

use std::fmt::{self, Write as _};

use serde::de::DeserializeOwned;

use crate::error::{Result, WireError};

/// Most levels of objects and lists in a body: payloads and filters at their deepest, and the
/// request around them.
const DEPTH_MAX: usize = 120;
/// Bytes that one value or key takes once read: an entry of a payload's list or map.
const VALUE_BYTES: u64 = 64;
/// Bytes that one object takes once read: a node of a map.
const OBJECT_BYTES: u64 = 640;

/// Bytes of a text's beginning and end that are kept where it quotes what may be long.
const HEAD_BYTES: usize = 800;
const TAIL_BYTES: usize = 200;
/// Strings of more bytes than this matter when they are told, or have escapes undone.
const LONG_STRING_BYTES: usize = 1 << 10;
/// How many times a string may be there while it is read: as it is undone, and in a refusal.
const COPIES: u64 = 2;

/// Reads a body. An empty one reads as an empty object.
///
/// # Errors
/// [`WireError::Format`] names field, line and column.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, error))
}

/// Reads again, slower, to learn which field is wrong.
fn explain<T: DeserializeOwned>(body: &[u8], error: serde_json::Error) -> WireError {
    if error.is_syntax() || error.is_eof() {
        return WireError::Format(told(&error));
    }
    drop(error);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(at) if at.path().iter().next().is_none() => WireError::Format(told(at.inner())),
        Err(at) => WireError::Format(format!("{}: {}", shortened(at.path()), told(at.inner()))),
        Ok(_) => WireError::Format("the body cannot be read".to_owned()),
    }
}

/// Reads a value that was read already, naming what is wrong within it.
pub(crate) fn from_value<T: DeserializeOwned, E: serde::de::Error>(
    value: serde_json::Value,
) -> std::result::Result<T, E> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        if error.path().iter().next().is_none() {
            return E::custom(error.inner());
        }
        E::custom(format_args!("{}: {}", error.path(), error.inner()))
    })
}

/// What an error says, in the words of JSON.
fn told(error: &serde_json::Error) -> String {
    let mut text = shortened(error);
    for (rust, json) in [
        ("expected u64", "expected an integer from 0 on"),
        ("expected u32", "expected an integer from 0 on"),
        ("expected usize", "expected an integer from 0 on"),
        ("expected f64", "expected a number"),
        ("expected f32", "expected a number"),
        ("expected string or map", "expected a string"),
        ("expected a sequence", "expected a list"),
        ("invalid type: sequence", "invalid type: list"),
        ("invalid type: map", "invalid type: object"),
    ] {
        text = text.replace(rust, json);
    }
    text
}

/// A text whose middle is left out where it is long.
pub fn shortened(shown: &impl fmt::Display) -> String {
    let mut ends = Ends::default();
    // A text takes everything.
    write!(ends, "{shown}").ok();
    let Ends { head, mut tail, bytes } = ends;
    if head.len() + tail.len() < bytes {
        tail.drain(..tail.ceil_char_boundary(tail.len().saturating_sub(TAIL_BYTES)));
        return format!("{head} ... {tail}");
    }
    head + &tail
}

/// The two ends of a text.
#[derive(Default)]
struct Ends {
    head: String,
    tail: String,
    bytes: usize,
}

impl fmt::Write for Ends {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.bytes += part.len();
        let room = HEAD_BYTES.saturating_sub(self.head.len());
        let room = if self.tail.is_empty() { part.floor_char_boundary(room) } else { 0 };
        self.head.push_str(&part[..room]);
        let last = part[room..].len().saturating_sub(2 * TAIL_BYTES);
        self.tail.push_str(&part[part.ceil_char_boundary(room + last)..]);
        let passed = self.tail.len().saturating_sub(2 * TAIL_BYTES);
        self.tail.drain(..self.tail.ceil_char_boundary(passed));
        Ok(())
    }
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
    /// Bytes of the longest string, with whatever cannot be shown escaped.
    pub string: u64,
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
                b'"' => {
                    let end = string_end(&body[at + 1..]);
                    shape.string = shape.string.max(shown_bytes(&body[at + 1..=at + end]));
                    at += end;
                }
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

    /// The most bytes that are there only while the body is read: copies of a string in it.
    pub fn reading_bytes_max(&self) -> u64 {
        self.string * COPIES
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

/// Bytes of a long string where it is told: what is no printable ASCII is escaped there.
fn shown_bytes(string: &[u8]) -> u64 {
    if string.len() <= LONG_STRING_BYTES {
        return 0;
    }
    let bytes = |byte: &u8| if matches!(byte, b' '..=b'~') { 1 } else { 6 };
    string.iter().map(bytes).sum()
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
        assert_eq!(Shape::of(&[b'"'; 2]).reading_bytes_max(), 0, "short strings do not matter");
        let long = format!("\"{}\u{7f}\"", "x".repeat(LONG_STRING_BYTES));
        let shown = LONG_STRING_BYTES as u64 + 6 + 1;
        assert_eq!(Shape::of(long.as_bytes()).reading_bytes_max(), shown * COPIES);
    }

    #[test]
    fn texts_keep_their_ends() {
        let short = "\u{e9}x".repeat((HEAD_BYTES + TAIL_BYTES) / 3);
        assert_eq!(shortened(&short), short);
        let long = format!("begin {} end", "\u{e9}x".repeat(100_000));
        let cut = shortened(&long);
        assert!(cut.starts_with("begin ") && cut.ends_with(" end"), "{cut}");
        assert!(cut.len() <= HEAD_BYTES + TAIL_BYTES + 5 && cut.contains(" ... "), "{cut}");
        // In parts it is the same.
        let (a, b, c) = (&long[..696], &long[696..996], &long[996..]);
        assert_eq!(shortened(&format_args!("{a}{b}{c}")), cut);
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
        let long = format!(r#"{{"a": [{{"b": "{}"}}]}}"#, "\u{7f}".repeat(1 << 20));
        let told = told(&long);
        assert!(told.len() < 1200, "{} bytes", told.len());
        assert!(
            told.contains("a[0].b: invalid type: string") && told.contains(" at line 1 column")
        );
    }
}
