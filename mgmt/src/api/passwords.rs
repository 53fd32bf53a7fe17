//! The forms a user's password is kept in, with what each rules out, and passwords made up.

use axum::Json;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Problem;
use crate::guard::Permit;
use crate::page::{Asked, Page};
use crate::permission::{ReadUsers, WriteUsers};

/// How a password lies in `radcheck`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = PasswordForm)]
pub enum Form {
    #[default]
    Cleartext,
    Nt,
    Ssha512,
    Bcrypt,
}

impl Form {
    pub const ALL: [Form; 4] = [Form::Cleartext, Form::Nt, Form::Ssha512, Form::Bcrypt];

    fn attribute(self) -> &'static str {
        match self {
            Form::Cleartext => "Cleartext-Password",
            Form::Nt => "NT-Password",
            Form::Ssha512 => "SSHA2-512-Password",
            Form::Bcrypt => "Crypt-Password",
        }
    }

    /// The form that a user's check rows have; of several passwords the first counts.
    pub(crate) fn of(check: &[schema::Row]) -> Option<Form> {
        let of = |row: &schema::Row| {
            let same = |form: &Form| row.attribute.eq_ignore_ascii_case(form.attribute());
            Form::ALL.into_iter().find(same)
        };
        check.iter().find_map(of)
    }

    /// PAP, CHAP, MS-CHAP.
    fn works_with(self) -> Vec<&'static str> {
        match self {
            Form::Cleartext => vec!["PAP", "CHAP", "MS-CHAP"],
            Form::Nt => vec!["PAP", "MS-CHAP"],
            Form::Ssha512 | Form::Bcrypt => vec!["PAP"],
        }
    }
}

/// What a form allows.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasswordFormHelp {
    form: Form,
    attribute: &'static str,
    /// Of PAP, CHAP and MS-CHAP.
    works_with: Vec<&'static str>,
    rules_out: Vec<&'static str>,
    /// Whether it can be shown again.
    can_be_revealed: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    #[param(minimum = 6, maximum = 64, default = 10)]
    length: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MadeUp {
    password: String,
}

/// List the forms of passwords
#[utoipa::path(get, path = "/api/v1/password-forms", tag = "users",
    operation_id = "listPasswordForms", responses((status = 200, body = Page<PasswordFormHelp>)))]
pub(crate) async fn forms(_: Permit<ReadUsers>) -> Json<Page<PasswordFormHelp>> {
    let help = |form: Form| {
        let works_with = form.works_with();
        let all = ["PAP", "CHAP", "MS-CHAP"];
        PasswordFormHelp {
            form,
            attribute: form.attribute(),
            rules_out: all.into_iter().filter(|one| !works_with.contains(one)).collect(),
            works_with,
            can_be_revealed: form == Form::Cleartext,
        }
    };
    Json(Page { items: Form::ALL.into_iter().map(help).collect(), next: None })
}

/// Make up a password
///
/// Of letters and digits that are not mistaken for one another. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/passwords", tag = "users", operation_id = "makeUpPassword",
    params(Wanted), responses((status = 200, body = MadeUp)))]
pub(crate) async fn make_up(
    _: Permit<WriteUsers>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<MadeUp>, Problem> {
    match wanted.length.unwrap_or(10) {
        length @ 6..=64 => Ok(Json(MadeUp { password: made_up(length) })),
        _ => Err(Problem::field("length", "6 to 64")),
    }
}

pub(crate) fn made_up(length: usize) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect()
}
