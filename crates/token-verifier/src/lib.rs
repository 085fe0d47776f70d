#![doc = include_str!("../README.md")]

mod clock;
mod error;
mod fetch;
mod jwk;
mod key_cache;
mod token;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

pub use clock::Clock;
pub use error::{ConfigError, Error, Reason};
pub use fetch::{Fetch, FetchFuture, Fetched};
pub use token::Claims;

use crate::{
    clock::SystemClock,
    fetch::{HttpFetcher, check_url},
    key_cache::{KeyCache, Source, State},
    token::{Expected, Token},
};

/// Verifies the access tokens of one issuer for one audience. Clones share the keys.
#[derive(Clone)]
pub struct Verifier {
    expected: Arc<Expected>,
    keys: Arc<KeyCache>,
}

impl Verifier {
    /// Begins a verifier for the tokens whose `iss` is exactly this URL.
    pub fn builder(issuer: impl Into<String>) -> Builder {
        Builder {
            issuer: issuer.into(),
            audience: None,
            jwks_url: None,
            leeway: Duration::from_secs(30),
            fetch_timeout: Duration::from_secs(5),
            fetch_interval: Duration::from_secs(10),
            max_stale: Duration::from_secs(60 * 60),
            fetcher: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Verifies an access token, without `Bearer `, and returns its claims. Waits for the issuer only if its keys are
    /// not there, or too old, or do not include the key of the token. Needs a Tokio runtime then.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] for a token that is not genuine, not for this audience or not valid now, and
    /// [`Error::Unavailable`] if the keys could not be fetched.
    pub async fn verify(&self, token: &str) -> Result<Claims, Error> {
        let token = Token::parse(token).map_err(Error::Invalid)?;
        let key = self.keys.key(&token.kid).await?;
        token.verify(&key, &self.expected, self.keys.clock.now()).map_err(Error::Invalid)
    }

    /// Fetches the keys if there are none yet, so that the first request does not wait for them. Optional.
    ///
    /// # Errors
    /// Returns [`Error::Unavailable`] if the keys could not be fetched.
    pub async fn prefetch(&self) -> Result<(), Error> {
        self.keys.prefetch().await
    }

    /// Returns why the last fetch of the keys failed, if it did, for a metric or a warning: tokens are still verified
    /// with the keys that are there, but not for long.
    #[must_use]
    pub fn last_failure(&self) -> Option<String> {
        self.keys.last_failure()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").field("issuer", &self.expected.issuer).finish_non_exhaustive()
    }
}

/// The settings of a [`Verifier`]. Only the audience is required.
#[must_use]
pub struct Builder {
    issuer: String,
    audience: Option<String>,
    jwks_url: Option<String>,
    leeway: Duration,
    fetch_timeout: Duration,
    fetch_interval: Duration,
    max_stale: Duration,
    fetcher: Option<Arc<dyn Fetch>>,
    clock: Arc<dyn Clock>,
}

impl Builder {
    /// Sets the audience: `aud` of each token must be or contain it.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets the URL of the key set. The default is the `jwks_uri` in `/.well-known/openid-configuration` of the issuer.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// Sets the tolerated difference between the clocks. The default of 30 s is more than the clocks of machines that
    /// run NTP ever differ, and 3 % of the 15 minutes for which an access token is valid.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets the deadline for fetching the keys. The default is 5 s.
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = timeout;
        self
    }

    /// Sets the minimum time between two fetches, whatever tokens arrive. The default is 10 s: a token that is signed
    /// with a key that the issuer has just published is refused for up to 10 s.
    pub fn fetch_interval(mut self, interval: Duration) -> Self {
        self.fetch_interval = interval;
        self
    }

    /// Sets the time for which expired keys are used while the issuer does not answer. The default is one hour.
    pub fn max_stale(mut self, time: Duration) -> Self {
        self.max_stale = time;
        self
    }

    /// Replaces the HTTP client.
    pub fn fetcher(mut self, fetcher: impl Fetch) -> Self {
        self.fetcher = Some(Arc::new(fetcher));
        self
    }

    /// Replaces the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds the verifier. Fetches nothing.
    ///
    /// # Errors
    /// Returns [`ConfigError`] if there is no audience, if a URL cannot be fetched, or if there are no certificate
    /// authorities for `https`.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let audience = self.audience.filter(|audience| !audience.is_empty());
        let audience = audience.ok_or_else(|| ConfigError("the audience is missing: call `audience`".into()))?;
        let (name, url) = match &self.jwks_url {
            Some(url) => ("JWKS URL", url),
            None => ("issuer", &self.issuer),
        };
        let https = check_url(url).map_err(|error| ConfigError(format!("the {name} {url:?}: {error}")))?;
        let fetcher = match self.fetcher {
            Some(fetcher) => fetcher,
            None => Arc::new(HttpFetcher::new(https).map_err(ConfigError)?),
        };
        let source = match self.jwks_url {
            Some(url) => Source::Jwks(url),
            None => Source::Discovery {
                url: format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/')),
                issuer: self.issuer.clone(),
            },
        };
        Ok(Verifier {
            expected: Arc::new(Expected { issuer: self.issuer, audience, leeway: self.leeway }),
            keys: Arc::new(KeyCache {
                source,
                fetcher,
                clock: self.clock,
                fetch_timeout: self.fetch_timeout,
                fetch_interval: self.fetch_interval,
                max_stale: self.max_stale,
                state: Mutex::new(State::default()),
            }),
        })
    }
}
