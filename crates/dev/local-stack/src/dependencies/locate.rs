//! Chooses the programs of MongoDB and Kafka: from PATH, fetched by `scripts/parts`, or an embedded stand-in for Kafka.

use std::{
    env,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};

/// The directories that `scripts/parts` fills. The same names are in that script.
const MONGOD_DIRECTORY: &str = "mongod-6.0.5";
const KAFKA_DIRECTORY: &str = "kafka-";
/// The version of Apache Kafka, unless `KAFKA_VERSION` requests another one. The same version is in `scripts/parts`.
const KAFKA_VERSION: &str = "4.1.0";

/// The implementation of Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KafkaBackend {
    /// Apache Kafka: the `java` program and the directory of the jars.
    ApacheKafka { java: PathBuf, libs: PathBuf },
    /// librdkafka's mock cluster in this process, and the reason for this choice.
    Embedded { reason: &'static str },
}

impl KafkaBackend {
    /// Returns the version of Apache Kafka, from the name of its directory.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::ApacheKafka { libs, .. } => libs.parent()?.file_name()?.to_str()?.strip_prefix(KAFKA_DIRECTORY),
            Self::Embedded { .. } => None,
        }
    }
}

/// The programs of MongoDB and Kafka. The mail catcher is part of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependencies {
    /// The path of the `mongod` program.
    pub mongod: PathBuf,
    /// The implementation of Kafka.
    pub kafka: KafkaBackend,
}

impl Dependencies {
    /// Looks for the programs on PATH first, then in the directory of `scripts/parts`. `MONGOD` is the path of another
    /// `mongod`, and `KAFKA_VERSION` another version of Apache Kafka.
    ///
    /// # Errors
    /// Returns an error if there is no `mongod`, or not what these variables request. Kafka has a stand-in.
    pub fn locate(embedded_kafka: bool) -> Result<Self> {
        let fetched = fetched_directory();
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = |name: &str| env::split_paths(&path).map(|d| d.join(name)).find(|p| is_executable(p));
        let java = env::var_os("JAVA_HOME")
            .map(|home| Path::new(&home).join("bin/java"))
            .filter(|java| is_executable(java))
            .or_else(|| on_path("java"));
        let mongod = match non_empty_path("MONGOD") {
            None => on_path("mongod"),
            Some(path) => {
                let usable = path.is_absolute() && is_executable(&path);
                ensure!(usable, "MONGOD={} is not the absolute path of a program", path.display());
                Some(path)
            }
        };
        let kafka_version = env::var("KAFKA_VERSION").ok().filter(|version| !version.is_empty());
        Self::choose(&fetched, mongod, java, kafka_version.as_deref(), embedded_kafka)
    }

    fn choose(
        fetched: &Path,
        mongod: Option<PathBuf>,
        java: Option<PathBuf>,
        kafka_version: Option<&str>,
        embedded_kafka: bool,
    ) -> Result<Self> {
        let program = |path: PathBuf| is_executable(&path).then_some(path);
        let mongod = mongod.or_else(|| program(fetched.join(MONGOD_DIRECTORY).join("mongod"))).with_context(|| {
            format!(
                "mongod is neither on PATH nor in {}; run scripts/parts, or install MongoDB",
                fetched.join(MONGOD_DIRECTORY).display()
            )
        })?;
        let kafka_directory = format!("{KAFKA_DIRECTORY}{}", kafka_version.unwrap_or(KAFKA_VERSION));
        let libs = fetched.join(kafka_directory).join("libs");
        let kafka = match java {
            _ if embedded_kafka => KafkaBackend::Embedded { reason: "as requested" },
            None => KafkaBackend::Embedded { reason: "Java is not installed" },
            Some(_) if !libs.is_dir() => KafkaBackend::Embedded { reason: "Apache Kafka was not fetched" },
            Some(java) => KafkaBackend::ApacheKafka { java, libs },
        };
        if let (Some(version), KafkaBackend::Embedded { reason }, false) = (kafka_version, &kafka, embedded_kafka) {
            bail!("no Apache Kafka {version}, which KAFKA_VERSION requests: {reason}; scripts/parts fetches it");
        }
        Ok(Self { mongod, kafka })
    }
}

/// Returns the directory of the programs that `scripts/parts` has fetched, by the same rule as `scripts/environment`.
fn fetched_directory() -> PathBuf {
    const CACHE_SUBDIRECTORY: &str = "user-email-services/parts";
    non_empty_path("LOCAL_STACK_PARTS")
        .or_else(|| non_empty_path("XDG_CACHE_HOME").map(|cache| cache.join(CACHE_SUBDIRECTORY)))
        .or_else(|| non_empty_path("HOME").map(|home| home.join(".cache").join(CACHE_SUBDIRECTORY)))
        .unwrap_or_else(|| PathBuf::from(".local/parts"))
}

