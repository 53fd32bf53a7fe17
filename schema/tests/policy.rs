//! Rows that decide, as FreeRADIUS orders them, and what limits are measured against.

use crate::both::Place;
use schema::{Huntgroup, Row, UserRows, Volume};

fn row(id: i64, attribute: &str, op: &str, value: &str) -> Row {
    Row { id, attribute: attribute.into(), op: op.into(), value: value.into() }
}

#[tokio::test]
async fn users_and_groups_in_freeradius_order() {
    for place in Place::both().await {
        place.sql(
            "INSERT INTO radcheck (id, username, attribute, op, value) VALUES \
             (7, 'bob', 'NT-Password', ':=', 'x'), (3, 'bob', 'Simultaneous-Use', ':=', '1'), \
             (5, 'o=27bob', 'Auth-Type', ':=', 'Accept'), (9, 'Bob', 'Auth-Type', ':=', 'Reject');
             INSERT INTO radreply (id, username, attribute, op, value) VALUES \
             (2, 'bob', 'Reply-Message', '=', 'b'), (1, 'bob', 'Reply-Message', '+=', 'a');
             INSERT INTO radusergroup (id, username, groupname, priority) VALUES \
             (4, 'bob', 'late', 9), (2, 'bob', 'second', 1), (1, 'bob', 'first', 1), \
             (3, 'bob', 'negative', -1), (5, 'grouped', 'first', 1);
             INSERT INTO radgroupcheck (id, groupname, attribute, op, value) VALUES \
             (1, 'first', 'Service-Type', '==', 'Framed-User');
             INSERT INTO radgroupreply (id, groupname, attribute, op, value) VALUES \
             (2, 'first', 'Session-Timeout', '=', '60'), (1, 'late', 'Fall-Through', '=', 'Yes')",
        );
        let store = &place.store;
        let names = ["bob", "grouped", "absent", "o=27bob", "x' OR '1'='1"];
        let mut users = store.users_rows(&names).await.unwrap();
        users.sort_by(|a, b| a.name.cmp(&b.name));
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["bob", "grouped", "o=27bob"]);
        let bob = &users[0];
        let check = [row(3, "Simultaneous-Use", ":=", "1"), row(7, "NT-Password", ":=", "x")];
        assert_eq!(bob.check, check);
        let reply = [row(1, "Reply-Message", "+=", "a"), row(2, "Reply-Message", "=", "b")];
        assert_eq!(bob.reply, reply);
        assert_eq!(bob.groups, ["negative", "first", "second", "late"]);
        let only_grouped =
            UserRows { name: "grouped".into(), groups: vec!["first".into()], ..Default::default() };
        assert_eq!(users[1], only_grouped);
        assert_eq!(store.users_rows(&[]).await.unwrap(), []);

        let mut groups = store.groups_rows(None).await.unwrap();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].reply, [row(2, "Session-Timeout", "=", "60")]);
        let late = store.groups_rows(Some(&["late".into(), "none".into()])).await.unwrap();
        assert_eq!(late.len(), 1);
        assert_eq!(late[0].reply[0].value, "Yes");
    }
}

#[tokio::test]
async fn names_of_any_kind() {
    for place in Place::both().await {
        let names =
            ["o'brien", "DOM\\user", "a\"b", "名前", "x\u{1}y", "{1,2}", "NULL", "", "\u{1F600}"];
        let row =
            |name: &&str| format!("('{}', 'Auth-Type', ':=', 'Accept')", name.replace('\'', "''"));
        let values: Vec<_> = names.iter().map(row).collect();
        let columns = "username, attribute, op, value";
        place.sql(&format!("INSERT INTO radcheck ({columns}) VALUES {}", values.join(", ")));
        let found = place.store.users_rows(&names).await.unwrap();
        assert_eq!(found.len(), names.len());
    }
}

#[tokio::test]
async fn huntgroups_where_a_site_has_them() {
    for place in Place::both().await {
        assert_eq!(place.store.huntgroups().await.unwrap(), []);
        place.sql(
            "CREATE TABLE radhuntgroup (id integer PRIMARY KEY, groupname varchar(64), \
             nasipaddress varchar(15), nasportid varchar(15));
             INSERT INTO radhuntgroup VALUES (2, 'poolB', '10.0.0.2', '7'), \
             (1, 'poolA', '10.0.0.1', NULL)",
        );
        let store = place.again().await;
        let of = |group: &str, nas: &str| Huntgroup { group: group.into(), nas_ip: nas.into() };
        let all = [of("poolA", "10.0.0.1"), of("poolB", "10.0.0.2")];
        assert_eq!(store.huntgroups().await.unwrap(), all);
        store.migrate().await.unwrap();
        assert!(store.status().await.unwrap().notified, "triggers on it too");
    }
}

