//! The table told in any order, and when it is believed.

use super::*;
use crate::journal::tests::start;

fn row(user: &str, id: &str, nas: &str, stop: Option<i64>) -> Session {
    Session {
        username: Some(user.into()),
        acctuniqueid: id.into(),
        nasipaddress: nas.into(),
        acctstoptime: stop,
        ..Session::default()
    }
}

fn open(online: &Online, user: &str, id: &str) {
    online.committed(online.rows([&row(user, id, "10.0.0.1", None)]));
}

fn close(online: &Online, user: &str, id: &str) {
    online.committed(online.rows([&row(user, id, "10.0.0.1", Some(7))]));
}

/// Loaded with what is given, told just now that nothing has changed.
fn loaded(rows: &[(&str, &str)]) -> Online {
    let online = Online::default();
    online.begin_load();
    assert!(online.end_load(rows.iter().map(|(id, user)| read(&online, id, user)).collect()));
    online.trust.lock().heard = Some(Instant::now());
    online
}

fn read(online: &Online, id: &str, user: &str) -> Told {
    Told::Open { user: online.number(user), entry: online.entry(id, "10.0.0.1", None) }
}

fn count(online: &Online, user: &str) -> Count {
    online.count(user.as_bytes(), Instant::now())
}

#[test]
fn sessions_come_and_go() {
    let online = loaded(&[("a", "bob"), ("b", "bob"), ("c", "eve")]);
    assert_eq!(count(&online, "bob"), Count::Enough(2));
    assert_eq!(count(&online, "nobody"), Count::Enough(0));
    open(&online, "bob", "a");
    open(&online, "bob", "d");
    assert_eq!(count(&online, "bob"), Count::Enough(3), "telling it twice changes nothing");
    ["a", "b", "d", "d", "never"].iter().for_each(|id| close(&online, "bob", id));
    assert_eq!(count(&online, "bob"), Count::Enough(0));
    assert_eq!(online.sizes(), Some((1, 1)));
}

/// radacct holds a name as it was sent or as FreeRADIUS escapes it.
#[test]
fn a_name_counts_in_both_forms() {
    let online = loaded(&[("a", "b*b"), ("b", "b=2Ab")]);
    assert_eq!(count(&online, "b*b"), Count::Enough(2));
}

#[test]
fn what_happens_during_a_load_is_not_lost() {
    let online = loaded(&[("a", "bob")]);
    online.begin_load();
    open(&online, "bob", "new");
    close(&online, "bob", "a");
    // Read before both.
    assert!(online.end_load(vec![read(&online, "a", "bob")]));
    assert_eq!(count(&online, "bob"), Count::Enough(1));
    assert_eq!(online.sizes(), Some((1, 1)));
}

#[test]
fn who_is_not_sure_says_so() {
    assert_eq!(count(&Online::default(), "bob"), Count::Unknown);
    let online = loaded(&[("a", "bob")]);
    let later = |seconds| online.count(b"bob", Instant::now() + Duration::from_secs(seconds));
    assert_eq!(later(4), Count::Enough(1));
    assert_eq!(later(6), Count::Perhaps(1), "silence");
    online.set_ahead(true);
    assert_eq!(later(0), Count::Perhaps(1), "the store lacks what the journal holds");
    online.set_ahead(false);
    online.trust.lock().others = Some(Instant::now());
    assert_eq!(later(0), Count::Perhaps(1), "somebody else writes");
    online.trust.lock().others = None;
    online.trust.lock().listening = Some(Instant::now());
    assert_eq!(later(3), Count::Perhaps(1), "another node would not have been heard yet");
    assert_eq!(later(4), Count::Enough(1));
    online.trust.lock().listening = None;
    online.begin_load();
    online.trust.lock().missed = true;
    assert_eq!(later(0), Count::Enough(1), "the table of before is as good as it was");
    assert!(online.end_load(Vec::new()));
    assert_eq!(later(0), Count::Perhaps(0), "something was missed while it was loaded");
}

/// While the store is away the journal's events are all there is.
#[test]
fn events_in_the_journal_count() {
    let online = loaded(&[]);
    let events = [start(1), start(2)];
    online.journalled(events.iter());
    assert_eq!(online.sizes(), Some((2, 1)));
    let reboot =
        schema::Reboot { nasipaddress: String::new(), at: 1_700_000_100, off: false, cause: None };
    online.journalled([Event::Reboot(reboot)].iter());
    assert_eq!(online.sizes(), Some((0, 0)));
}
