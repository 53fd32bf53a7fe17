//! What we add to FreeRADIUS's tables where the role may: indexes, and on PostgreSQL triggers
//! that tell what changed. Columns and rows are never touched.

use crate::Error;
use crate::engine::{Engine, both, statements, values};
use crate::layout::Layout;

/// Where triggers notify; the payload is `table:md5(key)`, or `table:*` for all of it.
pub(crate) const CHANNEL: &str = "mgmt_changed";

/// Tables whose changes are told, with the column whose values are the keys.
const WATCHED: &[(&str, Key)] = &[
    ("radcheck", Key::Username),
    ("radreply", Key::Username),
    ("radusergroup", Key::Username),
    ("radgroupcheck", Key::Groupname),
    ("radgroupreply", Key::Groupname),
    ("nas", Key::All),
    ("radhuntgroup", Key::All),
    ("mgmt_nas_settings", Key::All),
    ("mgmt_nas_named", Key::All),
    ("radacct", Key::Sessions),
];

#[derive(Clone, Copy, PartialEq)]
enum Key {
    Username,
    Groupname,
    All,
    /// Only that somebody else writes sessions, now and then, and nothing of which.
    Sessions,
}

impl Key {
    const EVERY: [Key; 4] = [Key::Username, Key::Groupname, Key::All, Key::Sessions];

    fn function(self) -> &'static str {
        match self {
            Key::Username => "mgmt_notify_username",
            Key::Groupname => "mgmt_notify_groupname",
            Key::All => "mgmt_notify_all",
            Key::Sessions => "mgmt_notify_sessions",
        }
    }

    fn triggers(self) -> i64 {
        if self == Key::Sessions { 1 } else { 4 }
    }

    /// Statement-level, so a statement costs one call however many rows it touches. A payload
    /// per key: one for all would fail the other program's statement above 8,000 octets. An
    /// error of ours never is one of that statement.
    fn body(self) -> String {
        let all = format!("PERFORM pg_notify('{CHANNEL}', TG_TABLE_NAME || ':*');");
        let column = match self {
            Key::Username => "username",
            Key::Groupname => "groupname",
            Key::All => {
                return format!(
                    "\nBEGIN\n    {all}\n    RETURN NULL;\n\
                     EXCEPTION WHEN OTHERS THEN\n    RETURN NULL;\nEND\n"
                );
            }
            Key::Sessions => return sessions_body(&all),
        };
        let keys = |from: &str| {
            format!(
                "SELECT array_agg(k) INTO keys FROM (SELECT {column} AS k FROM {from} LIMIT 101) s"
            )
        };
        format!(
            "\nDECLARE\n    keys text[];\n    key text;\nBEGIN\n\
             \x20   IF TG_OP = 'INSERT' THEN\n        {insert};\n\
             \x20   ELSIF TG_OP = 'UPDATE' THEN\n        {update};\n\
             \x20   ELSIF TG_OP = 'DELETE' THEN\n        {delete};\n\
             \x20   END IF;\n\
             \x20   IF TG_OP = 'TRUNCATE' OR cardinality(keys) > 100 THEN\n        {all}\n\
             \x20   ELSIF keys IS NOT NULL THEN\n\
             \x20       FOREACH key IN ARRAY keys LOOP\n\
             \x20           PERFORM pg_notify('{CHANNEL}', \
                 TG_TABLE_NAME || ':' || md5(convert_to(key, 'UTF8')));\n\
             \x20       END LOOP;\n\
             \x20   END IF;\n    RETURN NULL;\n\
             EXCEPTION WHEN OTHERS THEN\n    BEGIN\n        {all}\n\
             \x20   EXCEPTION WHEN OTHERS THEN\n        NULL;\n    END;\n    RETURN NULL;\nEND\n",
            insert = keys(&format!("(SELECT DISTINCT {column} FROM changed) c")),
            delete = keys(&format!("(SELECT DISTINCT {column} FROM gone) g")),
            update =
                keys(&format!("(SELECT {column} FROM gone UNION SELECT {column} FROM changed) u")),
        )
    }

    fn definition(self) -> String {
        format!(
            "CREATE OR REPLACE FUNCTION mgmt.{}() RETURNS trigger LANGUAGE plpgsql \
             SET search_path = pg_catalog, pg_temp AS $$\
             {}$$;\n",
            self.function(),
            self.body()
        )
    }
}

