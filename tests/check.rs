//! `goward check`, as a user sees it: Dockerfiles, directories, archives, real builds FROM scratch, and what comes out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start programs and read the clock")]

mod support;

#[path = "check/buildfiles.rs"]
mod buildfiles;
#[path = "check/builds.rs"]
mod builds;
#[path = "check/dockerfiles.rs"]
mod dockerfiles;
#[path = "check/images.rs"]
mod images;
#[path = "check/outputs.rs"]
mod outputs;
#[path = "check/pages.rs"]
mod pages;
#[path = "check/recipes.rs"]
mod recipes;
#[path = "check/starts.rs"]
mod starts;
