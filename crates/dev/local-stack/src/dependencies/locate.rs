//! Which program serves as which part: on PATH, fetched by `scripts/parts`, or an embedded stand-in.

use std::{
    env,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The directories that `scripts/parts` fills; the names are also in that script.
const MONGOD_DIRECTORY: &str = "mongod-6.0.5";
const KAFKA_DIRECTORY: &str = "kafka-4.1.0";
const MAILHOG_DIRECTORY: &str = "mailhog-1.0.1";

/// What runs Kafka's protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KafkaBackend {
    /// Apache Kafka: the Java program and the directory of its jars.
    ApacheKafka { java: PathBuf, libs: PathBuf },
    /// librdkafka's mock cluster in this process; with the reason.
    Embedded { reason: &'static str },
}

/// What takes the mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailBackend {
    /// The MailHog program.
    MailHog(PathBuf),
    /// The catcher in this process.
    Catcher,
}

/// The choice for every part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependencies {
    /// The `mongod` program.
    pub mongod: PathBuf,
    /// Kafka.
    pub kafka: KafkaBackend,
    /// Mail.
    pub mail: MailBackend,
}

impl Dependencies {
    /// Looks for the parts: PATH first, then where `scripts/parts` puts them.
    ///
    /// # Errors
    /// When there is no `mongod`; everything else has a stand-in.
    pub fn locate(embedded_kafka: bool) -> Result<Self> {
        let fetched = fetched_directory();
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = |name: &str| env::split_paths(&path).map(|d| d.join(name)).find(|p| is_executable(p));
        let java = env::var_os("JAVA_HOME")
            .map(|home| Path::new(&home).join("bin/java"))
            .filter(|java| is_executable(java))
            .or_else(|| on_path("java"));
        Self::choose(&fetched, on_path("mongod"), java, on_path("MailHog"), embedded_kafka)
    }

    fn choose(
        fetched: &Path,
        mongod: Option<PathBuf>,
        java: Option<PathBuf>,
        mailhog: Option<PathBuf>,
        embedded_kafka: bool,
    ) -> Result<Self> {
        let program = |path: PathBuf| is_executable(&path).then_some(path);
        let mongod = mongod.or_else(|| program(fetched.join(MONGOD_DIRECTORY).join("mongod"))).with_context(|| {
            format!(
                "no mongod: neither on PATH nor in {}; run scripts/parts, or install MongoDB",
                fetched.join(MONGOD_DIRECTORY).display()
            )
        })?;
        let libs = fetched.join(KAFKA_DIRECTORY).join("libs");
        let kafka = match java {
            _ if embedded_kafka => KafkaBackend::Embedded { reason: "as asked" },
            None => KafkaBackend::Embedded { reason: "no Java here" },
            Some(_) if !libs.is_dir() => KafkaBackend::Embedded { reason: "Apache Kafka was not fetched" },
            Some(java) => KafkaBackend::ApacheKafka { java, libs },
        };
        let mail = mailhog
            .or_else(|| program(fetched.join(MAILHOG_DIRECTORY).join("MailHog")))
            .map_or(MailBackend::Catcher, MailBackend::MailHog);
        Ok(Self { mongod, kafka, mail })
    }
}

/// Where `scripts/parts` puts what it fetches; the same rule as in `scripts/environment`.
fn fetched_directory() -> PathBuf {
    const CACHE_SUBDIRECTORY: &str = "user-email-services/parts";
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("LOCAL_STACK_PARTS")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join(CACHE_SUBDIRECTORY)))
        .or_else(|| set("HOME").map(|home| home.join(".cache").join(CACHE_SUBDIRECTORY)))
        .unwrap_or_else(|| PathBuf::from(".local/parts"))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn program(path: &Path) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_owned()
    }

    #[test]
    fn without_a_mongod_the_error_says_what_to_do() {
        let fetched = tempfile::tempdir().unwrap();
        let error = Dependencies::choose(fetched.path(), None, None, None, false).unwrap_err().to_string();
        assert!(error.contains("scripts/parts"), "{error}");
    }

    #[test]
    fn what_is_on_path_is_taken_before_what_was_fetched() {
        let fetched = tempfile::tempdir().unwrap();
        program(&fetched.path().join("mongod-6.0.5/mongod"));
        let on_path = PathBuf::from("/usr/bin/mongod");
        let dependencies = Dependencies::choose(fetched.path(), Some(on_path.clone()), None, None, false).unwrap();
        assert_eq!(dependencies.mongod, on_path);
    }

    #[test]
    fn without_java_or_jars_the_broker_is_embedded_and_without_mailhog_the_catcher_takes_the_mails() {
        let fetched = tempfile::tempdir().unwrap();
        let mongod = program(&fetched.path().join("mongod-6.0.5/mongod"));
        let dependencies = Dependencies::choose(fetched.path(), None, None, None, false).unwrap();
        assert_eq!(
            dependencies,
            Dependencies {
                mongod,
                kafka: KafkaBackend::Embedded { reason: "no Java here" },
                mail: MailBackend::Catcher
            }
        );
        let java = Some(PathBuf::from("/usr/bin/java"));
        let dependencies = Dependencies::choose(fetched.path(), None, java, None, false).unwrap();
        assert_eq!(dependencies.kafka, KafkaBackend::Embedded { reason: "Apache Kafka was not fetched" });
    }

    #[test]
    fn with_everything_fetched_the_real_parts_are_used() {
        let fetched = tempfile::tempdir().unwrap();
        program(&fetched.path().join("mongod-6.0.5/mongod"));
        let mailhog = program(&fetched.path().join("mailhog-1.0.1/MailHog"));
        let libs = fetched.path().join("kafka-4.1.0/libs");
        fs::create_dir_all(&libs).unwrap();
        let java = PathBuf::from("/usr/bin/java");
        let dependencies = Dependencies::choose(fetched.path(), None, Some(java.clone()), None, false).unwrap();
        assert_eq!(dependencies.kafka, KafkaBackend::ApacheKafka { java: java.clone(), libs });
        assert_eq!(dependencies.mail, MailBackend::MailHog(mailhog));
        let dependencies = Dependencies::choose(fetched.path(), None, Some(java), None, true).unwrap();
        assert_eq!(dependencies.kafka, KafkaBackend::Embedded { reason: "as asked" });
    }
}