/// Returns the path in a variable of the environment, unless it is empty.
fn non_empty_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
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
    fn without_a_mongod_the_error_names_the_script_that_fetches_one() {
        let fetched = tempfile::tempdir().unwrap();
        let error = Dependencies::choose(fetched.path(), None, None, None, false).unwrap_err().to_string();
        assert!(error.contains("scripts/parts"), "{error}");
    }

    #[test]
    fn a_program_on_path_is_preferred_to_a_fetched_one() {
        let fetched = tempfile::tempdir().unwrap();
        program(&fetched.path().join("mongod-6.0.5/mongod"));
        let on_path = PathBuf::from("/usr/bin/mongod");
        let dependencies = Dependencies::choose(fetched.path(), Some(on_path.clone()), None, None, false).unwrap();
        assert_eq!(dependencies.mongod, on_path);
    }

    #[test]
    fn without_java_or_jars_kafka_is_embedded() {
        let fetched = tempfile::tempdir().unwrap();
        let mongod = program(&fetched.path().join("mongod-6.0.5/mongod"));
        let dependencies = Dependencies::choose(fetched.path(), None, None, None, false).unwrap();
        assert_eq!(
            dependencies,
            Dependencies { mongod, kafka: KafkaBackend::Embedded { reason: "Java is not installed" } }
        );
        let java = Some(PathBuf::from("/usr/bin/java"));
        let dependencies = Dependencies::choose(fetched.path(), None, java, None, false).unwrap();
        assert_eq!(dependencies.kafka, KafkaBackend::Embedded { reason: "Apache Kafka was not fetched" });
    }

    #[test]
    fn with_everything_fetched_the_real_programs_are_used() {
        let fetched = tempfile::tempdir().unwrap();
        program(&fetched.path().join("mongod-6.0.5/mongod"));
        let libs = fetched.path().join("kafka-4.1.0/libs");
        fs::create_dir_all(&libs).unwrap();
        let java = PathBuf::from("/usr/bin/java");
        let dependencies = Dependencies::choose(fetched.path(), None, Some(java.clone()), None, false).unwrap();
        assert_eq!(dependencies.kafka, KafkaBackend::ApacheKafka { java: java.clone(), libs });
        let dependencies = Dependencies::choose(fetched.path(), None, Some(java), None, true).unwrap();
        assert_eq!(dependencies.kafka, KafkaBackend::Embedded { reason: "as requested" });
    }

    #[test]
    fn a_requested_version_of_kafka_is_used_and_never_replaced() {
        let fetched = tempfile::tempdir().unwrap();
        program(&fetched.path().join("mongod-6.0.5/mongod"));
        fs::create_dir_all(fetched.path().join("kafka-4.1.0/libs")).unwrap();
        fs::create_dir_all(fetched.path().join("kafka-3.9.1/libs")).unwrap();
        let choose = |version, java: Option<&str>, embedded| {
            Dependencies::choose(fetched.path(), None, java.map(PathBuf::from), version, embedded)
        };
        for (version, used) in [(None, KAFKA_VERSION), (Some("3.9.1"), "3.9.1"), (Some("4.1.0"), "4.1.0")] {
            let kafka = choose(version, Some("/usr/bin/java"), false).unwrap().kafka;
            assert_eq!(kafka.version(), Some(used), "{version:?}");
        }
        for (java, reason) in [(Some("/usr/bin/java"), "was not fetched"), (None, "Java is not installed")] {
            let error = choose(Some("3.9.0"), java, false).unwrap_err().to_string();
            assert!(error.contains("3.9.0") && error.contains(reason), "{error}");
        }
        let embedded = choose(Some("3.9.0"), None, true).unwrap().kafka;
        assert_eq!(embedded, KafkaBackend::Embedded { reason: "as requested" });
        assert_eq!(embedded.version(), None);
    }

    #[test]
    fn the_script_fetches_into_the_same_directories() {
        let script = include_str!("../../../../../scripts/parts");
        for line in [
            format!("mongod=$LOCAL_STACK_PARTS/{MONGOD_DIRECTORY}"),
            format!("kafka_version=${{KAFKA_VERSION:-{KAFKA_VERSION}}}"),
            format!("kafka=$LOCAL_STACK_PARTS/{KAFKA_DIRECTORY}$kafka_version"),
        ] {
            assert!(script.lines().any(|it| it == line), "{line}");
        }
    }
}
