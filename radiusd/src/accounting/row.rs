//! State to row and back. What a row can't tell goes into its marks.
//!
//! Columns that differ from what FreeRADIUS 3.2 writes for the same packets in the usual order:
//! a Stop sets `acctinterval` too (the distance from the event before it, so that
//! `acctupdatetime - acctinterval` always is that event), counters and session time never fall,
//! an address that a later packet lacks stays.

use schema::{Reboot, SESSION_ID_REUSED as REUSED, Session};
use serde::{Deserialize, Serialize};

use super::event::{Kind, Texts};
use super::newest::{Newest, Position};
use super::state::{Closing, Ending, Opening, Progress, State, Times};

pub const REBOOTED: &str = "NAS-Reboot";
/// The cause of a session that its NAS, when asked, did not have.
pub const GONE: &str = "Unknown-To-NAS";
/// The cause of a session that an operator closed.
pub const CLOSED: &str = "Closed-By-Operator";

/// What of a state its row doesn't show, kept beside the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    guessed: bool,
    progress: Progress,
    /// Time, whether it was an Accounting-Off, cause.
    reboot: Option<(i64, bool, Option<String>)>,
    /// The row they were written with. Marks of a row that another program has changed since are
    /// only joined to what the row itself says.
    with: Numbers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Numbers {
    start: Option<i64>,
    update: Option<i64>,
    stop: Option<i64>,
    session_time: Option<i64>,
    octets: (Option<i64>, Option<i64>),
}

impl Numbers {
    fn of(row: &Session) -> Numbers {
        Numbers {
            start: row.acctstarttime,
            update: row.acctupdatetime,
            stop: row.acctstoptime,
            session_time: row.acctsessiontime,
            octets: (row.acctinputoctets, row.acctoutputoctets),
        }
    }
}

/// How a session ended.
struct End {
    at: i64,
    update: i64,
    session_time: Option<i64>,
    cause: Option<String>,
    connect_info: Option<String>,
}

impl State {
    /// `current`: it is the latest session under its Acct-Session-Id.
    pub fn row(&self, unique_id: String, current: bool) -> Session {
        let Opening { start, texts, .. } = &self.opening;
        let progress = &self.progress;
        let end = self.end(current);
        let update = end.as_ref().map_or(self.head().time(), |end| end.update);
        let address = |at: usize| progress.addresses[at].get().map(|(_, address)| address.clone());
        Session {
            radacctid: None,
            acctsessionid: texts.session_id.clone(),
            acctuniqueid: unique_id,
            username: Some(texts.username.clone()),
            realm: texts.realm.clone(),
            nasipaddress: texts.nas.clone(),
            nasportid: texts.nas_port_id.clone(),
            nasporttype: Some(texts.nas_port_type.clone()),
            acctstarttime: Some(*start),
            acctupdatetime: Some(update),
            acctstoptime: end.as_ref().map(|end| end.at),
            acctinterval: progress.interval(),
            acctsessiontime: end.as_ref().map_or(progress.session_time, |end| end.session_time),
            acctauthentic: Some(texts.authentic.clone()),
            connectinfo_start: Some(texts.connect_info.clone()),
            connectinfo_stop: end.as_ref().and_then(|end| end.connect_info.clone()),
            acctinputoctets: Some(progress.input_octets),
            acctoutputoctets: Some(progress.output_octets),
            calledstationid: Some(texts.called_station.clone()),
            callingstationid: Some(texts.calling_station.clone()),
            acctterminatecause: end.and_then(|end| end.cause),
            servicetype: Some(texts.service_type.clone()),
            framedprotocol: Some(texts.framed_protocol.clone()),
            framedipaddress: address(0),
            framedipv6address: address(1),
            framedipv6prefix: address(2),
            framedinterfaceid: address(3),
            delegatedipv6prefix: address(4),
        }
    }

