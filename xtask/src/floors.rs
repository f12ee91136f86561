//! Floors: a crate depends only on crates of lower floors.

use crate::complaint::Complaint;
use crate::workspace::{Package, Workspace};

/// Complains of every crate without a floor, and of every dependency that does not lead down.
pub fn check(workspace: &Workspace) -> Vec<Complaint> {
    workspace.crates().flat_map(|package| check_crate(package, workspace.packages())).collect()
}

fn check_crate(package: &Package, packages: &[Package]) -> Vec<Complaint> {
    let Some(floor) = package.floor else {
        let reason = "the manifest has no floor: add `floor = N` under [package.metadata.gapless]";
        return vec![Complaint::about(&package.folder, reason)];
    };
    let mut complaints = Vec::new();
    for dependency in &package.dependencies {
        let Some(other) = packages.iter().find(|other| other.name == dependency.name) else {
            continue;
        };
        let by = match dependency.kind.as_deref() {
            Some("dev") => " for its tests",
            Some("build") => " for its build script",
            _ => "",
        };
        let reason = match other.floor {
            Some(below) if below < floor => continue,
            Some(above) => format!(
                "(floor {floor}) depends{by} on {} (floor {above}): a crate depends only on \
                 crates of lower floors",
                other.name
            ),
            None => format!("(floor {floor}) depends{by} on {}, which has no floor", other.name),
        };
        complaints.push(Complaint::about(&package.folder, reason));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, floor: Option<u64>, dependencies: &[(&str, Option<&str>)]) -> Package {
        Package {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            floor,
            license: None,
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency {
                    name: (*name).to_owned(),
                    kind: kind.map(str::to_owned),
                })
                .collect(),
        }
    }

    fn check(packages: &[Package], expected: &[&str]) {
        let complaints = packages.iter().flat_map(|package| check_crate(package, packages));
        let complaints: Vec<_> = complaints.map(|complaint| complaint.to_string()).collect();
        assert_eq!(complaints, expected);
    }

    #[test]
    fn down_is_allowed_and_strangers_are_ignored() {
        let dependencies = [("units", None), ("serde", None)];
        check(&[package("units", Some(0), &[]), package("trace", Some(1), &dependencies)], &[]);
    }

    #[test]
    fn up_and_sideways_are_not() {
        let trace = package("trace", Some(1), &[("diagnose", None)]);
        let diagnose = package("diagnose", Some(5), &[("diagnose", Some("dev"))]);
        check(
            &[trace, diagnose],
            &[
                "crates/trace: (floor 1) depends on diagnose (floor 5): a crate depends only on \
             crates of lower floors",
                "crates/diagnose: (floor 5) depends for its tests on diagnose (floor 5): a crate \
             depends only on crates of lower floors",
            ],
        );
    }

    #[test]
    fn a_crate_has_a_floor() {
        check(
            &[package("units", None, &[])],
            &["crates/units: the manifest has no floor: add `floor = N` under \
             [package.metadata.gapless]"],
        );
    }
}
