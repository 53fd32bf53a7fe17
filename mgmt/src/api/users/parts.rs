//! What users are put together from: passwords, groups, names, each mistake named by its field.

use schema::{Person, Row};

use super::shape::{Account, Member, NewUser};
use crate::api::passwords::{Form, made_up};
use crate::api::rows::{self, RowGiven};
use crate::guard::Permit;
use crate::permission::{Right, WriteUsers};
use crate::problem::Field;
use crate::{Problem, Side};

/// Letters of a password that is made up.
const MADE_UP: usize = 10;

/// The user that is asked for, and the password that was made up for it.
pub(super) async fn new_person(
    permit: &Permit<WriteUsers>,
    asked: NewUser,
) -> Result<(Person, Option<String>), Problem> {
    let name = asked.name;
    let mut wrong = Vec::new();
    let mac = asked.account == Account::Mac;
    let why = name_mistake(&name).or_else(|| (mac && !is_mac(&name)).then_some("no MAC address"));
    if let Some(why) = why {
        wrong.push(Field { field: "name".into(), detail: why.into() });
    }
    let mut person =
        Person { tenant: asked.tenant.or(permit.scope().tenant()), ..Person::default() };
    let keys = permit.context().field_keys();
    asked.contact.put(&name, &mut person.details, keys, &mut wrong)?;
    if !wrong.is_empty() {
        return Err(Problem::fields(wrong));
    }
    may_give(permit, person.tenant).await?;
    let user = &mut person.user;
    user.name = name;
    user.check = rows::read(permit, Side::Check, &[], &asked.check).await?;
    user.reply = rows::read(permit, Side::Reply, &[], &asked.reply).await?;
    user.groups = memberships(permit, asked.groups, &[]).await?;
    let mut password = None;
    if asked.account == Account::Password {
        let has_one = user.check.iter().any(is_password);
        let given = asked.password.or_else(|| {
            password = (!has_one).then(|| made_up(MADE_UP));
            password.clone()
        });
        if let Some(given) = given {
            put_password(permit, asked.password_form, &given, &mut user.check).await?;
        }
    } else {
        let given = RowGiven::new("Auth-Type", ":=", "Accept");
        user.check.extend(rows::read(permit, Side::Check, &[], &[given]).await?);
    }
    user.set_disabled(asked.disabled);
    Ok((person, password))
}

/// Puts the password in the place of whatever password is there. A slow form takes a thread.
pub(super) async fn put_password<P: Right>(
    permit: &Permit<P>,
    form: Form,
    password: &str,
    check: &mut Vec<Row>,
) -> Result<(), Problem> {
    if !(1..=128).contains(&password.chars().count()) || password.contains('\0') {
        return Err(Problem::field("password", "1 to 128 characters"));
    }
    let (context, text) = (permit.context().clone(), password.to_owned());
    let made = tokio::task::spawn_blocking(move || context.daemon().password_row(form, &text));
    let made = made.await.unwrap_or_else(|_| Err("it can't be hashed".into()));
    let mut row = made.map_err(|why| Problem::field("password", why))?;
    row.id = check.iter().find(|row| is_password(row)).map_or(0, |row| row.id);
    let at = check.iter().position(is_password).unwrap_or(check.len());
    check.retain(|row| !is_password(row));
    check.insert(at.min(check.len()), row);
    Ok(())
}

/// Any row that says a password, in whatever form.
fn is_password(row: &Row) -> bool {
    let name = row.attribute.to_ascii_lowercase();
    name.ends_with("-password") || name == "password-with-header"
}

/// In order; a group that isn't there, or isn't the caller's, is named.
pub(super) async fn memberships<P: Right>(
    permit: &Permit<P>,
    given: Vec<Member>,
    before: &[schema::Membership],
) -> Result<Vec<schema::Membership>, Problem> {
    let mut all: Vec<schema::Membership> = Vec::new();
    for (index, Member { group, priority }) in given.into_iter().enumerate() {
        let field = format!("groups[{index}]");
        let is_new = !before.iter().any(|one| one.group == group);
        if all.iter().any(|one| one.group == group) {
            return Err(Problem::field(&field, "the group stands twice here"));
        }
        if index >= 100 || !(-1_000_000..=1_000_000).contains(&priority) {
            return Err(Problem::field(&field, "at most 100 groups, priorities below a million"));
        }
        if is_new && permit.store().find_group(permit.scope(), &group).await?.is_none() {
            return Err(Problem::field(&field, "there is no such group"));
        }
        all.push(schema::Membership { group, priority });
    }
    all.sort();
    Ok(all)
}

/// A tenant that is there, and for an operator of one no other.
pub(crate) async fn may_give<P: Right>(
    permit: &Permit<P>,
    tenant: Option<uuid::Uuid>,
) -> Result<(), Problem> {
    let there = match tenant {
        _ if !permit.scope().admits(tenant) => false,
        Some(id) => permit.store().find_tenant(id).await?.is_some(),
        None => true,
    };
    if there { Ok(()) } else { Err(Problem::field("tenant", "there is no such tenant")) }
}

/// Why a user of that name could never log in: FreeRADIUS's own gate turns it away before any row is
/// read.
#[must_use]
pub fn name_mistake(name: &str) -> Option<&'static str> {
    let realm = name.split_once('@').map(|(_, realm)| realm);
    let why = if name.is_empty() {
        "it is empty"
    } else if name.chars().count() > 128 {
        "it has more than 128 characters"
    } else if name.contains(char::is_whitespace) || name.contains(char::is_control) {
        "it holds a blank"
    } else if name.matches('@').count() > 1 {
        "it holds more than one @"
    } else if name.contains("..") {
        "it holds two dots in a row"
    } else if realm.is_some_and(|realm| !realm.contains('.')) {
        "what follows @ holds no dot"
    } else if realm.is_some_and(|realm| realm.starts_with('.')) {
        "what follows @ begins with a dot"
    } else if realm.is_some() && name.ends_with('.') {
        "it ends in a dot"
    } else {
        return None;
    };
    Some(why)
}

/// Twelve hexadecimal digits, perhaps with `:`, `-` or `.` between.
fn is_mac(name: &str) -> bool {
    let digits: Vec<char> = name.chars().filter(|c| !":-.".contains(*c)).collect();
    digits.len() == 12 && digits.iter().all(char::is_ascii_hexdigit)
}
