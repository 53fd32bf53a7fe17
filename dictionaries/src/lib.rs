//! What attributes are called and how their values are written.
//!
//! A [`Dictionary`] is read once, from our own files (`shipped`) or from FreeRADIUS's, and never
//! changes after that: `parse` reads the file format, word by word (`words`), into a `draft`, which
//! knows what may be defined twice. `attribute` is what it tells of one attribute; `dictionary` answers by name and
//! by number, `numbered` to names that are numbers.
//!
//! `value` is what attributes hold and how it lies on the wire; `text` reads it, `print` writes
//! it, and `address`, `date` and `filter` know the notations that need more than a line. `pair`
//! is an attribute with its value.

#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::panic)]

mod attribute;
mod dictionary;
mod numbered;

mod draft;
mod parse;
mod shipped;
mod words;

mod address;
mod date;
mod filter;
mod pair;
mod print;
mod text;
mod value;

pub use attribute::{Attribute, Encrypt, Flags, Format, Kind, Place, Vendor};
pub use dictionary::{Dictionary, NameError};
pub use pair::{Pair, PairError};
pub use parse::ParseError;
pub use text::{Unquoted, unquote};
pub use value::{Value, ValueError};
