//! Rust text to tokens: enough to tell code from comments and strings.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or identifier.
    Word,
    /// A lifetime or label.
    Lifetime,
    /// A string, character or number.
    Literal,
    /// One character of anything else.
    Sign,
}

/// One token and the lines it covers, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
    pub(crate) last_line: usize,
}

impl Token {
    /// Whether it is this word or sign.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.kind, Kind::Word | Kind::Sign)
    }

    pub(crate) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

/// The tokens of a Rust text; comments and blanks are left out.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0, line: 1 };
    std::iter::from_fn(|| cursor.token()).collect()
}

/// The index after the bracket that closes the one at `open`.
pub(crate) fn after_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if ["(", "[", "{"].iter().any(|sign| token.is(sign)) {
            depth += 1;
        } else if [")", "]", "}"].iter().any(|sign| token.is(sign)) {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + 1;
            }
        }
    }
    tokens.len()
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl Cursor<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn starts_with(&self, text: &str) -> bool {
        self.bytes[self.at..].starts_with(text.as_bytes())
    }

    fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn step(&mut self) {
        self.line += usize::from(self.peek(0) == b'\n');
        self.at = (self.at + 1).min(self.bytes.len());
    }

    fn step_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while !self.is_done() && wanted(self.peek(0)) {
            self.step();
        }
    }

    fn token(&mut self) -> Option<Token> {
        self.skip_blanks();
        if self.is_done() {
            return None;
        }
        let (start, line) = (self.at, self.line);
        let kind = match self.peek(0) {
            b'"' => self.string(),
            b'\'' => self.quote(),
            b'0'..=b'9' => self.number(),
            byte if is_word_byte(byte) => self.word(),
            _ => {
                self.step();
                Kind::Sign
            }
        };
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
        Some(Token { kind, text, line, last_line: self.line })
    }

    fn skip_blanks(&mut self) {
        loop {
            self.step_while(|byte| byte.is_ascii_whitespace());
            if self.starts_with("//") {
                self.step_while(|byte| byte != b'\n');
            } else if self.starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0_usize;
        while !self.is_done() {
            if self.starts_with("/*") {
                depth += 1;
                self.step();
            } else if self.starts_with("*/") {
                depth -= 1;
                self.step();
            }
            self.step();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) -> Kind {
        self.step();
        while !self.is_done() && self.peek(0) != b'"' {
            if self.peek(0) == b'\\' {
                self.step();
            }
            self.step();
        }
        self.step();
        Kind::Literal
    }

    fn raw_string(&mut self, hashes: usize) -> Kind {
        (0..=hashes).for_each(|_| self.step());
        let end = format!("\"{}", "#".repeat(hashes));
        while !self.is_done() && !self.starts_with(&end) {
            self.step();
        }
        (0..end.len()).for_each(|_| self.step());
        Kind::Literal
    }

    /// A character, or a lifetime.
    fn quote(&mut self) -> Kind {
        let escaped = self.peek(1) == b'\\';
        let wide = self.peek(1) >= 0x80;
        if !escaped && !wide && self.peek(2) != b'\'' {
            self.step();
            self.step_while(is_word_byte);
            return Kind::Lifetime;
        }
        (0..if escaped { 3 } else { 2 }).for_each(|_| self.step());
        self.step_while(|byte| byte != b'\'');
        self.step();
        Kind::Literal
    }

    fn number(&mut self) -> Kind {
        self.step_while(is_word_byte);
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            self.step();
            self.step_while(is_word_byte);
        }
        Kind::Literal
    }

    fn word(&mut self) -> Kind {
        let start = self.at;
        self.step_while(is_word_byte);
        let prefix = &self.bytes[start..self.at];
        let raw = matches!(prefix, b"r" | b"br" | b"cr");
        let hashes = self.bytes[self.at..].iter().take_while(|byte| **byte == b'#').count();
        if raw && self.peek(hashes) == b'"' {
            return self.raw_string(hashes);
        }
        match (prefix, self.peek(0)) {
            (b"b" | b"c", b'"') => self.string(),
            (b"b", b'\'') => self.quote(),
            _ => Kind::Word,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_are_left_out_and_strings_are_whole() {
        let text = "a // unsafe\n/* b /* c */ d */ \"unsafe \\\" {\" r#\"x\"y\"# e";
        assert_eq!(texts(text), ["a", "\"unsafe \\\" {\"", "r#\"x\"y\"#", "e"]);
    }

    #[test]
    fn characters_are_not_lifetimes() {
        assert_eq!(texts("'a' 'b '\\'' b'{' '\\u{1}'"), ["'a'", "'b", "'\\''", "b'{'", "'\\u{1}'"]);
    }

    #[test]
    fn ranges_and_fractions() {
        assert_eq!(texts("0..1.5"), ["0", ".", ".", "1.5"]);
    }

    #[test]
    fn lines_are_counted_through_strings() {
        let all = tokens("a \"\n\n\" b");
        assert_eq!((all[1].line, all[1].last_line, all[2].line), (1, 3, 3));
    }
}
