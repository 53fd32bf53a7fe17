//! An attribute with its value.

use std::sync::Arc;

use crate::attribute::Attribute;
use crate::value::Value;

/// One attribute of a packet or of a policy.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pair {
    pub attribute: Arc<Attribute>,
    pub tag: Option<u8>,
    pub value: Value,
}
