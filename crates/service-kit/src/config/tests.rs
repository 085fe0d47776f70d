//! Tests of the configuration: precedence, errors, secrets, rendering.

use std::{io::Write as _, path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::*;
use crate::kafka::Properties;

const DEFAULTS: &str = r#"
# An example of a service's defaults.
[http]
host = "127.0.0.1"
port = 3000
trusted_proxies = []
[auth]
access_token_ttl = "15m"
unverified_expiry = "off"
breached_passwords_file = ""
require_verified_email = false
factor = 1.5
[mongodb]
uri = "mongodb://127.0.0.1:27017"
[smtp]
url = ["smtp://127.0.0.1:1025"]
[keys]
encryption_key_file = ""
[sealing]
private_key_file = []
[kafka]
brokers = "127.0.0.1:9092"
[kafka.properties]
[log]
format = "auto"
level = "info"
"#;

pub(super) const SOURCE: ConfigSource = ConfigSource {
    service: "user-service",
    defaults: DEFAULTS,
    secrets: &[
        "mongodb.uri",
        "smtp.url",
        "keys.encryption_key",
        "sealing.private_key",
        "kafka.properties.sasl.password",
    ],
    dotted_tables: &["kafka.properties"],
};

#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    http: Http,
    auth: Auth,
    mongodb: Mongo,
    smtp: Smtp,
    keys: KeySettings,
    sealing: Sealing,
    kafka: Kafka,
    log: LogConfig,
}

#[derive(Debug, Deserialize)]
struct Http {
    host: String,
    port: u16,
    #[serde(deserialize_with = "list")]
    trusted_proxies: Vec<std::net::IpAddr>,
}

#[derive(Debug, Deserialize)]
struct Auth {
    #[serde(deserialize_with = "duration")]
    access_token_ttl: Duration,
    #[serde(default, deserialize_with = "optional_duration")]
    unverified_expiry: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    breached_passwords_file: Option<PathBuf>,
    require_verified_email: bool,
    factor: f64,
}

#[derive(Debug, Deserialize)]
struct Mongo {
    uri: SecretString,
}

#[derive(Debug, Deserialize)]
struct Smtp {
    #[serde(deserialize_with = "secret_list")]
    url: Vec<SecretString>,
}

#[derive(Debug, Deserialize)]
struct KeySettings {
    #[serde(default, deserialize_with = "optional_secret")]
    encryption_key: Option<SecretString>,
}

#[derive(Debug, Deserialize)]
struct Sealing {
    #[serde(default, deserialize_with = "secret_list")]
    private_key: Vec<SecretString>,
}

#[derive(Debug, Deserialize)]
struct Kafka {
    brokers: String,
    properties: Properties,
}

/// A temporary directory with files.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let variable = |(name, value): &(&str, &str)| (format!("USER_SERVICE__{name}"), (*value).to_owned());
    pairs.iter().map(variable).collect()
}

fn load(toml: &str, env: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let files = Files::new();
    let file = files.file("service.toml", toml);
    SOURCE.load_from(Some(&file), variables(env))
}

fn load_error(toml: &str, env: &[(&str, &str)]) -> String {
    load(toml, env).expect_err("the configuration is invalid").to_string()
}

#[test]
fn the_defaults_alone_are_a_configuration() {
    let settings: Settings = SOURCE.load_from(None, []).unwrap();
    assert_eq!(settings.http.host, "127.0.0.1");
    assert_eq!(settings.http.port, 3000);
    assert!(settings.http.trusted_proxies.is_empty());
    assert_eq!(settings.auth.access_token_ttl, Duration::from_secs(900));
    assert_eq!(settings.auth.unverified_expiry, None);
    assert_eq!(settings.auth.breached_passwords_file, None);
    assert!(!settings.auth.require_verified_email);
    assert!((settings.auth.factor - 1.5).abs() < f64::EPSILON);
    assert_eq!(settings.mongodb.uri.expose_secret(), "mongodb://127.0.0.1:27017");
    assert_eq!(settings.smtp.url.len(), 1);
    assert!(settings.keys.encryption_key.is_none());
    assert!(settings.sealing.private_key.is_empty());
    assert_eq!(settings.kafka.brokers, "127.0.0.1:9092");
    assert!(settings.kafka.properties.is_empty());
    assert_eq!(settings.log.format, LogFormat::Auto);
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let toml = "[http]\nport = 4000\nhost = \"::1\"";
    let settings = load(toml, &[("HTTP__PORT", "5000")]).unwrap();
    assert_eq!(settings.http.port, 5000);
    assert_eq!(settings.http.host, "::1");
    assert_eq!(settings.auth.access_token_ttl, Duration::from_secs(900));
}

