//! Any order, any repetition, any split into transactions: the same row and the same marks.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use schema::{Amount, Ask, Incarnation, Known, Reboot, Reuse, Session, Step, Writes, usage_of};

use super::*;

const START: i64 = 1_700_000_000;
const NAS: &str = "10.0.0.1";
const ID: &str = "445548fe26516e33a972bb6a51b448eb";

/// What a store would hold.
#[derive(Default)]
struct Table {
    rows: BTreeMap<i64, Session>,
    marks: BTreeMap<String, String>,
    reuses: Vec<Reuse>,
    reboots: Vec<Reboot>,
    last: i64,
    /// By user, NAS and Called-Station-Id, whatever the hour.
    usage: BTreeMap<[String; 3], Amount>,
}

impl Table {
    fn write(&mut self, events: &[SessionEvent]) {
        let mut events: Vec<&SessionEvent> = events.iter().collect();
        events.sort_by_key(|event| in_order(event));
        let mut ids: Vec<String> = events.iter().map(|event| event.unique_id.clone()).collect();
        ids.sort();
        ids.dedup();
        let first = events.iter().map(|event| event.time).min().unwrap();
        self.fold(&Ask { ids, nases: vec![NAS.into()], since: first - 86_400 }, &events);
    }

    fn fold(&mut self, ask: &Ask, events: &[&SessionEvent]) {
        let known = self.known(ask);
        let writes = match fold(known.clone(), false, &ask.ids, events).0 {
            Step::Write(writes) => writes,
            Step::Older(wanted) => {
                let older = self.older(&wanted);
                match fold(Known { older, ..known }, true, &ask.ids, events).0 {
                    Step::Write(writes) => writes,
                    Step::Older(_) => panic!("asked twice"),
                }
            }
        };
        self.apply(writes);
    }

    fn known(&self, ask: &Ask) -> Known {
        let rows = self.rows.values().filter(|row| ask.ids.contains(&row.acctuniqueid));
        Known {
            rows: rows
                .map(|row| (row.clone(), self.marks.get(&row.acctuniqueid).cloned()))
                .collect(),
            reboots: self.reboots.iter().filter(|one| one.at >= ask.since).cloned().collect(),
            ..Known::default()
        }
    }

    fn older(&self, wanted: &[(String, i64)]) -> Vec<Incarnation> {
        let mut found: Vec<Incarnation> = Vec::new();
        for (plain_id, start) in wanted {
            let nearest = self
                .reuses
                .iter()
                .filter(|reuse| reuse.plain_id == *plain_id && reuse.start <= start + 60)
                .max_by_key(|reuse| reuse.start);
            let Some(reuse) = nearest else { continue };
            let row = self.rows.values().find(|row| row.acctuniqueid == reuse.acctuniqueid);
            found.push(Incarnation {
                plain_id: plain_id.clone(),
                start: reuse.start,
                session: row.unwrap().clone(),
                marks: self.marks.get(&reuse.acctuniqueid).cloned(),
            });
        }
        found
    }

    fn apply(&mut self, writes: Writes) {
        for row in &writes.rows {
            self.count(row);
        }
        let (updates, inserts): (Vec<_>, Vec<_>) =
            writes.rows.into_iter().partition(|row| row.radacctid.is_some());
        for row in updates {
            self.rows.insert(row.radacctid.unwrap(), row);
        }
        for row in inserts {
            assert!(self.rows.values().all(|held| held.acctuniqueid != row.acctuniqueid));
            self.last += 1;
            self.rows.insert(self.last, Session { radacctid: Some(self.last), ..row });
        }
        let mut seen = std::collections::HashSet::new();
        for (id, marks) in writes.marks {
            assert!(seen.insert(id.clone()), "one session's marks twice in a transaction");
            match marks {
                Some(marks) => self.marks.insert(id, marks),
                None => self.marks.remove(&id),
            };
        }
        self.reuses.extend(writes.reuses);
    }

    /// As a store counts, which knows what each row held.
    fn count(&mut self, row: &Session) {
        let held = row.radacctid.and_then(|id| self.rows.get(&id));
        for usage in usage_of(&TimeZone::UTC, held, row) {
            let whose = [usage.username, usage.nasipaddress, usage.calledstationid];
            *self.usage.entry(whose).or_default() += usage.amount;
        }
    }