    /// The NAS's Stop, else its earliest reboot after the latest event, else the next session
    /// under the same Acct-Session-Id, else whoever closed the row unless an event came after.
    fn end(&self, current: bool) -> Option<End> {
        let progress = &self.progress;
        let update = self.head().time();
        let lasted = |at: i64| progress.session_time.max(Some(at.saturating_sub(self.start())));
        if let Some((position, ending)) = progress.stop.get() {
            let at = position.time();
            let timed = matches!(position, Position::Timed { .. });
            let alone = progress.only.is_some();
            return Some(End {
                at,
                update,
                session_time: if timed || alone { progress.session_time } else { lasted(at) },
                cause: Some(ending.cause.clone()),
                connect_info: (!alone).then(|| ending.connect_info.clone()),
            });
        }
        if let Some(reboot) = &self.reboot {
            let (at, cause) = (reboot.at, reboot.cause.as_deref().unwrap_or(REBOOTED));
            let (update, session_time) = (at, lasted(at));
            let cause = Some(cause.to_owned());
            return Some(End { at, update, session_time, cause, connect_info: None });
        }
        if !current {
            let told = progress.session_time.filter(|&told| told > 0);
            let session_time = told.or_else(|| lasted(update));
            let cause = Some(REUSED.to_owned());
            return Some(End { at: update, update, session_time, cause, connect_info: None });
        }
        let Closing { at, cause } = progress.closed.clone().filter(|closed| closed.at >= update)?;
        let session_time = progress.session_time;
        Some(End { at, update, session_time, cause, connect_info: None })
    }

    /// The marks that this state needs beside `row`; none if the row alone tells it all.
    pub fn marks(&self, row: &Session) -> Option<Marks> {
        let assumed = Assumed::of(row);
        let guessed = self.opening.guessed;
        if self.reboot.is_none()
            && assumed.guessed == guessed
            && assumed.progress(row) == self.progress
        {
            return None;
        }
        let reboot = self.reboot.clone().map(|reboot| (reboot.at, reboot.off, reboot.cause));
        Some(Marks { guessed, progress: self.progress.clone(), reboot, with: Numbers::of(row) })
    }

    pub fn from_row(row: &Session, marks: Option<Marks>) -> State {
        let assumed = Assumed::of(row);
        let opening = |guessed| Opening { guessed, start: assumed.start, texts: texts(row) };
        let marked = |marks: Marks| State {
            opening: opening(marks.guessed),
            progress: marks.progress,
            reboot: marks.reboot.map(|(at, off, cause)| Reboot {
                nasipaddress: row.nasipaddress.clone(),
                at,
                off,
                cause,
            }),
        };
        match marks {
            Some(marks) if marks.with == Numbers::of(row) => marked(marks),
            marks => {
                let progress = assumed.progress(row);
                let opening = opening(assumed.guessed);
                let mut state = State { opening, progress, reboot: None };
                if let Some(marks) = marks {
                    state.join(&marked(marks));
                }
                state
            }
        }
    }
}

impl Marks {
    pub fn parse(text: &str) -> Option<Marks> {
        serde_json::from_str(text).ok()
    }

    pub fn to_text(&self) -> String {
        // Numbers, strings and enums without keys of other types: JSON has a form for all.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Progress {
    fn interval(&self) -> Option<i64> {
        let Times { last, before } = self.times;
        match self.only {
            Some(_) => None,
            None => Some(last.saturating_sub(before.unwrap_or(last))),
        }
    }
}

/// What a row without marks is taken to have come from: Start, Interims and Stop in order, each
/// with the same fields; or one event alone.
struct Assumed {
    guessed: bool,
    start: i64,
    /// The time of the latest event.
    last: i64,
    /// Its `only` event.
    only: Option<Kind>,
    /// Stopped by the NAS.
    stop: Option<i64>,
}

impl Assumed {
    fn of(row: &Session) -> Assumed {
        let update = row.acctupdatetime.or(row.acctstoptime).or(row.acctstarttime).unwrap_or(0);
        let start = row.acctstarttime.unwrap_or(update);
        // FreeRADIUS fills connectinfo_stop at each Stop but the one that comes alone.
        let alone = row.acctinterval.is_none() && row.connectinfo_stop.is_none();
        let ours =
            matches!(row.acctterminatecause.as_deref(), Some(REUSED | REBOOTED | GONE | CLOSED));
        let stop = row
            .acctstoptime
            .filter(|&stop| row.connectinfo_stop.is_some() || (alone && stop == update && !ours));
        let last = stop.map_or(update, |stop| stop.max(update));
        let only = match (row.acctinterval, stop) {
            (Some(_), _) => None,
            (None, Some(_)) => alone.then_some(Kind::Stop),
            (None, None) if last == start && row.acctsessiontime == Some(0) => Some(Kind::Start),
            (None, None) => Some(Kind::Interim),
        };
        let guessed = matches!(only, Some(Kind::Interim | Kind::Stop));
        Assumed { guessed, start, last, only, stop }
    }

