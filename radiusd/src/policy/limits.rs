//! What limits a user who may otherwise come in: an end, hours of the week, quotas.

use std::borrow::Cow;

use dictionaries::{Pair, Value};
use proto::attribute::{REPLY_MESSAGE, SESSION_TIMEOUT};

use super::Reason;
use super::counters::{Limit, Told};
use super::decision::{Case, Halt};
use super::list::{Held, first};
use super::login_time::{self, Allowed};
use super::role::Role;
use super::trace::{Recorder, TraceStep};

/// A session shorter than this isn't begun.
const SHORTEST_SECONDS: u32 = 60;

impl<'a, R: Recorder> Case<'_, 'a, R> {
    pub(super) fn check_expiration(&mut self) -> Result<(), Halt> {
        let Some(held) = first(&self.control, Role::Expiration) else { return Ok(()) };
        let end = held.pair.value.as_u64().and_then(|end| i64::try_from(end).ok()).unwrap_or(0);
        let left = end - self.request.now;
        if left <= 0 {
            let since = held.pair.value.print_in(&held.pair.attribute, self.request.zone);
            self.recorder.note(|| TraceStep::Expired { since });
            return Err(Halt::Refuse(Reason::AccountExpired));
        }
        self.shorten(u32::try_from(left).unwrap_or(u32::MAX), "Expiration");
        Ok(())
    }

    pub(super) fn check_login_time(&mut self) -> Result<(), Halt> {
        let Some(held) = first(&self.control, Role::LoginTime) else { return Ok(()) };
        let hours = held.pair.value.as_octets().unwrap_or_default();
        match login_time::allowed(hours, self.request.now, self.request.zone) {
            Allowed::Always => Ok(()),
            Allowed::Seconds(left) if left >= SHORTEST_SECONDS => {
                self.shorten(left, "Login-Time");
                Ok(())
            }
            _ => {
                let hours = String::from_utf8_lossy(hours).into_owned();
                self.recorder.note(|| TraceStep::OutsideLoginTime { hours });
                Err(Halt::Refuse(Reason::OutsideLoginTime))
            }
        }
    }

    /// Before any password is looked at, as FreeRADIUS's counters do.
    pub(super) fn check_quotas(&mut self) -> Result<(), Halt> {
        if !self.control.iter().any(|held| matches!(held.role, Role::Limit(_))) {
            return Ok(());
        }
        for limit in Limit::all() {
            if let Some(held) = first(&self.control, Role::Limit(limit)) {
                let allowed = held.pair.value.as_u64().unwrap_or(0);
                self.check_quota(limit, allowed)?;
            }
        }
        Ok(())
    }

    fn check_quota(&mut self, limit: Limit, allowed: u64) -> Result<(), Halt> {
        let Some(used) = self.used(limit) else { return Err(self.lack(limit)) };
        let used = used.unwrap_or(0);
        let reached = allowed <= used;
        let attribute = limit.name();
        self.recorder.note(|| TraceStep::Limit {
            attribute: attribute.into(),
            limit: allowed,
            used,
            reached,
        });
        if reached {
            self.say(&limit.message());
            return Err(Halt::Refuse(Reason::QuotaReached));
        }
        let left = allowed - used;
        match limit.told() {
            Told::Nothing => {}
            Told::SessionTimeout => {
                let left = self.within_period(limit, allowed, left);
                // FreeRADIUS keeps the lower 32 bits.
                self.shorten(left as u32, attribute);
            }
            Told::ChilliSpotMaxTotalOctets => self.tell_octets(left),
        }
        Ok(())
    }

    /// What is left, not beyond the end of the period; FreeRADIUS adds the next one's quota there.
    fn within_period(&self, limit: Limit, allowed: u64, left: u64) -> u64 {
        let Some((_, end)) = limit.period().span(self.request.now, self.request.zone) else {
            return left;
        };
        let rest = u64::try_from(end - self.request.now).unwrap_or(0);
        match left >= rest {
            true if self.request.options.counter_carry => rest.saturating_add(allowed),
            true => rest,
            false => left,
        }
    }

    /// The lower of what is there and this; only the first instance is looked at.
    fn shorten(&mut self, seconds: u32, because_of: &'static str) {
        let there = self.reply.iter_mut().find(|held| held.role == Role::SessionTimeout);
        match there {
            Some(held) if held.pair.value.as_u64().is_some_and(|old| old <= u64::from(seconds)) => {
                return;
            }
            Some(held) => {
                let value = Value::Integer(seconds);
                held.pair = Cow::Owned(Pair { value, ..held.pair.as_ref().clone() });
            }
            None => {
                let Some(attribute) = self.request.dictionary.standard(SESSION_TIMEOUT) else {
                    return;
                };
                self.reply.push(Held::made(attribute, Value::Integer(seconds)));
            }
        }
        self.recorder.note(|| TraceStep::SessionTimeout { seconds, because_of: because_of.into() });
    }

    fn tell_octets(&mut self, left: u64) {
        let dictionary = self.request.dictionary;
        let Some(attribute) = dictionary.attribute("ChilliSpot-Max-Total-Octets") else { return };
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let there = self.reply.iter_mut().find(|held| held.pair.attribute.same(attribute));
        match there {
            Some(held) if held.pair.value.as_u64().is_some_and(|old| old <= u64::from(left)) => {}
            Some(held) => *held = Held::made(attribute, Value::Integer(left)),
            None => self.reply.push(Held::made(attribute, Value::Integer(left))),
        }
    }

    /// Appends a Reply-Message, whatever is there already.
    pub(super) fn say(&mut self, message: &str) {
        if let Some(attribute) = self.request.dictionary.standard(REPLY_MESSAGE) {
            let value = Value::String(message.as_bytes().into());
            self.reply.push(Held::made(attribute, value));
        }
    }
}
