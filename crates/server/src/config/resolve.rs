//! From what sources give to typed values: the reading that all sections share.

use std::collections::BTreeMap;
use std::time::Duration;

use vectorizer_memory::CacheLines;
use vectorizer_model::bytes::{ByteCount, GIB, KIB, MIB};

use super::duration;
use super::keys;
use super::origin::{Given, Origin, Text};
use super::settings::Shown;
use super::violation::Violation;

/// A byte count that somebody gave, and who.
pub type GivenBytes = Option<(u64, Origin)>;

/// Takes what sources give, and collects what is wrong with it.
#[derive(Default)]
pub(super) struct Resolver {
    pub(super) given: BTreeMap<String, Given>,
    pub(super) violations: Vec<Violation>,
    shown: BTreeMap<String, Shown>,
}

impl Resolver {
    /// Takes a source's values over those of lower rank.
    pub(super) fn accept(&mut self, values: impl IntoIterator<Item = Given>) {
        for given in values {
            let Given { path, text, origin } = &given;
            let (path, origin) = (path.clone(), origin.clone());
            match keys::find(&path) {
                // A setting without a value, such as `limit:`, is not given.
                Some(_) if *text == Text::Empty => {}
                Some(_) => {
                    self.given.insert(path, given);
                }
                None if path.is_empty() && *text == Text::Empty => {}
                None if keys::is_section(&path) && *text == Text::Empty => {}
                None if keys::is_section(&path) => {
                    self.violations.push(Violation::Section { path, origin });
                }
                None => {
                    let suggestion = keys::closest(&path);
                    self.violations.push(Violation::UnknownKey { path, origin, suggestion });
                }
            }
        }
    }

