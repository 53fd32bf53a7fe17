//! Who is asking, and what may he do: a cookie or a token becomes a [`Permit`], or a problem.
//!
//! The store is private to this module. A handler gets it from a `Permit<P>` and from nowhere
//! else, so one without a permit has no store at all.

pub(crate) mod entry;
mod factor;
mod origin;
mod secret;
mod source;

use std::marker::PhantomData;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use ipnet::IpNet;
use schema::{Actor, AuditKeys, Bearer, Login, Scope, Store, Token};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::password::Hasher;
use crate::permission::{Right, Set, confined, granted};
use crate::throttle::{Rate, Throttle};
use crate::{Daemon, FieldKeys, Problem, access_token};

use origin::PublicUrl;
pub(crate) use origin::foreign;
pub(crate) use secret::Secret;
pub(crate) use source::source;

/// A login that is not used for so long ends; used or not, it ends after so long.
pub const IDLE_MS: i64 = 30 * 60_000;
pub const ABSOLUTE_MS: i64 = 12 * 3_600_000;
/// How exactly it is known when a login or a token was last used.
const SEEN_MS: i64 = 60_000;
/// Who listens to events at once.
const LISTENERS_MAX: usize = 64;

/// What every request is answered from.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    daemon: Arc<dyn Daemon>,
    options: Options,
    public_url: Option<PublicUrl>,
    throttle: Throttle,
    rate: Rate,
    hasher: Hasher,
    /// Requests that are at the store at once: RADIUS's own keep most of its connections.
    turns: Arc<Semaphore>,
    listeners: Arc<Semaphore>,
}

/// What management is told when it starts.
pub struct Options {
    /// As browsers write it, `https://radius.example`; what they then say must fit.
    pub public_url: Option<String>,
    /// Whether we speak TLS ourselves.
    pub tls: bool,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
    pub audit_keys: Arc<AuditKeys>,
    pub field_keys: FieldKeys,
    /// Requests that may be at the store at once.
    pub store_turns: usize,
    /// Where the first administrator's one-time password lies until it is changed.
    pub first_password: Option<PathBuf>,
    /// Milliseconds since 1970.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

/// Says why a text is no URL to be found at.
pub fn check_public_url(text: &str) -> Result<(), String> {
    PublicUrl::parse(text).map(|_| ())
}

impl Options {
    pub fn new(audit_keys: Arc<AuditKeys>, field_keys: FieldKeys) -> Options {
        Options {
            public_url: None,
            tls: false,
            trusted_proxies: Vec::new(),
            audit_keys,
            field_keys,
            store_turns: 2,
            first_password: None,
            clock: Arc::new(|| jiff::Timestamp::now().as_millisecond()),
        }
    }
}

impl Context {
    /// Fails when `public_url` is none.
    pub fn new(store: Store, daemon: Arc<dyn Daemon>, options: Options) -> Result<Context, String> {
        let public_url = options.public_url.as_deref().map(PublicUrl::parse).transpose()?;
        let turns = Arc::new(Semaphore::new(options.store_turns.max(1)));
        let (throttle, rate) = (Throttle::default(), Rate::default());
        let hasher = Hasher::new();
        let listeners = Arc::new(Semaphore::new(LISTENERS_MAX));
        let inner =
            Inner { store, daemon, options, public_url, throttle, rate, hasher, turns, listeners };
        Ok(Context { inner: Arc::new(inner) })
    }

    pub(crate) fn daemon(&self) -> &dyn Daemon {
        &*self.inner.daemon
    }

    /// A place among those who listen; none when all are taken.
    pub(crate) fn listener(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.listeners).try_acquire_owned().ok()
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.inner.hasher
    }

    pub(crate) fn field_keys(&self) -> &FieldKeys {
        &self.inner.options.field_keys
    }

    pub(crate) fn public_url(&self) -> Option<&PublicUrl> {
        self.inner.public_url.as_ref()
    }

