//! The control and reply lists, and how a table's rows edit them.

use std::borrow::Cow;
use std::sync::Arc;

use dictionaries::{Attribute, Pair, Value};
use proto::attribute::Instances;
use smallvec::SmallVec;

use super::compare::compare;
use super::op::Op;
use super::role::Role;
use super::rows::Item;

/// A pair in a list.
#[derive(Clone, Debug)]
pub(super) struct Held<'a> {
    pub(super) pair: Cow<'a, Pair>,
    pub(super) role: Role,
    /// The row it came from.
    pub(super) item: Option<&'a Item>,
    /// Its expansion failed: it is there, and is never sent.
    pub(super) mute: bool,
}

pub(super) type List<'a> = SmallVec<[Held<'a>; 8]>;

impl<'a> Held<'a> {
    /// One that no row put there.
    pub(super) fn made(attribute: &Arc<Attribute>, value: Value) -> Held<'a> {
        let role = Role::of(attribute);
        let pair = Cow::Owned(Pair { attribute: attribute.clone(), tag: None, value });
        Held { pair, role, item: None, mute: false }
    }
}

pub(super) fn first<'l, 'a>(list: &'l [Held<'a>], role: Role) -> Option<&'l Held<'a>> {
    list.iter().find(|held| held.role == role)
}

pub(super) fn values_in(list: &[Held<'_>], attribute: &Attribute) -> Instances {
    let same = list.iter().filter(|held| held.pair.attribute.same(attribute));
    same.map(|held| (held.pair.tag, held.pair.value.clone())).collect()
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    Added,
    /// It stands where another value stood.
    Replaced,
    /// There was one already.
    Kept,
    /// It took others away.
    Removed,
    /// Its operator adds nothing.
    Nothing,
}

/// Merges the rows of one query. They see the list as it was before, never each other; one
/// instance is replaced at most once.
pub(super) fn merge<'a>(
    list: &mut List<'a>,
    rows: impl Iterator<Item = (&'a Item, Held<'a>)>,
    mut tell: impl FnMut(&'a Item, Effect),
) {
    // Of what was there before.
    let mut marks: SmallVec<[Mark; 8]> = SmallVec::from_elem(Mark::Untouched, list.len());
    let mut in_front: Vec<Held<'a>> = Vec::new();
    for (item, held) in rows {
        let effect = match item.op {
            Op::Add | Op::Prepend => Effect::Added,
            _ => edit(item, &held, list, &mut marks),
        };
        match (effect, item.op) {
            (Effect::Added, Op::Prepend) => in_front.insert(0, held),
            (Effect::Added, _) => list.push(held),
            _ => {}
        }
        tell(item, effect);
    }
    if marks.contains(&Mark::Gone) {
        let mut marks = marks.into_iter();
        list.retain(|_| marks.next() != Some(Mark::Gone));
    }
    if !in_front.is_empty() {
        list.insert_many(0, in_front);
    }
}

/// What the rows so far did to one that was there before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Untouched,
    Replaced,
    Gone,
}

/// Goes through what was there; [`Effect::Added`] leaves the adding to the caller.
fn edit<'a>(item: &Item, held: &Held<'a>, list: &mut [Held<'a>], marks: &mut [Mark]) -> Effect {
    let mut removed = false;
    for (there, mark) in list.iter_mut().zip(marks) {
        if *mark != Mark::Untouched || !item.is_same(&there.pair.attribute) {
            continue;
        }
        let ordering = || compare(&held.pair, there.pair.tag, &there.pair.value);
        let (replace, remove) = match item.op {
            Op::Assign => return Effect::Kept,
            Op::Set => (true, false),
            Op::AtMost => (ordering() > 0, false),
            Op::AtLeast => (ordering() < 0, false),
            Op::Equal => (false, ordering() != 0),
            Op::Subtract => (false, ordering() == 0),
            Op::Absent => (false, true),
            _ => return Effect::Nothing,
        };
        if replace {
            *there = held.clone();
            *mark = Mark::Replaced;
            return Effect::Replaced;
        }
        if remove {
            *mark = Mark::Gone;
            removed = true;
        }
    }
    match item.op {
        Op::Assign | Op::Set | Op::AtMost | Op::AtLeast => Effect::Added,
        _ if removed => Effect::Removed,
        _ => Effect::Nothing,
    }
}