/// Each connection tells every two seconds at most: a NOTIFY holds a lock of the whole cluster
/// while its transaction commits.
fn sessions_body(tell: &str) -> String {
    format!(
        "\nDECLARE\n    now float8 := extract(epoch FROM clock_timestamp());\nBEGIN\n\
         \x20   IF abs(now - coalesce(nullif(current_setting('mgmt.told', true), ''), '0')::float8) > 2 \
         THEN\n        PERFORM set_config('mgmt.told', now::text, false);\n        {tell}\n    END IF;\n\
         \x20   RETURN NULL;\nEXCEPTION WHEN OTHERS THEN\n    RETURN NULL;\nEND\n"
    )
}

struct Index {
    name: &'static str,
    table: &'static str,
    columns: &'static [&'static str],
    /// As PostgreSQL writes it after USING.
    postgres: &'static str,
    /// `None` where FreeRADIUS has its own.
    sqlite: Option<&'static str>,
}

const INDEXES: &[Index] = &[
    Index {
        name: "mgmt_radusergroup_group",
        table: "radusergroup",
        columns: &["groupname", "username"],
        postgres: "btree (groupname, username)",
        sqlite: Some("(groupname, username)"),
    },
    Index {
        name: "mgmt_radcheck_attribute",
        table: "radcheck",
        columns: &["attribute", "username"],
        postgres: "btree (attribute, username)",
        sqlite: Some("(attribute, username)"),
    },
    Index {
        name: "mgmt_radacct_user_start",
        table: "radacct",
        columns: &["username", "acctstarttime"],
        postgres: "btree (username, acctstarttime)",
        sqlite: Some("(username, acctstarttime)"),
    },
    Index {
        name: "mgmt_radacct_open_user",
        table: "radacct",
        columns: &["username", "acctstoptime"],
        postgres: "btree (username) WHERE (acctstoptime IS NULL)",
        sqlite: Some("(username) WHERE acctstoptime IS NULL"),
    },
    Index {
        name: "mgmt_radacct_open_framed",
        table: "radacct",
        columns: &["framedipaddress", "acctstoptime"],
        postgres: "btree (framedipaddress) WHERE (acctstoptime IS NULL)",
        sqlite: Some("(framedipaddress) WHERE acctstoptime IS NULL"),
    },
    Index {
        name: "mgmt_radacct_open_calling",
        table: "radacct",
        columns: &["callingstationid", "acctstoptime"],
        postgres: "btree (callingstationid) WHERE (acctstoptime IS NULL)",
        sqlite: Some("(callingstationid) WHERE acctstoptime IS NULL"),
    },
    Index {
        name: "mgmt_radacct_open_nas",
        table: "radacct",
        columns: &["nasipaddress", "acctstarttime", "acctstoptime"],
        postgres: "btree (nasipaddress, acctstarttime) WHERE (acctstoptime IS NULL)",
        sqlite: Some("(nasipaddress, acctstarttime) WHERE acctstoptime IS NULL"),
    },
    Index {
        name: "mgmt_radacct_stop",
        table: "radacct",
        columns: &["acctstoptime"],
        postgres: "brin (acctstoptime)",
        sqlite: None,
    },
    Index {
        name: "mgmt_radpostauth_time",
        table: "radpostauth",
        columns: &["authdate"],
        postgres: "btree (authdate)",
        sqlite: Some("(authdate)"),
    },
];

/// One thing to add: what it is called, and the statements that add it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addition {
    pub name: String,
    pub sql: String,
}

