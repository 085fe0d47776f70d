//! Chooses the programs of MongoDB and Kafka: from PATH, fetched by `scripts/parts`, or an embedded stand-in for Kafka.

use std::{
    env,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The directories that `scripts/parts` fills. The same names are in that script.
const MONGOD_DIRECTORY: &str = "mongod-6.0.5";
const KAFKA_DIRECTORY: &str = "kafka-4.1.0";

/// The implementation of Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KafkaBackend {
    /// Apache Kafka: the `java` program and the directory of the jars.
    ApacheKafka { java: PathBuf, libs: PathBuf },
    /// librdkafka's mock cluster in this process, and the reason for this choice.
    Embedded { reason: &'static str },
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
    /// Looks for the programs on PATH first, then in the directory of `scripts/parts`.
    ///
    /// # Errors
    /// Returns an error if there is no `mongod`. Kafka has a stand-in.
    pub fn locate(embedded_kafka: bool) -> Result<Self> {
        let fetched = fetched_directory();
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = |name: &str| env::split_paths(&path).map(|d| d.join(name)).find(|p| is_executable(p));
        let java = env::var_os("JAVA_HOME")
            .map(|home| Path::new(&home).join("bin/java"))
            .filter(|java| is_executable(java))
            .or_else(|| on_path("java"));
        Self::choose(&fetched, on_path("mongod"), java, embedded_kafka)
    }

    fn choose(fetched: &Path, mongod: Option<PathBuf>, java: Option<PathBuf>, embedded_kafka: bool) -> Result<Self> {
        let program = |path: PathBuf| is_executable(&path).then_some(path);
        let mongod = mongod.or_else(|| program(fetched.join(MONGOD_DIRECTORY).join("mongod"))).with_context(|| {
            format!(
                "mongod is neither on PATH nor in {}; run scripts/parts, or install MongoDB",
                fetched.join(MONGOD_DIRECTORY).display()
            )
        })?;
        let libs = fetched.join(KAFKA_DIRECTORY).join("libs");
        let kafka = match java {
            _ if embedded_kafka => KafkaBackend::Embedded { reason: "as requested" },
            None => KafkaBackend::Embedded { reason: "Java is not installed" },
            Some(_) if !libs.is_dir() => KafkaBackend::Embedded { reason: "Apache Kafka was not fetched" },
            Some(java) => KafkaBackend::ApacheKafka { java, libs },
        };
        Ok(Self { mongod, kafka })
    }
}

/// Returns the directory of the programs that `scripts/parts` has fetched, by the same rule as `scripts/environment`.
fn fetched_directory() -> PathBuf {
    const CACHE_SUBDIRECTORY: &str = "user-email-services/parts";
    let non_empty_path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    non_empty_path("LOCAL_STACK_PARTS")
        .or_else(|| non_empty_path("XDG_CACHE_HOME").map(|cache| cache.join(CACHE_SUBDIRECTORY)))
        .or_else(|| non_empty_path("HOME").map(|home| home.join(".cache").join(CACHE_SUBDIRECTORY)))
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
    fn without_a_mongod_the_error_names_the_script_that_fetches_one() {
        let fetched = tempfile::tempdir().unwrap();
        let error = Dependencies::choose(fetched.path(), None, None, false).unwrap_err().to_string();
        assert!(error.contains("scripts/parts"), "{error}");
    }

    #[test]
    fn a_program_on_path_is_preferred_to_a_fetched_one() {
        let fetched = tempfile::tempdir().unwrap();
        program(&fetched.path().join("mongod-6.0.5/mongod"));
        let on_path = PathBuf::from("/usr/bin/mongod");
        let dependencies = Dependencies::choose(fetched.path(), Some(on_path.clone()), None, false).unwrap();
        assert_eq!(dependencies.mongod, on_path);
    }

    #[test]
    fn without_java_or_jars_kafka_is_embedded() {
        let fetched = tempfile::tempdir().unwrap();
        let mongod = program(&fetched.path().join("mongod-6.0.5/mongod"));
        let dependencies = Dependencies::choose(fetched.path(), None, None, false).unwrap();
        assert_eq!(
            dependencies,
            Dependencies { mongod, kafka: KafkaBackend::Embedded { reason: "Java is not installed" } }
        );
        let java = Some(PathBuf::from("/usr/bin/java"));
        let dependencies = Dependencies::choose(fetched.path(), None, java, false).unwrap();
        assert_eq!(dependencies.kafka, KafkaBackend::Embedded { reason: "Apache Kafka was not fetched" });
    }

    #[test]
    fn with_everything_fetched_the_real_programs_are_used() {
        let fetched = tempfile::tempdir().unwrap();
        program(&fetched.path().join("mongod-6.0.5/mongod"));
        let libs = fetched.path().join("kafka-4.1.0/libs");
        fs::create_dir_all(&libs).unwrap();
        let java = PathBuf::from("/usr/bin/java");
        let dependencies = Dependencies::choose(fetched.path(), None, Some(java.clone()), false).unwrap();
        assert_eq!(dependencies.kafka, KafkaBackend::ApacheKafka { java: java.clone(), libs });
        let dependencies = Dependencies::choose(fetched.path(), None, Some(java), true).unwrap();
        assert_eq!(dependencies.kafka, KafkaBackend::Embedded { reason: "as requested" });
    }
}
