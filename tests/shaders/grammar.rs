//! What WGSL's grammar forbids, browsers refuse and naga lets pass: operators side by side that want parentheses.
//!
//! ```text
//! expression   unaries joined by & alone, by | alone, or by ^ alone; or relations joined by && alone, or by || alone
//! relation     one shift, or one comparison of two
//! shift        sums of products; or one unary << or >> one unary
//! ```
//!
//! A text is read as operators between brackets and separators; what the operands are is not looked at.

/// A line, counted from one, and the operators that stand side by side there.
pub type Fault = (usize, String);

/// Names that take a list between `<` and `>`; behind any other name these compare.
const TEMPLATES: &[&str] = &["array", "atomic", "bitcast", "coopLoadT", "ptr", "var", "vec2", "vec3", "vec4"];

const KEYWORDS: &[&str] = &["return", "if", "else", "while", "switch", "case"];

const BITWISE: &[&str] = &["&", "|", "^"];
const LOGICAL: &[&str] = &["&&", "||"];
const COMPARISONS: &[&str] = &["<", ">", "<=", ">=", "==", "!="];
const SHIFTS: &[&str] = &["<<", ">>"];
const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "%"];

/// Tokens of more than one character, the longest first.
#[rustfmt::skip]
const LONG: &[&str] = &[
    "<<=", ">>=", "&&", "||", "<<", ">>", "<=", ">=", "==", "!=", "->", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=",
    "|=", "^=",
];

/// Every place in a text that wants parentheses.
pub fn faults(wgsl: &str) -> Vec<Fault> {
    let mut reader = Reader { open: vec![vec![]], templates: vec![], faults: vec![] };
    let mut before = "";
    let mut operand = false; // whether the token before ends one, so that an operator behind it has two
    let lines = wgsl.lines().zip(1..);
    for (token, line) in
        lines.flat_map(|(text, line)| tokens(text).into_iter().map(move |token| (token, line)))
    {
        let within_template = reader.templates.last() == Some(&reader.open.len());
        match token {
            "<" if TEMPLATES.contains(&before) => {
                reader.push();
                reader.templates.push(reader.open.len());
                operand = false;
            }
            ">" | ">>" if within_template => {
                for _ in token.chars() {
                    reader.templates.pop();
                    reader.pop();
                }
                operand = true;
            }
            "(" | "[" => {
                reader.push();
                operand = false;
            }
            ")" | "]" => {
                reader.pop();
                operand = true;
            }
            _ if ranks().any(|rank| rank.contains(&token)) => {
                if operand {
                    reader.run().push((token, line));
                }
                operand = false;
            }
            _ if token.starts_with(is_word) => operand = !KEYWORDS.contains(&token),
            "!" | "~" | "@" => {}
            _ => {
                reader.end();
                operand = false;
            }
        }
        before = token;
    }
    assert_eq!((reader.open.len(), reader.templates.len()), (1, 0), "brackets close");
    reader.faults
}

fn ranks() -> impl Iterator<Item = &'static [&'static str]> {
    [BITWISE, LOGICAL, COMPARISONS, SHIFTS, ARITHMETIC].into_iter()
}

/// Operators of two operands, and their lines.
type Run<'a> = Vec<(&'a str, usize)>;

struct Reader<'a> {
    /// The operators since the last separator, for each bracket that is open.
    open: Vec<Run<'a>>,
    /// Which of these are templates: how many were open then.
    templates: Vec<usize>,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> &mut Run<'a> {
        self.open.last_mut().expect("the outermost run stays")
    }

    fn push(&mut self) {
        self.open.push(vec![]);
    }

    fn pop(&mut self) {
        self.end();
        self.open.pop();
    }

    /// Looks at the operators since the last separator.
    fn end(&mut self) {
        let run = std::mem::take(self.run());
        let operators: Vec<&str> = run.iter().map(|(operator, _)| *operator).collect();
        if !is_grammatical(&operators) {
            self.faults.push((run[0].1, operators.join(" ")));
        }
    }
}

fn is_grammatical(operators: &[&str]) -> bool {
    let has = |rank: &[&str]| operators.iter().any(|operator| rank.contains(operator));
    let alike = || operators.iter().all(|operator| *operator == operators[0]);
    if has(BITWISE) {
        return alike();
    }
    let mut relations = operators.split(|operator| LOGICAL.contains(operator));
    !(has(&["&&"]) && has(&["||"]))
        && relations.all(|relation| {
            let mut shifts = relation.split(|operator| COMPARISONS.contains(operator));
            shifts.clone().count() <= 2
                && shifts.all(|shift| shift.len() <= 1 || !shift.iter().any(|o| SHIFTS.contains(o)))
        })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || "_.".contains(character)
}

/// The tokens of a line: words with their members, numbers, operators; comments left out.
fn tokens(line: &str) -> Vec<&str> {
    let mut rest = line.split("//").next().unwrap_or_default().trim_start();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let long = LONG.iter().find(|token| rest.starts_with(**token)).map_or(first.len_utf8(), |t| t.len());
        let word = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        let (token, behind) = rest.split_at(if is_word(first) { word } else { long });
        tokens.push(token);
        rest = behind.trim_start();
    }
    tokens
}

#[test]
fn operators_that_want_parentheses_are_seen() {
    let of = |expression: &str| {
        let found =
            faults(&format!("fn f(x: vec2<u32>) -> array<vec4<u32>, N + 1u> {{\n    y = {expression};\n}}"));
        found
            .into_iter()
            .map(|(line, operators)| format!("{line}: {operators}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    for (expression, expected) in [
        ("(at.live >> p & 1u) == 0u", "2: >> &"),
        ("a >> 4u & 15u", "2: >> &"),
        ("f(0u, list[i + 1u] >> (4u * t) & 15u, i < n)", "2: >> &"),
        ("a.x | a.y << 4u | a.z << 8u", "2: | << | <<"),
        ("a & b == 0u", "2: & =="),
        ("a | b & c", "2: | &"),
        ("a ^ b + 1u", "2: ^ +"),
        ("a << b + 1u", "2: << +"),
        ("a << b << c", "2: << <<"),
        ("a && b || c", "2: && ||"),
        ("a < b == c", "2: < =="),
        ("a[b | c & d] | e + f", "2: | &, 2: | +"),
    ] {
        assert_eq!(of(expression), expected, "{expression}");
    }
    for legal in [
        "((at.live >> p) & 1u) == 0u",
        "a.x | (a.y << 4u) | (a.z << 8u)",
        "a << b < c && d >> e != f + 1u * -g",
        "a & b & ~c",
        "!a || b < c || *d == e % 2u",
        "bitcast<vec4<f32>>(vec4<u32>(a[i], b)) >> vec4<u32>(c)",
        "f(&a, -b, c << 1u, d | e)",
        "vec2<u32>(a & b, c + d).x",
    ] {
        assert_eq!(of(legal), "", "{legal}");
    }
}
