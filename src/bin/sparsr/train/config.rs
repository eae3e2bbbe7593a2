//! A configuration, read: TOML with `--set KEY=VALUE` laid over it. An unknown key is an error, and every error names
//! the file, the line, the key, what was expected and what was found.

use std::ops::Range;
use std::path::Path;

use toml::Table;
use toml::de::{DeTable, DeValue};

use super::schema::Config;
use crate::Result;

/// The defaults with a comment a key: what `--print-config` prints.
pub const DEFAULT: &str = include_str!("default.toml");

/// What was given, and where each key of it stands.
pub struct Given {
    file: String,
    text: String,
    sets: Vec<Set>,
    keys: Vec<Key>,
}

/// `--set KEY=VALUE`.
#[derive(Clone, Debug)]
pub struct Set {
    key: String,
    value: toml::Value,
    text: String,
}

/// A key of the file, and the bytes of it and of its value.
struct Key {
    path: String,
    spans: [Range<usize>; 2],
}

impl Set {
    /// A word that is no value of TOML is a string.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (key, value) =
            text.split_once('=').ok_or("expected KEY=VALUE, such as train.total_iter=20000")?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || key.split('.').any(str::is_empty) {
            return Err(format!("expected a key such as train.total_iter, found `{key}`"));
        }
        let table = toml::from_str::<Table>(&format!("value = {value}")).ok();
        let value = table.and_then(|mut table| table.remove("value")).unwrap_or_else(|| value.into());
        Ok(Self { key: key.into(), value, text: text.into() })
    }
}

/// Reads a file and what is laid over it.
pub fn read(path: &Path, sets: &[Set]) -> Result<(Config, Given)> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&path.display().to_string(), &text, sets)
}

pub fn parse(file: &str, text: &str, sets: &[Set]) -> Result<(Config, Given)> {
    let mut given = Given { file: file.into(), text: text.into(), sets: vec![], keys: vec![] };
    let table = DeTable::parse(text).map_err(|error| given.refused(&error))?;
    walk(table.get_ref(), "", &mut given.keys);
    let mut config: Config = toml::from_str(text).map_err(|error| given.refused(&error))?;
    let mut table: Table = toml::from_str(text).map_err(|error| given.refused(&error))?;
    for set in sets {
        let refused = |reason: String| format!("--set {}: {reason}", set.text);
        lay(&mut table, set).map_err(refused)?;
        config = table.clone().try_into().map_err(|error: toml::de::Error| refused(told(error.message())))?;
        given.sets.push(set.clone());
    }
    Ok((config, given))
}

/// Puts a value in its place, in tables that are made as they are needed and in lists by number.
fn lay(table: &mut Table, set: &Set) -> Result<(), String> {
    let (folder, name) = set.key.rsplit_once('.').unwrap_or(("", &set.key));
    let mut at = table;
    let mut parts = folder.split('.').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        let mut value = at.entry(part).or_insert_with(|| Table::new().into());
        if let toml::Value::Array(list) = value {
            let number = parts.next();
            let (len, number) = (list.len(), number.and_then(|number| number.parse::<usize>().ok()));
            let entry = number.and_then(|number| list.get_mut(number));
            value = entry
                .ok_or_else(|| format!("{part} is a list of {len}: expected a number below that after it"))?;
        }
        at = value.as_table_mut().ok_or_else(|| format!("{part} has a value and no keys"))?;
    }
    at.insert(name.into(), set.value.clone());
    Ok(())
}

fn walk(table: &DeTable<'_>, above: &str, keys: &mut Vec<Key>) {
    for (name, value) in table {
        let path =
            if above.is_empty() { name.get_ref().to_string() } else { format!("{above}.{}", name.get_ref()) };
        keys.push(Key { path: path.clone(), spans: [name.span(), value.span()] });
        match value.get_ref() {
            DeValue::Table(table) => walk(table, &path, keys),
            DeValue::Array(list) => {
                for (number, entry) in list.iter().enumerate() {
                    let path = format!("{path}.{number}");
                    keys.push(Key { path: path.clone(), spans: [entry.span(), entry.span()] });
                    if let DeValue::Table(table) = entry.get_ref() {
                        walk(table, &path, keys);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Given {
    /// The sentence that a key's value is refused with.
    pub fn error(&self, key: &str, reason: &str) -> String {
        let lies = |set: &&Set| set.key == key || key.starts_with(&format!("{}.", set.key));
        if let Some(set) = self.sets.iter().rev().find(lies) {
            return format!("--set {}: {key}: {reason}", set.text);
        }
        // What is not there would stand in the table around it.
        let mut around = Some(key);
        while let Some(path) = around {
            if let Some(known) = self.keys.iter().find(|known| known.path == path) {
                return format!("{}:{}: {key}: {reason}", self.file, self.line(known.spans[0].start));
            }
            around = path.rsplit_once('.').map(|(above, _)| above);
        }
        format!("{}: {key}: {reason}", self.file)
    }

    /// The configuration as a file: as it was given, or with what was laid over it.
    pub fn copy(&self, config: &Config) -> Result<String> {
        if self.sets.is_empty() {
            return Ok(self.text.clone());
        }
        let sets: String = self.sets.iter().map(|set| format!(" --set {}", set.text)).collect();
        Ok(format!("# {}{sets}\n{}", self.file, toml::to_string_pretty(config)?))
    }

    /// What TOML says of the text, with the key that it says it of.
    fn refused(&self, error: &toml::de::Error) -> String {
        let reason = told(error.message());
        let Some(span) = error.span() else { return format!("{}: {reason}", self.file) };
        let around = self.keys.iter().flat_map(|key| key.spans.iter().map(move |span| (key, span)));
        let around = around.filter(|(_, bytes)| bytes.start <= span.start && span.end <= bytes.end);
        let key = around
            .min_by_key(|(_, bytes)| bytes.len())
            .map_or(String::new(), |(key, _)| format!("{}: ", key.path));
        format!("{}:{}: {key}{reason}", self.file, self.line(span.start))
    }

    fn line(&self, byte: usize) -> usize {
        1 + self.text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count()
    }
}

/// serde's words in the program's.
fn told(message: &str) -> String {
    const KINDS: &[(&str, &str)] = &[
        ("f64", "a number"),
        ("u64", "a whole number of 0 or more"),
        ("a boolean", "true or false"),
        ("a sequence", "a list"),
        ("an array of length 2", "a list of two"),
        ("struct ", "a table: struct "),
    ];
    let message = message.trim().replace('\n', ", ");
    let wrong = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .find_map(|head| message.strip_prefix(head));
    if let Some((found, expected)) = wrong.and_then(|rest| rest.rsplit_once(", expected ")) {
        let kind = KINDS.iter().find(|(serde, _)| expected.starts_with(serde));
        let expected = kind.map_or(expected, |(_, words)| words.trim_end_matches(": struct "));
        return format!("expected {expected}, found {}", found.replace('`', ""));
    }
    match message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected ")) {
        Some((_, known)) => {
            let known = known.trim_start_matches("one of ").replace('`', "");
            format!("unknown key; known here: {known}")
        }
        None => message,
    }
}

#[cfg(test)]
mod tests;
