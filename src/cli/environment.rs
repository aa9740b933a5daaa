//! Options that are set by variables: `--stop-timeout` is `GOWARD_STOP_TIMEOUT`.

use super::Env;
use super::help::Command;
use super::parser::{is_near, split};
use super::table::Description;
use super::values::boolean;

/// The environment, as far as options are concerned.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// All variables of the environment.
    pub env: Env<'a>,
    /// The names of those that begin with our prefix.
    pub ours: &'a [String],
}

impl Environment<'_> {
    /// An environment without options.
    pub const EMPTY: Environment<'static> = Environment { env: &|_| None, ours: &[] };

    /// The name of an option's variable, and the values in it; none where it is not set.
    pub(super) fn values(&self, option: &Description, errors: &mut Vec<String>) -> Option<(String, Vec<String>)> {
        let name = self.ours.iter().find(|name| option.is_variable(name))?;
        let value = (self.env)(name)?;
        if value.contains('\0') {
            errors.push(format!("{name}: the value is not UTF-8"));
            return None;
        }
        let values = match (option.placeholder, boolean(&value)) {
            // An empty variable is how a manifest switches one off.
            (Some(_), _) if value.is_empty() => return None,
            (Some(_), _) => split(option, &value),
            (None, Ok(true)) => vec![String::new()],
            (None, Ok(false)) => return None,
            // TINI_VERBOSITY has taught people to write a number.
            (None, Err(_)) if option.name == "verbose" && value.parse::<u8>().is_ok_and(|n| n < 9) => {
                vec![String::new(); value.parse().unwrap_or(1)]
            }
            (None, Err(error)) => {
                errors.push(format!("{name}: {error}"));
                return None;
            }
        };
        Some((name.clone(), values))
    }

    /// Variables with our prefix that are no option's. They are no error, because an older goward must start under a newer
    /// manifest. But it must be said.
    pub fn strange(&self, command: &'static Command) -> Vec<String> {
        self.ours.iter().filter_map(|name| strange_variable(name, command)).take(MOST_NOTES).collect()
    }
}

/// So many are said: each is compared with all options, and the server waits.
const MOST_NOTES: usize = 20;

fn strange_variable(name: &str, command: &'static Command) -> Option<String> {
    // Kubernetes sets such variables for a Service whose name begins with goward.
    let service = ["_SERVICE_", "_PORT"].iter().any(|part| name.contains(part));
    if service || command.options().any(|option| option.is_variable(name)) {
        return None;
    }
    let meant = command.options().filter_map(|option| option.variable()).find(|known| is_near(name, known));
    let hint = meant.map_or(String::new(), |known| format!("; did you mean {known}?"));
    Some(format!("the variable {name} is not an option of goward{hint}"))
}
