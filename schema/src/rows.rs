//! Editing the four attribute tables row by row, so that rows nobody touched keep their ids and
//! with them their order.

use crate::engine::{Sql, Tx, both, statements, values};
use crate::{Error, Row};

#[derive(Clone, Copy)]
pub(crate) enum Table {
    Check,
    Reply,
    GroupCheck,
    GroupReply,
}

struct Edits {
    add: &'static Sql,
    update: &'static Sql,
    remove: &'static Sql,
    remove_all: &'static Sql,
}

statements! {
    ADD_CHECK =
        both("INSERT INTO radcheck (username, attribute, op, value) VALUES ($1, $2, $3, $4)");
    ADD_REPLY =
        both("INSERT INTO radreply (username, attribute, op, value) VALUES ($1, $2, $3, $4)");
    ADD_GROUP_CHECK =
        both("INSERT INTO radgroupcheck (groupname, attribute, op, value) VALUES ($1, $2, $3, $4)");
    ADD_GROUP_REPLY =
        both("INSERT INTO radgroupreply (groupname, attribute, op, value) VALUES ($1, $2, $3, $4)");
    UPDATE_CHECK = both(
        "UPDATE radcheck SET attribute = $2, op = $3, value = $4 WHERE id = $5 AND username = $1",
    );
    UPDATE_REPLY = both(
        "UPDATE radreply SET attribute = $2, op = $3, value = $4 WHERE id = $5 AND username = $1",
    );
    UPDATE_GROUP_CHECK = both(
        "UPDATE radgroupcheck SET attribute = $2, op = $3, value = $4 \
         WHERE id = $5 AND groupname = $1",
    );
    UPDATE_GROUP_REPLY = both(
        "UPDATE radgroupreply SET attribute = $2, op = $3, value = $4 \
         WHERE id = $5 AND groupname = $1",
    );
    REMOVE_CHECK = both("DELETE FROM radcheck WHERE username = $1 AND id = $2");
    REMOVE_REPLY = both("DELETE FROM radreply WHERE username = $1 AND id = $2");
    REMOVE_GROUP_CHECK = both("DELETE FROM radgroupcheck WHERE groupname = $1 AND id = $2");
    REMOVE_GROUP_REPLY = both("DELETE FROM radgroupreply WHERE groupname = $1 AND id = $2");
    REMOVE_CHECKS = both("DELETE FROM radcheck WHERE username = $1");
    REMOVE_REPLIES = both("DELETE FROM radreply WHERE username = $1");
    REMOVE_GROUP_CHECKS = both("DELETE FROM radgroupcheck WHERE groupname = $1");
    REMOVE_GROUP_REPLIES = both("DELETE FROM radgroupreply WHERE groupname = $1");
}

impl Table {
    fn edits(self) -> Edits {
        let (add, update, remove, remove_all) = match self {
            Table::Check => (&ADD_CHECK, &UPDATE_CHECK, &REMOVE_CHECK, &REMOVE_CHECKS),
            Table::Reply => (&ADD_REPLY, &UPDATE_REPLY, &REMOVE_REPLY, &REMOVE_REPLIES),
            Table::GroupCheck => {
                (&ADD_GROUP_CHECK, &UPDATE_GROUP_CHECK, &REMOVE_GROUP_CHECK, &REMOVE_GROUP_CHECKS)
            }
            Table::GroupReply => {
                (&ADD_GROUP_REPLY, &UPDATE_GROUP_REPLY, &REMOVE_GROUP_REPLY, &REMOVE_GROUP_REPLIES)
            }
        };
        Edits { add, update, remove, remove_all }
    }
}

/// Makes the rows `before` of one name into `after`: by id, rows of id 0 are new.
pub(crate) async fn change(
    tx: &mut Tx,
    table: Table,
    name: &str,
    before: &[Row],
    after: &[Row],
) -> Result<(), Error> {
    let edits = table.edits();
    for old in before {
        if !after.iter().any(|new| new.id == old.id) {
            tx.execute(edits.remove, values![name, old.id]).await?;
        }
    }
    for new in after {
        let Row { id, attribute, op, value } = new;
        match before.iter().find(|old| old.id == *id && *id != 0) {
            Some(old) if old == new => {}
            Some(_) => {
                tx.execute(edits.update, values![name, attribute, op, value, *id]).await?;
            }
            None => {
                tx.execute(edits.add, values![name, attribute, op, value]).await?;
            }
        }
    }
    Ok(())
}

pub(crate) async fn remove_all(tx: &mut Tx, table: Table, name: &str) -> Result<u64, Error> {
    tx.execute(table.edits().remove_all, values![name]).await
}

/// The same rows, in whatever order.
pub(crate) fn same(a: &[Row], b: &[Row]) -> bool {
    a.len() == b.len() && a.iter().all(|row| b.contains(row))
}
