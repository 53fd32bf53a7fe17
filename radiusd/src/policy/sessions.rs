//! Simultaneous-Use: how many sessions a user may have at once.

use std::net::Ipv4Addr;

use proto::attribute::{CALLING_STATION_ID, FRAMED_IP_ADDRESS};
use schema::OpenSession;

use super::decision::{Case, Halt};
use super::list::{List, first};
use super::role::Role;
use super::trace::{Recorder, TraceStep};
use super::{Need, OpenSessions, Reason};

/// So much of Calling-Station-Id is compared.
const STATION_OCTETS: usize = 16;

impl<R: Recorder> Case<'_, '_, R> {
    /// Only after the password was right.
    pub(super) fn check_sessions(&mut self) -> Result<(), Halt> {
        let Some(held) = first(&self.control, Role::SimultaneousUse) else { return Ok(()) };
        let elsewhere = first(&self.control, Role::SessionType);
        if elsewhere.and_then(|held| held.pair.value.as_u64()).is_some_and(|section| section != 0) {
            self.recorder.note(|| TraceStep::SessionsUncounted);
            return Ok(());
        }
        let limit = held.pair.value.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let Some(open) = &self.facts.answers.open_sessions else {
            let user = self.view.user().unwrap_or_default().to_vec();
            return Err(self.wait(vec![Need::OpenSessions { user, limit }]));
        };
        let (count, multilink) = match open {
            OpenSessions::Count(count) => (u64::from(*count), false),
            OpenSessions::List(sessions) => self.live(sessions, limit)?,
        };
        let under = is_under(count, limit);
        let ports = first(&self.reply, Role::PortLimit).and_then(|held| held.pair.value.as_u64());
        let joins = multilink && ports.is_some_and(|ports| ports > u64::from(limit));
        let why = match (under, joins) {
            (true, _) => "below the limit",
            (false, true) => "a further link of a session, and Port-Limit allows it",
            (false, false) => "the limit is reached",
        };
        let allowed = under || joins;
        self.recorder.note(|| TraceStep::Sessions { open: count, limit, allowed, why: why.into() });
        if allowed {
            return Ok(());
        }
        self.reply = List::new();
        let denied = "You are already logged in - access denied";
        match limit {
            0 | 1 => self.say(denied),
            more => self.say(&format!("{denied} ({more})")),
        }
        Err(Halt::Refuse(Reason::AlreadyLoggedIn))
    }

    /// How many of them count, and whether this one is a further link of one of those. At the
    /// limit their NAS are asked, if they can be; where none at all is allowed it would not matter.
    fn live(&mut self, sessions: &[OpenSession], limit: u32) -> Result<(u64, bool), Halt> {
        let all = u64::try_from(sessions.len()).unwrap_or(u64::MAX);
        let gone = match &self.facts.answers.gone {
            Some(gone) => gone.as_slice(),
            None if self.request.options.checkrad && limit > 0 && !is_under(all, limit) => {
                let user = self.view.user().unwrap_or_default().to_vec();
                let sessions = sessions.to_vec();
                return Err(self.wait(vec![Need::LiveSessions { user, sessions }]));
            }
            None => &[],
        };
        let (mut count, mut multilink) = (0, false);
        for session in sessions {
            if gone.contains(&session.radacctid) {
                self.recorder.note(|| TraceStep::SessionGone {
                    nas: session.nas_ip.clone(),
                    session: session.acctsessionid.clone(),
                });
            } else {
                count += 1;
                multilink |= self.is_same_link(session);
            }
        }
        Ok((count, multilink))
    }

    /// Same address or same station: a multilink bundle, as FreeRADIUS takes it.
    fn is_same_link(&self, session: &OpenSession) -> bool {
        let packet = self.request.packet;
        let address = packet
            .find(FRAMED_IP_ADDRESS)
            .and_then(|octets| <[u8; 4]>::try_from(octets).ok())
            .map(Ipv4Addr::from)
            .filter(|address| !address.is_unspecified());
        let framed =
            session.framed_ip.as_deref().and_then(|text| text.split('/').next()?.parse().ok());
        if address.is_some() && address == framed {
            return true;
        }
        let start = |octets: &[u8]| octets.get(..STATION_OCTETS).unwrap_or(octets).to_vec();
        match (packet.find(CALLING_STATION_ID), session.calling_station.as_deref()) {
            (Some(sent), Some(known)) => start(sent) == start(known.as_bytes()),
            _ => false,
        }
    }
}

/// As FreeRADIUS compares, to whom a limit beyond the signed numbers is none at all.
fn is_under(count: u64, limit: u32) -> bool {
    i64::try_from(count).unwrap_or(i64::MAX) < i64::from(limit.cast_signed())
}
