//! A store with a NAS in it, on either engine, and the daemon on it.

use std::path::PathBuf;

use super::daemon::{self, Daemon, Settings};
use super::nas::SECRET;
use super::postgres;
use super::scratch;
use super::sql::{Sql, quote};

/// The zone of both servers: not UTC, half an hour off, without summer time.
pub const ZONE: &str = "Asia/Kolkata";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub struct Site {
    pub engine: Engine,
    pub directory: PathBuf,
    pub url: String,
    pub settings: Settings,
    /// Another program's session.
    pub sql: Sql,
}

impl Site {
    /// FreeRADIUS's tables, and the NAS 127.0.0.1.
    pub fn new(engine: Engine) -> Site {
        let directory = scratch::directory("site");
        let (url, mut sql) = match engine {
            Engine::Postgres => {
                let cluster = postgres::shared();
                let url = cluster.url(&cluster.database());
                let sql = Sql::postgres(&url);
                (url, sql)
            }
            Engine::Sqlite => {
                let file = directory.join("radiusd.db");
                let url = format!("sqlite:{}", file.display());
                let data = directory.to_str().expect("a path of text");
                let (code, _, error) =
                    daemon::run(&["migrate", "--database", &url, "--data-dir", data]);
                assert_eq!(code, 0, "{error}");
                (url, Sql::sqlite(&file))
            }
        };
        sql.rows(&format!(
            "INSERT INTO nas (nasname, shortname, secret) VALUES ('127.0.0.1', 'lab', '{SECRET}')"
        ));
        let settings = Settings::new(&directory, &url, ZONE);
        Site { engine, directory, url, settings, sql }
    }

    pub fn start(&self) -> Daemon {
        Daemon::start(&self.directory, &self.settings)
    }

    /// A row of radcheck or radreply.
    pub fn row(&mut self, table: &str, user: &str, attribute: &str, op: &str, value: &str) {
        let owner = if table.contains("group") { "groupname" } else { "username" };
        let values = [user, attribute, op, value].map(quote).join(", ");
        let columns = format!("({owner}, attribute, op, value)");
        self.sql.rows(&format!("INSERT INTO {table} {columns} VALUES ({values})"));
    }

    pub fn user(&mut self, name: &str, password: &str) {
        self.row("radcheck", name, "Cleartext-Password", ":=", password);
    }

    pub fn group(&mut self, user: &str, group: &str, priority: i32) {
        let values = format!("({}, {}, {priority})", quote(user), quote(group));
        self.sql.rows(&format!(
            "INSERT INTO radusergroup (username, groupname, priority) VALUES {values}"
        ));
    }
}

/// The same story on both stores.
pub fn on_both(story: impl Fn(Site)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        eprintln!("on {engine:?}");
        story(Site::new(engine));
    }
}
