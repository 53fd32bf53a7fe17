//! Dates in text, as FreeRADIUS reads and prints them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use crate::text::{scan, scan_signed};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Epoch seconds, or month name, day and year in any order, with a time if there is one.
pub(crate) fn read(text: &str, zone: &TimeZone) -> Option<u32> {
    let number = scan(text, 10);
    if number.rest.is_empty() {
        return Some(number.wrapped as u32);
    }
    // FreeRADIUS's buffer.
    let text: String = text.chars().take(63).collect();
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let mut fields = [words.next()?, words.next()?, words.next()?];
    let mut time = words.next();
    if let Some(time) = &mut time
        && let Some(field) = fields.iter_mut().find(|field| field.contains(':'))
    {
        std::mem::swap(field, time);
    }
    let (month, [year, day]) = split_month(fields)?;
    let (year, day) = match (scan_signed(year), scan_signed(day)) {
        (year @ 1900.., day) => (year, day),
        (day, year @ 1900..) => (year, day),
        _ => return None,
    };
    if !(1..=31).contains(&day) {
        return None;
    }
    let seconds = time.map_or(Some(0), time_of_day)?;
    let date = Date::new(i16::try_from(year).ok()?, month, 1).ok()?;
    let days = day.checked_sub(1)?;
    let local = date
        .to_datetime(jiff::civil::Time::midnight())
        .checked_add(days.days())
        .ok()?
        .checked_add(Span::new().try_seconds(seconds).ok()?)
        .ok()?;
    // The C library takes standard time where the clock shows an hour twice.
    let then = zone.to_ambiguous_timestamp(local).later().ok()?.as_second();
    (then != -1).then_some(then as u32)
}

/// Each field that begins with a letter goes to the front; the last of them names the month.
fn split_month(mut fields: [&str; 3]) -> Option<(i8, [&str; 2])> {
    let mut month = None;
    for at in 0..fields.len() {
        let field: &str = fields.get(at)?;
        if field.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let known = MONTHS.iter().position(|name| {
                field.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(name))
            });
            month = known.or(month);
            fields.swap(0, at);
        }
    }
    let [_, one, two] = fields;
    let number = i8::try_from(month?).ok()?.checked_add(1)?;
    Some((number, [one, two]))
}

/// `HH:MM` or `HH:MM:SS`; more than 60 of anything is more than one of the next.
fn time_of_day(text: &str) -> Option<i64> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
    let number = |text| i64::from(scan_signed(text));
    let hours = number(hours).checked_mul(3600)?;
    let minutes = number(minutes).checked_mul(60)?;
    hours.checked_add(minutes)?.checked_add(number(seconds))
}

/// `Dec  1 2024 10:11:12 UTC`.
pub(crate) fn print(seconds: u32, zone: &TimeZone) -> String {
    let Ok(then) = Timestamp::from_second(i64::from(seconds)) else { return seconds.to_string() };
    then.to_zoned_datetime(zone.clone()).strftime("%b %e %Y %H:%M:%S %Z").to_string()
}
