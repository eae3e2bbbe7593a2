//! A table as JSON, for a file: what people can read, and what is checked when it comes back.

use serde_json::{Map, Value, json};

use super::{Candidate, Choices, Class, Ranked};

impl Choices {
    /// Every class by its name: a list of pairs, candidate and cost.
    pub fn to_json(&self) -> Value {
        let pair = |ranked: &Ranked| json!([ranked.candidate.to_string(), ranked.cost]);
        let rows = self
            .classes()
            .map(|(class, ranking)| (class.to_string(), Value::Array(ranking.iter().map(pair).collect())));
        Value::Object(rows.collect::<Map<String, Value>>())
    }

    /// The table of [`Choices::to_json`].
    ///
    /// # Errors
    /// What was expected and what was found, if a name is not known, a candidate does not suit its class, or a cost
    /// is not one.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let rows = value.as_object().ok_or("expected an object of classes")?;
        let mut choices = Self::default();
        for (name, pairs) in rows {
            let class = Class::all().find(|class| class.to_string() == *name);
            let class = class.ok_or_else(|| format!("no class is called `{name}`"))?;
            let pairs = pairs.as_array().filter(|pairs| !pairs.is_empty());
            let pairs = pairs.ok_or_else(|| format!("{name}: expected a list of candidates"))?;
            let ranking = pairs.iter().map(|pair| ranked(class, pair)).collect::<Result<_, _>>();
            choices.set(class, ranking.map_err(|reason| format!("{name}: {reason}"))?);
        }
        Ok(choices)
    }
}

fn ranked(class: Class, pair: &Value) -> Result<Ranked, String> {
    let wrong = || format!("expected a candidate and its cost, found {pair}");
    let [Value::String(name), cost] = pair.as_array().map_or(&[][..], Vec::as_slice) else {
        return Err(wrong());
    };
    let candidate = Candidate::all().find(|candidate| candidate.to_string() == *name);
    let candidate = candidate.filter(|candidate| candidate.suits(class)).ok_or_else(wrong)?;
    let cost = match cost {
        Value::Null => None,
        number => Some(number.as_f64().map(|cost| cost as f32).filter(|cost| *cost > 0.0).ok_or_else(wrong)?),
    };
    if cost.is_some_and(f32::is_infinite) {
        return Err(wrong());
    }
    Ok(Ranked { candidate, cost })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Limits;

    #[test]
    fn a_table_comes_back_as_it_went() {
        let mut tables = vec![Choices::default(), (*Choices::shipped(&Limits::PORTABLE)).clone()];
        tables.extend(Candidate::all().map(Choices::only));
        for table in tables {
            let text = table.to_json().to_string();
            assert_eq!(Choices::from_json(&serde_json::from_str(&text).unwrap()), Ok(table));
        }
    }

    #[test]
    fn what_is_no_table_is_told() {
        for (text, reason) in [
            ("[]", "expected an object of classes"),
            (r#"{"9x9": []}"#, "no class is called `9x9`"),
            (r#"{"3x3 33-64 to 33-64 tile dense": []}"#, "expected a list of candidates"),
            (r#"{"3x3 33-64 to 33-64 tile dense": [["tiled 4x2"]]}"#, r#"found ["tiled 4x2"]"#),
            (r#"{"3x3 33-64 to 33-64 tile dense": [["tiled 3x3", 1.0]]}"#, "expected a candidate"),
            (r#"{"3x3 33-64 to 33-64 tile dense": [["tiled 4x2", -1.0]]}"#, "expected a candidate"),
            (r#"{"3x3 33-64 to 33-64 tile dense": [["tiled 4x2", 1e300]]}"#, "expected a candidate"),
            (r#"{"3x3 33-64 to 33-64 tile listed": [["tiled 4x2", 1.0]]}"#, "expected a candidate"),
            (r#"{"1x1 33-64 to 33-64 tile dense": [["winograd storage 4", 1.0]]}"#, "expected a candidate"),
            (r#"{"1x1 33-64 to 33-64 tile dense": [["pruned 4", 1.0]]}"#, "expected a candidate"),
            (r#"{"1x1 33-64 to 33-64 tile listed quarter": [["pruned 4", 1.0]]}"#, "no class is called"),
        ] {
            let error = Choices::from_json(&serde_json::from_str(text).unwrap()).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