    pub(crate) fn trusted_proxies(&self) -> &[IpNet] {
        &self.inner.options.trusted_proxies
    }

    pub(crate) fn rate(&self) -> &Rate {
        &self.inner.rate
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.inner.options.clock)()
    }

    /// The cookie's name. Browsers keep the prefixed one to this host, to TLS and to no path.
    /// Over plain HTTP, which only loopback has by default, not all of them would keep it at all.
    pub(crate) fn cookie(&self) -> &'static str {
        if self.is_secure() { "__Host-radiusd" } else { "radiusd" }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.public_url().map_or(self.inner.options.tls, PublicUrl::is_secure)
    }

    /// A problem that names the missing grants where the tables are missing: RADIUS runs without.
    fn ready(&self) -> Result<(), Problem> {
        let lacking = self.inner.store.lacks_for_management()?;
        if lacking.is_empty() {
            return Ok(());
        }
        let tables = lacking.join(", ");
        let detail = format!(
            "RADIUS runs; management can't use {tables}. The store's role needs SELECT, INSERT, \
             UPDATE and DELETE on them: `radiusd migrate --print-sql` prints what the owner of \
             the database has to run. Then restart radiusd."
        );
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        Err(Problem::new(status, detail).of_kind("/problems/missing-grants"))
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = Arc::clone(&self.inner.turns).acquire_owned().await;
        turn.map_err(|_| Problem::from(schema::Error::Away("stopping".into())))
    }

    fn actor(&self, bearer: &Bearer, means: String, source: IpAddr) -> Actor {
        Actor {
            operator: Some(bearer.operator.id),
            name: bearer.operator.name.clone(),
            means,
            source: source.to_string(),
            keys: Arc::clone(&self.inner.options.audit_keys),
        }
    }
}

/// How somebody is known.
#[derive(Clone, Debug)]
pub(crate) enum Means {
    Login(Login),
    Token(Token),
}

/// Somebody who may do `P`, and with that the way to the store.
pub(crate) struct Permit<P> {
    context: Context,
    actor: Actor,
    bearer: Bearer,
    means: Means,
    granted: Set,
    source: IpAddr,
    /// The request without its body, to be asked again.
    parts: Box<Parts>,
    #[expect(dead_code, reason = "its end is what counts")]
    turn: OwnedSemaphorePermit,
    right: PhantomData<fn() -> P>,
}

/// Somebody who had a permit, and no way to the store until he is looked at again.
pub(crate) struct StepBack<P> {
    context: Context,
    parts: Box<Parts>,
    right: PhantomData<fn() -> P>,
}

impl<P: Right> StepBack<P> {
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// With the rights of this moment.
    pub async fn come_back(mut self) -> Result<Permit<P>, Problem> {
        Permit::from_request_parts(&mut self.parts, &self.context).await
    }
}

impl<P: Right> Permit<P> {
    pub fn store(&self) -> &Store {
        &self.context.inner.store
    }

    /// Who the audit log will name.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    pub fn operator(&self) -> &schema::Operator {
        &self.bearer.operator
    }

    /// All that this caller may do, now.
    pub fn granted(&self) -> Set {
        self.granted
    }

    /// What this caller sees and touches: for every function of the store that asks for it.
    pub fn scope(&self) -> Scope {
        Scope::of(self.bearer.operator.tenant)
    }

    /// For what belongs to nobody: 403 to an operator of a tenant.
    pub fn needs_everything(&self) -> Result<(), Problem> {
        match self.scope() {
            Scope::Everything => Ok(()),
            Scope::Tenant(_) => Err(Problem::forbidden("This is not for operators of a tenant.")),
        }
    }

    /// The login it came by, if by one.
    pub fn login(&self) -> Option<&Login> {
        match &self.means {
            Means::Login(login) => Some(login),
            Means::Token(_) => None,
        }
    }
    /// Gives its turn at the store to others while it waits for something else.
    pub fn step_back(self) -> StepBack<P> {
        StepBack { context: self.context, parts: self.parts, right: PhantomData }
    }

    /// Where it came from.
    pub fn source(&self) -> IpAddr {
        self.source
    }
}

