//! What a store turned out to have: which of FreeRADIUS's tables with which columns, what the
//! role may do with them, and whether ours are there.

use std::collections::HashMap;

use crate::Error;
use crate::engine::{Engine, each, statements, values};

/// Without these it is not FreeRADIUS's store.
const REQUIRED: &[(&str, &[&str])] = &[
    ("radcheck", &["id", "username", "attribute", "op", "value"]),
    ("radreply", &["id", "username", "attribute", "op", "value"]),
    ("radgroupcheck", &["id", "groupname", "attribute", "op", "value"]),
    ("radgroupreply", &["id", "groupname", "attribute", "op", "value"]),
    ("radusergroup", &["username", "groupname", "priority"]),
    (
        "radacct",
        &[
            "radacctid",
            "acctsessionid",
            "acctuniqueid",
            "username",
            "nasipaddress",
            "acctstarttime",
            "acctupdatetime",
            "acctstoptime",
            "acctsessiontime",
            "acctinputoctets",
            "acctoutputoctets",
            "callingstationid",
            "framedipaddress",
        ],
    ),
];

/// FreeRADIUS's, those that a site may lack included.
const THEIRS: &[&str] = &[
    "radcheck",
    "radreply",
    "radgroupcheck",
    "radgroupreply",
    "radusergroup",
    "radacct",
    "radpostauth",
    "nas",
    "nasreload",
    "radippool",
    "radhuntgroup",
];

pub(crate) const OURS: &[&str] = &[
    "mgmt_migrations",
    "mgmt_attempts",
    "mgmt_traces",
    "mgmt_last_accepts",
    "mgmt_session_marks",
    "mgmt_session_reuse",
    "mgmt_nas_reboots",
    "mgmt_nas_settings",
    "mgmt_nas_named",
];

/// Ours too, and not needed for anything but usage.
const USAGE: &[&str] = &["mgmt_usage", "mgmt_usage_state", "mgmt_radacct_archive"];

/// Ours, needed for management and for nothing else.
const MANAGEMENT: &[&str] = &[
    "mgmt_operators",
    "mgmt_roles",
    "mgmt_logins",
    "mgmt_factors",
    "mgmt_tokens",
    "mgmt_audit",
    "mgmt_tenants",
    "mgmt_owners",
    "mgmt_attempt_counts",
    "mgmt_users",
    "mgmt_user_tags",
    "mgmt_requests",
];

/// How a column keeps what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    /// inet or cidr.
    Address,
    /// PostgreSQL's timestamps; SQLite keeps epoch seconds, or text in radpostauth.
    Time,
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub kind: Kind,
    pub not_null: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub columns: HashMap<String, Column>,
    pub rights: Rights,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub select: bool,
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub postgres: bool,
    tables: HashMap<String, Table>,
    /// radacct has a unique index on acctuniqueid alone.
    pub unique_session: bool,
    /// On SQLite: our index on the users of open sessions is there to be named.
    pub open_user_index: bool,
}

statements! {
    /// Tables as the search path finds them.
    COLUMNS = each(
        "SELECT w.name, a.attname::text, t.typname::text, a.attnotnull, \
         has_any_column_privilege(c.oid, 'SELECT'), has_any_column_privilege(c.oid, 'INSERT'), \
         has_any_column_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE') \
         FROM unnest($1::text[]) AS w(name) \
         JOIN pg_class c ON c.oid = to_regclass(w.name) \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         JOIN pg_type t ON t.oid = a.atttypid",
        "SELECT lower(m.name), lower(c.name), lower(c.type), c.\"notnull\", 1, 1, 1, 1 \
         FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
         WHERE m.type IN ('table', 'view') \
         AND lower(m.name) IN (SELECT value FROM json_each($1))",
    );
    UNIQUE_SESSION = each(
        "SELECT count(*) FROM pg_index i JOIN pg_attribute a \
         ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
         WHERE i.indrelid = to_regclass('radacct') AND i.indisunique AND i.indisvalid \
         AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = 'acctuniqueid'",
        "SELECT count(*) FROM pragma_index_list('radacct') i \
         WHERE i.\"unique\" = 1 AND i.partial = 0 \
         AND (SELECT group_concat(lower(c.name)) FROM pragma_index_info(i.name) c) \
         = 'acctuniqueid'",
    );
    OPEN_USER_INDEX = each(
        "SELECT 0",
        "SELECT count(*) FROM pragma_index_list('radacct') \
         WHERE name = 'mgmt_radacct_open_user'",
    );
}