#[test]
fn text_is_parsed_as_the_type_of_the_default() {
    let env = [
        ("HTTP__TRUSTED_PROXIES", "10.0.0.1, ::1,"),
        ("AUTH__ACCESS_TOKEN_TTL", "1h 30m"),
        ("AUTH__UNVERIFIED_EXPIRY", "30d"),
        ("AUTH__BREACHED_PASSWORDS_FILE", "/lists/top"),
        ("AUTH__REQUIRE_VERIFIED_EMAIL", "true"),
        ("AUTH__FACTOR", "2"),
        ("SMTP__URL", "smtp://a,smtps://u:p@b"),
    ];
    let settings = load("[http]\nport = \"81\"", &env).unwrap();
    assert_eq!(settings.http.port, 81);
    assert_eq!(settings.http.trusted_proxies.len(), 2);
    assert_eq!(settings.auth.access_token_ttl, Duration::from_secs(5400));
    assert_eq!(settings.auth.unverified_expiry, Some(Duration::from_secs(30 * 86_400)));
    assert_eq!(settings.auth.breached_passwords_file, Some(PathBuf::from("/lists/top")));
    assert!(settings.auth.require_verified_email);
    assert!((settings.auth.factor - 2.0).abs() < f64::EPSILON);
    assert_eq!(settings.smtp.url[1].expose_secret(), "smtps://u:p@b");
    let off = load("", &[("AUTH__UNVERIFIED_EXPIRY", "")]).unwrap();
    assert_eq!(off.auth.unverified_expiry, None);
}

#[test]
fn an_array_in_the_file_is_a_list() {
    let settings = load("[http]\ntrusted_proxies = [\"10.0.0.1\", \"10.0.0.2\"]", &[]).unwrap();
    assert_eq!(settings.http.trusted_proxies.len(), 2);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    for (toml, env, key, nearest) in [
        ("[http]\nprot = 1", None, "`http.prot`", "`http.port`"),
        ("[htpp]\nport = 1", None, "`htpp.port`", "`http.port`"),
        ("[http.port]\nx = 1", None, "`http.port.x`", "`http.port`"),
        ("https = 1", None, "`https`", "`"),
        ("[empty]", None, "`empty`", "`"),
        ("[mongodb]\nurl = \"x\"", None, "`mongodb.url`", "`mongodb.uri`"),
        ("", Some(("HTTP__PROT", "1")), "`http.prot`", "USER_SERVICE__HTTP__PORT"),
        ("", Some(("MONGODB__URI_FILES", "1")), "`mongodb.uri_files`", "USER_SERVICE__MONGODB__URI_FILE"),
        ("", Some(("", "1")), "``", "USER_SERVICE__"),
    ] {
        let env: Vec<_> = env.into_iter().collect();
        let message = load_error(toml, &env);
        assert!(message.contains(&format!("unknown configuration key {key} (")), "{message}");
        assert!(message.contains(&format!("did you mean {nearest}")), "{message}");
        let origin = if env.is_empty() { "service.toml" } else { "environment variable USER_SERVICE__" };
        assert!(message.contains(origin), "{message}");
    }
}

