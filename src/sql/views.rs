//! The views of QSYS2 that can be asked, and the one function that gives their rows.
//!
//! MEDIA_LIBRARY_INFO has IBM's columns and two of ours, TARGET_NAME and SERIAL_NUMBER. Of ISCSI_INFO only TARGET_NAME,
//! INITIATOR_NAME and TARGET_STATUS are attested, and the other columns are ours. Neither ever has a secret.

use crate::iop::active::{LibraryReport, TargetStatus};
use crate::iop::operation::{Configured, ConfiguredTarget};
use crate::iop::store::ActiveConfiguration;
use crate::iscsi::name::IscsiName;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(String),
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A column of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewColumn {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds whole numbers; text otherwise.
    pub is_integer: bool,
}

/// A view without its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name within QSYS2.
    pub name: &'static str,
    /// Its columns in their order.
    pub columns: &'static [ViewColumn],
}

const fn text(name: &'static str) -> ViewColumn {
    ViewColumn {
        name,
        is_integer: false,
    }
}

/// The views of QSYS2.
pub const VIEWS: [View; 2] = [
    View {
        name: "ISCSI_INFO",
        columns: &[
            text("TARGET_NAME"),
            text("TARGET_HOST_NAME"),
            ViewColumn {
                name: "TARGET_PORT",
                is_integer: true,
            },
            text("INITIATOR_NAME"),
            text("INITIATOR_CHAP_NAME"),
            text("CHAP_KEYSTORE"),
            text("TARGET_STATUS"),
            text("CONFIGURATION_CHANGED"),
        ],
    },
    View {
        name: "MEDIA_LIBRARY_INFO",
        columns: &[
            text("DEVICE_NAME"),
            text("DEVICE_STATUS"),
            text("DEVICE_TYPE"),
            text("DEVICE_MODEL"),
            text("RESOURCE_NAME"),
            text("RESOURCE_STATUS"),
            text("RESOURCE_ALLOCATION_STATUS"),
            text("RESOURCE_ALLOCATION_PRIORITY"),
            text("INITIAL_MOUNT_WAIT_TIME"),
            text("END_OF_VOLUME_MOUNT_WAIT_TIME"),
            text("DEVICE_DESCRIPTION"),
            text("TARGET_NAME"),
            text("SERIAL_NUMBER"),
        ],
    },
];

/// The rows of [`VIEWS`], view by view.
pub type Rows = [Vec<Vec<SqlValue>>; 2];

/// Returns the rows of the views: what is configured, and what the last re-IPL came to. `in_use` has the names of the devices that
/// jobs of a resident IOP use.
#[must_use]
pub fn rows(
    configured: &Configured,
    active: &ActiveConfiguration,
    generated_name: Option<&IscsiName>,
    in_use: &[String],
) -> Rows {
    [
        iscsi_info(configured, active, generated_name),
        media_library_info(active, in_use),
    ]
}

fn iscsi_info(
    configured: &Configured,
    active: &ActiveConfiguration,
    generated_name: Option<&IscsiName>,
) -> Vec<Vec<SqlValue>> {
    if configured.targets.is_empty() {
        // One row, in which the VTL's administrator finds the name to allow.
        let columns = VIEWS.first().map(|view| view.columns).unwrap_or_default();
        let of = |column: &ViewColumn| match column.name {
            "INITIATOR_NAME" => generated_name.map(IscsiName::as_str).into(),
            _ => SqlValue::Null,
        };
        return vec![columns.iter().map(of).collect()];
    }
    let row = |configured: &ConfiguredTarget| {
        let target = &configured.target;
        let chap = target.chap.as_ref();
        vec![
            target.target_name.as_str().into(),
            target.target_host_name.as_str().into(),
            SqlValue::Integer(target.target_port.into()),
            target.initiator_name.as_str().into(),
            chap.map(|chap| chap.name.as_str()).into(),
            chap.map_or(SqlValue::Null, |chap| {
                SqlValue::Text(format!("*{}", chap.keystore))
            }),
            status(configured, active).into(),
            match configured.change {
                None => "NO",
                Some(_) => "YES",
            }
            .into(),
        ]
    };
    configured.targets.iter().map(row).collect()
}

/// Returns the outcome of a configured target at the last re-IPL, or that its session was lost since, whatever has been changed of it since; none where that did not
/// use it.
fn status(configured: &ConfiguredTarget, active: &ActiveConfiguration) -> Option<&'static str> {
    let target = &configured.target;
    let mut used = active.targets.iter().map(|active| &active.report);
    let report = used.find(|report| {
        report.target_name.eq_ignore_ascii_case(&target.target_name)
            && report
                .initiator_name
                .eq_ignore_ascii_case(&target.initiator_name)
            && report
                .target_host_name
                .eq_ignore_ascii_case(&target.target_host_name)
            && report.target_port == target.target_port
    })?;
    Some(match report.status {
        TargetStatus::Connected => "ACTIVE",
        TargetStatus::Failed => "FAILED",
        TargetStatus::Lost => "LOST",
    })
}