statements! {
    /// Each watched table as the search path finds it: whether it is one, and its triggers.
    TRIGGERS = both(
        "SELECT w.name, format('%I.%I', n.nspname, c.relname), c.relkind IN ('r', 'p'), \
         count(t.oid) FILTER (WHERE t.tgenabled = 'A' AND t.tgname IN ('mgmt_changed_insert', \
         'mgmt_changed_update', 'mgmt_changed_delete', 'mgmt_changed_truncate', \
         'mgmt_changed_sessions')) \
         FROM unnest($1::text[]) AS w(name) JOIN pg_class c ON c.oid = to_regclass(w.name) \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_trigger t ON t.tgrelid = c.oid GROUP BY 1, 2, 3",
    );
    FUNCTIONS = both(
        "SELECT count(*) FROM unnest($1::text[], $2::text[]) AS w(name, body) \
         JOIN pg_proc p ON p.proname = w.name AND p.prosrc = w.body \
         AND p.pronamespace = to_regnamespace('mgmt')",
    );
    POSTGRES_INDEXES = both(
        "SELECT format('%I.%I', n.nspname, c.relname), x.relname::text, \
         split_part(pg_get_indexdef(i.indexrelid), ' USING ', 2), i.indisvalid \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid \
         WHERE c.oid = to_regclass($1)",
    );
    SQLITE_INDEXES = both("SELECT name FROM sqlite_schema WHERE type = 'index'");
    RELATION = both(
        "SELECT format('%I.%I', n.nspname, c.relname), c.relkind IN ('r', 'p') FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)",
    );
}

/// For a listener's own connection: whether every change of policy is told, and whether it is told
/// when others write sessions.
pub(crate) const IS_NOTIFIED: &str = "SELECT COALESCE(bool_and(n = 4), false), EXISTS (SELECT 1 \
     FROM pg_trigger s WHERE s.tgrelid = to_regclass('radacct') AND s.tgenabled = 'A' \
     AND s.tgname = 'mgmt_changed_sessions') FROM (SELECT count(t.oid) FILTER (WHERE \
     t.tgenabled = 'A' AND t.tgname IN ('mgmt_changed_insert', 'mgmt_changed_update', \
     'mgmt_changed_delete', 'mgmt_changed_truncate')) AS n \
     FROM unnest($1::text[]) AS w(name) JOIN pg_class c ON c.oid = to_regclass(w.name) \
     LEFT JOIN pg_trigger t ON t.tgrelid = c.oid GROUP BY c.oid) AS watched";

/// Tables of policy.
pub(crate) fn watched() -> Vec<String> {
    let policy = WATCHED.iter().filter(|(_, key)| *key != Key::Sessions);
    policy.map(|(name, _)| (*name).to_owned()).collect()
}

/// Triggers that are missing; empty on SQLite, where the file itself tells.
pub(crate) async fn missing_triggers(engine: &Engine) -> Result<Vec<Addition>, Error> {
    let Engine::Postgres(_) = engine else { return Ok(Vec::new()) };
    let all: Vec<String> = WATCHED.iter().map(|(name, _)| (*name).to_owned()).collect();
    let tables = engine.fetch(&TRIGGERS, values![all], |row| {
        Ok((row.text(0)?, row.text(1)?, row.flag(2)?, row.int(3)?))
    });
    let mut missing = Vec::new();
    for (name, qualified, is_table, triggers) in tables.await? {
        let Some((_, key)) = WATCHED.iter().find(|(watched, _)| *watched == name) else { continue };
        if is_table && triggers < key.triggers() {
            let sql = triggers_on(&qualified, *key);
            missing.push(Addition { name: format!("triggers on {name}"), sql });
        }
    }
    missing.sort_by(|a, b| a.name.cmp(&b.name));
    let names = Key::EVERY.map(|key| key.function().to_owned()).to_vec();
    let bodies = Key::EVERY.map(Key::body).to_vec();
    let found = engine.find(&FUNCTIONS, values![names, bodies], |row| row.int(0)).await?;
    if found != Some(Key::EVERY.len() as i64) {
        let sql = Key::EVERY.map(Key::definition).concat();
        missing.insert(0, Addition { name: "trigger functions".into(), sql });
    }
    Ok(missing)
}

/// The triggers of tables that are yet to be made, where the one who makes them finds them.
pub(crate) fn triggers_to_come(layout: &Layout) -> String {
    let to_come = WATCHED.iter().filter(|(table, _)| match table.strip_prefix("mgmt_") {
        Some(_) => !layout.is_there(table),
        None => layout.is_empty() && *table != "radhuntgroup",
    });
    let qualified = |table: &str| match table.starts_with("mgmt_") {
        true => format!("mgmt.{table}"),
        false => table.to_owned(),
    };
    to_come.fold(String::new(), |sql, (table, key)| sql + &triggers_on(&qualified(table), *key))
}