#[test]
fn variables_without_the_prefix_are_ignored() {
    let others = [("USER_SERVICE_PORT", "tcp://10.0.0.1:80"), ("EMAIL_SERVICE__X", "1"), ("PATH", "/bin")];
    let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings: Settings = SOURCE.load_from(None, others).unwrap();
    assert_eq!(settings.http.port, 3000);
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_key_origin_and_type() {
    for (toml, env, words) in [
        ("", Some(("HTTP__PORT", "many")), ["`http.port`", "USER_SERVICE__HTTP__PORT", "an integer", "\"many\""]),
        ("[http]\nport = true", None, ["`http.port`", "service.toml", "an integer", "true"]),
        ("[http]\nport = 70000", None, ["`http.port`", "service.toml", "u16", "70000"]),
        ("[http]\nhost = 5", None, ["`http.host`", "service.toml", "a string", "5"]),
        ("[http]\ntrusted_proxies = 5", None, ["`http.trusted_proxies`", "service.toml", "a list", "5"]),
        ("", Some(("HTTP__TRUSTED_PROXIES", "me")), ["`http.trusted_proxies`", "TRUSTED_PROXIES", "invalid", "me"]),
        ("", Some(("AUTH__REQUIRE_VERIFIED_EMAIL", "maybe")), ["`auth.", "VERIFIED_EMAIL", "true or false", "maybe"]),
        ("", Some(("AUTH__FACTOR", "x")), ["`auth.factor`", "AUTH__FACTOR", "a number", "x"]),
        ("", Some(("AUTH__ACCESS_TOKEN_TTL", "15")), ["`auth.access_token_ttl`", "TTL", "a duration", "15"]),
        ("[auth]\naccess_token_ttl = 15", None, ["`auth.access_token_ttl`", "service.toml", "a string", "15"]),
        ("", Some(("LOG__FORMAT", "xml")), ["`log.format`", "LOG__FORMAT", "`xml`", "`human`"]),
    ] {
        let env: Vec<_> = env.into_iter().collect();
        let message = load_error(toml, &env);
        for word in words {
            assert!(message.contains(word), "{message} lacks {word}");
        }
    }
}

#[test]
fn a_syntax_error_names_the_line_and_does_not_quote_it() {
    let message = load_error("[mongodb]\nuri = \"mongodb://u:hunter2@h", &[]);
    assert!(message.contains("service.toml, line 2"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_missing_file_is_named() {
    let message = SOURCE.load::<Settings>(Some(Path::new("/nowhere/x.toml"))).unwrap_err().to_string();
    assert!(message.contains("/nowhere/x.toml"), "{message}");
}

/// Only librdkafka's properties have dots.
#[test]
fn a_variable_sets_a_member_with_an_underscore_in_any_other_open_table() {
    #[derive(Deserialize)]
    struct Claims {
        claims: std::collections::BTreeMap<String, String>,
    }
    let source = ConfigSource { defaults: "[claims]", secrets: &[], ..SOURCE };
    let loaded: Claims = source.load_from(None, variables(&[("CLAIMS__EMAIL_VERIFIED", "email_verified")])).unwrap();
    assert_eq!(loaded.claims, [("email_verified".to_owned(), "email_verified".to_owned())].into());
}

#[test]
fn kafka_properties_have_librdkafkas_names() {
    let toml = "[kafka.properties]\n\"security.protocol\" = \"ssl\"\n\"socket.keepalive.enable\" = true\nsasl.username = \"u\"";
    let env = [("KAFKA__PROPERTIES__SECURITY_PROTOCOL", "sasl_ssl"), ("KAFKA__PROPERTIES__SSL_CA_LOCATION", "/ca")];
    let properties = load(toml, &env).unwrap().kafka.properties;
    let expected = [
        ("sasl.username", "u"),
        ("security.protocol", "sasl_ssl"),
        ("socket.keepalive.enable", "true"),
        ("ssl.ca.location", "/ca"),
    ];
    let actual: Vec<_> = properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(actual, expected);
}

#[test]
fn a_secret_comes_from_a_file_without_its_last_line_break() {
    let files = Files::new();
    let uri = files.file("uri", "mongodb://u:p@h/\r\n");
    let password = files.file("password", "  s p a c e s  \n");
    let env = [
        ("MONGODB__URI_FILE", uri.to_str().unwrap()),
        ("KAFKA__PROPERTIES__SASL_PASSWORD_FILE", password.to_str().unwrap()),
    ];
    let settings = load("", &env).unwrap();
    assert_eq!(settings.mongodb.uri.expose_secret(), "mongodb://u:p@h/");
    assert_eq!(settings.kafka.properties.get("sasl.password").map(String::as_str), Some("  s p a c e s  "));
    assert_eq!(settings.kafka.properties.len(), 1);
    let toml = format!("[kafka.properties]\n\"sasl.password_file\" = {password:?}");
    let settings = load(&toml, &[]).unwrap();
    assert_eq!(settings.kafka.properties.len(), 1);
}

#[test]
fn a_list_of_secrets_comes_from_several_files() {
    let files = Files::new();
    let (new, old) = (files.file("new", "bmV3\n"), files.file("old", "b2xk\n"));
    let both = format!("{}, {}", new.display(), old.display());
    let from_env = load("", &[("SEALING__PRIVATE_KEY_FILE", &both)]).unwrap();
    let from_file = load(&format!("[sealing]\nprivate_key_file = [{new:?}, {old:?}]"), &[]).unwrap();
    for settings in [from_env, from_file] {
        let keys: Vec<_> = settings.sealing.private_key.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(keys, ["bmV3", "b2xk"]);
    }
    let relays = files.file("relays", "smtp://a,smtp://b\n");
    let settings = load("", &[("SMTP__URL_FILE", relays.to_str().unwrap())]).unwrap();
    assert_eq!(settings.smtp.url.len(), 2);
}

#[test]
fn a_file_overrides_the_default_value_and_a_value_overrides_the_default_file() {
    let files = Files::new();
    let key = files.file("key", "from the file\n");
    let source = ConfigSource {
        service: "user-service",
        defaults: "[keys]\nencryption_key_file = \"/nowhere/key\"",
        secrets: &["keys.encryption_key"],
        dotted_tables: &[],
    };
    #[derive(Debug, Deserialize)]
    struct KeysOnly {
        keys: KeySettings,
    }
    let by_value: KeysOnly = source.load_from(None, variables(&[("KEYS__ENCRYPTION_KEY", "direct")])).unwrap();
    assert_eq!(by_value.keys.encryption_key.unwrap().expose_secret(), "direct");
    let env = variables(&[("KEYS__ENCRYPTION_KEY_FILE", key.to_str().unwrap())]);
    let by_file: KeysOnly = source.load_from(None, env).unwrap();
    assert_eq!(by_file.keys.encryption_key.unwrap().expose_secret(), "from the file");
    let message = source.load_from::<KeysOnly>(None, []).unwrap_err().to_string();
    for word in ["keys.encryption_key_file", "built-in defaults", "/nowhere/key"] {
        assert!(message.contains(word), "{message} lacks {word}");
    }
}

#[test]
fn a_secret_that_is_set_twice_is_refused() {
    let (value, file) = (("MONGODB__URI", "mongodb://hunter2"), ("MONGODB__URI_FILE", "/run/uri"));
    let in_toml = "[mongodb]\nuri = \"mongodb://hunter2\"";
    let file_in_toml = "[mongodb]\nuri_file = \"/run/uri\"";
    for (toml, env) in [("", vec![value, file]), (in_toml, vec![file]), (file_in_toml, vec![value])] {
        let message = load_error(toml, &env);
        assert!(message.contains("`mongodb.uri` is set twice"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn an_empty_value_counts_as_not_set() {
    let files = Files::new();
    let uri = files.file("uri", "mongodb://file");
    let uri = uri.to_str().unwrap();
    let settings = load("", &[("MONGODB__URI", ""), ("MONGODB__URI_FILE", uri)]).unwrap();
    assert_eq!(settings.mongodb.uri.expose_secret(), "mongodb://file");
    let settings = load("", &[("MONGODB__URI", "mongodb://env"), ("MONGODB__URI_FILE", "")]).unwrap();
    assert_eq!(settings.mongodb.uri.expose_secret(), "mongodb://env");
}

#[test]
fn a_secret_is_never_quoted() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "loading must fail")]
    struct Numeric {
        keys: NumericKeys,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "loading must fail")]
    struct NumericKeys {
        encryption_key: u64,
    }
    let env = variables(&[("KEYS__ENCRYPTION_KEY", "hunter2")]);
    let error = SOURCE.load_from::<Numeric>(None, env).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("keys.encryption_key"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let error = load("[mongodb]\nuri = { hunter2 = \"hunter2\" }", &[]).unwrap_err();
    assert!(!error.to_string().contains("\"hunter2\""), "{error}");
    let error = load("[keys]\nencryption_key = 12345678", &[]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("12345678"), "{error}");
}

#[test]
fn a_missing_key_is_named_with_its_variables() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "loading must fail")]
    struct Required {
        keys: RequiredKey,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "loading must fail")]
    struct RequiredKey {
        encryption_key: SecretString,
    }
    let message = SOURCE.load_from::<Required>(None, []).unwrap_err().to_string();
    let expected = "`keys.encryption_key` is not set; set USER_SERVICE__KEYS__ENCRYPTION_KEY or \
                    USER_SERVICE__KEYS__ENCRYPTION_KEY_FILE";
    assert_eq!(message, expected);
}

#[test]
fn a_section_is_read_without_the_others() {
    let env = variables(&[("HTTP__PORT", "81"), ("AUTH__NONSENSE", "1"), ("MONGODB__URI_FILE", "/nowhere")]);
    let http: Http = SOURCE.load_section_from("http", None, env).unwrap();
    assert_eq!((http.host.as_str(), http.port), ("127.0.0.1", 81));
    assert!(http.trusted_proxies.is_empty());
    let error = SOURCE.load_section_from::<Http>("http", None, variables(&[("HTTP__PROT", "1")]));
    assert!(error.unwrap_err().to_string().contains("http.prot"));
    let error = SOURCE.load_section_from::<Http>("http", None, variables(&[("HTTP__PORT", "70000")]));
    let message = error.unwrap_err().to_string();
    assert!(message.contains("`http.port` (environment variable USER_SERVICE__HTTP__PORT)"), "{message}");
}

#[test]
fn the_effective_configuration_is_in_the_order_of_the_defaults_without_secrets() {
    let files = Files::new();
    let key = files.file("key", "hunter2\n");
    let key = key.to_str().unwrap();
    let env = variables(&[
        ("HTTP__PORT", "81"),
        ("MONGODB__URI", "mongodb://u:hunter2@h"),
        ("SMTP__URL", "smtp://u:hunter2@h"),
        ("KEYS__ENCRYPTION_KEY_FILE", key),
        ("KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
        ("KAFKA__PROPERTIES__SECURITY_PROTOCOL", "sasl_ssl"),
    ]);
    let text = SOURCE.effective(None, env).unwrap();
    let expected = format!(
        r#"[http]
host = "127.0.0.1"
port = 81
trusted_proxies = []

[auth]
access_token_ttl = "15m"
unverified_expiry = "off"
breached_passwords_file = ""
require_verified_email = false
factor = 1.5

[mongodb]
uri = "<redacted>"

[smtp]
url = "<redacted>"

[keys]
encryption_key = "<redacted>"
encryption_key_file = "{key}"

[sealing]
private_key = ""
private_key_file = ""

[kafka]
brokers = "127.0.0.1:9092"

[kafka.properties]
"sasl.password" = "<redacted>"
"security.protocol" = "sasl_ssl"

[log]
format = "auto"
level = "info"
"#
    );
    assert_eq!(text, expected);
}

#[test]
fn the_effective_defaults_show_that_no_secret_is_set() {
    let text = SOURCE.effective(None, []).unwrap();
    assert!(text.contains("encryption_key = \"\"\nencryption_key_file = \"\"\n"), "{text}");
    assert!(text.contains("[kafka.properties]\n"), "{text}");
    assert!(!text.contains("sasl.password"), "{text}");
    text.parse::<toml::Table>().unwrap();
}

#[test]
fn keys_that_a_service_does_not_read_are_listed() {
    assert_eq!(SOURCE.unread_keys::<Settings>().unwrap(), Vec::<String>::new());
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the keys matter")]
    struct Part {
        log: LogConfig,
    }
    let unread = SOURCE.unread_keys::<Part>().unwrap();
    assert!(unread.contains(&"http".to_owned()), "{unread:?}");
    assert!(!unread.iter().any(|key| key.starts_with("log")), "{unread:?}");
}

#[test]
fn debug_output_of_settings_shows_no_secret() {
    let env = [("KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"), ("MONGODB__URI", "mongodb://u:hunter2@h")];
    let settings = load("", &env).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
}