impl<P: Right> FromRequestParts<Context> for Permit<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Problem> {
        context.ready()?;
        let source = source(parts, context);
        let turn = context.turn().await?;
        let (bearer, means) = identify(parts, context, P::IDLE).await?;
        if bearer.operator.disabled {
            return Err(Problem::unauthorized("This operator is disabled."));
        }
        let own = bearer.permissions.as_deref();
        let mut granted = confined(granted(&bearer.operator.role, own), bearer.operator.tenant);
        let named = match &means {
            Means::Login(_) => "login".to_owned(),
            Means::Token(token) => {
                granted = granted.both(Set::of_names(&token.scopes));
                format!("token {}", token.name)
            }
        };
        if P::IN_PERSON && matches!(means, Means::Token(_)) {
            return Err(Problem::forbidden("This takes a person who has signed in, not a token."));
        }
        if bearer.operator.must_change && !P::EARLY {
            let problem = Problem::forbidden("The password has to be changed first.");
            return Err(problem.of_kind("/problems/password-change"));
        }
        if P::PERMISSION.is_some_and(|permission| !granted.has(permission)) {
            let name = P::NAME;
            return Err(Problem::forbidden(format!("This takes the permission {name}.")));
        }
        let actor = context.actor(&bearer, named, source);
        let (context, right, parts) = (context.clone(), PhantomData, Box::new(parts.clone()));
        Ok(Permit { context, actor, bearer, means, granted, source, parts, turn, right })
    }
}

/// By token where one is given, else by cookie.
async fn identify(
    parts: &Parts,
    context: &Context,
    idle: bool,
) -> Result<(Bearer, Means), Problem> {
    let nobody = || Problem::unauthorized("Sign in, or send a token.");
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(authorization) = header(AUTHORIZATION) {
        let text = authorization.strip_prefix("Bearer ").ok_or_else(nobody)?;
        let found = match Secret::of_token(text) {
            Some(secret) => context.inner.store.find_token(&secret.hash()).await?,
            None => {
                let id = access_token::read(context.field_keys(), text, context.now_ms());
                context.inner.store.find_token_by_id(id.ok_or_else(nobody)?).await?
            }
        };
        return by_token(found, context).await;
    }
    let cookies = header(COOKIE).unwrap_or_default();
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == context.cookie());
    let secret = ours.next().and_then(|(_, value)| Secret::of_cookie(value));
    let secret = secret.ok_or_else(nobody)?;
    origin::of_a_page_of_ours(parts)?;
    by_cookie(&secret, context, idle).await
}

async fn by_token(
    found: Option<(Token, Bearer)>,
    context: &Context,
) -> Result<(Bearer, Means), Problem> {
    let now = context.now_ms();
    let Some((token, bearer)) = found.filter(|(token, _)| token.expires_ms > now) else {
        return Err(Problem::unauthorized("This token is unknown, or has expired."));
    };
    if token.used_ms.is_none_or(|used| now - used >= SEEN_MS) {
        // Only a note of when; without it the token is as good.
        context.inner.store.use_token(token.id, now).await.ok();
    }
    Ok((bearer, Means::Token(token)))
}

async fn by_cookie(
    secret: &Secret,
    context: &Context,
    idle: bool,
) -> Result<(Bearer, Means), Problem> {
    let found = context.inner.store.find_login(&secret.hash()).await?;
    let now = context.now_ms();
    let lives = |login: &Login| login.expires_ms > now && now - login.seen_ms < IDLE_MS;
    let Some((login, bearer)) = found.filter(|(login, _)| lives(login)) else {
        return Err(Problem::unauthorized("The login has ended; sign in again."));
    };
    if !idle && now - login.seen_ms >= SEEN_MS {
        context.inner.store.see_login(login.id, now).await?;
    }
    Ok((bearer, Means::Login(login)))
}
