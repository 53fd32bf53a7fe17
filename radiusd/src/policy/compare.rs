//! How values compare, FreeRADIUS's way.

use std::cmp::Ordering;

use dictionaries::{Pair, Value};

use super::op::Op;

/// Below, at or above zero as what was found is less than, equal to or more than the row's. A row
/// without a tag takes any; one with a tag compares by it first.
pub(super) fn compare(row: &Pair, found_tag: Option<u8>, found: &Value) -> i32 {
    if row.attribute.flags.has_tag
        && let Some(tag) = row.tag
        && found_tag.unwrap_or(0) != tag
    {
        return i32::from(found_tag.unwrap_or(0)) - i32::from(tag);
    }
    compare_values(&row.value, found)
}

/// Does what was found fit the row? Networks are less the deeper inside of each other they are,
/// and those of one size neither less nor more nor even unequal.
pub(super) fn fits(op: Op, row: &Pair, found_tag: Option<u8>, found: &Value) -> bool {
    let (found, row_network) = match (network(found), network(&row.value)) {
        (Some(found), Some(row)) => (found, row),
        _ => return op.allows(compare(row, found_tag, found)),
    };
    let inside = found.1 > row_network.1 && begins(found.0, row_network.0, row_network.1);
    let around = found.1 < row_network.1 && begins(row_network.0, found.0, found.1);
    let same = found == row_network;
    match op {
        Op::NotEqual => found.1 != row_network.1,
        Op::Less => inside,
        Op::AtMost => inside || same,
        Op::Greater => around,
        Op::AtLeast => around || same,
        _ => same,
    }
}

/// The address of a network, at the upper end of 128 bits, and how many of them count.
fn network(value: &Value) -> Option<(u128, u8)> {
    match value {
        Value::Ipv4prefix(address, bits) => Some((u128::from(u32::from(*address)) << 96, *bits)),
        Value::Ipv6prefix(address, bits) => Some((u128::from(*address), *bits)),
        _ => None,
    }
}

fn begins(address: u128, with: u128, bits: u8) -> bool {
    let other = address ^ with;
    u32::from(bits) <= other.leading_zeros()
}

fn compare_values(row: &Value, found: &Value) -> i32 {
    let order = match (found, row) {
        (Value::Integer(found), Value::Integer(row)) | (Value::Date(found), Value::Date(row)) => {
            return difference(*found, *row);
        }
        (Value::Short(found), Value::Short(row)) => found.cmp(row),
        (Value::Byte(found), Value::Byte(row)) => found.cmp(row),
        (Value::Bool(found), Value::Bool(row)) => found.cmp(row),
        (Value::Integer64(found), Value::Integer64(row)) => found.cmp(row),
        (Value::Signed(found), Value::Signed(row)) => return found.wrapping_sub(*row),
        (Value::Ipaddr(found), Value::Ipaddr(row)) => {
            return difference(u32::from(*found), u32::from(*row));
        }
        (Value::Ipv4prefix(found, bits), Value::Ipv4prefix(row, row_bits)) => {
            (bits, found).cmp(&(row_bits, row))
        }
        (Value::Ipv6addr(found), Value::Ipv6addr(row)) => found.cmp(row),
        (Value::Ipv6prefix(found, bits), Value::Ipv6prefix(row, row_bits)) => {
            (bits, found).cmp(&(row_bits, row))
        }
        (Value::Ifid(found), Value::Ifid(row)) => found.cmp(row),
        (Value::Ether(found), Value::Ether(row)) => found.cmp(row),
        (Value::String(found), Value::String(row)) => found.cmp(row),
        (Value::Octets(found), Value::Octets(row))
        | (Value::Abinary(found), Value::Abinary(row)) => match found.len() == row.len() {
            true => found.cmp(row),
            // Whichever is longer.
            false => Ordering::Greater,
        },
        _ => Ordering::Less,
    };
    order as i32
}

/// Of 32 bits, with a sign: 4,000,000,000 is less than 7.
fn difference(found: u32, row: u32) -> i32 {
    found.wrapping_sub(row).cast_signed()
}