impl Layout {
    pub(crate) async fn detect(engine: &Engine) -> Result<Layout, Error> {
        let names = THEIRS.iter().chain(OURS).chain(USAGE).chain(MANAGEMENT);
        let names: Vec<String> = names.map(|&name| name.to_owned()).collect();
        let postgres = matches!(engine, Engine::Postgres(_));
        let mut layout = Layout { postgres, ..Layout::default() };
        let columns = engine.fetch(&COLUMNS, values![names], |row| {
            let kind = kind(&row.text(2)?);
            let column = Column { kind, not_null: row.flag(3)? };
            let rights = Rights {
                select: row.flag(4)?,
                insert: row.flag(5)?,
                update: row.flag(6)?,
                delete: row.flag(7)?,
            };
            Ok((row.text(0)?, row.text(1)?, column, rights))
        });
        for (table, name, column, rights) in columns.await? {
            let table = layout.tables.entry(table).or_default();
            table.columns.insert(name, column);
            table.rights = rights;
        }
        let unique = engine.find(&UNIQUE_SESSION, vec![], |row| row.flag(0)).await?;
        layout.unique_session = unique.unwrap_or_default();
        let open_user = engine.find(&OPEN_USER_INDEX, vec![], |row| Ok(row.int(0)? > 0)).await?;
        layout.open_user_index = open_user.unwrap_or_default();
        Ok(layout)
    }

    /// None of FreeRADIUS's tables.
    pub(crate) fn is_empty(&self) -> bool {
        !THEIRS.iter().any(|&name| self.tables.contains_key(name))
    }

    /// An error unless it is empty or has what FreeRADIUS's queries need.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        for (name, columns) in REQUIRED {
            let Some(table) = self.tables.get(*name) else {
                return Err(Error::Schema(format!(
                    "the store has tables of FreeRADIUS but no {name}: its schema is not whole"
                )));
            };
            let lacks = columns.iter().find(|&&column| !table.columns.contains_key(column));
            if let Some(column) = lacks {
                return Err(Error::Schema(format!(
                    "{name} has no column {column}: it is not FreeRADIUS's"
                )));
            }
            if !table.rights.select {
                return Err(Error::Denied(format!("SELECT on {name}")));
            }
        }
        let radacct = self.rights("radacct");
        match (radacct.insert, radacct.update) {
            (true, true) => Ok(()),
            (false, _) => Err(Error::Denied("INSERT on radacct".into())),
            (true, false) => Err(Error::Denied("UPDATE on radacct".into())),
        }
    }

    pub(crate) fn is_there(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// It is there and may be read.
    pub(crate) fn has(&self, table: &str) -> bool {
        self.rights(table).select
    }

    pub(crate) fn column(&self, table: &str, column: &str) -> Option<&Column> {
        self.tables.get(table)?.columns.get(column)
    }

    pub(crate) fn rights(&self, table: &str) -> Rights {
        self.tables.get(table).map(|table| table.rights).unwrap_or_default()
    }

    /// All tables of ours can be read and written.
    pub(crate) fn ours(&self) -> bool {
        self.lacking_ours().is_empty()
    }

    /// Our tables that are missing or may not be used.
    pub(crate) fn lacking_ours(&self) -> Vec<&'static str> {
        let needed = OURS.iter().copied().filter(|name| *name != "mgmt_migrations");
        needed.filter(|name| !self.may_use(name)).collect()
    }

    /// Usage can be kept.
    pub(crate) fn keeps_usage(&self) -> bool {
        self.ours() && self.lacking_usage().is_empty()
    }

    pub(crate) fn lacking_usage(&self) -> Vec<&'static str> {
        USAGE.iter().copied().filter(|name| !self.may_use(name)).collect()
    }

    /// All tables of management can be used.
    pub(crate) fn manages(&self) -> bool {
        self.lacking_management().is_empty()
    }

    /// Tables of management that are missing or may not be used.
    pub(crate) fn lacking_management(&self) -> Vec<&'static str> {
        MANAGEMENT.iter().copied().filter(|name| !self.may_use(name)).collect()
    }

    fn may_use(&self, table: &str) -> bool {
        let all = Rights { select: true, insert: true, update: true, delete: true };
        self.rights(table) == all
    }

    /// The column where it exists, else NULL.
    pub(crate) fn or_null<'n>(&self, table: &str, column: &'n str) -> &'n str {
        self.column(table, column).map_or("NULL", |_| column)
    }
}

fn kind(r#type: &str) -> Kind {
    match r#type {
        "inet" | "cidr" => Kind::Address,
        "timestamptz" | "timestamp" | "datetime" => Kind::Time,
        "text" | "bpchar" | "citext" | "name" => Kind::Text,
        _ if r#type.contains("char") => Kind::Text,
        _ if r#type.contains("int") => Kind::Int,
        _ => Kind::Other,
    }
}
