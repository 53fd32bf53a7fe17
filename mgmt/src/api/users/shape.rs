//! Users as the API shows and takes them.

use std::collections::BTreeMap;

use schema::{Details, Person};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::api::passwords::Form;
use crate::api::rows::{self, Row, RowGiven};
use crate::body::{said, time};
use crate::guard::Context;
use crate::page::Part;
use crate::problem::Field;
use crate::{FieldKeys, Problem};

/// A user in a list.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct UserInList {
    name: String,
    disabled: bool,
    full_name: String,
    company: String,
    email: String,
    phone: String,
    tags: Vec<String>,
    /// In order of their priority.
    groups: Vec<String>,
    tenant: Option<Uuid>,
    /// When it was first seen here; null for one that another program has just made.
    #[schema(format = DateTime)]
    created: Option<String>,
}

#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct User {
    name: String,
    #[serde(flatten)]
    edited: Edited,
    #[schema(format = DateTime)]
    created: Option<String>,
}

/// What people change of a user; its tag is over this.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = UserEdited)]
pub(crate) struct Edited {
    /// There is a check row `Auth-Type := Reject`.
    disabled: bool,
    /// How the password lies there; null without one, or in a form of the site's own.
    password_form: Option<Form>,
    check: Vec<Row>,
    reply: Vec<Row>,
    groups: Vec<Member>,
    full_name: String,
    company: String,
    email: String,
    phone: String,
    /// The postal address; it lies encrypted, as do the notes.
    address: String,
    notes: String,
    custom: BTreeMap<String, String>,
    tags: Vec<String>,
    tenant: Option<Uuid>,
}

/// Membership of a group; the lowest priority is read first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Membership)]
pub(crate) struct Member {
    pub group: String,
    pub priority: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Account {
    /// Signs in with a password.
    #[default]
    Password,
    /// A device, known by its address alone (`Auth-Type := Accept`).
    Mac,
    /// Known by a code alone (`Auth-Type := Accept`).
    Pin,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    #[schema(max_length = 128)]
    pub name: String,
    #[serde(default)]
    pub account: Account,
    /// Without one, an account of kind `password` gets one made up, unless a check row says it.
    #[serde(skip_serializing)]
    #[schema(format = Password, max_length = 128)]
    pub password: Option<String>,
    #[serde(default)]
    pub password_form: Form,
    #[serde(default)]
    pub disabled: bool,
    #[serde(default)]
    pub check: Vec<RowGiven>,
    #[serde(default)]
    pub reply: Vec<RowGiven>,
    #[serde(default)]
    pub groups: Vec<Member>,
    #[serde(flatten)]
    pub contact: Contact,
    pub tenant: Option<Uuid>,
}

/// What isn't named stays, or is empty for a new user.
#[derive(Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct Contact {
    #[schema(max_length = 200)]
    full_name: Option<String>,
    #[schema(max_length = 200)]
    company: Option<String>,
    #[schema(max_length = 200)]
    email: Option<String>,
    #[schema(max_length = 200)]
    phone: Option<String>,
    #[schema(max_length = 1000)]
    address: Option<String>,
    #[schema(max_length = 4000)]
    notes: Option<String>,
    custom: Option<BTreeMap<String, String>>,
    tags: Option<Vec<String>>,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct UserChange {
    pub disabled: Option<bool>,
    /// Takes the place of whatever password is there.
    #[schema(format = Password, max_length = 128)]
    pub password: Option<String>,
    pub password_form: Option<Form>,
    /// All of them, in the place of those that are there.
    pub check: Option<Vec<RowGiven>>,
    pub reply: Option<Vec<RowGiven>>,
    pub groups: Option<Vec<Member>>,
    #[serde(flatten)]
    pub contact: Contact,
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<Uuid>)]
    pub tenant: Option<Option<Uuid>>,
}