/// A column's type changes under prepared statements: the plan is made anew, nobody notices.
#[tokio::test]
async fn a_table_is_altered_under_us() {
    let place = Place::postgres().await;
    place.sql("INSERT INTO radcheck (username, attribute, op, value) VALUES ('b', 'A', ':=', 'v')");
    for r#type in ["varchar(253)", "text", "varchar(300)"] {
        for _ in 0..8 {
            assert_eq!(place.store.users_rows(&["b"]).await.unwrap()[0].check[0].value, "v");
        }
        place.sql(&format!("ALTER TABLE radcheck ALTER COLUMN value TYPE {}", r#type));
    }
    assert_eq!(place.store.users_rows(&["b"]).await.unwrap()[0].check[0].value, "v");
}

/// A session of bob: (id, start, seconds, stopped, NAS).
fn session(place: &Place, (id, start, seconds, stopped, nas): (&str, i64, i64, bool, &str)) {
    let time = |at: i64| match place.is_postgres() {
        true => format!("to_timestamp({at})"),
        false => at.to_string(),
    };
    let stop = if stopped { time(start + seconds) } else { "NULL".into() };
    place.sql(&format!(
        "INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, nasportid, \
         acctstarttime, acctupdatetime, acctstoptime, acctsessiontime, acctinputoctets, \
         acctoutputoctets, callingstationid, framedipaddress) \
         VALUES ('{id}', 'u{id}', 'bob', '{nas}', '3', {}, {}, {stop}, {seconds}, 10, 100, \
         'AA-BB', '192.0.2.9')",
        time(start),
        time(start + seconds),
    ));
}

#[tokio::test]
async fn counters_count_what_sqlcounter_counts() {
    for place in Place::both().await {
        let store = &place.store;
        assert_eq!(store.session_seconds(&["bob"], 0).await.unwrap(), None);
        assert_eq!(store.first_login(&["bob"]).await.unwrap(), None);
        session(&place, ("1", 1_000, 500, true, "10.0.0.1"));
        session(&place, ("2", 1_900, 200, true, "10.0.0.1"));
        session(&place, ("3", 2_500, 50, false, "10.0.0.2"));
        // The second reaches 100 s into the time since 2000, the third lies in it.
        assert_eq!(store.session_seconds(&["bob", "o=27bob"], 2_000).await.unwrap(), Some(150));
        assert_eq!(store.session_seconds(&["bob"], 2_550).await.unwrap(), None);
        assert_eq!(store.session_seconds(&["BOB"], 0).await.unwrap(), None);
        assert_eq!(store.session_seconds_ever(&["bob"]).await.unwrap(), Some(750));
        assert_eq!(store.first_login(&["bob"]).await.unwrap(), Some(1_000));
        let all = Volume { input: 30, output: 300 };
        assert_eq!(store.volume(&["bob"], None).await.unwrap(), all);
        let since = Volume { input: 20, output: 200 };
        assert_eq!(store.volume(&["bob"], Some(2_000)).await.unwrap(), since);
    }
}

#[tokio::test]
async fn open_sessions_honour_nasreload() {
    for place in Place::both().await {
        let store = &place.store;
        session(&place, ("1", 1_000, 500, true, "10.0.0.1"));
        session(&place, ("2", 1_900, 200, false, "10.0.0.1"));
        session(&place, ("3", 2_500, 50, false, "10.0.0.2"));
        let open = store.open_sessions(&["bob"]).await.unwrap();
        assert_eq!(open.len(), 2);
        let first = &open[0];
        assert_eq!((first.acctuniqueid.as_str(), first.nas_ip.as_str()), ("u2", "10.0.0.1"));
        assert_eq!(first.framed_ip.as_deref(), Some("192.0.2.9"));
        assert_eq!(first.calling_station.as_deref(), Some("AA-BB"));
        assert_eq!((first.start, first.update), (Some(1_900), Some(2_100)));
        assert_eq!(first.framed_protocol, None);
        let time = if place.is_postgres() { "to_timestamp(2000)" } else { "2000" };
        place.sql(&format!("INSERT INTO nasreload VALUES ('10.0.0.1', {time})"));
        let open = store.open_sessions(&["bob"]).await.unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].acctsessionid, "3");
    }
}
