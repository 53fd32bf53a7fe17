//! What we keep of a user beside FreeRADIUS's rows, and requests that must not be done twice.

use std::collections::BTreeMap;
use std::collections::HashMap;

use serde_json::Value as Json;
use uuid::Uuid;

use super::{Details, Person, User};
use crate::engine::{self, Tx, both, each, statements, values};
use crate::migrations::now_ms;
use crate::operators::fold;
use crate::{Error, Owned, Store};

/// A request that its caller may send again, by the key he gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    pub operator: Uuid,
    pub key: String,
    /// Of what was asked.
    pub hash: String,
}

statements! {
    DETAILS = each(
        "SELECT username, id, created_ms, full_name, company, email, phone, custom, notes, \
         address FROM mgmt_users WHERE username = ANY($1)",
        "SELECT username, id, created_ms, full_name, company, email, phone, custom, notes, \
         address FROM mgmt_users WHERE username IN (SELECT value FROM json_each($1))",
    );
    TAGS = each(
        "SELECT username, tag FROM mgmt_user_tags WHERE username = ANY($1) ORDER BY tag",
        "SELECT username, tag FROM mgmt_user_tags \
         WHERE username IN (SELECT value FROM json_each($1)) ORDER BY tag",
    );
    WRITE = both(
        "INSERT INTO mgmt_users (username, folded, full_name, company, email, phone, custom, \
         notes, address, searched, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (username) DO UPDATE SET full_name = excluded.full_name, \
         company = excluded.company, email = excluded.email, phone = excluded.phone, \
         custom = excluded.custom, notes = excluded.notes, address = excluded.address, \
         searched = excluded.searched",
    );
    ENROL = each(
        "INSERT INTO mgmt_users (username, folded, full_name, company, email, phone, custom, \
         searched, created_ms) SELECT n, f, '', '', '', '', '{}', f, t \
         FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u(n, f, t) \
         ON CONFLICT (username) DO NOTHING",
        "INSERT INTO mgmt_users (username, folded, full_name, company, email, phone, custom, \
         searched, created_ms) VALUES ($1, $2, '', '', '', '', '{}', $2, $3) \
         ON CONFLICT (username) DO NOTHING",
    );
    /// Names without a row of ours, from one name on.
    MISSING = both(
        "SELECT n.username, CASE WHEN EXISTS (SELECT 1 FROM mgmt_users u \
         WHERE u.username = n.username) THEN 1 ELSE 0 END FROM ( \
         SELECT username FROM (SELECT DISTINCT username FROM radcheck WHERE username > $1 \
         ORDER BY username LIMIT $2) c \
         UNION SELECT username FROM (SELECT DISTINCT username FROM radreply WHERE username > $1 \
         ORDER BY username LIMIT $2) r \
         UNION SELECT username FROM (SELECT DISTINCT username FROM radusergroup \
         WHERE username > $1 ORDER BY username LIMIT $2) g) n ORDER BY n.username LIMIT $2",
    );
    UNTAG = both("DELETE FROM mgmt_user_tags WHERE username = $1");
    TAG = both(
        "INSERT INTO mgmt_user_tags (tag, username) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    );
    FORGET = both("DELETE FROM mgmt_users WHERE username = $1");
    REQUEST = both("SELECT hash, made FROM mgmt_requests WHERE operator_id = $1 AND key = $2");
    KEEP_REQUEST = both(
        "INSERT INTO mgmt_requests (operator_id, key, hash, made, at_ms) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (operator_id, key) DO NOTHING",
    );
    PURGE_REQUESTS = both("DELETE FROM mgmt_requests WHERE at_ms < $1");
}

type Known = (String, i64, i64, Details);

fn known(row: &engine::Row<'_>) -> Result<Known, Error> {
    let custom: BTreeMap<String, String> = serde_json::from_str(&row.text(7)?).unwrap_or_default();
    let details = Details {
        full_name: row.text(3)?,
        company: row.text(4)?,
        email: row.text(5)?,
        phone: row.text(6)?,
        custom,
        tags: Vec::new(),
        notes: row.text_or_null(8)?,
        address: row.text_or_null(9)?,
    };
    Ok((row.text(0)?, row.int(1)?, row.int(2)?, details))
}

fn tag(row: &engine::Row<'_>) -> Result<(String, String), Error> {
    Ok((row.text(0)?, row.text(1)?))
}

pub(super) async fn read(tx: &mut Tx, name: &str) -> Result<Details, Error> {
    let names = [name];
    let found = tx.fetch(&DETAILS, values![names.as_slice()], known).await?;
    let Some((.., mut details)) = found.into_iter().next() else {
        return Ok(Details::default());
    };
    let tags = tx.fetch(&TAGS, values![names.as_slice()], tag).await?;
    details.tags = tags.into_iter().map(|(_, tag)| tag).collect();
    Ok(details)
}

pub(super) async fn write(tx: &mut Tx, name: &str, details: &Details) -> Result<(), Error> {
    let Details { full_name, company, email, phone, custom, tags, notes, address } = details;
    let folded = fold(name);
    let fields = [full_name, company, email, phone];
    let searched = fields.iter().filter(|text| !text.is_empty());
    let searched = searched.fold(folded.clone(), |all, text| format!("{all}\n{}", fold(text)));
    let custom = Json::from_iter(custom.clone()).to_string();
    let values = values![
        name,
        folded,
        full_name,
        company,
        email,
        phone,
        custom,
        notes,
        address,
        searched,
        now_ms(),
    ];
    tx.execute(&WRITE, values).await?;
    tx.execute(&UNTAG, values![name]).await?;
    for tag in tags {
        tx.execute(&TAG, values![tag, name]).await?;
    }
    Ok(())
}

pub(super) async fn forget(tx: &mut Tx, name: &str) -> Result<(), Error> {
    tx.execute(&UNTAG, values![name]).await?;
    tx.execute(&FORGET, values![name]).await?;
    Ok(())
}

/// Fails with [`Error::Exists`] when that key was used before.
pub(super) async fn keep_request(tx: &mut Tx, once: &Once, made: &str) -> Result<(), Error> {
    let Once { operator, key, hash } = once;
    let values = values![operator.to_string(), key, hash, made, now_ms()];
    match tx.execute(&KEEP_REQUEST, values).await? {
        0 => Err(Error::Exists(format!("request {key}"))),
        _ => Ok(()),
    }
}

impl Store {
    /// What a request under this key asked for, as a hash, and what it made.
    pub async fn find_request(
        &self,
        operator: Uuid,
        key: &str,
    ) -> Result<Option<(String, String)>, Error> {
        let values = values![operator.to_string(), key];
        self.engine()?.find(&REQUEST, values, |row| Ok((row.text(0)?, row.text(1)?))).await
    }

    pub async fn purge_requests(&self, before_ms: i64) -> Result<u64, Error> {
        let mut tx = self.begin().await?;
        let removed = tx.execute(&PURGE_REQUESTS, values![before_ms]).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// Gives the users after that name, `limit` at most, a row of ours where they lack one, so that
    /// they are found by a part of their name. Returns the last of them; `None` at the end.
    pub async fn enrol_users(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<String>, Error> {
        let values = values![after.unwrap_or_default(), limit];
        let map: engine::Map<(String, bool)> = |row| Ok((row.text(0)?, row.flag(1)?));
        let names = self.engine()?.fetch(&MISSING, values, map).await?;
        let last = names.last().map(|(name, _)| name.clone());
        let missing = names.into_iter().filter(|(_, there)| !there);
        let rows: Vec<_> = missing.map(|(name, _)| values![&name, fold(&name), now_ms()]).collect();
        if !rows.is_empty() {
            let mut tx = self.begin().await?;
            tx.execute_rows(&ENROL, rows).await?;
            tx.commit().await?;
        }
        Ok(last)
    }

    /// With what is known of the persons, in the same order.
    pub(super) async fn people(&self, users: Vec<User>) -> Result<Vec<Person>, Error> {
        if !self.layout()?.manages() {
            return Ok(users.into_iter().map(Person::from).collect());
        }
        let names: Vec<String> = users.iter().map(|user| user.name.clone()).collect();
        let engine = self.engine()?;
        let rows = engine.fetch(&DETAILS, values![names.as_slice()], known).await?;
        let mut all: HashMap<String, (i64, i64, Details)> = HashMap::new();
        for (name, id, created_ms, details) in rows {
            all.insert(name, (id, created_ms, details));
        }
        for (name, tag) in engine.fetch(&TAGS, values![names.as_slice()], tag).await? {
            if let Some((.., details)) = all.get_mut(&name) {
                details.tags.push(tag);
            }
        }
        let owners = self.owners(Owned::User, &names).await?;
        let person = |user: User| {
            let tenant = owners.get(&user.name).copied();
            match all.remove(&user.name) {
                Some((id, created_ms, details)) => {
                    Person { user, details, tenant, id, created_ms: Some(created_ms) }
                }
                None => Person { user, tenant, ..Person::default() },
            }
        };
        Ok(users.into_iter().map(person).collect())
    }
}