    fn head(&self, row: &Session) -> Position {
        let kind = match (self.only, self.stop) {
            (Some(kind), _) => kind,
            (None, Some(_)) => Kind::Stop,
            (None, None) => Kind::Interim,
        };
        match row.acctsessiontime {
            Some(session_time) if session_time != 0 || self.last == self.start => {
                Position::Timed { session_time, time: self.last, kind }
            }
            _ => Position::Untimed { time: self.last, kind },
        }
    }

    /// A NAS that tells no session time still has its Start, which counts as timed.
    fn newest<T: Ord + Clone>(&self, head: Position, value: T) -> Newest<T> {
        let mut newest = Newest::one(head, value.clone());
        if newest.timed.is_none() && !self.guessed {
            let start = Position::Timed { session_time: 0, time: self.start, kind: Kind::Start };
            newest.put(start, &value);
        }
        newest
    }

    fn progress(&self, row: &Session) -> Progress {
        let head = self.head(row);
        let before = match row.acctinterval {
            Some(interval) => Some(self.last.saturating_sub(interval)),
            None if self.only.is_none() => Some(self.start),
            None => None,
        };
        let address = |address: &Option<String>| match address {
            Some(address) => self.newest(head, address.clone()),
            None => Newest::default(),
        };
        Progress {
            head: self.newest(head, ()),
            times: Times { last: self.last, before: before.filter(|&time| time < self.last) },
            only: self.only.map(|_| head),
            session_time: row.acctsessiontime,
            input_octets: row.acctinputoctets.unwrap_or(0),
            output_octets: row.acctoutputoctets.unwrap_or(0),
            addresses: [
                address(&row.framedipaddress),
                address(&row.framedipv6address),
                address(&row.framedipv6prefix),
                address(&row.framedinterfaceid),
                address(&row.delegatedipv6prefix),
            ],
            stop: self.stop.map_or_else(Newest::default, |_| Newest::one(head, ending(row))),
            closed: self.closed(row),
        }
    }

    fn closed(&self, row: &Session) -> Option<Closing> {
        let cause = row.acctterminatecause.clone();
        let at = row.acctstoptime.filter(|_| self.stop.is_none())?;
        (cause.as_deref() != Some(REUSED)).then_some(Closing { at, cause })
    }
}

fn ending(row: &Session) -> Ending {
    let connect_info = row.connectinfo_stop.as_ref().or(row.connectinfo_start.as_ref());
    Ending {
        cause: row.acctterminatecause.clone().unwrap_or_default(),
        connect_info: connect_info.cloned().unwrap_or_default(),
    }
}

fn texts(row: &Session) -> Texts {
    let text = |column: &Option<String>| column.clone().unwrap_or_default();
    Texts {
        session_id: row.acctsessionid.clone(),
        username: text(&row.username),
        realm: row.realm.clone(),
        nas: row.nasipaddress.clone(),
        nas_port_id: row.nasportid.clone(),
        nas_port_type: text(&row.nasporttype),
        authentic: text(&row.acctauthentic),
        connect_info: text(&row.connectinfo_start),
        called_station: text(&row.calledstationid),
        calling_station: text(&row.callingstationid),
        service_type: text(&row.servicetype),
        framed_protocol: text(&row.framedprotocol),
    }
}