/// A row for each drive of each library, which is its resource; one without a resource for a library without drives.
fn media_library_info(active: &ActiveConfiguration, in_use: &[String]) -> Vec<Vec<SqlValue>> {
    let mut rows = Vec::new();
    for target in &active.targets {
        let name = target.report.target_name.as_str();
        let works = target.report.status == TargetStatus::Connected;
        for library in &target.report.libraries {
            let devices = library.drives.iter().map(|drive| &drive.device);
            let is_used = std::iter::once(&library.device)
                .chain(devices)
                .any(|device| in_use.contains(device));
            let status = if is_used { "ACTIVE" } else { "VARIED ON" };
            if library.drives.is_empty() {
                rows.push(library_row(library, status, None, works, name));
            }
            for drive in &library.drives {
                rows.push(library_row(
                    library,
                    status,
                    Some(&drive.device),
                    works,
                    name,
                ));
            }
        }
    }
    rows
}

fn library_row(
    library: &LibraryReport,
    status: &'static str,
    resource: Option<&str>,
    works: bool,
    target_name: &str,
) -> Vec<SqlValue> {
    let (device_type, model) = library
        .type_model
        .split_once('-')
        .unwrap_or((&library.type_model, ""));
    vec![
        library.device.as_str().into(),
        status.into(),
        device_type.into(),
        model.into(),
        resource.into(),
        // Of a resource that does not work no value is attested.
        resource.filter(|_| works).map(|_| "OPERATIONAL").into(),
        // What only IBM i has: how a job allocates the resource, and waits for a mount.
        SqlValue::Null,
        SqlValue::Null,
        SqlValue::Null,
        SqlValue::Null,
        SqlValue::Text(format!("{} {}", library.vendor, library.product)),
        target_name.into(),
        library.serial.as_str().into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iop::active::{ChapReport, DriveReport, TargetReport};
    use crate::iop::operation::{EditedTarget, PendingChange};
    use crate::iop::store::ActiveTarget;

    fn target(name: &str, change: Option<PendingChange>) -> ConfiguredTarget {
        ConfiguredTarget {
            target: EditedTarget {
                target_name: name.to_owned(),
                target_host_name: "VTL".to_owned(),
                target_port: 860,
                initiator_name: "iqn.i".to_owned(),
                chap: None,
            },
            change,
        }
    }

    fn active(name: &str, status: TargetStatus) -> ActiveTarget {
        ActiveTarget {
            report: TargetReport {
                target_name: name.to_owned(),
                target_host_name: "vtl".to_owned(),
                target_port: 860,
                initiator_name: "iqn.i".to_owned(),
                status,
                ..TargetReport::default()
            },
            ..ActiveTarget::default()
        }
    }

    fn configured(targets: Vec<ConfiguredTarget>) -> Configured {
        Configured {
            targets,
            removed: Vec::new(),
            staged: None,
            changed: false,
        }
    }

    #[test]
    fn a_target_has_its_outcome_and_whether_it_was_changed_since() {
        let mut with_chap = target("iqn.b", Some(PendingChange::Changed));
        with_chap.target.chap = Some(ChapReport {
            name: "NAME".to_owned(),
            keystore: "AVAIL".to_owned(),
            ..ChapReport::default()
        });
        let of = configured(vec![
            target("IQN.A", None),
            with_chap,
            target("iqn.c", Some(PendingChange::New)),
        ]);
        let last = ActiveConfiguration {
            targets: vec![
                active("iqn.b", TargetStatus::Failed),
                active("iqn.a", TargetStatus::Connected),
            ],
            ..ActiveConfiguration::default()
        };
        let [found, _] = rows(&of, &last, None, &[]);
        let text = |text: &str| SqlValue::Text(text.to_owned());
        let row = |name: &str, chap: [SqlValue; 2], status: SqlValue, changed: &str| {
            let [chap_name, keystore] = chap;
            vec![
                text(name),
                text("VTL"),
                SqlValue::Integer(860),
                text("iqn.i"),
                chap_name,
                keystore,
                status,
                text(changed),
            ]
        };
        let none = || [SqlValue::Null, SqlValue::Null];
        assert_eq!(
            found,
            [
                row("IQN.A", none(), text("ACTIVE"), "NO"),
                row(
                    "iqn.b",
                    [text("NAME"), text("*AVAIL")],
                    text("FAILED"),
                    "YES"
                ),
                row("iqn.c", none(), SqlValue::Null, "YES"),
            ]
        );
    }

    #[test]
    fn without_targets_there_is_one_row_with_the_initiator_name() {
        let generated = "iqn.g".parse::<IscsiName>().unwrap();
        for (generated, shown) in [
            (Some(&generated), SqlValue::Text("iqn.g".to_owned())),
            (None, SqlValue::Null),
        ] {
            let [found, media] = rows(
                &configured(Vec::new()),
                &ActiveConfiguration::default(),
                generated,
                &[],
            );
            let mut row = vec![SqlValue::Null; 8];
            row[3] = shown;
            assert_eq!(found, [row]);
            assert!(media.is_empty());
        }
    }

    #[test]
    fn a_library_has_a_row_for_each_drive_or_one_without() {
        let library = |device: &str, drives: &[&str]| LibraryReport {
            device: device.to_owned(),
            type_model: "3584-403".to_owned(),
            vendor: "IBM".to_owned(),
            product: "03584L32".to_owned(),
            serial: "S1".to_owned(),
            drives: drives
                .iter()
                .map(|drive| DriveReport {
                    device: (*drive).to_owned(),
                    ..DriveReport::default()
                })
                .collect(),
            ..LibraryReport::default()
        };
        let mut of = active("iqn.a", TargetStatus::Connected);
        of.report.libraries = vec![
            library("TAPMLB01", &["TAP01", "TAP02"]),
            library("TAPMLB02", &[]),
        ];
        let last = ActiveConfiguration {
            targets: vec![of],
            ..ActiveConfiguration::default()
        };
        let [_, found] = rows(&configured(Vec::new()), &last, None, &[]);
        let shown: Vec<[&SqlValue; 5]> = found
            .iter()
            .map(|row| [&row[0], &row[2], &row[3], &row[4], &row[5]])
            .collect();
        let text = |text: &str| SqlValue::Text(text.to_owned());
        let (first, second) = (text("TAPMLB01"), text("TAPMLB02"));
        let (kind, model) = (text("3584"), text("403"));
        let (one, two, good) = (text("TAP01"), text("TAP02"), text("OPERATIONAL"));
        assert_eq!(
            shown,
            [
                [&first, &kind, &model, &one, &good],
                [&first, &kind, &model, &two, &good],
                [&second, &kind, &model, &SqlValue::Null, &SqlValue::Null],
            ]
        );
    }

    #[test]
    fn a_library_is_active_while_a_job_uses_it_or_one_of_its_drives() {
        let library = |device: &str, drive: &str| LibraryReport {
            device: device.to_owned(),
            drives: vec![DriveReport {
                device: drive.to_owned(),
                ..DriveReport::default()
            }],
            ..LibraryReport::default()
        };
        let mut of = active("iqn.a", TargetStatus::Connected);
        of.report.libraries = vec![library("TAPMLB01", "TAP01"), library("TAPMLB02", "TAP02")];
        let last = ActiveConfiguration {
            targets: vec![of],
            ..ActiveConfiguration::default()
        };
        let text = |text: &str| SqlValue::Text(text.to_owned());
        for (used, expected) in [
            ("TAP02", ["VARIED ON", "ACTIVE"]),
            ("TAPMLB01", ["ACTIVE", "VARIED ON"]),
            ("TAP03", ["VARIED ON", "VARIED ON"]),
        ] {
            let [_, found] = rows(&configured(Vec::new()), &last, None, &[used.to_owned()]);
            let shown: Vec<&SqlValue> = found.iter().map(|row| &row[1]).collect();
            assert_eq!(shown, [&text(expected[0]), &text(expected[1])], "{used}");
        }
    }

    #[test]
    fn a_lost_target_is_told_and_its_drives_are_not_operational() {
        let mut lost = active("iqn.a", TargetStatus::Lost);
        lost.report.libraries = vec![LibraryReport {
            drives: vec![DriveReport {
                device: "TAP01".to_owned(),
                ..DriveReport::default()
            }],
            ..LibraryReport::default()
        }];
        let last = ActiveConfiguration {
            targets: vec![lost],
            ..ActiveConfiguration::default()
        };
        let [targets, libraries] = rows(&configured(vec![target("iqn.a", None)]), &last, None, &[]);
        let text = |text: &str| SqlValue::Text(text.to_owned());
        assert_eq!(targets[0][6], text("LOST"));
        let shown = [&libraries[0][1], &libraries[0][4], &libraries[0][5]];
        assert_eq!(shown, [&text("VARIED ON"), &text("TAP01"), &SqlValue::Null]);
    }

    #[test]
    fn a_row_has_a_value_for_each_column() {
        let of = configured(vec![target("iqn.a", None)]);
        let mut connected = active("iqn.a", TargetStatus::Connected);
        connected.report.libraries = vec![LibraryReport::default()];
        let last = ActiveConfiguration {
            targets: vec![connected],
            ..ActiveConfiguration::default()
        };
        for (view, rows) in VIEWS.iter().zip(rows(&of, &last, None, &[])) {
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].len(), view.columns.len(), "{}", view.name);
        }
    }
}
