//! FreeRADIUS's operators, and what it takes for one.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `=`
    Assign,
    /// `:=`
    Set,
    /// `+=`
    Add,
    /// `^=`
    Prepend,
    /// `-=`
    Subtract,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `=~`
    Like,
    /// `!~`
    NotLike,
    /// `=*`
    Present,
    /// `!*`
    Absent,
    /// `++`
    Increment,
}

/// The longer ones first: `=>` begins with one, as FreeRADIUS reads it, and what follows is ignored.
const WRITTEN: [(&str, Op); 16] = [
    ("+=", Op::Add),
    ("-=", Op::Subtract),
    (":=", Op::Set),
    ("^=", Op::Prepend),
    ("=*", Op::Present),
    ("!*", Op::Absent),
    ("==", Op::Equal),
    ("=~", Op::Like),
    ("!~", Op::NotLike),
    ("!=", Op::NotEqual),
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    ("++", Op::Increment),
    ("=", Op::Assign),
    (">", Op::Greater),
    ("<", Op::Less),
];

impl Op {
    /// What the column says; nothing at all is `==`.
    pub fn parse(text: &str) -> Option<Op> {
        if text.is_empty() {
            return Some(Op::Equal);
        }
        let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        WRITTEN.iter().find(|(written, _)| text.starts_with(written)).map(|(_, op)| *op)
    }

    pub fn as_str(self) -> &'static str {
        WRITTEN.iter().find(|(_, op)| *op == self).map_or("", |(written, _)| written)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_freeradius_reads_them() {
        for (text, op) in [
            ("", Some(Op::Equal)),
            ("=>", Some(Op::Assign)),
            ("=<", Some(Op::Assign)),
            ("<>", Some(Op::Less)),
            (" =", Some(Op::Assign)),
            ("= ", Some(Op::Assign)),
            ("  ", None),
            ("!", None),
            ("~=", None),
            ("*=", None),
            ("||", None),
            ("x", None),
        ] {
            assert_eq!(Op::parse(text), op, "{text:?}");
        }
        for (text, op) in WRITTEN {
            assert_eq!(Op::parse(text), Some(op));
            assert_eq!(op.to_string(), text);
        }
    }
}
