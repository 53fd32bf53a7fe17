//! FreeRADIUS's `rlm_sql`: the user's rows, then groups by priority, then a profile's groups.

use std::borrow::Cow;
use std::collections::BTreeSet;

use dictionaries::{Dictionary, Pair, Value};
use smallvec::SmallVec;

use super::check::Match;
use super::counters::{Limit, Used};
use super::decision::{Case, Halt};
use super::list::{Held, List, first, merge};
use super::names::lookup_names;
use super::role::Role;
use super::rows::{Batch, GroupPolicy, Item};
use super::trace::{Recorder, Shown, Table, TraceStep, is_secret};
use super::{Need, Reason};

/// What the last reply rows said of Fall-Through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FallThrough {
    Unsaid,
    Yes,
    No,
}

impl FallThrough {
    fn of(batch: &Batch) -> FallThrough {
        match batch.items.iter().find(|item| item.role == Role::FallThrough) {
            None => FallThrough::Unsaid,
            Some(item) => match item.pair.value.as_u64() {
                Some(1) => FallThrough::Yes,
                // FreeRADIUS's number for "nothing said".
                Some(2) => FallThrough::Unsaid,
                _ => FallThrough::No,
            },
        }
    }
}

impl<'a, R: Recorder> Case<'_, 'a, R> {
    pub(super) fn read_rows(&mut self) -> Result<(), Halt> {
        let mut fall = FallThrough::Unsaid;
        if let Some(user) = self.facts.user {
            self.seen.known = !user.check.is_empty() || !user.groups.is_empty();
            if user.check.is_empty() {
                self.recorder.note(|| TraceStep::NoCheckRows);
            } else if self.fits(Table::RadCheck, &user.name, &user.check)? {
                self.merge(Table::RadCheck, &user.name, &user.check);
                self.readable(Table::RadReply, &user.name, &user.reply)?;
                self.merge(Table::RadReply, &user.name, &user.reply);
                fall = FallThrough::of(&user.reply);
            } else {
                self.seen.unfit = true;
            }
            if fall == FallThrough::No {
                let why = "the user's reply rows say Fall-Through = No";
                self.groups_end(why, &user.groups);
            } else {
                fall = match self.read_groups(&user.groups, fall) {
                    // FreeRADIUS says "not found" of a user without check rows, and goes on with what
                    // it has.
                    Err(Halt::Refuse(Reason::InvalidRow)) if user.check.is_empty() => {
                        self.view.group = None;
                        return Ok(());
                    }
                    read => read?,
                };
            }
        }
        self.read_profile(fall)
    }

    /// Up to the first group that fits and doesn't fall through.
    fn read_groups(
        &mut self,
        groups: &'a [Box<str>],
        mut fall: FallThrough,
    ) -> Result<FallThrough, Halt> {
        for (at, name) in groups.iter().enumerate() {
            self.view.group = Some(name);
            let policy = self.group(name);
            self.recorder
                .note(|| TraceStep::Group { name: name.to_string(), known: policy.is_some() });
            if let Some(policy) = policy {
                if !self.fits(Table::RadGroupCheck, &policy.name, &policy.check)? {
                    self.recorder.note(|| TraceStep::GroupPassedOver { name: name.to_string() });
                    continue;
                }
                self.merge(Table::RadGroupCheck, &policy.name, &policy.check);
                self.readable(Table::RadGroupReply, &policy.name, &policy.reply)?;
                self.merge(Table::RadGroupReply, &policy.name, &policy.reply);
            }
            fall = policy.map_or(FallThrough::Unsaid, |policy| FallThrough::of(&policy.reply));
            if fall != FallThrough::Yes {
                let why = match fall {
                    FallThrough::No => "the group's reply rows say Fall-Through = No",
                    _ => "the group's reply rows don't say Fall-Through = Yes",
                };
                self.groups_end(why, groups.get(at + 1..).unwrap_or_default());
                break;
            }
        }
        self.view.group = None;
        Ok(fall)
    }

    fn group(&self, name: &str) -> Option<&'a GroupPolicy> {
        let groups = self.facts.groups;
        groups.get(name).or_else(|| groups.get(&lookup_names(name.as_bytes()).1))
    }

    fn groups_end(&mut self, why: &'static str, left_out: &[Box<str>]) {
        if !left_out.is_empty() {
            let left_out = || left_out.iter().map(|name| name.to_string()).collect();
            self.recorder.note(|| TraceStep::GroupsEnd { why: why.into(), left_out: left_out() });
        }
    }

    /// User-Profile is the name of a user whose groups follow.
    fn read_profile(&mut self, fall: FallThrough) -> Result<(), Halt> {
        if fall == FallThrough::No {
            return Ok(());
        }
        let Some(held) = first(&self.control, Role::UserProfile) else { return Ok(()) };
        let name = String::from_utf8_lossy(held.pair.value.as_octets().unwrap_or_default());
        if name.is_empty() {
            return Ok(());
        }
        let name = name.into_owned();
        let Some(profile) = self.facts.answers.find_profile(&name) else {
            return Err(self.wait(vec![Need::Profile(name)]));
        };
        let known = profile.is_some();
        self.recorder.note(|| TraceStep::Profile { name: name.clone(), known });
        self.view.profile = Some(name);
        if let Some(profile) = profile {
            self.seen.known |= !profile.groups.is_empty();
            self.read_groups(&profile.groups, fall)?;
        }
        Ok(())
    }

    /// Do all check rows fit? One that cannot be read refuses the user.
    fn fits(&mut self, table: Table, owner: &str, batch: &'a Batch) -> Result<bool, Halt> {
        self.readable(table, owner, batch)?;
        let dictionary = self.request.dictionary;
        for item in &batch.items {
            if !item.is_compared(&self.view) {
                continue;
            }
            let used = |limit| self.used(limit);
            let (matched, stripped) = item.matches(batch, &self.scope(), used);
            if let Match::Lacks(limit) = matched {
                return Err(self.lack(limit));
            }
            if let Some(rest) = stripped {
                self.view.strip(rest);
            }
            let fits = matched == Match::Yes;
            let view = &self.view;
            self.recorder.note(|| TraceStep::Compared {
                row: shown(table, owner, item, dictionary),
                fits,
                unusable: item
                    .pattern()
                    .and_then(|made| made.as_ref().err())
                    .map(|why| why.to_string()),
                sent: match is_secret(&item.pair.attribute, dictionary) {
                    true => Vec::new(),
                    false => view
                        .values(&item.pair.attribute, item.role)
                        .iter()
                        .map(|(_, value)| value.print_in(&item.pair.attribute, view.request.zone))
                        .collect(),
                },
            });
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All rows of the query can be read, and the hosts that they name are known.
    fn readable(&mut self, table: Table, owner: &str, batch: &'a Batch) -> Result<(), Halt> {
        if let Some(bad) = &batch.bad {
            self.recorder.note(|| TraceStep::Unreadable {
                row: Shown {
                    table,
                    owner: owner.to_owned(),
                    id: bad.id,
                    attribute: bad.attribute.to_string(),
                    op: bad.op.to_string(),
                    value: None,
                },
                why: bad.mistake.to_string(),
            });
            return Err(Halt::Refuse(Reason::InvalidRow));
        }
        let known = |host: &str| self.facts.answers.find_host(host);
        let hosts = batch.items.iter().filter_map(Item::host);
        let lacking = hosts.filter(|host| known(host).is_none());
        let lacking: BTreeSet<&str> = lacking.collect();
        if !lacking.is_empty() {
            let needs = lacking.into_iter().map(|host| Need::Host(host.to_owned()));
            return Err(self.wait(needs.collect()));
        }
        let dictionary = self.request.dictionary;
        for item in &batch.items {
            let Some(host) = item.host() else { continue };
            let Some(found) = self.facts.answers.find_host(host) else { continue };
            if item.address(found).is_none() {
                self.recorder.note(|| TraceStep::Unreadable {
                    row: shown(table, owner, item, dictionary),
                    why: format!("there is no host {host}"),
                });
                return Err(Halt::Refuse(Reason::InvalidRow));
            }
        }
        Ok(())
    }

    /// Merges check rows into control, reply rows into the reply.
    fn merge(&mut self, table: Table, owner: &str, batch: &'a Batch) {
        let dictionary = self.request.dictionary;
        let scope = self.scope();
        let expands = |item: &Item| item.template().is_some() || item.host().is_some();
        // Before any of the rows is merged: they don't see each other.
        let made: SmallVec<[Option<Value>; 2]> =
            batch.items.iter().filter(|item| expands(item)).map(|item| scope.value(item)).collect();
        let mut made = made.into_iter();
        let held = |item: &'a Item| {
            let value = if expands(item) { made.next().flatten() } else { None };
            let mute = item.template().is_some() && value.is_none();
            let pair = match value {
                Some(value) => Cow::Owned(Pair { value, ..item.pair.clone() }),
                None => Cow::Borrowed(&item.pair),
            };
            (item, Held { pair, role: item.role, item: Some(item), mute })
        };
        let list: &mut List<'a> = match table {
            Table::RadCheck | Table::RadGroupCheck => &mut self.control,
            Table::RadReply | Table::RadGroupReply => &mut self.reply,
        };
        merge(list, batch.items.iter().map(held), |item, effect| {
            self.recorder
                .note(|| TraceStep::Merged { row: shown(table, owner, item, dictionary), effect });
        });
    }

    /// What the user used of a quota, in its unit. `None`: it has to be asked.
    pub(super) fn used(&self, limit: Limit) -> Option<Used> {
        let ask = limit.ask(self.request.now, self.request.zone);
        let answer = self.facts.answers.find_counter(ask)?;
        Some(answer.map(|answer| limit.used(answer, self.request.now)))
    }

    pub(super) fn lack(&mut self, limit: Limit) -> Halt {
        let user = self.view.user().unwrap_or_default().to_vec();
        let ask = limit.ask(self.request.now, self.request.zone);
        self.wait(vec![Need::Counter { user, ask }])
    }
}

fn shown(table: Table, owner: &str, item: &Item, dictionary: &Dictionary) -> Shown {
    let attribute = &item.pair.attribute;
    let fixed = item.template().is_none() && item.host().is_none();
    let value =
        (fixed && !is_secret(attribute, dictionary)).then(|| item.pair.value.print(attribute));
    let tag = item.pair.tag.map_or(String::new(), |tag| format!(":{tag}"));
    Shown {
        table,
        owner: owner.to_owned(),
        id: item.id,
        attribute: format!("{}{tag}", attribute.name),
        op: item.op.to_string(),
        value,
    }
}