    /// A setting's value, or the default.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl Fn(&str) -> Option<T>,
        show: impl Fn(&T) -> String,
    ) -> T {
        let read = |text: &Text| match text {
            Text::List(_) => None,
            // Some YAML takes the word `off` for a truth value.
            Text::Typed(text) if text == "false" => read(text).or_else(|| read("off")),
            Text::Plain(text) | Text::Typed(text) => read(text),
            Text::Empty => read(""),
        };
        let (value, origin) = match self.given.get(key) {
            None => (default, Origin::Default),
            Some(Given { text, origin, .. }) => {
                let (read, origin) = (read(text), origin.clone());
                if let Some(value) = read {
                    (value, origin)
                } else {
                    let value = text.as_str().to_owned();
                    self.refuse(key, key, value, origin);
                    (default, Origin::Default)
                }
            }
        };
        self.show(key, Some(show(&value)), origin);
        value
    }

    pub(super) fn refuse(&mut self, known: &'static str, key: &str, value: String, origin: Origin) {
        let expects = keys::all().find(|key| key.path == known).map_or("", |key| key.expects);
        self.violations.push(Violation::Value { key: key.to_owned(), value, origin, expects });
    }

    pub(super) fn show(&mut self, key: &str, value: Option<String>, origin: Origin) {
        let key = key.to_owned();
        self.shown.insert(key.clone(), Shown { key, value, origin });
    }

    /// Who gave what a setting has.
    pub(super) fn origin_of(&self, key: &str) -> Origin {
        self.shown.get(key).map(|shown| shown.origin.clone()).unwrap_or_default()
    }

    /// Everything that was taken, in the order of the configuration file.
    pub(super) fn shown(&mut self) -> Vec<Shown> {
        let mut shown = std::mem::take(&mut self.shown);
        let mut all = Vec::with_capacity(shown.len());
        for key in keys::all() {
            match key.path.strip_suffix(".NAME") {
                None => all.extend(shown.remove(key.path)),
                Some(section) => {
                    let named = |path: &String| keys::name_below(path, section).is_some();
                    let before = all.len();
                    all.extend(shown.extract_if(.., |path, _| named(path)).map(|(_, shown)| shown));
                    if all.len() == before {
                        let (key, origin) = (key.path.to_owned(), Origin::Default);
                        all.push(Shown { key, value: None, origin });
                    }
                }
            }
        }
        all
    }

    pub(super) fn number(&mut self, key: &'static str, default: u64, min: u64, max: u64) -> u64 {
        let read = |text: &str| text.parse().ok().filter(|n| (min..=max).contains(n));
        self.take(key, default, read, u64::to_string)
    }

    pub(super) fn port(&mut self, key: &'static str, default: u16) -> u16 {
        self.take(key, default, |text| text.parse().ok(), u16::to_string)
    }

    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.take(key, default, |text| text.parse().ok(), bool::to_string)
    }

    pub(super) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        names: &[(&'static str, T)],
    ) -> T {
        let read = |text: &str| names.iter().find(|(name, _)| *name == text).map(|(_, v)| *v);
        let show = |value: &T| {
            let named = names.iter().find(|(_, v)| v == value);
            named.map_or("", |(name, _)| *name).to_owned()
        };
        self.take(key, default, read, show)
    }

    /// A share above 0, at most 1.
    pub(super) fn share(&mut self, key: &'static str, default: f64) -> f64 {
        let read = |text: &str| text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
        self.take(key, default, read, f64::to_string)
    }

    /// The same in thousandths, rounded, which is how fine the caches' steps are.
    pub(super) fn cache_share(&mut self, key: &'static str, default: f64) -> f64 {
        let read = |text: &str| {
            let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0)?;
            let permille = CacheLines::permille(share);
            (permille > 0).then(|| f64::from(permille) / 1000.0)
        };
        self.take(key, default, read, f64::to_string)
    }

    /// Longer than nothing.
    pub(super) fn duration(&mut self, key: &'static str, default: Duration) -> Duration {
        self.take(key, default, duration::read_some, |duration| duration::shown(*duration))
    }

    /// Longer than nothing, or `off`, which is none.
    pub(super) fn duration_or_off(
        &mut self,
        key: &'static str,
        default: impl Into<Option<Duration>>,
    ) -> Option<Duration> {
        let read = |text: &str| match text {
            "off" => Some(None),
            _ => duration::read_some(text).map(Some),
        };
        let show = |it: &Option<Duration>| it.map_or_else(|| "off".to_owned(), duration::shown);
        self.take(key, default.into(), read, show)
    }

    pub(super) fn bytes(&mut self, key: &'static str, default: u64) -> u64 {
        self.take(key, default, read_bytes, |bytes| shown_bytes(*bytes))
    }

    /// More than nothing, if it is given.
    pub(super) fn given_bytes(&mut self, key: &'static str) -> GivenBytes {
        let read = |text: &str| read_bytes(text).filter(|bytes| *bytes > 0).map(Some);
        let show = |bytes: &Option<u64>| bytes.map_or(String::new(), shown_bytes);
        let bytes = self.take(key, None, read, show)?;
        Some((bytes, self.origin_of(key)))
    }

    /// A text that a check admits, if it is given.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        admits: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let read = |text: &str| admits(text).then(|| Some(text.to_owned()));
        self.take(key, None, read, |text| text.clone().unwrap_or_default())
    }

    /// A list, written as one or as a text parted by commas.
    pub(super) fn list(&mut self, key: &'static str, admits: impl Fn(&str) -> bool) -> Vec<String> {
        let (items, origin) = match self.given.get(key) {
            None => (Vec::new(), Origin::Default),
            Some(Given { text, origin, .. }) => {
                let parted =
                    |text: &str| text.split(',').map(|item| item.trim().to_owned()).collect();
                let items: Vec<String> = match text {
                    Text::List(items) => items.clone(),
                    Text::Plain(text) | Text::Typed(text) if !text.is_empty() => parted(text),
                    Text::Plain(_) | Text::Typed(_) | Text::Empty => Vec::new(),
                };
                (items, origin.clone())
            }
        };
        let (fine, wrong): (Vec<String>, Vec<String>) =
            items.into_iter().partition(|item| admits(item));
        for value in wrong {
            self.refuse(key, key, value, origin.clone());
        }
        let shown = if fine.is_empty() { "[]".to_owned() } else { fine.join(", ") };
        self.show(key, Some(shown), origin);
        fine
    }

    /// Whether values that must ascend do.
    pub(super) fn check_order(&mut self, ascending: &[(&'static str, f64)]) {
        for pair in ascending.windows(2) {
            let [(first, low), (second, high)] = *pair else { continue };
            if low >= high {
                let tell = |key: &'static str, value: f64| {
                    format!("{key} is {value} ({})", self.origin_of(key))
                };
                let what = format!("{} and {}", tell(first, low), tell(second, high));
                self.violations.push(Violation::Order { what, first, second });
            }
        }
    }
}

fn read_bytes(text: &str) -> Option<u64> {
    text.parse::<ByteCount>().ok().map(|bytes| bytes.0)
}

/// In the largest unit that is exact, as it could be given.
pub(super) fn shown_bytes(bytes: u64) -> String {
    let units = [("GB", GIB), ("MB", MIB), ("KB", KIB)];
    let exact = units.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    exact.map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}