/// The indexes of an empty store's tables.
pub(crate) fn indexes_to_come() -> String {
    let sql = |Index { name, table, postgres, .. }: &Index| {
        format!("CREATE INDEX CONCURRENTLY {name} ON {table} USING {postgres};\n")
    };
    // FreeRADIUS's own radacct_bulk_close is the same.
    INDEXES.iter().filter(|index| index.name != "mgmt_radacct_open_nas").map(sql).collect()
}

fn triggers_on(table: &str, key: Key) -> String {
    let function = key.function();
    let mut sql = String::new();
    if key == Key::Sessions {
        return format!(
            "DROP TRIGGER IF EXISTS mgmt_changed_sessions ON {table};\n\
             CREATE TRIGGER mgmt_changed_sessions AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE \
             ON {table} FOR EACH STATEMENT \
             WHEN (current_setting('mgmt.node', true) IS DISTINCT FROM 'radiusd') \
             EXECUTE FUNCTION mgmt.{function}();\n\
             ALTER TABLE {table} ENABLE ALWAYS TRIGGER mgmt_changed_sessions;\n"
        );
    }
    for (event, tables) in [
        ("insert", "REFERENCING NEW TABLE AS changed "),
        ("update", "REFERENCING OLD TABLE AS gone NEW TABLE AS changed "),
        ("delete", "REFERENCING OLD TABLE AS gone "),
        ("truncate", ""),
    ] {
        sql.push_str(&format!(
            "DROP TRIGGER IF EXISTS mgmt_changed_{event} ON {table};\n\
             CREATE TRIGGER mgmt_changed_{event} AFTER {event} ON {table} {tables}\
             FOR EACH STATEMENT EXECUTE FUNCTION mgmt.{function}();\n\
             ALTER TABLE {table} ENABLE ALWAYS TRIGGER mgmt_changed_{event};\n"
        ));
    }
    sql
}

/// Indexes that no index of the site does the work of.
pub(crate) async fn missing_indexes(
    engine: &Engine,
    layout: &Layout,
) -> Result<Vec<Addition>, Error> {
    let wanted = INDEXES.iter().filter(|index| {
        let has = |column: &&str| layout.column(index.table, column).is_some();
        index.columns.iter().all(has)
    });
    match engine {
        Engine::Postgres(_) => {
            let mut missing = Vec::new();
            for index in wanted {
                missing.extend(missing_on_postgres(engine, index).await?);
            }
            Ok(missing)
        }
        Engine::Sqlite(_) => {
            let there = engine.fetch(&SQLITE_INDEXES, vec![], |row| row.text(0)).await?;
            let lacks = |index: &&Index| !there.iter().any(|name| name == index.name);
            let addition = |index: &Index| {
                let Index { name, table, .. } = index;
                let sql =
                    format!("CREATE INDEX IF NOT EXISTS {name} ON {table} {};\n", index.sqlite?);
                Some(Addition { name: (*name).to_owned(), sql })
            };
            Ok(wanted.filter(lacks).filter_map(addition).collect())
        }
    }
}

async fn missing_on_postgres(engine: &Engine, index: &Index) -> Result<Option<Addition>, Error> {
    let there = engine.fetch(&POSTGRES_INDEXES, values![index.table], |row| {
        Ok((row.text(1)?, row.text(2)?, row.flag(3)?))
    });
    let there = there.await?;
    if there.iter().any(|(_, definition, valid)| *valid && definition == index.postgres) {
        return Ok(None);
    }
    let relation =
        engine.find(&RELATION, values![index.table], |row| Ok((row.text(0)?, row.flag(1)?)));
    let Some((table, true)) = relation.await? else { return Ok(None) };
    let Index { name, postgres, .. } = index;
    let mut sql = String::new();
    if there.iter().any(|(other, ..)| other == name) {
        // Left behind by a build that was broken off.
        let schema = table.split('.').next().unwrap_or_default();
        sql = format!("DROP INDEX CONCURRENTLY {schema}.{name};\n");
    }
    sql.push_str(&format!("CREATE INDEX CONCURRENTLY {name} ON {table} USING {postgres};\n"));
    Ok(Some(Addition { name: (*name).to_owned(), sql }))
}
