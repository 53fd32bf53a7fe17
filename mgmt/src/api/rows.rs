//! Check and reply rows as the API shows and takes them: secrets stay where they are, and each mistake
//! names its row.

use schema::{Owned, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::guard::Permit;
use crate::permission::Right;
use crate::problem::Field;
use crate::{Daemon, Problem, Side};

/// Rows of one table at most.
const ROWS_MAX: usize = 200;
/// Attributes whose value names something that belongs to somebody.
const NAMING: [(&str, Owned); 3] =
    [("Pool-Name", Owned::Pool), ("User-Profile", Owned::User), ("SQL-Group", Owned::Group)];

/// A row of `radcheck`, `radreply`, `radgroupcheck` or `radgroupreply`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Row)]
pub(crate) struct Row {
    id: i64,
    attribute: String,
    op: String,
    /// Null for a secret.
    value: Option<String>,
    secret: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RowGiven)]
pub(crate) struct RowGiven {
    /// Of the row that this one takes the place of; 0, or none, for a new one.
    #[serde(default)]
    id: i64,
    #[schema(max_length = 128)]
    attribute: String,
    /// As FreeRADIUS writes it: `:=`, `==`, `+=` …
    #[schema(max_length = 2)]
    op: String,
    /// Null keeps the value of the row with this id.
    #[schema(max_length = 4096)]
    value: Option<String>,
}

impl RowGiven {
    pub fn new(attribute: &str, op: &str, value: &str) -> RowGiven {
        let (attribute, op) = (attribute.to_owned(), op.to_owned());
        RowGiven { id: 0, attribute, op, value: Some(value.to_owned()) }
    }
}

pub(crate) fn shown(rows: &[schema::Row], daemon: &dyn Daemon) -> Vec<Row> {
    let one = |row: &schema::Row| {
        let schema::Row { id, attribute, op, value } = row.clone();
        let secret = daemon.is_secret(&attribute);
        Row { id, attribute, op, value: (!secret).then_some(value), secret }
    };
    rows.iter().map(one).collect()
}

/// The rows that are given in the place of `before`, or what is wrong with which: `check[1]`.
pub(crate) async fn read<P: Right>(
    permit: &Permit<P>,
    side: Side,
    before: &[schema::Row],
    given: &[RowGiven],
) -> Result<Vec<schema::Row>, Problem> {
    let name = if side == Side::Check { "check" } else { "reply" };
    if given.len() > ROWS_MAX {
        return Err(Problem::field(name, format!("at most {ROWS_MAX} rows")));
    }
    let mut rows: Vec<schema::Row> = Vec::with_capacity(given.len());
    let mut wrong = Vec::new();
    for (index, one) in given.iter().enumerate() {
        let old = before.iter().find(|row| row.id == one.id && one.id != 0);
        let row = match taken(one, old, &rows) {
            // What nobody touched stays, also where we would not take it.
            Ok(row) if old == Some(&row) => Ok(row),
            Ok(row) => permit.context().daemon().check_row(side, &row),
            Err(why) => Err(why),
        };
        let row = match row {
            Ok(row) => match foreign(permit, &row, old).await? {
                Some(why) => Err(why),
                None => Ok(row),
            },
            wrong => wrong,
        };
        match row {
            Ok(row) => rows.push(row),
            Err(detail) => wrong.push(Field { field: format!("{name}[{index}]"), detail }),
        }
    }
    if wrong.is_empty() { Ok(rows) } else { Err(Problem::fields(wrong)) }
}

fn taken(
    given: &RowGiven,
    old: Option<&schema::Row>,
    others: &[schema::Row],
) -> Result<schema::Row, String> {
    if given.id != 0 && (old.is_none() || others.iter().any(|row| row.id == given.id)) {
        return Err("there is no such row any more, or it stands twice here".into());
    }
    let same = old.filter(|old| old.attribute == given.attribute);
    let value = given.value.clone().or_else(|| same.map(|old| old.value.clone()));
    let value = value.ok_or("a value is needed")?;
    if value.chars().count() > 4096 || value.contains('\0') {
        return Err("at most 4096 characters, none of them zero".into());
    }
    let (attribute, op) = (given.attribute.trim().to_owned(), given.op.trim().to_owned());
    Ok(schema::Row { id: given.id, attribute, op, value })
}

/// What an operator of a tenant may not write: names of what isn't its own, and expansions, which
/// at FreeRADIUS run statements and programs.
async fn foreign<P: Right>(
    permit: &Permit<P>,
    row: &schema::Row,
    old: Option<&schema::Row>,
) -> Result<Option<String>, Problem> {
    let scope = permit.scope();
    if scope == Scope::Everything || old.is_some_and(|old| old == row) {
        return Ok(None);
    }
    if row.value.contains("%{") || row.value.trim_start().starts_with('`') {
        return Ok(Some("operators of a tenant write no expansions".into()));
    }
    let Some((_, owned)) = NAMING.iter().find(|(name, _)| row.attribute == *name) else {
        return Ok(None);
    };
    let named = row.value.trim().trim_matches(['"', '\'']);
    match permit.store().is_in_scope(scope, *owned, named).await? {
        true => Ok(None),
        false => Ok(Some(format!("there is no such {}", row.attribute))),
    }
}
