//! The data of a user: the audit log, the export and the deletion.

pub(super) mod audit_log;
pub(super) mod delete_account;
pub(super) mod personal_data_export;

pub use audit_log::{AuditLogEntry, own_audit_log};
pub use delete_account::delete_account;
pub use personal_data_export::{
    ExportedFactor, ExportedKey, ExportedPendingEvent, ExportedSession, ExportedToken, ExportedUsedLink, PersonalData,
    PersonalDataExport, start_export,
};
