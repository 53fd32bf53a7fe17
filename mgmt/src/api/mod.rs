//! The route table: what there is, what it takes, and who answers. Router and document come from
//! this one list.

mod access_tokens;
pub(crate) mod attempts;
pub(crate) mod audit;
pub(crate) mod dictionary;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod factor;
pub(crate) mod groups;
pub(crate) mod login;
pub(crate) mod logins;
pub(crate) mod nas;
pub(crate) mod operators;
pub(crate) mod overview;
pub(crate) mod passwords;
pub(crate) mod roles;
mod rows;
pub(crate) mod sessions;
pub(crate) mod simulate;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod users;

use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::guard::Context;
use crate::permission::{
    DisconnectSessions, Entered, EraseAudit, Listens, ReadAttempts, ReadAudit, ReadGroups, ReadNas,
    ReadOperators, ReadSessions, ReadTenants, ReadTokens, ReadUsers, RevealPasswords,
    RevealSecrets, Right, SignedIn, WriteGroups, WriteNas, WriteOperators, WriteTenants,
    WriteTokens, WriteUsers,
};

type Routes = UtoipaMethodRouter<Context>;

pub(crate) fn router() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .merge(people())
        // Oneself
        .routes(open(routes!(login::enter)))
        .routes(open(routes!(access_tokens::issue)))
        .routes(needs::<Entered>(routes!(login::show)))
        .routes(needs::<Entered>(routes!(login::leave)))
        .routes(needs::<Entered>(routes!(login::change_password)))
        .routes(needs::<Entered>(routes!(factor::offer)))
        .routes(needs::<Entered>(routes!(factor::confirm)))
        .routes(needs::<Entered>(routes!(factor::remove_own)))
        .routes(needs::<Entered>(routes!(logins::list)))
        .routes(needs::<Entered>(routes!(logins::remove)))
        // Who manages
        .routes(needs::<ReadOperators>(routes!(operators::list)))
        .routes(needs::<WriteOperators>(routes!(operators::add)))
        .routes(needs::<ReadOperators>(routes!(operators::show)))
        .routes(needs::<WriteOperators>(routes!(operators::change)))
        .routes(needs::<WriteOperators>(routes!(operators::remove)))
        .routes(needs::<WriteOperators>(routes!(operators::reset)))
        .routes(needs::<WriteOperators>(routes!(factor::remove)))
        .routes(needs::<SignedIn>(routes!(roles::permissions)))
        .routes(needs::<ReadOperators>(routes!(roles::list)))
        .routes(needs::<WriteOperators>(routes!(roles::add)))
        .routes(needs::<ReadOperators>(routes!(roles::show)))
        .routes(needs::<WriteOperators>(routes!(roles::change)))
        .routes(needs::<WriteOperators>(routes!(roles::remove)))
        .routes(needs::<ReadTenants>(routes!(tenants::list)))
        .routes(needs::<WriteTenants>(routes!(tenants::add)))
        .routes(needs::<ReadTenants>(routes!(tenants::show)))
        .routes(needs::<WriteTenants>(routes!(tenants::change)))
        .routes(needs::<WriteTenants>(routes!(tenants::remove)))
        // Programs
        .routes(needs::<ReadTokens>(routes!(tokens::list)))
        .routes(needs::<WriteTokens>(routes!(tokens::add)))
        .routes(needs::<WriteTokens>(routes!(tokens::remove)))
        // What goes on
        .routes(needs::<SignedIn>(routes!(overview::show)))
        .routes(needs::<Listens>(routes!(events::listen)))
        .routes(needs::<ReadSessions>(routes!(sessions::list)))
        .routes(needs::<ReadSessions>(routes!(export::sessions)))
        .routes(needs::<ReadSessions>(routes!(sessions::show)))
        .routes(needs::<DisconnectSessions>(routes!(sessions::disconnect)))
        .routes(needs::<DisconnectSessions>(routes!(sessions::close)))
        .routes(needs::<ReadAttempts>(routes!(attempts::list)))
        .routes(needs::<ReadAttempts>(routes!(attempts::counts)))
        .routes(needs::<ReadAttempts>(routes!(attempts::show)))
        .routes(needs::<ReadAttempts>(routes!(simulate::simulate)))
        // Who may send
        .routes(needs::<ReadNas>(routes!(nas::list)))
        .routes(needs::<WriteNas>(routes!(nas::add)))
        .routes(needs::<ReadNas>(routes!(nas::unknown)))
        .routes(needs::<ReadNas>(routes!(nas::show)))
        .routes(needs::<WriteNas>(routes!(nas::change)))
        .routes(needs::<WriteNas>(routes!(nas::remove)))
        .routes(needs::<RevealSecrets>(routes!(nas::reveal)))
        .routes(needs::<ReadNas>(routes!(nas::snippets)))
        // What was done
        .routes(needs::<ReadAudit>(routes!(audit::list)))
        .routes(needs::<EraseAudit>(routes!(audit::erase)))
}

/// Who connects.
fn people() -> OpenApiRouter<Context> {
    OpenApiRouter::new()
        .routes(needs::<ReadUsers>(routes!(users::list)))
        .routes(needs::<WriteUsers>(routes!(users::add)))
        .routes(needs::<WriteUsers>(routes!(users::change_many)))
        .routes(needs::<ReadUsers>(routes!(users::show)))
        .routes(needs::<WriteUsers>(routes!(users::change)))
        .routes(needs::<WriteUsers>(routes!(users::remove)))
        .routes(needs::<RevealPasswords>(routes!(users::reveal)))
        .routes(needs::<ReadUsers>(routes!(users::history)))
        .routes(needs::<ReadUsers>(routes!(passwords::forms)))
        .routes(needs::<WriteUsers>(routes!(passwords::make_up)))
        .routes(needs::<ReadGroups>(routes!(groups::list)))
        .routes(needs::<WriteGroups>(routes!(groups::add)))
        .routes(needs::<ReadGroups>(routes!(groups::show)))
        .routes(needs::<WriteGroups>(routes!(groups::change)))
        .routes(needs::<WriteGroups>(routes!(groups::remove)))
        .routes(needs::<SignedIn>(routes!(dictionary::attributes)))
}

/// States what the handler's `Permit` asks for. That it is the same a test sees, who walks every
/// operation with every role.
fn needs<P: Right>((schemas, mut paths, router): Routes) -> Routes {
    for item in paths.paths.values_mut() {
        for operation in operations(item) {
            state(operation, P::NAME);
            operation.security = Some(crate::openapi::security(P::IN_PERSON));
            crate::openapi::answer(operation, "401", "Nobody is signed in, or no more.");
            crate::openapi::answer(operation, "403", "This caller may not do that.");
        }
    }
    (schemas, paths, router)
}

/// For everybody: the way in.
fn open((schemas, mut paths, router): Routes) -> Routes {
    paths.paths.values_mut().flat_map(operations).for_each(|operation| state(operation, "none"));
    (schemas, paths, router)
}

fn state(operation: &mut Operation, permission: &str) {
    let extensions = ExtensionsBuilder::new().add("x-permission", json!(permission)).build();
    operation.extensions.get_or_insert_default().merge(extensions);
    crate::openapi::answers(operation);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
        .into_iter()
        .flatten()
}