    /// What all rows hold.
    fn held(&self) -> BTreeMap<[String; 3], Amount> {
        let mut held = BTreeMap::<_, Amount>::new();
        for row in self.rows.values() {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let whose = [text(&row.username), row.nasipaddress.clone(), text(&row.calledstationid)];
            *held.entry(whose).or_default() += Amount {
                input_octets: row.acctinputoctets.unwrap(),
                output_octets: row.acctoutputoctets.unwrap(),
                session_seconds: row.acctsessiontime.unwrap_or(0),
                sessions: 1,
            };
        }
        held
    }

    fn reboot(&mut self, reboot: Reboot) {
        // As the table's key has it.
        if self.reboots.iter().any(|one| (one.at, one.off) == (reboot.at, reboot.off)) {
            return;
        }
        let at = reboot.at;
        let next = self.reboots.iter().map(|one| one.at).filter(|one| *one >= at).min();
        self.reboots.push(reboot);
        let found = self.rows.values().filter(|row| {
            row.acctstarttime <= Some(at)
                && match row.acctstoptime {
                    None => row.acctupdatetime <= Some(at),
                    stop => stop == next || (stop <= Some(at) && self.was_cut_off_after(row, at)),
                }
        });
        let ids: Vec<String> = found.map(|row| row.acctuniqueid.clone()).collect();
        self.fold(&Ask { ids, nases: vec![NAS.into()], since: at }, &[]);
    }

    fn was_cut_off_after(&self, row: &Session, at: i64) -> bool {
        let of_row = self.reuses.iter().find(|reuse| reuse.acctuniqueid == row.acctuniqueid);
        let Some(reuse) = of_row else { return false };
        let current = self.rows.values().find(|row| row.acctuniqueid == reuse.plain_id);
        let current = current.and_then(|row| row.acctstarttime);
        let of_id = self.reuses.iter().filter(|other| other.plain_id == reuse.plain_id);
        let starts = of_id.map(|other| other.start).chain(current);
        let next = starts.filter(|start| *start > reuse.start).min();
        row.acctterminatecause.as_deref() == Some(schema::SESSION_ID_REUSED) && next >= Some(at)
    }

    /// Its NAS, when asked, has no session any more.
    fn lose(&mut self) {
        let ask = Ask { ids: vec![ID.into()], nases: vec![NAS.into()], since: 0 };
        let (step, live) = close(self.known(&ask), GONE, |_| true);
        let Step::Write(writes) = step else { panic!("{step:?}") };
        assert_eq!(live, Vec::<String>::new());
        self.apply(writes);
    }

