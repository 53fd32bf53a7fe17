//! What attributes are called and how their values are written.
//!
//! A [`Dictionary`] is read once, from our own files or from FreeRADIUS's, and never changes
//! after that. `parse` reads the file format; `dictionary` answers by name and by number;
//! `attribute` is what an answer holds; `value` turns text into values, values into octets, and
//! back; `pair` is an attribute with its value, as people write it.

mod attribute;
mod dictionary;
mod draft;
mod numbered;
mod pair;
mod parse;
mod shipped;
mod value;

pub use attribute::{Attribute, Encrypt, Flags, Format, Kind, Place, Vendor};
pub use dictionary::{Dictionary, NameError};
pub use pair::Pair;
pub use parse::ParseError;
pub use value::{Value, ValueError};
