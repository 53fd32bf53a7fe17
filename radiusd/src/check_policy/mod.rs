//! Which rows of a store turn a user away by mistake, or are decided otherwise than FreeRADIUS would.
//!
//! Each row is read by the engine itself (`policy::inspect`): what it cannot read is an error, and
//! nothing else is. What it reads, and does differently on purpose, is named with the number of the
//! difference; what does nothing, because of how it is written, is named too. `nas` looks at who may
//! send.

mod nas;

use dictionaries::Dictionary;
use jiff::tz::TimeZone;
use schema::{GroupRows, Row, Scope, Store, User};

use crate::config::Config;
use crate::policy::{BadPattern, Remark, inspect, lookup_names};

/// Users and groups fetched at once.
const PAGE: usize = 500;

/// One row worth looking at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `radcheck`, `radreply`, `radgroupcheck`, `radgroupreply`, `nas`, `mgmt_nas_named`.
    pub table: &'static str,
    pub id: i64,
    /// The user, the group or the NAS.
    pub name: String,
    /// Attribute and operator, or the NAS's short name; never the value, which may be a password.
    pub row: String,
    pub kind: Kinds,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Whoever this row is read for is turned away.
    Error,
    /// It can be read and does nothing for anybody, at FreeRADIUS neither.
    Useless,
    /// FreeRADIUS decides otherwise; the number of the difference.
    Differs(u8),
}

impl Kinds {
    /// The row does what it says: it is FreeRADIUS that, as it is shipped, does not.
    pub fn is_meant(self) -> bool {
        matches!(self, Kinds::Differs(4 | 14 | 18))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Kinds::Error => "error",
            Kinds::Useless => "useless",
            Kinds::Differs(_) => "differs",
        }
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub users: u64,
    pub groups: u64,
    pub nas: u64,
    pub rows: u64,
}

/// Looks at every row of the store and tells `found` of each finding.
pub async fn check(
    store: &Store,
    config: &Config,
    dictionary: &Dictionary,
    mut found: impl FnMut(Finding),
) -> Result<Summary, schema::Error> {
    let mut rows = Rows {
        dictionary,
        zone: &config.store.timezone,
        counter_carry: config.compat.counter_carry,
        found: &mut found,
        summary: Summary::default(),
    };
    let mut after: Option<String> = None;
    loop {
        let page = store.list_users("", after.as_deref(), PAGE).await?;
        page.iter().for_each(|user| rows.user(user));
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
    }
    after = None;
    loop {
        let page = store.list_groups(Scope::Everything, "", after.as_deref(), PAGE).await?;
        page.iter().for_each(|group| rows.group(group));
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
    }
    let mut summary = rows.summary;
    let (list, named) = (store.list_nas().await?, store.list_named_nas().await?);
    summary.nas = (list.len() + named.len()) as u64;
    summary.rows += summary.nas;
    nas::look(&config.clients, &list, &named, &mut found);
    Ok(summary)
}

/// What there is to say about one row, as it stands in a check or in a reply table.
pub fn look(
    row: &Row,
    reply: bool,
    dictionary: &Dictionary,
    zone: &TimeZone,
) -> Vec<(Kinds, String)> {
    match inspect(row, reply, dictionary, zone) {
        Ok(remarks) => remarks.iter().map(judge).collect(),
        Err(bad) => vec![(Kinds::Error, bad.mistake.to_string())],
    }
}

fn judge(remark: &Remark) -> (Kinds, String) {
    match remark {
        Remark::Host(host) => (
            Kinds::Differs(14),
            format!("{host} is resolved ahead and refreshed, not in the packet's path"),
        ),
        Remark::Pattern(BadPattern::Empty) => {
            (Kinds::Useless, "the pattern is empty: it fits nothing".into())
        }
        Remark::Pattern(why) => (Kinds::Differs(13), format!("{why}; it fits nothing here")),
        Remark::Password(why) => (Kinds::Useless, format!("{why}: nobody logs in with it")),
        Remark::FitsNobody => (
            Kinds::Useless,
            "it is compared with what no request says, and fits nobody; := sets it".into(),
        ),
        Remark::DoesNothing => (
            Kinds::Useless,
            "by this operator the attribute is neither compared nor set; := sets it".into(),
        ),
        Remark::Limit => (
            Kinds::Differs(4),
            "it limits at once; FreeRADIUS needs sql in session {}, or sqlcounter".into(),
        ),
        Remark::Period => {
            (Kinds::Differs(18), "Session-Timeout doesn't reach into the next period".into())
        }
        Remark::TooLong(length) => {
            (Kinds::Differs(12), format!("of its {length} octets 253 are sent"))
        }
    }
}

struct Rows<'a> {
    dictionary: &'a Dictionary,
    zone: &'a TimeZone,
    counter_carry: bool,
    found: &'a mut dyn FnMut(Finding),
    summary: Summary,
}

