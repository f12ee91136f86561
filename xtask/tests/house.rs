//! The rules of the house: each test holds one, and says in plain words where it is broken.

use xtask::{
    Complaint, Source, Workspace, WorkspaceError, directions, floors, generated, manifests,
    mentions, module_order, openings, sizes, words,
};

type Outcome = Result<(), WorkspaceError>;

fn workspace() -> Result<Workspace, WorkspaceError> {
    Workspace::read()
}

fn rust_files() -> Result<Vec<(String, Source)>, WorkspaceError> {
    workspace()?.rust_files()
}

#[track_caller]
fn check(complaints: &[Complaint]) {
    let lines: Vec<String> = complaints.iter().map(|complaint| format!("  {complaint}")).collect();
    assert!(lines.is_empty(), "the house objects:\n{}\n", lines.join("\n"));
}

#[test]
fn crates_depend_on_lower_floors_only() -> Outcome {
    check(&floors::check(&workspace()?));
    Ok(())
}

#[test]
fn files_import_from_modules_declared_above_them() -> Outcome {
    check(&module_order::check(&rust_files()?));
    Ok(())
}

#[test]
fn files_and_functions_stay_small() -> Outcome {
    check(&sizes::check(&rust_files()?));
    Ok(())
}

#[test]
fn names_use_the_words_of_the_house() -> Outcome {
    check(&words::check(&rust_files()?));
    Ok(())
}

#[test]
fn files_open_with_their_purpose() -> Outcome {
    check(&openings::check(&rust_files()?));
    Ok(())
}

#[test]
fn packages_have_the_license() -> Outcome {
    check(&manifests::check_licenses(&workspace()?));
    Ok(())
}

#[test]
fn packages_take_part_in_the_lints() -> Outcome {
    check(&manifests::check_lints(&workspace()?)?);
    Ok(())
}

#[test]
fn dependencies_come_from_the_public_index() -> Outcome {
    check(&manifests::check_sources(&workspace()?)?);
    Ok(())
}

#[test]
fn documents_point_to_what_exists() -> Outcome {
    check(&directions::check(&workspace()?)?);
    Ok(())
}

#[test]
fn the_project_speaks_of_itself() -> Outcome {
    check(&mentions::check(&workspace()?)?);
    Ok(())
}

#[test]
fn generated_files_are_current() -> Outcome {
    check(&generated::check(&workspace()?)?);
    Ok(())
}