/// A user who has just been added.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserWithPassword {
    #[serde(flatten)]
    pub user: User,
    /// Shown here and never again, unless by who may reveal it; null where it was given.
    pub made_up_password: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserState {
    Enabled,
    Disabled,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub(crate) enum UserSort {
    #[default]
    #[serde(rename = "name")]
    Name,
    /// The newest first.
    #[serde(rename = "-created")]
    Newest,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    cursor: Option<String>,
    /// A part of the name, full name, company, e-mail or telephone, the newest first; of fewer than
    /// three letters the beginning of the name.
    #[param(max_length = 100)]
    pub search: Option<String>,
    pub group: Option<String>,
    pub tag: Option<String>,
    #[param(inline)]
    pub state: Option<UserState>,
    pub tenant: Option<Uuid>,
    /// `-created` goes with no filter.
    #[param(inline)]
    pub sort: Option<UserSort>,
}

impl Wanted {
    pub fn part(&self) -> Part {
        Part::new(self.limit, self.cursor.clone())
    }
}

impl From<Person> for UserInList {
    fn from(person: Person) -> UserInList {
        let disabled = person.user.is_disabled();
        let Details { full_name, company, email, phone, tags, .. } = person.details;
        let groups = person.user.groups.into_iter().map(|member| member.group).collect();
        let (tenant, created) = (person.tenant, person.created_ms.map(time));
        let name = person.user.name;
        UserInList {
            name,
            disabled,
            full_name,
            company,
            email,
            phone,
            tags,
            groups,
            tenant,
            created,
        }
    }
}

impl User {
    pub fn of(person: &Person, context: &Context) -> User {
        let created = person.created_ms.map(time);
        User { name: person.user.name.clone(), edited: Edited::of(person, context), created }
    }

    pub fn edited(&self) -> &Edited {
        &self.edited
    }
}

impl Edited {
    pub fn of(person: &Person, context: &Context) -> Edited {
        let Person { user, details, tenant, .. } = person;
        let Details { full_name, company, email, phone, custom, tags, notes, address } =
            details.clone();
        let member =
            |one: &schema::Membership| Member { group: one.group.clone(), priority: one.priority };
        let name = &user.name;
        let open = |what, sealed: Option<String>| opened(context.field_keys(), name, what, sealed);
        Edited {
            disabled: user.is_disabled(),
            password_form: Form::of(&user.check),
            check: rows::shown(&user.check, context.daemon()),
            reply: rows::shown(&user.reply, context.daemon()),
            groups: user.groups.iter().map(member).collect(),
            full_name,
            company,
            email,
            phone,
            address: open("address", address),
            notes: open("notes", notes),
            custom,
            tags,
            tenant: *tenant,
        }
    }
}

fn place(name: &str, what: &str) -> String {
    format!("user {name} {what}")
}

/// What can't be opened, with a key that is gone, reads as nothing.
fn opened(keys: &FieldKeys, name: &str, what: &str, sealed: Option<String>) -> String {
    let clear = sealed.and_then(|sealed| keys.open(&place(name, what), &sealed));
    clear.and_then(|octets| String::from_utf8(octets).ok()).unwrap_or_default()
}

impl Contact {
    /// Puts what is named into the details, or says what is wrong with it.
    pub fn put(
        self,
        name: &str,
        details: &mut Details,
        keys: &FieldKeys,
        wrong: &mut Vec<Field>,
    ) -> Result<(), Problem> {
        let mut say = |field: &str, detail: &str| {
            wrong.push(Field { field: field.to_owned(), detail: detail.to_owned() });
        };
        let one_line = [
            ("full_name", self.full_name, &mut details.full_name),
            ("company", self.company, &mut details.company),
            ("email", self.email, &mut details.email),
            ("phone", self.phone, &mut details.phone),
        ];
        for (field, given, kept) in one_line {
            let Some(text) = given else { continue };
            if !fits(&text, 200) {
                say(field, "at most 200 characters in one line");
            }
            *kept = text.trim().to_owned();
        }
        let sealed = [
            ("address", self.address, &mut details.address, 1000),
            ("notes", self.notes, &mut details.notes, 4000),
        ];
        for (field, given, kept, most) in sealed {
            let Some(text) = given else { continue };
            if text.chars().count() > most || text.contains('\0') {
                say(field, &format!("at most {most} characters"));
            } else if text != opened(keys, name, field, kept.clone()) {
                *kept =
                    match text.is_empty() {
                        true => None,
                        false => Some(keys.seal(&place(name, field), text.as_bytes()).ok_or_else(
                            || Problem::from(schema::Error::Failed("it can't be sealed".into())),
                        )?),
                    };
            }
        }
        if let Some(custom) = self.custom {
            let fine = |(key, value): (&String, &String)| {
                !key.trim().is_empty() && fits(key, 64) && fits(value, 500)
            };
            if custom.len() > 50 || !custom.iter().all(fine) {
                say("custom", "at most 50 fields, names of 1 to 64 and values of 500 characters");
            }
            details.custom = custom;
        }
        if let Some(mut tags) = self.tags {
            if tags.len() > 50 || !tags.iter().all(|tag| !tag.trim().is_empty() && fits(tag, 64)) {
                say("tags", "at most 50 tags of 1 to 64 characters");
            }
            tags.sort();
            tags.dedup();
            details.tags = tags;
        }
        Ok(())
    }
}

fn fits(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}