impl Rows<'_> {
    fn user(&mut self, user: &User) {
        self.summary.users += 1;
        self.name("user", &user.name, [("radcheck", &user.check), ("radreply", &user.reply)]);
        self.table("radcheck", &user.name, &user.check);
        self.table("radreply", &user.name, &user.reply);
    }

    fn group(&mut self, group: &GroupRows) {
        self.summary.groups += 1;
        let tables = [("radgroupcheck", &group.check), ("radgroupreply", &group.reply)];
        self.name("group", &group.name, tables);
        self.table("radgroupcheck", &group.name, &group.check);
        self.table("radgroupreply", &group.name, &group.reply);
    }

    /// The first row stands for a name that FreeRADIUS would look for in another form.
    fn name(&mut self, noun: &str, name: &str, tables: [(&'static str, &Vec<Row>); 2]) {
        let (_, escaped) = lookup_names(name.as_bytes());
        let first = tables.iter().find_map(|(table, rows)| Some((*table, rows.first()?)));
        if escaped != name
            && let Some((table, row)) = first
        {
            let why = format!("FreeRADIUS looks for this {noun} as {escaped} and finds no row");
            self.tell(table, name, row, Kinds::Differs(15), why);
        }
    }

    fn table(&mut self, table: &'static str, name: &str, rows: &[Row]) {
        for row in rows {
            self.summary.rows += 1;
            let reply = table.ends_with("reply");
            for (kind, why) in look(row, reply, self.dictionary, self.zone) {
                if kind != Kinds::Differs(18) || !self.counter_carry {
                    self.tell(table, name, row, kind, why);
                }
            }
        }
    }

    fn tell(&mut self, table: &'static str, name: &str, row: &Row, kind: Kinds, why: String) {
        let (id, name) = (row.id, name.to_owned());
        let row = format!("{} {}", row.attribute, row.op);
        (self.found)(Finding { table, id, name, row, kind, why });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;
    use proto::{Code, Packet, Secret};
    use schema::UserRows;

    use super::*;
    use crate::policy::{
        Answers, Facts, Groups, Huntgroups, Methods, NoRecorder, Options, Reason, Request, Step,
        Verdict, compile_user, decide,
    };

    fn row(attribute: &str, op: &str, value: &str) -> Row {
        Row { id: 7, attribute: attribute.into(), op: op.into(), value: value.into() }
    }

    fn kinds(table: &str, attribute: &str, op: &str, value: &str) -> Vec<Kinds> {
        let (dictionary, reply) = (Dictionary::shipped(), table.ends_with("reply"));
        let all = look(&row(attribute, op, value), reply, &dictionary, &TimeZone::UTC);
        all.into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn a_good_row_is_not_named() {
        for (table, attribute, op, value) in [
            ("radcheck", "Cleartext-Password", ":=", "x"),
            ("radcheck", "User-Password", "==", "x"),
            ("radcheck", "User-Name", "=~", "^al"),
            ("radcheck", "NAS-Port", "=~", "10"),
            ("radcheck", "NAS-Port", "", "10"),
            ("radcheck", "Auth-Type", ":=", "Reject"),
            ("radcheck", "Crypt-Password", ":=", "$1$abcdefgh$G.4tQbhRjGWjqdS7ISKzb."),
            ("radreply", "Framed-IP-Address", "=", "10.0.0.1"),
            ("radreply", "Idle-Timeout", "=>", "10"),
            ("radreply", "Tunnel-Type:1", "=", "VLAN"),
            ("radreply", "Reply-Message", "=", "`hello %{User-Name}`"),
            ("radreply", "Reply-Message", "=", "`%{User-Name`"),
            ("radreply", "Reply-Message", "=~", "(a)\\1"),
            ("radreply", "Attr-26.9.1", "=", "0x61"),
        ] {
            assert_eq!(kinds(table, attribute, op, value), [], "{attribute} {op} {value}");
        }
    }

    #[test]
    fn a_row_that_turns_away_does_nothing_or_differs_is_named() {
        use Kinds::{Differs, Error, Useless};
        let (long, wide) = ("x".repeat(300), "((a{100}){100}){100}");
        for (table, attribute, op, value, expected) in [
            ("radcheck", "No-Such-Thing", ":=", "x", &[Error][..]),
            ("radcheck", "", ":=", "x", &[Error]),
            ("radcheck", "LDAP-Group", ":=", "x", &[Error]),
            ("radcheck", "Simultaneous-Use", "?=", "1", &[Error]),
            ("radcheck", "Simultaneous-Use", ":=", "one", &[Error]),
            ("radcheck", "Cleartext-Password", ":=", "x\\", &[Error]),
            ("radreply", "Reply-Message", "=", "`%{exec:/bin/true}`", &[Error]),
            ("radreply", "Reply-Message", "=", "`%{md5:x}`", &[Error]),
            ("radcheck", "Service-Type", "=~", "^Framed", &[Error]),
            ("radcheck", "User-Name", "=~", "(a)\\\\1", &[Differs(13)]),
            ("radcheck", "User-Name", "=~", "^\\\\p{L}+$", &[Differs(13)]),
            ("radcheck", "User-Name", "!~", "(", &[Differs(13)]),
            ("radcheck", "User-Name", "=~", wide, &[Differs(13)]),
            ("radcheck", "User-Name", "=~", "", &[Useless]),
            ("radcheck", "NT-Password", ":=", "abc", &[Useless]),
            ("radcheck", "Cleartext-Password", "==", "x", &[Useless]),
            ("radcheck", "Simultaneous-Use", "==", "1", &[Useless]),
            ("radcheck", "Login-Time", "=", "Al", &[Useless]),
            ("radcheck", "Auth-Type", "==", "Reject", &[Useless]),
            ("radreply", "Reply-Message", "=", long.as_str(), &[Differs(12)]),
            ("radreply", "Framed-IP-Address", "=", "host.example", &[Differs(14)]),
            ("radcheck", "NAS-IP-Address", "==", "host.example", &[Differs(14)]),
            ("radcheck", "Simultaneous-Use", ":=", "1", &[Differs(4)]),
            ("radcheck", "Max-All-Session", ":=", "1", &[Differs(4)]),
            ("radcheck", "Max-All-MB", ":=", "1", &[Differs(4)]),
            ("radcheck", "Expire-After", ":=", "1", &[Differs(4)]),
            ("radcheck", "CS-Total-Octets-Daily", ":=", "1", &[Differs(4)]),
            ("radcheck", "Daily-Session-Time", "<", "10", &[Differs(4)]),
            ("radcheck", "Max-Daily-Session", ":=", "1", &[Differs(4), Differs(18)]),
        ] {
            assert_eq!(kinds(table, attribute, op, value), expected, "{attribute} {op} {value}");
        }
    }

    /// Is a login refused because of this row?
    fn refuses(row: &Row, reply: bool, dictionary: &Dictionary) -> bool {
        let mut rows = UserRows { name: "bob".into(), ..UserRows::default() };
        match reply {
            true => {
                rows.check = vec![self::row("Auth-Type", ":=", "Accept")];
                rows.reply = vec![row.clone()];
            }
            false => rows.check = vec![row.clone()],
        }
        let zone = TimeZone::UTC;
        let user = compile_user(&rows, dictionary, &zone);
        let secret = Secret::new(b"between us");
        let mut asked = proto::Request::new(Code::AccessRequest, 0, [0; 16]);
        asked.raw(1, b"bob");
        let octets = asked.finish(&secret);
        let packet = Packet::parse(&octets).unwrap();
        let (groups, answers) = (Groups::default(), Answers::default());
        let local = SocketAddr::from(([127, 0, 0, 1], 1812));
        let request = Request {
            packet: &packet,
            dictionary,
            methods: &Methods::of(dictionary),
            secret: &secret,
            source: local,
            destination: local,
            huntgroups: &Huntgroups::default(),
            now: 1_790_000_000,
            zone: &zone,
            challenge: || [0; 16],
            options: Options::default(),
        };
        let facts = Facts { user: Some(&user), groups: &groups, answers: &answers };
        match decide(&facts, &request, &mut NoRecorder) {
            Step::Decided(decision) => decision.verdict == Verdict::Reject(Reason::InvalidRow),
            // The row could be read: it is its host, or its counter, that has to be found.
            Step::Needs(_) => false,
        }
    }

    proptest! {
        /// "Error" is said exactly of what the engine refuses a login for.
        #[test]
        fn an_error_is_what_refuses_a_login(
            at in any::<prop::sample::Index>(),
            odd in prop::option::weighted(0.3, prop::sample::select(vec![
                "", "No-Such", "LDAP-Group", "Attr-26.9.1", "Attr-300", "Tunnel-Type:1",
                "Tunnel-Type:99", "Cleartext-Password", "User-Name", "Simultaneous-Use",
                "Auth-Type", "SQL-Group", "Daily-Session-Time", "Expiration",
            ])),
            op in prop::sample::select(vec![
                "", "=", ":=", "==", "+=", "-=", "^=", "++", "!=", ">", ">=", "<", "<=", "=~", "!~",
                "=*", "!*", "=>", "?=", " =", "x",
            ]),
            value in prop_oneof![
                prop::sample::select(vec![
                    "", "1", "-1", "10.0.0.1", "10.0.0.0/8", "2001:db8::1", "0x61", "0x6",
                    "Reject", "VLAN", "one", "host.example", "x\\", "(a)\\1", "(", "`%{User-Name}`",
                    "`%{User-Name`", "`%{md5:x}`", "`%l`", "Al", "31 Dec 2035", "{SHA}x", "'a'",
                ]).prop_map(str::to_owned),
                "[ -~]{0,12}",
            ],
            reply in any::<bool>(),
        ) {
            let dictionary = Dictionary::shipped();
            let all: Vec<_> = dictionary.attributes().collect();
            let attribute = odd.unwrap_or_else(|| &at.get(&all).name);
            let row = row(attribute, op, &value);
            let said = look(&row, reply, &dictionary, &TimeZone::UTC);
            let error = said.iter().any(|(kind, _)| *kind == Kinds::Error);
            prop_assert_eq!(error, refuses(&row, reply, &dictionary), "{:?}: {:?}", row, said);
        }
    }
}