    /// Without what depends on who came first: row ids.
    fn seen(&self) -> Vec<(Session, Option<&String>)> {
        let mut seen: Vec<_> = self
            .rows
            .values()
            .map(|row| {
                let marks = self.marks.get(&row.acctuniqueid);
                (Session { radacctid: None, ..row.clone() }, marks)
            })
            .collect();
        seen.sort_by_key(|(row, _)| row.acctstarttime);
        seen
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few of them, in a test")]
enum Input {
    Event(SessionEvent),
    Reboot(Reboot),
}

fn play(inputs: &[(Input, bool)]) -> Table {
    let mut table = Table::default();
    let mut batch: Vec<SessionEvent> = Vec::new();
    for (input, commit) in inputs {
        match input {
            Input::Event(event) => batch.push(event.clone()),
            Input::Reboot(reboot) => {
                if !batch.is_empty() {
                    table.write(&std::mem::take(&mut batch));
                }
                table.reboot(reboot.clone());
            }
        }
        if *commit && !batch.is_empty() {
            table.write(&std::mem::take(&mut batch));
        }
    }
    if !batch.is_empty() {
        table.write(&batch);
    }
    let mut usage = table.usage.clone();
    usage.retain(|_, amount| *amount != Amount::default());
    assert_eq!(usage, table.held(), "usage is what the rows say");
    table
}

fn event(kind: Kind, time: i64, session_time: Option<i64>) -> SessionEvent {
    SessionEvent {
        kind,
        unique_id: ID.into(),
        time,
        session_time,
        input_octets: session_time.unwrap_or(0) * 10,
        output_octets: session_time.unwrap_or(0) * 100,
        addresses: [Some("100.64.0.1".into()), None, None, None, None],
        cause: if kind == Kind::Stop { "User-Request".into() } else { String::new() },
        texts: Texts { session_id: "s1".into(), nas: NAS.into(), ..Texts::default() },
    }
}

fn any_event() -> impl Strategy<Value = SessionEvent> {
    let kind = prop_oneof![
        1 => Just(Kind::Start),
        4 => Just(Kind::Interim),
        1 => Just(Kind::Stop),
    ];
    let address = prop::option::of(prop::sample::select(vec!["100.64.0.1", "100.64.0.2"]));
    let texts = prop::sample::select(vec!["", "11", "54"]);
    (
        kind,
        0..1000i64,
        0..25i64,
        prop::bool::weighted(0.85),
        0..3i64,
        address.clone(),
        address,
        texts,
    )
        .prop_map(|(kind, lasted, off, timed, octets, one, two, text)| {
            let (time, session_time) = match kind {
                Kind::Start => (START + off, Some(0)),
                _ => (START + lasted + off, timed.then_some(lasted)),
            };
            let mut event = event(kind, time, session_time);
            if kind != Kind::Start {
                event.input_octets = octets;
                event.output_octets = lasted * octets;
            }
            event.addresses[0] = one.map(str::to_owned);
            event.addresses[4] = two.map(|text| format!("{text}/32"));
            event.texts.connect_info = text.into();
            event.texts.called_station = text.into();
            event
        })
}

fn any_reboot() -> impl Strategy<Value = Reboot> {
    // A NAS tells one cause of one reboot.
    (0..1200i64, any::<bool>()).prop_map(|(at, off)| Reboot {
        nasipaddress: NAS.into(),
        at: START + at,
        off,
        cause: (at % 2 == 0).then(|| "Admin-Reboot".into()),
    })
}

/// The same inputs, some twice, in two orders, each cut into transactions in its own way.
fn orders(reboots: usize) -> impl Strategy<Value = [Vec<(Input, bool)>; 2]> {
    let events = prop::collection::vec(any_event(), 1..7);
    let reboots = prop::collection::vec(any_reboot(), 0..=reboots);
    (events, reboots).prop_flat_map(|(events, reboots)| {
        let mut inputs: Vec<Input> = events.into_iter().map(Input::Event).collect();
        inputs.extend(reboots.into_iter().map(Input::Reboot));
        let repeated: Vec<Input> = inputs.iter().chain(&inputs).cloned().collect();
        let cut = |inputs: Vec<Input>| {
            let count = inputs.len();
            (Just(inputs), prop::collection::vec(any::<bool>(), count))
                .prop_map(|(inputs, cuts)| inputs.into_iter().zip(cuts).collect::<Vec<_>>())
        };
        let one = Just(inputs).prop_shuffle().prop_flat_map(cut);
        let other = Just(repeated).prop_shuffle().prop_flat_map(cut);
        (one, other).prop_map(|(one, other)| [one, other])
    })
}

/// Some inputs go straight, others by the octets of a journal that is replayed later: in batches
/// of `batch`, and after each crash once more from an earlier record on.
fn split(inputs: &[(Input, bool)], crashes: &[usize], batch: usize) -> Table {
    use crate::accounting::Event;
    use crate::journal::segment::{Decoder, Found, append};
    let mut octets = Vec::new();
    let (mut live, mut later) = (Vec::new(), Vec::new());
    for (input, straight) in inputs {
        if *straight {
            live.push((input.clone(), true));
            continue;
        }
        let event = match input.clone() {
            Input::Event(event) => Event::Session(Box::new(event)),
            Input::Reboot(reboot) => Event::Reboot(reboot),
        };
        assert!(append(&mut octets, 0, &event));
    }
    let mut decoder = Decoder::default();
    decoder.feed(&octets);
    while let Some(found) = decoder.next(true) {
        let Found::Record { event, .. } = found else { panic!("{found:?}") };
        later.push(match event {
            Event::Session(event) => Input::Event(*event),
            Event::Reboot(reboot) => Input::Reboot(reboot),
        });
    }
    let replays = crashes.iter().map(|at| at % (later.len() + 1)).chain([later.len()]);
    let mut from = 0;
    for until in replays {
        let until = until.max(from);
        let run = later[from..until].iter().enumerate();
        live.extend(run.map(|(at, input)| (input.clone(), at % batch == batch - 1)));
        // The position on disk is that of some batch before.
        from = until / 2;
    }
    live.extend(later[from..].iter().map(|input| (input.clone(), false)));
    play(&live)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Closed because its NAS had it no more, it stays so whatever is told again; heard of later, it
    /// is as if it had never been closed.
    #[test]
    fn a_lost_session_is_open_again_when_it_is_heard_of(
        events in prop::collection::vec(any_event(), 1..6),
        at in 1..6usize,
    ) {
        let (mut lost, mut never) = (Table::default(), Table::default());
        let last = event(Kind::Interim, START + 5_000, Some(5_000));
        for (index, event) in events.iter().chain([&last]).enumerate() {
            if index == at.min(events.len()) {
                let stopped = lost.rows.values().all(|row| row.acctstoptime.is_some());
                lost.lose();
                for row in lost.rows.values().filter(|_| !stopped) {
                    prop_assert_eq!(row.acctstoptime, row.acctupdatetime);
                    prop_assert_eq!(row.acctterminatecause.as_deref(), Some("Unknown-To-NAS"));
                }
                let before = lost.rows.clone();
                lost.write(&events[..index]);
                prop_assert_eq!(&before, &lost.rows);
            }
            lost.write(std::slice::from_ref(event));
            never.write(std::slice::from_ref(event));
        }
        prop_assert_eq!(&lost.rows, &never.rows);
        prop_assert_eq!(lost.held(), never.held());
    }

    /// What is not as it was when its NAS was asked stays open.
    #[test]
    fn a_session_that_spoke_meanwhile_is_not_closed(events in prop::collection::vec(any_event(), 1..4)) {
        let mut table = Table::default();
        table.write(&events);
        let ask = Ask { ids: vec![ID.into()], nases: vec![NAS.into()], since: 0 };
        let stopped = table.rows.values().all(|row| row.acctstoptime.is_some());
        let (step, live) = close(table.known(&ask), GONE, |_| false);
        let Step::Write(writes) = step else { panic!("{step:?}") };
        prop_assert_eq!(live.is_empty(), stopped);
        prop_assert!(writes.rows.is_empty());
    }

    #[test]
    fn a_way_by_the_journal_does_not_change_the_row(
        [one, _] in orders(2),
        straight in prop::collection::vec(any::<bool>(), 16),
        crashes in prop::collection::vec(0..16usize, 0..3),
        batch in 1..5usize,
    ) {
        let live = play(&one);
        let inputs: Vec<_> =
            one.iter().map(|(input, _)| input.clone()).zip(straight.iter().copied()).collect();
        let split = split(&inputs, &crashes, batch);
        prop_assert_eq!(live.seen(), split.seen());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn order_repetition_and_splits_do_not_change_the_row([one, other] in orders(0)) {
        let (one, other) = (play(&one), play(&other));
        prop_assert_eq!(one.rows.len(), 1);
        prop_assert_eq!(one.seen(), other.seen());
    }

    #[test]
    fn nor_do_reboots_among_the_events([one, other] in orders(2)) {
        let (one, other) = (play(&one), play(&other));
        prop_assert_eq!(one.seen(), other.seen());
    }

    #[test]
    fn sessions_under_one_id_stay_apart([one, other] in sessions_of_one_id()) {
        let [one, other] = [play(&one.inputs), play(&other.inputs)].map(|table| {
            let ids: Vec<String> = table.seen().into_iter().map(|(row, _)| row.acctuniqueid).collect();
            (ids, table)
        });
        let starts: Vec<i64> = one.1.seen().iter().filter_map(|(row, _)| row.acctstarttime).collect();
        let expected: Vec<i64> = (0..starts.len() as i64).map(|at| START + at * APART).collect();
        prop_assert_eq!(&starts, &expected);
        prop_assert_eq!(one.0.last().map(String::as_str), Some(ID));
        prop_assert_eq!(one.1.seen(), other.1.seen());
        prop_assert_eq!(one.0, other.0);
    }

    #[test]
    fn a_way_by_the_journal_keeps_sessions_under_one_id_apart(
        [one, _] in sessions_of_one_id(),
        crashes in prop::collection::vec(0..16usize, 0..3),
        batch in 1..5usize,
        straight in prop::collection::vec(any::<bool>(), 64),
    ) {
        let live = play(&one.inputs);
        // What a session is known by comes first, as it does while the journal is not empty.
        let inputs: Vec<_> = one.inputs.iter().enumerate().map(|(at, (input, _))| {
            (input.clone(), at < one.known_by || straight[at % straight.len()])
        }).collect();
        let split = split(&inputs, &crashes, batch);
        prop_assert_eq!(live.seen(), split.seen());
    }
}

/// From one session's start to the next one's.
const APART: i64 = 5_000;

/// An order of inputs. The first `known_by` tell which sessions there are.
#[derive(Clone, Debug)]
struct Order {
    inputs: Vec<(Input, bool)>,
    known_by: usize,
}

/// Two orders of the events of up to three sessions that a NAS gave one id. What tells a session
/// from the one before it comes before the next one's: its Start and an Interim, in either order.
/// (A lone Start may be a repetition, an Interim that counts on may go on,
/// for all that can be known.) All else comes at any time after, and more than once.
fn sessions_of_one_id() -> impl Strategy<Value = [Order; 2]> {
    let rest = prop::collection::vec((61..2_000i64, 0..20i64, 0..3i64), 0..4);
    let reboot = prop::option::weighted(0.3, (2_100..4_900i64, any::<bool>()));
    let session = (rest, any::<bool>(), prop::bool::weighted(0.6), reboot);
    prop::collection::vec(session, 1..4).prop_flat_map(|sessions| {
        let mut known_by = Vec::new();
        let mut rest = Vec::new();
        for (at, (later, interim_first, stops, reboot)) in sessions.into_iter().enumerate() {
            let at = at as i64;
            let (start, lasted) = (START + at * APART, 1_000 - at * 300);
            let mut known = [
                event(Kind::Start, start, Some(0)),
                event(Kind::Interim, start + lasted, Some(lasted)),
            ];
            if interim_first {
                known.reverse();
            }
            known_by.extend(known.map(Input::Event));
            rest.extend(reboot.map(|(at, off)| {
                Input::Reboot(Reboot { nasipaddress: NAS.into(), at: start + at, off, cause: None })
            }));
            for (lasted, off, octets) in later {
                let mut interim = event(Kind::Interim, start + lasted + off, Some(lasted));
                interim.input_octets = octets;
                interim.addresses[0] = (octets > 0).then(|| format!("100.64.0.{octets}"));
                rest.push(Input::Event(interim));
            }
            if stops {
                rest.push(Input::Event(event(Kind::Stop, start + 2_050, Some(2_040))));
            }
        }
        let all: Vec<Input> = known_by.iter().chain(&rest).cloned().collect();
        let order = move |rest: Vec<Input>| {
            let count = known_by.len();
            let mut inputs = known_by.clone();
            inputs.extend(rest);
            let length = inputs.len();
            prop::collection::vec(any::<bool>(), length).prop_map(move |cuts| Order {
                inputs: inputs.iter().cloned().zip(cuts).collect(),
                known_by: count,
            })
        };
        let one = Just(rest).prop_shuffle().prop_flat_map(order.clone());
        let other = Just(all).prop_shuffle().prop_flat_map(order);
        (one, other).prop_map(|(one, other)| [one, other])
    })
}

#[test]
fn the_usual_order_needs_no_marks() {
    let usual = [
        event(Kind::Start, START, Some(0)),
        event(Kind::Interim, START + 61, Some(60)),
        event(Kind::Interim, START + 120, Some(121)),
        event(Kind::Stop, START + 150, Some(150)),
    ];
    for skipped in 0..4 {
        let mut table = Table::default();
        for event in usual.iter().enumerate().filter(|(at, _)| *at == 0 || *at != skipped) {
            table.write(std::slice::from_ref(event.1));
            assert!(table.marks.is_empty(), "{:?}: {:?}", event.1, table.marks);
        }
    }
    let mut table = Table::default();
    table.write(&usual[3..]);
    assert!(table.marks.is_empty(), "a Stop alone: {:?}", table.marks);
    let row = &table.seen()[0].0;
    assert_eq!((row.acctinterval, &row.connectinfo_stop), (None, &None));
}

#[test]
fn only_the_nas_ends_a_session_for_good() {
    let mut table = Table::default();
    table.write(&[event(Kind::Start, START, Some(0))]);
    for row in table.rows.values_mut() {
        row.acctstoptime = Some(START + 100);
        row.acctterminatecause = Some("Admin-Reset".into());
    }
    table.write(&[event(Kind::Interim, START + 50, Some(50))]);
    assert_eq!(table.seen()[0].0.acctstoptime, Some(START + 100), "an earlier one changes nothing");
    table.write(&[event(Kind::Interim, START + 300, Some(300))]);
    assert_eq!(table.seen()[0].0.acctstoptime, None);
    table.write(&[event(Kind::Stop, START + 400, Some(400))]);
    table.write(&[event(Kind::Interim, START + 350, Some(350))]);
    let row = &table.seen()[0].0;
    assert_eq!((row.acctstoptime, row.acctsessiontime), (Some(START + 400), Some(400)));
}

#[test]
fn a_reboot_ends_what_came_before_it_and_nothing_after() {
    let mut table = Table::default();
    table.write(&[event(Kind::Start, START, Some(0)), event(Kind::Interim, START + 60, Some(60))]);
    let on = |at| Reboot { nasipaddress: NAS.into(), at, off: false, cause: None };
    table.reboot(on(START + 500));
    let row = table.seen()[0].0.clone();
    assert_eq!((row.acctstoptime, row.acctsessiontime), (Some(START + 500), Some(500)));
    assert_eq!(row.acctterminatecause.as_deref(), Some("NAS-Reboot"));
    // The NAS counts its sessions from 1 again.
    table.write(&[event(Kind::Interim, START + 2000, Some(900))]);
    let seen = table.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].0.acctstoptime, Some(START + 500));
    assert_eq!((seen[1].0.acctstarttime, seen[1].0.acctstoptime), (Some(START + 1100), None));
    assert_eq!(seen[1].0.acctuniqueid, ID);
}

/// A NAS that repeats its Start does so before it reboots.
#[test]
fn a_start_from_before_a_reboot_is_a_session_of_its_own() {
    let starts = [START, START + 1_000].map(|at| event(Kind::Start, at, Some(0)));
    for order in [[0, 1], [1, 0]] {
        let mut table = Table::default();
        table.reboot(Reboot { nasipaddress: NAS.into(), at: START + 500, off: false, cause: None });
        order.iter().for_each(|at| table.write(std::slice::from_ref(&starts[*at])));
        let begun: Vec<_> = table.seen().iter().map(|(row, _)| row.acctstarttime).collect();
        let mut begun: Vec<_> = begun.into_iter().flatten().collect();
        begun.sort_unstable();
        assert_eq!(begun, [START, START + 1_000], "{order:?}");
    }
}

/// Another node's journal holds back what would tell: a Start, and the Stop of the session before.
#[test]
fn an_interim_between_two_sessions_of_its_id_is_a_third_ones() {
    let mut table = Table::default();
    let at = |after: i64, kind, lasted| event(kind, START + after, Some(lasted));
    table.write(&[at(0, Kind::Start, 0), at(100, Kind::Interim, 100)]);
    table.write(&[at(9_000, Kind::Interim, 50)]);
    table.write(&[at(5_300, Kind::Interim, 300)]);
    table.write(&[at(5_000, Kind::Start, 0), at(200, Kind::Stop, 200), at(5_400, Kind::Stop, 400)]);
    let seen = table.seen();
    let row = |row: &Session| (row.acctstarttime, row.acctinputoctets, row.acctsessiontime);
    let seen: Vec<_> = seen.iter().map(|(session, _)| row(session)).collect();
    let sessions = [(0, 200), (5_000, 400), (8_950, 50)];
    let right =
        sessions.map(|(start, lasted)| (Some(START + start), Some(lasted * 10), Some(lasted)));
    assert_eq!(seen, right);
}
